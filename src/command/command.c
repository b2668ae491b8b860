/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "console_relay.h"
#include "log/log.h"
#include "staged.h"

static int send_control(void *context, const void *message, int file)
{
    struct command *command = context;
    return process_send(command->process, PROCESS_CONTROL, message, &file, file >= 0);
}

int command_init(struct command *command)
{
    *command = (struct command){.config_dir = -1};
    command->self = (struct requester){.uid = getuid(), .pid = (uint32_t)getpid()};
    snprintf(command->self.reason, sizeof(command->self.reason), "configuration");
    requests_init(&command->requests, send_control, command);
    starts_init(&command->starts, command);
    server_init(&command->server, command);
    return config_reader_new(&command->reader);
}

bool command_applying(const struct command *command)
{
    uint32_t state = command->view.head ? command->view.head->apply.state : APPLY_NONE;
    return state == APPLY_TRIAL || state == APPLY_UNDOING;
}

int command_sync(struct command *command, const struct requester *requester, sync_done *done,
                 void *context)
{
    if (!command->view.head)
        return -ENOTCONN;
    if (!command->definitions.host_known && command->view.head->host.reserved_pcpus) {
        /* until host.xml is good, control's word counts for what cards there are */
        command->definitions.host = command->view.head->host;
        command->definitions.host_known = true;
    }
    int staged = staged_open(command->config_dir, &command->view.head->apply);
    definitions_read(&command->definitions, command->reader, command->config_dir, staged);
    if (staged >= 0)
        close(staged);
    return definitions_sync(&command->definitions, &command->view, &command->requests, requester,
                            done, context);
}

static void on_own_sync(void *context, const struct sync_line *lines, size_t count)
{
    struct command *command = context;

    for (size_t i = 0; i < count; i++) {
        if (lines[i].problem)
            log_warning("%s", lines[i].text);
        else
            log_info("%s", lines[i].text);
    }
    command->synchronized = true;
    starts_snapshot(&command->starts);
}

static void own_sync(struct command *command)
{
    int error = command_sync(command, &command->self, on_own_sync, command);
    if (error)
        log_error("cannot bring control to the configuration: %s", strerror(-error));
}

/* The first snapshot of a link: control may have lost what was said last, so compare. */
static void first_snapshot(struct command *command)
{
    command->current = true;
    command->settled = command_applying(command) ? 0 : command->view.head->apply.id;
    own_sync(command);
}

/* The end of an apply: other files are the configuration than when it was read last. */
static void note_apply(struct command *command)
{
    if (command_applying(command) || command->settled == command->view.head->apply.id)
        return;
    command->settled = command->view.head->apply.id;
    own_sync(command);
}

static int on_snapshot(void *context, struct frame *frame)
{
    struct command *command = context;
    const struct control_snapshot *message = (const void *)frame->bytes;
    struct snapshot_view view;
    int error = snapshot_view_open(&view, frame->files[0]);

    if (error || view.size != message->size || view.head->generation != message->generation) {
        log_error("control's snapshot %llu is not acceptable: %s",
                  (unsigned long long)message->generation, strerror(error ? -error : EBADMSG));
        if (!error)
            snapshot_view_close(&view);
        return -EBADMSG;
    }
    snapshot_view_close(&command->view);
    command->view = view;
    if (!command->current)
        first_snapshot(command);
    else
        note_apply(command);
    requests_snapshot(&command->requests, view.head->transaction);
    starts_snapshot(&command->starts);
    server_snapshot(&command->server);
    return 0;
}

static int on_result(void *context, struct frame *frame)
{
    struct command *command = context;
    return requests_answer(&command->requests, frame);
}

const struct frame_row command_control_rows[] = {
    {CONTROL_RESULT, 0, WIRE_MAX_FDS, sizeof(struct control_result), FRAME_ALWAYS, on_result},
    {CONTROL_SNAPSHOT, 1, 1, sizeof(struct control_snapshot), FRAME_ALWAYS, on_snapshot},
};
const size_t command_control_rows_count =
    sizeof(command_control_rows) / sizeof(command_control_rows[0]);

void command_control_up(void *context)
{
    struct command *command = context;

    command->connected = true;
    command->current = false;
    console_say_held(command);
    requests_resend(&command->requests);
}

void command_control_down(void *context)
{
    struct command *command = context;

    command->connected = false;
    command->current = false;
    server_snapshot(&command->server);
}
