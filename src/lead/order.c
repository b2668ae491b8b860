/* SPDX-License-Identifier: Apache-2.0 */
#include "order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "descriptor.h"
#include "hotplug.h"
#include "keep.h"
#include "log/log.h"
#include "monitor.h"
#include "processors.h"
#include "wire/monitor_word.h"

/* ---- saying what is */

void lead_answer(struct partition *partition, uint64_t id, int error, const char *text)
{
    struct lead_result message = {.header = frame_header(LEAD_RESULT, sizeof(message), id),
                                  .partition = partition->id,
                                  .error = error,
                                  .done_ns = lead_now_ns()};

    snprintf(message.text, sizeof(message.text), "%s", text);
    process_send(partition->lead->process, PROCESS_CONTROL, &message, NULL, 0);
}

void order_refuse(struct lead *lead, const struct lead_order *order, int error, const char *text)
{
    struct partition nobody = {.lead = lead, .id = order->partition};
    lead_answer(&nobody, order->header.id, error, text);
}

void lead_tell(struct partition *partition)
{
    const struct monitor_state *state = &partition->state;
    struct lead_monitor message = {.header = frame_header(LEAD_MONITOR, sizeof(message), 0),
                                   .partition = partition->id,
                                   .present = !partition->gone,
                                   .states = state->states,
                                   .frozen = partition->frozen,
                                   .exit = partition->exit,
                                   .spawner_pid = partition->spawner_pid,
                                   .vcpu_restarts = state->vcpu_restarts,
                                   .main_restarts = state->main_restarts,
                                   .session = state->session,
                                   .stopped = state->stopped,
                                   .vcpus_count = state->vcpus_count,
                                   .attached = channel_attached(partition),
                                   .descriptor_generation = partition->descriptor.generation,
                                   .event_ns = partition->changed_ns};

    memcpy(message.times, state->times, sizeof(message.times));
    memcpy(message.vcpu_pids, state->vcpu_pids, sizeof(message.vcpu_pids));
    memcpy(message.vfs, state->vfs, sizeof(message.vfs));
    memcpy(message.channels, state->channels, sizeof(message.channels));
    memcpy(message.text, partition->text, sizeof(message.text));
    process_send(partition->lead->process, PROCESS_CONTROL, &message, NULL, 0);
}

void lead_sync(struct lead *lead)
{
    const struct lead_sync sync = {.header = frame_header(LEAD_SYNC, sizeof(sync), 0)};

    if (!lead->sync_due)
        return;
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITIONS; i++)
        if (lead->partitions[i].id.value &&
            (lead->partitions[i].asked || lead->partitions[i].create))
            return;
    lead->sync_due = false;
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITIONS; i++)
        if (lead->partitions[i].id.value && lead_spawned(&lead->partitions[i]))
            lead_tell(&lead->partitions[i]);
    process_send(lead->process, PROCESS_CONTROL, &sync, NULL, 0);
}

void control_up(void *context)
{
    struct lead *lead = context;
    processors_tell(lead);
    lead->sync_due = true;
    lead_sync(lead);
}

/* A monitor that hangs must not keep control from all the others. */
int order_on_patience(sd_event_source *source, uint64_t time, void *data)
{
    struct lead *lead = data;
    (void)source;
    (void)time;

    for (size_t i = 0; i < PARCLOSE_MAX_PARTITIONS; i++) {
        struct partition *partition = &lead->partitions[i];
        if (!partition->id.value || !partition->asked)
            continue;
        log_warning("partition %s: its monitor does not answer", partition->descriptor.name);
        partition->asked = false;
    }
    lead_sync(lead);
    return 0;
}

/* ---- CREATE */

static int on_create(void *context, struct frame *frame)
{
    struct lead *lead = context;
    const struct lead_order *order = (const void *)frame->bytes;
    struct partition_descriptor descriptor;

    if (descriptor_take(frame->files[0], &descriptor) ||
        descriptor.partition.value != order->partition.value)
        return -EBADMSG;
    struct partition *partition = &lead->partitions[order->partition.value - 1];
    if (partition->id.value && partition->gone) {
        order_refuse(lead, order, -EAGAIN, "its last monitor is still being cleared away");
        return 0;
    }
    if (partition->id.value) { /* the same order again */
        partition->create = lead_spawned(partition) ? 0 : order->header.id;
        if (lead_spawned(partition))
            lead_answer(partition, order->header.id, 0, "");
        return 0;
    }
    monitor_slot(lead, partition, &descriptor);
    partition->files[KEPT_DESCRIPTOR] = frame_take(frame, 0);
    partition->create = order->header.id;
    int error = monitor_begin(partition, partition->text);
    if (error)
        order_spawned(partition, error, -1);
    return 0;
}

static void create_done(struct partition *partition, uint64_t id)
{
    lead_answer(partition, id, 0, "");
    lead_tell(partition);
    if (partition->stop_due)
        monitor_stop(partition, true, 0);
}

static void create_failed(struct partition *partition, uint64_t id, int error)
{
    char text[PARCLOSE_REASON_MAX] = "";

    snprintf(text, sizeof(text), "its monitor cannot be started: %s", strerror(-error));
    if (partition->text[0])
        memcpy(text, partition->text, sizeof(text));
    lead_answer(partition, id, error, text);
    if (partition->cgroup.folder >= 0)
        cgroup_kill(&partition->cgroup);
    cgroup_remove(partition->descriptor.name, partition->descriptor.vcpus_count);
    keep_drop(partition);
    monitor_forget(partition);
}

void order_spawned(struct partition *partition, int error, int pidfd)
{
    struct lead *lead = partition->lead;
    uint64_t id = partition->create;

    partition->create = 0;
    if (!error)
        error = monitor_spawned(partition, pidfd);
    if (error)
        create_failed(partition, id, error);
    else
        create_done(partition, id);
    lead_sync(lead);
}

/* ---- CHANNELS */

static void ask_for_files(struct partition *partition, uint64_t id)
{
    const struct partition_descriptor *d = &partition->descriptor;
    struct vfio_open message = {.header = frame_header(VFIO_OPEN, sizeof(message), id),
                                .partition = partition->id,
                                .vfs_count = d->vfs_count};

    for (uint32_t i = 0; i < d->vfs_count; i++)
        message.vfs[i] = d->vfs[i].bdf;
    partition->handing = id;
    if (process_send(partition->lead->process, PROCESS_TCB, &message, NULL, 0) == 0)
        return;
    partition->handing = 0;
    lead_answer(partition, id, -EAGAIN, "the TCB is restarting");
}

void descriptor_changed(struct partition *partition, const struct partition_descriptor *descriptor,
                        int file)
{
    close(partition->files[KEPT_DESCRIPTOR]);
    partition->files[KEPT_DESCRIPTOR] = file;
    partition->descriptor = *descriptor;
    keep_file(partition, KEPT_DESCRIPTOR);
}

static int on_channels(void *context, struct frame *frame)
{
    struct lead *lead = context;
    const struct lead_order *order = (const void *)frame->bytes;
    struct partition *partition = lead_find(lead, order->partition);
    struct partition_descriptor descriptor;

    if (descriptor_take(frame->files[0], &descriptor) ||
        descriptor.partition.value != order->partition.value)
        return -EBADMSG;
    if (!partition || partition->gone || !partition->link) {
        order_refuse(lead, order, -ESRCH, "it has no monitor");
        return 0;
    }
    if (!descriptor_follows(&partition->descriptor, &descriptor))
        return -EBADMSG;
    descriptor_changed(partition, &descriptor, frame_take(frame, 0));
    if (partition->channels || !descriptor.vfs_count)
        lead_answer(partition, order->header.id, 0, "");
    else
        ask_for_files(partition, order->header.id);
    return 0;
}

static int hand_channels(struct partition *partition, struct frame *frame)
{
    const struct partition_descriptor *d = &partition->descriptor;
    struct monitor_channels message = {.header = frame_header(MONITOR_CHANNELS, sizeof(message), 0),
                                       .vfs_count = d->vfs_count};

    for (uint32_t i = 0; i < d->vfs_count; i++)
        message.vfs[i] = d->vfs[i].bdf;
    return link_send(partition->link, &message, frame->files, frame->files_count);
}

static int on_files(void *context, struct frame *frame)
{
    struct lead *lead = context;
    const struct vfio_files *message = (const void *)frame->bytes;
    struct partition *partition = lead_find(lead, message->partition);
    int error = message->error;

    if (!frame_string_ok(message->text, sizeof(message->text)) || !frame_error_ok(error))
        return -EBADMSG;
    if (partition && partition->adding && partition->adding == message->header.id)
        return hotplug_files(partition, frame);
    if (!partition || !partition->handing || partition->handing != message->header.id)
        return 0; /* of a monitor that has gone meanwhile */
    if (!error && frame->files_count != 1 + partition->descriptor.vfs_count)
        return -EBADMSG;
    if (!error)
        error = partition->link ? hand_channels(partition, frame) : -EPIPE;
    partition->channels = !error;
    lead_answer(partition, partition->handing, error,
                message->error ? message->text
                : error        ? strerror(-error)
                               : "");
    partition->handing = 0;
    return 0;
}

void tcb_up(void *context)
{
    struct lead *lead = context;
    const struct vfio_sync sync = {.header = frame_header(VFIO_SYNC, sizeof(sync), 0)};

    for (size_t i = 0; i < PARCLOSE_MAX_PARTITIONS; i++)
        if (lead->partitions[i].id.value && lead->partitions[i].channels)
            hotplug_say_held(&lead->partitions[i]);
    process_send(lead->process, PROCESS_TCB, &sync, NULL, 0);
}

void tcb_down(void *context)
{
    struct lead *lead = context;

    for (size_t i = 0; i < PARCLOSE_MAX_PARTITIONS; i++) {
        struct partition *partition = &lead->partitions[i];
        if (partition->id.value)
            hotplug_tcb_down(partition);
        if (!partition->id.value || !partition->handing)
            continue;
        lead_answer(partition, partition->handing, -EAGAIN, "the TCB is restarting");
        partition->handing = 0;
    }
}

/* ---- ATTACH, DETACH */

static void attached(struct partition *partition)
{
    uint64_t id = partition->attach;

    partition->attach = 0;
    lead_answer(partition, id, 0, "");
    monitor_say(partition, MONITOR_ATTACHED);
}

static void detached(struct partition *partition)
{
    uint64_t id = partition->detach;

    partition->detach = 0;
    lead_answer(partition, id, 0, "");
    monitor_say(partition, MONITOR_DETACHED);
}

/* Done when the kernel says so, not when it was asked. */
static void complete(struct partition *partition)
{
    if (partition->attach && !partition->frozen)
        attached(partition);
    if (partition->detach && partition->frozen)
        detached(partition);
}

void order_frozen(struct partition *partition)
{
    int frozen = cgroup_frozen(&partition->cgroup);

    if (frozen < 0 || partition->gone)
        return;
    bool changed = frozen != partition->frozen;
    partition->frozen = frozen;
    if (changed)
        partition->changed_ns = lead_now_ns();
    complete(partition);
    if (changed)
        lead_tell(partition);
}

static int on_attach(void *context, struct frame *frame)
{
    const struct lead_order *order = (const void *)frame->bytes;
    struct partition *partition = lead_find(context, order->partition);

    if (!partition || partition->gone) {
        order_refuse(context, order, -ESRCH, "it has no monitor");
        return 0;
    }
    bool attach = order->header.type == LEAD_ATTACH;
    int error = cgroup_set_frozen(&partition->cgroup, !attach);
    partition->attach = attach && !error ? order->header.id : 0;
    partition->detach = !attach && !error ? order->header.id : 0;
    if (error)
        lead_answer(partition, order->header.id, error, attach ? "cannot thaw" : "cannot freeze");
    order_frozen(partition);
    return 0;
}

/* ---- STOP, CONSOLE */

#define STOP_MS_MAX 600000

static int on_stop(void *context, struct frame *frame)
{
    const struct lead_stop *order = (const void *)frame->bytes;
    struct partition *partition = lead_find(context, order->partition);

    if (order->force > 1 || order->timeout_ms > STOP_MS_MAX)
        return -EBADMSG;
    if (!partition) {
        const struct lead_order plain = {.header = order->header, .partition = order->partition};
        order_refuse(context, &plain, -ESRCH, "it has no monitor");
        return 0;
    }
    /* "it has no monitor" would give away what the one that is being made is about to use */
    if (lead_spawned(partition))
        monitor_stop(partition, order->force, order->timeout_ms);
    else
        partition->stop_due = true;
    lead_answer(partition, order->header.id, 0, "");
    return 0;
}

static int on_console(void *context, struct frame *frame)
{
    const struct lead_order *order = (const void *)frame->bytes;
    struct partition *partition = lead_find(context, order->partition);

    if (!partition) {
        order_refuse(context, order, -ESRCH, "it has no monitor");
        return 0;
    }
    const struct lead_result message = {
        .header = frame_header(LEAD_RESULT, sizeof(message), order->header.id),
        .partition = partition->id,
        .done_ns = lead_now_ns()};
    process_send(partition->lead->process, PROCESS_CONTROL, &message,
                 &partition->files[KEPT_CONSOLE], 3);
    return 0;
}

/* Its monitor need not answer: if it does not, who asked will see that by himself. One that does
 * not read gets no more: what waits for it would be files of ours. */
static int make_session(struct partition *partition, uint32_t kind, int *end)
{
    const struct monitor_session message = {
        .header = frame_header(MONITOR_SESSION, sizeof(message), 0), .kind = kind};
    int ends[2];

    if (!partition->link)
        return -ESRCH;
    if (!monitor_kinds[kind_find(partition->descriptor.monitor)].sessions)
        return -EOPNOTSUPP;
    if (link_queued(partition->link))
        return -EAGAIN;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    int error = link_send(partition->link, &message, &ends[1], 1);
    close(ends[1]);
    if (error)
        close(ends[0]);
    else
        *end = ends[0];
    return error;
}

static void refuse_session(struct lead *lead, const struct lead_order *order,
                           const struct partition *partition, int error)
{
    char text[PARCLOSE_REASON_MAX];

    if (error == -EOPNOTSUPP)
        snprintf(text, sizeof(text), "monitor \"%s\" has no dump, no debug and no counts",
                 partition->descriptor.monitor);
    else
        snprintf(text, sizeof(text), "%s",
                 error == -ESRCH ? "it has no monitor" : "its monitor does not take a session");
    order_refuse(lead, order, error, text);
}

static int on_session(void *context, struct frame *frame)
{
    const struct lead_session *order = (const void *)frame->bytes;
    const struct lead_order plain = {.header = order->header, .partition = order->partition};
    struct partition *partition = lead_find(context, order->partition);
    int end = -1;

    if (order->kind <= SESSION_NONE || order->kind >= SESSION_KINDS)
        return -EBADMSG;
    int error = partition && !partition->gone && lead_spawned(partition)
                    ? make_session(partition, order->kind, &end)
                    : -ESRCH;
    if (error) {
        refuse_session(context, &plain, partition, error);
        return 0;
    }
    const struct lead_result message = {
        .header = frame_header(LEAD_RESULT, sizeof(message), order->header.id),
        .partition = partition->id,
        .done_ns = lead_now_ns()};
    process_send(partition->lead->process, PROCESS_CONTROL, &message, &end, 1);
    close(end);
    return 0;
}

/* A monitor takes it only once the VF is on its guest's bus. */
static int on_vf_mend(void *context, struct frame *frame)
{
    const struct lead_vf *order = (const void *)frame->bytes;
    struct partition *partition = lead_find(context, order->partition);
    const struct monitor_vf_order message = {
        .header = frame_header(MONITOR_VF_MEND, sizeof(message), 0), .vf = order->vf};

    if (!partition || partition->gone || !partition->link ||
        !(monitor_vf_marks(partition->state.vfs, order->vf) & VF_PRESENT))
        return 0; /* gone meanwhile */
    int error = link_send(partition->link, &message, NULL, 0);
    if (error)
        log_warning("partition %s: its monitor is not told to mend a VF: %s",
                    partition->descriptor.name, strerror(-error));
    return 0;
}

const struct frame_row order_rows[] = {
    {LEAD_CREATE, 1, 1, sizeof(struct lead_order), FRAME_ALWAYS, on_create},
    {LEAD_CHANNELS, 1, 1, sizeof(struct lead_order), FRAME_ALWAYS, on_channels},
    {LEAD_ATTACH, 0, 0, sizeof(struct lead_order), FRAME_ALWAYS, on_attach},
    {LEAD_DETACH, 0, 0, sizeof(struct lead_order), FRAME_ALWAYS, on_attach},
    {LEAD_STOP, 0, 0, sizeof(struct lead_stop), FRAME_ALWAYS, on_stop},
    {LEAD_CONSOLE, 0, 0, sizeof(struct lead_order), FRAME_ALWAYS, on_console},
    {LEAD_PROCESSORS, 1, 1, sizeof(struct lead_order), FRAME_ALWAYS, on_processors},
    {LEAD_SESSION, 0, 0, sizeof(struct lead_session), FRAME_ALWAYS, on_session},
    {LEAD_VF_MEND, 0, 0, sizeof(struct lead_vf), FRAME_ALWAYS, on_vf_mend},
    {LEAD_VF_ADD, 1, 1, sizeof(struct lead_vf), FRAME_ALWAYS, hotplug_on_add},
    {LEAD_VF_REMOVE, 1, 1, sizeof(struct lead_vf), FRAME_ALWAYS, hotplug_on_remove},
};
const size_t order_rows_count = sizeof(order_rows) / sizeof(order_rows[0]);

const struct frame_row vfio_rows[] = {
    {VFIO_FILES, 0, 1 + PARCLOSE_MAX_PARTITION_VFS, sizeof(struct vfio_files), FRAME_ALWAYS,
     on_files},
};
const size_t vfio_rows_count = sizeof(vfio_rows) / sizeof(vfio_rows[0]);
