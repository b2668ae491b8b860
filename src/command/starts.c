/* SPDX-License-Identifier: Apache-2.0 */
#include "starts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "log/log.h"
#include "policy/select.h"

enum start_step { START_QUEUED, START_SYNCING, START_CHOOSING, START_SENT };

struct start {
    struct start *next;
    struct starts *starts;
    enum start_step step;
    unsigned attempts;
    uint64_t id;    /* the client's; 0: none */
    uint64_t stale; /* generation that control called old: another one is needed */
    char name[PARCLOSE_NAME_MAX];
    struct requester requester;
    start_done *done; /* NULL: nobody wants to know */
    void *context;
};

static void advance(struct starts *starts);

void starts_init(struct starts *starts, struct command *command)
{
    *starts = (struct starts){.command = command};
}

/* Takes the first off and tells who asked. The next one is begun by the caller's loop. */
static void finish(struct starts *starts, int error, uint64_t transaction, const char *text)
{
    struct start *start = starts->first;

    starts->deadline = sd_event_source_disable_unref(starts->deadline);
    starts->first = start->next;
    if (error && error != -EALREADY)
        log_warning("partition %s is not started: %s", start->name, text);
    if (start->done)
        start->done(start->context, error, transaction, text);
    free(start);
}

static int on_deadline(sd_event_source *source, uint64_t now, void *data)
{
    struct starts *starts = data;

    (void)source;
    (void)now;
    starts->deadline = sd_event_source_disable_unref(starts->deadline);
    finish(starts, -ETIMEDOUT, 0, "control does not report the definition: is it running?");
    advance(starts);
    return 0;
}

static void arm(struct starts *starts)
{
    uint64_t now;

    if (starts->deadline || sd_event_now(starts->command->event, CLOCK_MONOTONIC, &now) < 0)
        return;
    sd_event_add_time(starts->command->event, &starts->deadline, CLOCK_MONOTONIC,
                      now + STARTS_WAIT_US, 0, on_deadline, starts);
}

static const char *problem_of(const struct start *start, const struct sync_line *lines,
                              size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lines[i].problem && !strcmp(lines[i].name, start->name))
            return lines[i].text;
    return NULL;
}

/* The files are read and control has answered: is there such a partition now? */
static void on_synced(void *context, const struct sync_line *lines, size_t count)
{
    struct start *start = context;
    struct starts *starts = start->starts;
    struct command *command = starts->command;
    const char *problem = problem_of(start, lines, count);
    const struct definition *definition = definitions_find(&command->definitions, start->name);
    char text[CONFIG_ERROR_MAX];

    snprintf(text, sizeof(text), "there is no partition %s: partitions/%s.xml does not exist",
             start->name, start->name);
    start->step = START_CHOOSING;
    if (problem)
        finish(starts, -EINVAL, 0, problem);
    else if (!definition)
        finish(starts, -ENOENT, 0, text);
    advance(starts);
}

static void begin(struct start *start)
{
    struct starts *starts = start->starts;

    start->step = START_SYNCING;
    int error = command_sync(starts->command, &start->requester, on_synced, start);
    if (error)
        finish(starts, error, 0,
               error == -ENOTCONN ? "control has not reported yet" : strerror(-error));
}

static void on_result(void *context, const struct control_result *result, struct frame *frame)
{
    struct start *start = context;
    struct starts *starts = start->starts;

    (void)frame;
    if (result->error == -ESTALE && ++start->attempts < STARTS_ATTEMPTS) {
        start->step = START_CHOOSING;
        arm(starts);
    } else {
        finish(starts, result->error, result->transaction,
               result->error && !result->text[0] ? strerror(-result->error) : result->text);
    }
    advance(starts);
}

static void send_start(struct start *start, const struct selection *selection)
{
    struct starts *starts = start->starts;
    struct control_partition_start message = {
        .requester = start->requester,
        .generation = selection->generation,
        .memory_node = selection->memory_node,
        .pcpus_count = selection->pcpus_count,
    };

    memcpy(message.name, start->name, sizeof(message.name));
    memcpy(message.pcpus, selection->pcpus, sizeof(message.pcpus));
    start->step = START_SENT;
    start->stale = selection->generation;
    starts->deadline = sd_event_source_disable_unref(starts->deadline);
    int error = requests_add_as(&starts->command->requests, start->id, CONTROL_PARTITION_START,
                                &message, sizeof(message), on_result, start);
    if (error)
        finish(starts, error, 0, strerror(-error));
}

/* False: the snapshot that it needs is not there yet. */
static bool choose(struct start *start)
{
    struct command *command = start->starts->command;
    const struct snapshot_partition *partition =
        snapshot_view_partition(&command->view, start->name);
    const struct definition *definition = definitions_find(&command->definitions, start->name);
    struct selection selection;
    char text[PARCLOSE_REASON_MAX];

    if (definition && !definition->good) {
        finish(start->starts, -EINVAL, 0, definition->error.text);
        return true;
    }
    if (!command->current || !partition || !definition ||
        (start->attempts && command->view.head->generation == start->stale))
        return false;
    if (partition->phase == PHASE_STOPPING || partition->phase == PHASE_RELEASING) {
        finish(start->starts, -EBUSY, 0, "it is being stopped");
        return true;
    }
    if (!snapshot_partition_stopped(partition) &&
        start->id) { /* by this very request? control knows */
        send_start(start, &(struct selection){.generation = command->view.head->generation});
        return true;
    }
    if (!snapshot_partition_stopped(partition)) {
        finish(start->starts, -EALREADY, 0, "it is started already");
        return true;
    }
    if (memcmp(&partition->config, &definition->config, sizeof(partition->config)) != 0)
        return false;
    int error = policy_select(&command->view, &definition->config, &selection, text);
    if (error)
        finish(start->starts, error, 0, text);
    else
        send_start(start, &selection);
    return true;
}

/* As far as it goes without an answer or a new snapshot. What it calls may call it again. */
static void advance(struct starts *starts)
{
    bool more = true;

    if (starts->advancing)
        return;
    starts->advancing = true;
    while (more && starts->first) {
        struct start *start = starts->first;
        if (start->step == START_QUEUED)
            begin(start);
        else if (start->step != START_CHOOSING)
            more = false;
        else if (!choose(start))
            more = false, arm(starts);
    }
    starts->advancing = false;
}

int starts_add(struct starts *starts, const char *name, uint64_t id,
               const struct requester *requester, start_done *done, void *context)
{
    struct start **last = &starts->first;
    size_t count = 0;

    for (; *last; last = &(*last)->next)
        if (++count == STARTS_MAX)
            return -ENOBUFS;
    struct start *start = calloc(1, sizeof(*start));
    if (!start)
        return -ENOMEM;
    *start = (struct start){
        .starts = starts, .id = id, .requester = *requester, .done = done, .context = context};
    snprintf(start->name, sizeof(start->name), "%s", name);
    *last = start;
    if (starts->first == start)
        advance(starts);
    return 0;
}

const struct autostart *starts_autostart(const struct starts *starts, const char *name)
{
    for (size_t i = 0; i < starts->tried_count; i++)
        if (!strcmp(starts->tried[i].name, name))
            return &starts->tried[i];
    return NULL;
}

static void on_autostarted(void *context, int error, uint64_t transaction, const char *text)
{
    struct autostart *autostart = context;

    (void)transaction;
    autostart->ended = true;
    if (error && error != -EALREADY)
        snprintf(autostart->text, sizeof(autostart->text), "%s", text);
}

static bool wants_autostart(const struct starts *starts, const struct snapshot_partition *partition)
{
    const struct definition *definition =
        definitions_find(&starts->command->definitions, partition->config.name);

    return definition && definition->good && definition->config.autostart &&
           partition->phase == PHASE_DEFINED && partition->exit == EXIT_NONE &&
           !(partition->states & STATE_BIT(STATE_ACTIVE)) &&
           !starts_autostart(starts, definition->name);
}

static void autostart_all(struct starts *starts)
{
    struct command *command = starts->command;
    struct requester requester = command->self;

    snprintf(requester.reason, sizeof(requester.reason), "autostart");
    for (uint32_t i = 0; i < command->view.head->partitions_count; i++) {
        const struct snapshot_partition *partition = &command->view.partitions[i];
        if (starts->tried_count == PARCLOSE_MAX_PARTITIONS || !wants_autostart(starts, partition))
            continue;
        struct autostart *autostart = &starts->tried[starts->tried_count++];
        memcpy(autostart->name, partition->config.name, sizeof(autostart->name));
        int error = starts_add(starts, autostart->name, 0, &requester, on_autostarted, autostart);
        if (error)
            log_error("autostart of %s: %s", partition->config.name, strerror(-error));
    }
}

void starts_snapshot(struct starts *starts)
{
    advance(starts);
    if (starts->command->current && starts->command->synchronized &&
        !command_applying(starts->command))
        autostart_all(starts);
}

void starts_forget(struct starts *starts, const void *context)
{
    for (struct start *start = starts->first; start; start = start->next)
        if (start->context == context)
            start->done = NULL;
}
