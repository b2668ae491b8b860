/* SPDX-License-Identifier: Apache-2.0 */
#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "log/log.h"

/* For the test that proves the outbox's tests: nothing is held back. */
#ifdef PARCLOSE_MUTANT_SENDS_BEFORE_SYNC
#define MUTANT_SENDS_BEFORE_SYNC true
#else
#define MUTANT_SENDS_BEFORE_SYNC false
#endif

struct outbox_message {
    struct outbox_message *next;
    enum process_kind peer;
    size_t files_count;
    int files[WIRE_MAX_FDS];
    _Alignas(8) uint8_t bytes[];
};

static bool peer_up(const struct control *control, enum process_kind peer)
{
    switch (peer) {
    case PROCESS_COMMAND:
        return control->command_up;
    case PROCESS_TCB:
        return control->tcb_up;
    case PROCESS_SR_PCIM:
        return control->pcim_up;
    case PROCESS_LEAD:
        return control->lead_up;
    default:
        return peer == PROCESS_BOOT;
    }
}

static int send_now(struct control *control, enum process_kind peer, const void *message,
                    const int *files, size_t files_count)
{
    void *context = control->effects_context;

    if (peer == PROCESS_BOOT)
        return control->effects->send_boot(context, message);
    return control->effects->send(context, peer, message, files, files_count);
}

static void message_free(struct outbox_message *message)
{
    for (size_t i = 0; i < message->files_count; i++)
        close(message->files[i]);
    free(message);
}

static int message_new(struct outbox_message **result, enum process_kind peer, const void *bytes,
                       const int *files, size_t files_count)
{
    const struct wire_header *header = bytes;
    struct outbox_message *message;

    if (header->size > WIRE_MAX || files_count > WIRE_MAX_FDS)
        return -EINVAL;
    message = malloc(sizeof(*message) + header->size);
    if (!message)
        return -ENOMEM;
    *message = (struct outbox_message){.peer = peer};
    memcpy(message->bytes, bytes, header->size);
    for (; message->files_count < files_count; message->files_count++) {
        int copy = fcntl(files[message->files_count], F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
            int error = -errno;
            message_free(message);
            return error;
        }
        message->files[message->files_count] = copy;
    }
    *result = message;
    return 0;
}

static struct outbox_message *take(struct outbox *outbox, struct outbox_message **at)
{
    struct outbox_message *message = *at;

    *at = message->next;
    if (!message->next)
        outbox->last = at;
    outbox->count--;
    outbox->files_count -= message->files_count;
    return message;
}

static int keep(struct outbox *outbox, enum process_kind peer, const void *bytes, const int *files,
                size_t files_count)
{
    struct outbox_message *message = NULL;
    int error = message_new(&message, peer, bytes, files, files_count);

    if (error)
        return error;
    if (!outbox->first)
        outbox->last = &outbox->first;
    *outbox->last = message;
    outbox->last = &message->next;
    outbox->count++;
    outbox->files_count += files_count;
    return 0;
}

int control_send(struct control *control, enum process_kind peer, const void *message,
                 const int *files, size_t files_count)
{
    struct outbox *outbox = &control->outbox;

    if (!peer_up(control, peer))
        return -ENOTCONN;
    if (outbox->open &&
        (outbox->count >= OUTBOX_MAX || outbox->files_count + files_count > OUTBOX_FILES_MAX))
        control_group_end(control);
    if (outbox->open || outbox->going)
        return keep(outbox, peer, message, files, files_count);
    return send_now(control, peer, message, files, files_count);
}

void outbox_hold(struct control *control)
{
    if (control->outbox.open || MUTANT_SENDS_BEFORE_SYNC)
        return;
    control->outbox.open = true;
    control->effects->group(control->effects_context);
}

/* What a message makes known may make a link's end known: then more is said meanwhile, behind the
 * rest. A durable commit meanwhile closes the outbox again. */
static void send_all(struct control *control)
{
    struct outbox *outbox = &control->outbox;

    outbox->going = true;
    while (outbox->first && !outbox->open) {
        struct outbox_message *message = take(outbox, &outbox->first);
        if (peer_up(control, message->peer))
            send_now(control, message->peer, message->bytes, message->files, message->files_count);
        message_free(message);
    }
    outbox->going = false;
}

void control_group_end(struct control *control)
{
    if (!control->outbox.open || control->outbox.going)
        return;
    int error = audit_log_sync(control->log);
    if (error) {
        log_error("the audit log cannot be made durable: %s", strerror(-error));
        control->effects->fatal(control->effects_context);
        return;
    }
    control->outbox.open = false;
    control->sync_boottime_ns = 0; /* notes are durable with it */
    send_all(control);
}

void outbox_forget(struct control *control, enum process_kind peer)
{
    struct outbox_message **at = &control->outbox.first;

    while (*at) {
        if ((*at)->peer == peer)
            message_free(take(&control->outbox, at));
        else
            at = &(*at)->next;
    }
}

void outbox_free(struct outbox *outbox)
{
    while (outbox->first)
        message_free(take(outbox, &outbox->first));
}
