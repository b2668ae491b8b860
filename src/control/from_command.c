/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What command asks for: one row a request, one RESULT an answer. A request that was committed
 * before (its answer was lost with a predecessor, or with command) is answered alike and does
 * nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "channels.h"
#include "check.h"
#include "config/proposal.h"
#include "control.h"
#include "drive.h"
#include "host.h"
#include "lifecycle.h"
#include "log/log.h"
#include "orders.h"
#include "replies.h"
#include "transaction.h"

/* Every request begins like this. */
struct request {
    struct wire_header header;
    struct requester requester;
};

static bool request_ok(const struct request *request)
{
    return request->header.id != 0 &&
           frame_string_ok(request->requester.reason, sizeof(request->requester.reason));
}

/* A request that is a transaction: judged, committed, answered, once. */
static int serve(struct control *control, const struct frame *frame,
                 int (*act)(struct control *control, const void *request, char *text))
{
    const struct request *request = (const void *)frame->bytes;
    char text[PARCLOSE_REASON_MAX] = "";

    if (!request_ok(request))
        return -EBADMSG;
    int error = request_known(control, &request->header) ? 0 : act(control, request, text);
    if (error)
        log_info("request 0x%x of command refused: %s", request->header.type, text);
    reply_command(control, request->header.id, error,
                  error ? 0 : request_known(control, &request->header), text, NULL, 0);
    return 0;
}

static int act_host_set(struct control *control, const void *request, char *text)
{
    return host_set(control, request, text);
}

/* -EBADMSG: command has looked at what it sends, so this is not command's. */
static int take_apply(struct control *control, const struct frame *frame, struct proposal *proposal,
                      char *text)
{
    const struct control_apply *request = (const void *)frame->bytes;
    int error = proposal_open(frame->files[0], proposal, text);

    if (error)
        return error == -ENOMEM ? error : -EBADMSG;
    const uint64_t all = (UINT64_C(1) << proposal->partitions_count) - 1;
    const uint32_t sets[] = {request->left, request->added, request->running, request->restarted};
    uint32_t seen = 0;

    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); seen |= sets[i++])
        if (sets[i] & ~all || sets[i] & seen)
            return -EBADMSG;
    return apply_begin(control, request, proposal, text);
}

/* One that was committed is answered alike, whatever command's successor planned meanwhile. */
static int on_apply(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct request *request = (const void *)frame->bytes;
    char text[PARCLOSE_REASON_MAX] = "";
    int error = 0;

    if (!request_ok(request))
        return -EBADMSG;
    uint64_t known = request_known_by_id(control, request->header.id, CONTROL_APPLY);
    if (!known) {
        struct proposal *proposal = malloc(sizeof(*proposal));
        error = proposal ? take_apply(control, frame, proposal, text)
                         : refuse(text, -ENOMEM, "there is no memory for it");
        free(proposal);
        known = error ? 0 : control->db->apply.begun;
    }
    if (error == -EBADMSG)
        return error;
    if (error)
        log_info("apply refused: %s", text);
    reply_command(control, request->header.id, error, known, text, NULL, 0);
    return 0;
}

static int act_define(struct control *control, const void *request, char *text)
{
    return partition_define(control, request, text);
}

static int act_undefine(struct control *control, const void *request, char *text)
{
    return partition_undefine(control, request, text);
}

static int act_start(struct control *control, const void *request, char *text)
{
    return partition_start(control, request, text);
}

static int act_stop(struct control *control, const void *request, char *text)
{
    return partition_stop(control, request, text);
}

static int act_shutdown(struct control *control, const void *request, char *text)
{
    return control_shutdown(control, request, text);
}

static int on_host_set(void *control, struct frame *frame)
{
    return serve(control, frame, act_host_set);
}

static int on_define(void *control, struct frame *frame)
{
    return serve(control, frame, act_define);
}

static int on_undefine(void *control, struct frame *frame)
{
    return serve(control, frame, act_undefine);
}

static int on_start(void *control, struct frame *frame)
{
    return serve(control, frame, act_start);
}

static int on_stop(void *control, struct frame *frame)
{
    return serve(control, frame, act_stop);
}

static int on_shutdown(void *control, struct frame *frame)
{
    return serve(control, frame, act_shutdown);
}

static int on_audit_open(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct request *request = (const void *)frame->bytes;
    int files[WIRE_MAX_FDS];

    if (!request_ok(request))
        return -EBADMSG;
    ssize_t count = audit_log_files(control->log, files, WIRE_MAX_FDS);
    if (count < 0)
        reply_command(control, request->header.id, (int)count, 0,
                      "the audit log's files cannot be opened", NULL, 0);
    else
        reply_command(control, request->header.id, 0, 0, "", files, (size_t)count);
    for (ssize_t i = 0; i < count; i++)
        close(files[i]);
    return 0;
}

static struct file_wait *wait_free(struct control *control)
{
    for (size_t i = 0; i < CONTROL_FILES_MAX; i++)
        if (!control->files[i].order)
            return &control->files[i];
    return NULL;
}

/* The partition whose lead is to be asked for files of its monitor, and a place to wait. */
static int wait_for_files(struct control *control, const struct request *request, const char *name,
                          struct file_wait **wait, char *text)
{
    const struct partition *partition = db_partition_named(control->db, name);

    *wait = wait_free(control);
    if (!partition)
        return refuse(text, -ENOENT, "no partition %s is defined", name);
    if (!partition->monitor.present)
        return refuse(text, -ESRCH, "partition %s has no monitor: start it first", name);
    if (!*wait || !control->lead_synced)
        return refuse(text, -EAGAIN, "the lead monitor is busy or restarting: try again");
    **wait = (struct file_wait){
        .request = request->header.id, .partition = partition->id, .requester = request->requester};
    return 0;
}

static int open_console(struct control *control, const struct control_partition_name *request,
                        char *text)
{
    struct file_wait *wait;
    int error = wait_for_files(control, (const void *)request, request->name, &wait, text);

    if (error)
        return error;
    wait->order = order_id(ORDER_CONSOLE, ++control->file_orders);
    const struct lead_order order = {.header =
                                         frame_header(LEAD_CONSOLE, sizeof(order), wait->order),
                                     .partition = wait->partition};
    control_send(control, PROCESS_LEAD, &order, NULL, 0);
    return 0;
}

static int on_console_open(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct control_partition_name *request = (const void *)frame->bytes;
    char text[PARCLOSE_REASON_MAX] = "";

    if (!request_ok((const void *)frame->bytes) ||
        !frame_string_ok(request->name, sizeof(request->name)))
        return -EBADMSG;
    int error = open_console(control, request, text);
    if (error)
        reply_command(control, request->header.id, error, 0, text, NULL, 0);
    return 0;
}

/* Counts are for everybody who reaches command; a guest's memory and registers are not. */
static int open_session(struct control *control, const struct control_session *request, char *text)
{
    struct file_wait *wait;
    int error;

    if (request->kind != SESSION_LOOK && request->requester.uid != 0)
        return refuse(text, -EPERM, "only root may look into a guest");
    error = wait_for_files(control, (const void *)request, request->name, &wait, text);
    if (error)
        return error;
    wait->order = order_id(ORDER_SESSION, ++control->file_orders);
    wait->session = request->kind;
    const struct lead_session order = {.header =
                                           frame_header(LEAD_SESSION, sizeof(order), wait->order),
                                       .partition = wait->partition,
                                       .kind = request->kind};
    control_send(control, PROCESS_LEAD, &order, NULL, 0);
    return 0;
}

static int on_session_open(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct control_session *request = (const void *)frame->bytes;
    char text[PARCLOSE_REASON_MAX] = "";

    if (!request_ok((const void *)frame->bytes) ||
        !frame_string_ok(request->name, sizeof(request->name)) || request->kind <= SESSION_NONE ||
        request->kind >= SESSION_KINDS)
        return -EBADMSG;
    int error = open_session(control, request, text);
    if (error)
        reply_command(control, request->header.id, error, 0, text, NULL, 0);
    return 0;
}

static int on_order(void *control, struct frame *frame)
{
    const struct control_order *order = (const void *)frame->bytes;
    bool of_pf = order->order != DEVICE_ORDER_SR_PCIM_RESET;

    if (!request_ok((const void *)frame->bytes) || order->order == DEVICE_ORDER_NONE ||
        order->order >= DEVICE_ORDERS || order->force > 1 || of_pf != (order->pf.value != 0))
        return -EBADMSG;
    orders_take(control, order);
    return 0;
}

const struct frame_row command_rows[] = {
    {CONTROL_HOST_SET, 0, 0, sizeof(struct control_host_set), FRAME_ALWAYS, on_host_set},
    {CONTROL_PARTITION_DEFINE, 0, 0, sizeof(struct control_partition_define), FRAME_ALWAYS,
     on_define},
    {CONTROL_PARTITION_UNDEFINE, 0, 0, sizeof(struct control_partition_name), FRAME_ALWAYS,
     on_undefine},
    {CONTROL_PARTITION_START, 0, 0, sizeof(struct control_partition_start), FRAME_ALWAYS, on_start},
    {CONTROL_PARTITION_STOP, 0, 0, sizeof(struct control_partition_stop), FRAME_ALWAYS, on_stop},
    {CONTROL_CONSOLE_OPEN, 0, 0, sizeof(struct control_partition_name), FRAME_ALWAYS,
     on_console_open},
    {CONTROL_SESSION_OPEN, 0, 0, sizeof(struct control_session), FRAME_ALWAYS, on_session_open},
    {CONTROL_AUDIT_OPEN, 0, 0, sizeof(struct control_plain), FRAME_ALWAYS, on_audit_open},
    {CONTROL_CHECK, 0, 0, sizeof(struct control_plain), FRAME_ALWAYS, on_check},
    {CONTROL_CHANNEL_HELD, 0, 0, sizeof(struct control_channel), FRAME_ALWAYS, on_channel_held},
    {CONTROL_CHANNEL_SYNC, 0, 0, sizeof(struct control_channel_sync), FRAME_ALWAYS,
     on_channel_sync},
    {CONTROL_CHANNEL_DETACHED, 0, 0, sizeof(struct control_channel), FRAME_ALWAYS,
     on_channel_detached},
    {CONTROL_ORDER, 0, 0, sizeof(struct control_order), FRAME_ALWAYS, on_order},
    {CONTROL_APPLY, 1, 1, sizeof(struct control_apply), FRAME_ALWAYS, on_apply},
    {CONTROL_SHUTDOWN, 0, 0, sizeof(struct control_plain), FRAME_ALWAYS, on_shutdown},
};
const size_t command_rows_count = sizeof(command_rows) / sizeof(command_rows[0]);

void command_up(void *context)
{
    struct control *control = context;

    control->command_up = true;
    channels_unsaid(control);
    control_changed(control);
}

void command_down(void *context)
{
    struct control *control = context;

    control->command_up = false;
    outbox_forget(control, PROCESS_COMMAND);
    memset(control->files, 0, sizeof(control->files));
}
