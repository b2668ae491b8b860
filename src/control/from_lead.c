/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lead says of monitors, and its answers to orders.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "channels.h"
#include "control.h"
#include "drive.h"
#include "gate.h"
#include "hotplug.h"
#include "lifecycle.h"
#include "log/log.h"
#include "news.h"
#include "processors.h"
#include "recovery.h"
#include "replies.h"
#include "resets.h"
#include "tell.h"
#include "transaction.h"
#include "wire/monitor_word.h"

#define RETRY_NS UINT64_C(1000000000)

static bool monitor_ok(const struct lead_monitor *monitor)
{
    return monitor->partition.value >= 1 && monitor->partition.value <= PARCLOSE_MAX_PARTITIONS &&
           monitor->present <= 1 && monitor->frozen <= 1 &&
           monitor->states < STATE_BIT(PARTITION_STATES) && monitor->exit < EXIT_REASONS &&
           monitor->vcpus_count <= PARCLOSE_MAX_VCPUS && monitor->session < SESSION_KINDS &&
           monitor->stopped <= 1 && monitor->attached < UINT32_C(1) << PARCLOSE_MAX_CHANNELS &&
           monitor_seats_ok(monitor->vfs) && monitor_channels_ok(monitor->channels) &&
           frame_string_ok(monitor->text, sizeof(monitor->text));
}

/* A monitor that no start stands for: ended. */
static void stray(struct control *control, struct partition_id id)
{
    const struct lead_stop message = {
        .header = frame_header(LEAD_STOP, sizeof(message), order_id(ORDER_STOP, 0)),
        .partition = id,
        .force = 1};

    log_warning("lead has a monitor for partition %u, which is not started: stopped", id.value);
    control_send(control, PROCESS_LEAD, &message, NULL, 0);
}

static void note_created(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;

    if (run.created)
        return;
    run.created = 1;
    transaction_begin(control, AUDIT_START, AUDIT_APPLIED, run.start_transaction);
    transaction_run(control, partition, &run);
    transaction_commit(control, false);
}

/* Other VFs are on its bus than before, whatever their marks. */
static bool other_seats(const struct vf_seat *old, const struct vf_seat *now)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (old[i].vf.value != now[i].vf.value || !old[i].marks != !now[i].marks)
            return true;
    return false;
}

static void monitor_said(struct control *control, struct partition *partition,
                         const struct lead_monitor *message)
{
    bool seats = !partition->said || other_seats(partition->monitor.vfs, message->vfs);

    news_note(control, partition, message);
    partition->monitor = *message;
    partition->said = true;
    resets_follow(control, partition);
    tell_requests(control, partition, message->vfs);
    if (seats && partition->run.channels)
        tell_wants(control, partition);
    note_created(control, partition);
    /* A thaw that was on its way when its attach was undone. */
    if (partition->run.attach == ATTACH_NONE && partition->run.attach_transaction &&
        !message->frozen && (message->states & STATE_BIT(STATE_PROCESSOR_IMAGE)))
        gate_undo(control, partition, true, "thawed without an attach that stands");
    drive_partition(control, partition);
}

static int on_monitor(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct lead_monitor *message = (const void *)frame->bytes;

    if (!monitor_ok(message))
        return -EBADMSG;
    struct partition *partition = &control->db->partitions[message->partition.value - 1];
    partition->attached = message->attached;
    if (partition_started(partition) && message->present)
        monitor_said(control, partition, message);
    else if (message->present)
        stray(control, message->partition);
    else if (partition_started(partition) && (partition->monitor.present || partition->run.created))
        partition_gone(control, partition, (enum exit_reason)message->exit, message->text);
    control_changed(control);
    return 0;
}

static int on_sync(void *context, struct frame *frame)
{
    struct control *control = context;
    (void)frame;

    recovery_from_lead(control);
    control_changed(control);
    shutdown_finish(control);
    return 0;
}

static void channels_failed(struct control *control, struct partition *partition,
                            const struct lead_result *message)
{
    struct partition_run run = partition->run;

    run.channels = 0;
    transaction_begin(control, AUDIT_CHANNELS, AUDIT_UNDONE, run.start_transaction);
    transaction_text(control, "%.150s", message->text);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, false))
        return;
    memcpy(partition->trouble, message->text, sizeof(partition->trouble));
    tell_wants(control, partition);
}

/* Whatever is tried again after it is tried at a walking pace. */
static void order_failed(struct control *control, struct partition *partition, enum order order,
                         const char *text)
{
    log_warning("partition %s: lead could not follow order %d: %s", partition->config.name,
                (int)order, text);
    partition->retry_boottime_ns = control_boottime(control) + RETRY_NS;
    control_arm(control);
}

static void result_of(struct control *control, struct partition *partition, enum order order,
                      const struct lead_result *message)
{
    enum attach_state attach = (enum attach_state)partition->run.attach;

    partition->ordered &= ~(UINT32_C(1) << order);
    if (!message->error && (order == ORDER_ATTACH || order == ORDER_DETACH))
        partition->monitor.frozen = order == ORDER_DETACH; /* and the monitor will be said */
    if (message->error && order != ORDER_STOP)
        order_failed(control, partition, order, message->text);
    if (order == ORDER_CREATE && message->error && message->error != -EAGAIN)
        partition_fail(control, partition, message->text);
    else if (order == ORDER_CREATE && !message->error) {
        partition->ordered |= UINT32_C(1) << order; /* its monitor will be said */
        note_created(control, partition);
    } else if (order == ORDER_CHANNELS && message->error)
        channels_failed(control, partition, message);
    else if (order == ORDER_CHANNELS) {
        partition->trouble[0] = 0;
        partition->ordered |= UINT32_C(1) << order; /* done: not to be repeated on this link */
    } else if (order == ORDER_ATTACH && attach == ATTACH_COMMITTED && message->error)
        gate_undo(control, partition, true, message->text);
    else if (order == ORDER_ATTACH && attach == ATTACH_COMMITTED)
        gate_attached(control, partition, message->done_ns);
    else if (order == ORDER_DETACH && attach == ATTACH_UNDOING && !message->error)
        gate_detached(control, partition);
    else if (order == ORDER_VF_ADD || order == ORDER_VF_REMOVE)
        hotplug_result(control, partition, order, message);
    else if (order == ORDER_STOP && (message->error == -ENOENT || message->error == -ESRCH))
        partition_gone(control, partition, EXIT_STOPPED, "");
    else if (order == ORDER_STOP)
        partition->ordered |= UINT32_C(1) << order;
    else if (order == ORDER_PROCESSORS && !message->error)
        partition->processors_due = false;
    if (partition_started(partition))
        drive_partition(control, partition);
}

/* Who looks into a guest is in the log before he can; counts alone are nothing to be logged. */
static int note_session(struct control *control, const struct partition *partition,
                        const struct file_wait *wait)
{
    if (wait->session == SESSION_LOOK)
        return 0;
    transaction_begin(control, AUDIT_SESSION, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_COMMAND, &wait->requester);
    transaction_text(control, "%s of partition %s",
                     wait->session == SESSION_DUMP ? "dump" : "debugger", partition->config.name);
    transaction_run(control, partition, &partition->run); /* the same: whose it is */
    return transaction_commit(control, true);
}

static int note_files(struct control *control, struct partition *partition,
                      const struct file_wait *wait)
{
    return wait->session ? note_session(control, partition, wait)
                         : channel_attach(control, partition, &wait->requester);
}

static void hand_files(struct control *control, struct frame *frame,
                       const struct lead_result *message, const struct file_wait *wait)
{
    struct partition *partition = db_partition(control->db, wait->partition);
    size_t files = wait->session ? 1 : 3;
    int error = message->error;
    const char *text = message->text;

    if (!error && frame->files_count != files)
        error = -EIO;
    if (!error && (!partition || !partition->monitor.present)) {
        error = -ESRCH;
        text = "its monitor has just ended";
    }
    if (!error && note_files(control, partition, wait)) {
        error = -EIO;
        text = "the audit log cannot be written";
    }
    reply_command(control, wait->request, error, 0, error ? text : "", frame->files,
                  error ? 0 : files);
}

static void files_result(struct control *control, struct frame *frame,
                         const struct lead_result *message)
{
    for (size_t i = 0; i < CONTROL_FILES_MAX; i++) {
        struct file_wait *wait = &control->files[i];
        if (!wait->order || wait->order != message->header.id)
            continue;
        hand_files(control, frame, message, wait);
        *wait = (struct file_wait){0};
    }
}

/* The transaction that the order with this id belongs to must still be the partition's. */
static bool result_is_due(const struct partition *partition, enum order order, uint64_t id)
{
    return partition_started(partition) && id == drive_order_id(partition, order);
}

static int on_result(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct lead_result *message = (const void *)frame->bytes;
    enum order order = (enum order)(message->header.id & 15);

    if (message->partition.value < 1 || message->partition.value > PARCLOSE_MAX_PARTITIONS ||
        !frame_error_ok(message->error) || !frame_string_ok(message->text, sizeof(message->text)) ||
        order < ORDER_CREATE || order >= ORDERS)
        return -EBADMSG;
    struct partition *partition = &control->db->partitions[message->partition.value - 1];
    if (order == ORDER_CONSOLE || order == ORDER_SESSION)
        files_result(control, frame, message);
    else if (result_is_due(partition, order, message->header.id))
        result_of(control, partition, order, message);
    control_changed(control);
    return 0;
}

const struct frame_row lead_rows[] = {
    {LEAD_RESULT, 0, 3, sizeof(struct lead_result), FRAME_ALWAYS, on_result},
    {LEAD_MONITOR, 0, 0, sizeof(struct lead_monitor), FRAME_ALWAYS, on_monitor},
    {LEAD_SYNC, 0, 0, sizeof(struct lead_sync), FRAME_ALWAYS, on_sync},
    {LEAD_ONLINE, 0, 0, sizeof(struct lead_online), FRAME_ALWAYS, on_online},
};
const size_t lead_rows_count = sizeof(lead_rows) / sizeof(lead_rows[0]);

void lead_up(void *context)
{
    struct control *control = context;

    control->lead_up = true;
    control->lead_synced = false;
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        control->db->partitions[i].said = false;
        drive_forget(&control->db->partitions[i]);
        control->db->partitions[i].attached = 0;
    }
}

void lead_down(void *context)
{
    struct control *control = context;

    control->lead_up = false;
    outbox_forget(control, PROCESS_LEAD);
    control->lead_synced = false;
    for (size_t i = 0; i < CONTROL_FILES_MAX; i++) {
        struct file_wait *wait = &control->files[i];
        if (wait->order)
            reply_command(control, wait->request, -EAGAIN, 0,
                          "the lead monitor is restarting: try again", NULL, 0);
        *wait = (struct file_wait){0};
    }
}
