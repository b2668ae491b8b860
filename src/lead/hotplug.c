/* SPDX-License-Identifier: Apache-2.0 */
#include "hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "descriptor.h"
#include "log/log.h"
#include "order.h"
#include "wire/monitor_word.h"

#define TIMEOUT_MS_MAX 600000
#define AGAIN_US       UINT64_C(1000000) /* a monitor whose link is full */

static bool seated(const struct partition *partition, struct bdf vf)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (partition->state.vfs[i].marks && partition->state.vfs[i].vf.value == vf.value)
            return true;
    return false;
}

static void refuse(struct lead *lead, const struct lead_vf *order, int error, const char *text)
{
    struct partition nobody = {.lead = lead, .id = order->partition};

    lead_answer(&nobody, order->header.id, error, text);
}

/*
 * What both orders begin with: the partition, its new descriptor kept. NULL and *error 0: refused,
 * and control was told.
 */
static struct partition *begin(struct lead *lead, struct frame *frame, int *error)
{
    const struct lead_vf *order = (const void *)frame->bytes;
    struct partition *partition = lead_find(lead, order->partition);
    struct partition_descriptor descriptor;

    *error = 0;
    bool good = order->vf.value && !descriptor_take(frame->files[0], &descriptor) &&
                descriptor.partition.value == order->partition.value;
    if (good && (!partition || partition->gone || !partition->link)) {
        refuse(lead, order, -ESRCH, "it has no monitor");
        return NULL;
    }
    if (!good || !descriptor_follows(&partition->descriptor, &descriptor)) {
        *error = -EBADMSG;
        return NULL;
    }
    descriptor_changed(partition, &descriptor, frame_take(frame, 0));
    return partition;
}

/* ---- VF_ADD */

static void add_failed(struct partition *partition, int error, const char *text)
{
    uint64_t id = partition->adding;

    partition->adding = 0;
    lead_answer(partition, id, error, text);
}

int hotplug_on_add(void *context, struct frame *frame)
{
    const struct lead_vf *order = (const void *)frame->bytes;
    int error;
    struct partition *partition = begin(context, frame, &error);
    struct vfio_open message = {.header =
                                    frame_header(VFIO_OPEN, sizeof(message), order->header.id),
                                .partition = order->partition,
                                .vfs_count = 1,
                                .vfs = {order->vf}};

    if (!partition)
        return error;
    partition->adding = order->header.id;
    partition->added = order->vf;
    partition->given = false;
    if (seated(partition, order->vf))
        add_failed(partition, 0, "");
    else if (process_send(partition->lead->process, PROCESS_TCB, &message, NULL, 0) != 0)
        add_failed(partition, -EAGAIN, "the TCB is restarting");
    return 0;
}

static void say_closed(const struct partition *partition, struct bdf vf)
{
    const struct vfio_closed closed = {.header = frame_header(VFIO_CLOSED, sizeof(closed), 0),
                                       .partition = partition->id,
                                       .vf = vf};

    process_send(partition->lead->process, PROCESS_TCB, &closed, NULL, 0);
}

int hotplug_files(struct partition *partition, struct frame *frame)
{
    const struct vfio_files *message = (const void *)frame->bytes;
    const struct monitor_vf_order order = {
        .header = frame_header(MONITOR_VF_ADD, sizeof(order), partition->adding),
        .vf = partition->added};
    int error = message->error;

    if (!error && frame->files_count != 2)
        return -EBADMSG;
    if (partition->given)
        return 0; /* asked for twice: its monitor has them, and answers */
    if (!error) {
        error = partition->link ? link_send(partition->link, &order, frame->files, 2) : -EPIPE;
        partition->given = !error;
        if (error)
            say_closed(partition, partition->added);
    }
    if (error)
        add_failed(partition, error, message->error ? message->text : strerror(-error));
    return 0;
}

void hotplug_tcb_down(struct partition *partition)
{
    if (partition->adding && !partition->given)
        add_failed(partition, -EAGAIN, "the TCB is restarting");
}

/* ---- VF_REMOVE */

static int ask(struct partition *partition, bool force)
{
    const struct monitor_vf_order order = {
        .header = frame_header(MONITOR_VF_REMOVE, sizeof(order), partition->removing),
        .vf = partition->removed,
        .force = force};

    return partition->link ? link_send(partition->link, &order, NULL, 0) : -EPIPE;
}

static int on_patience(sd_event_source *source, uint64_t time, void *data)
{
    struct partition *partition = data;

    (void)time;
    if (!partition->removing)
        return 0;
    log_warning("partition %s: its guest does not give a VF up: it is taken",
                partition->descriptor.name);
    if (!ask(partition, true))
        return 0;
    sd_event_source_set_time_relative(source, AGAIN_US);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* One that is asked for again has the time that is left. */
static int begin_patience(struct partition *partition, const struct lead_vf *order)
{
    if (partition->patience && partition->removing == order->header.id &&
        partition->removed.value == order->vf.value)
        return 0;
    partition->patience = sd_event_source_disable_unref(partition->patience);
    return sd_event_add_time_relative(process_event(partition->lead->process), &partition->patience,
                                      CLOCK_MONOTONIC, (uint64_t)order->timeout_ms * 1000, 0,
                                      on_patience, partition);
}

int hotplug_on_remove(void *context, struct frame *frame)
{
    const struct lead_vf *order = (const void *)frame->bytes;
    int error;
    struct partition *partition;

    if (order->timeout_ms < 1 || order->timeout_ms > TIMEOUT_MS_MAX)
        return -EBADMSG;
    partition = begin(context, frame, &error);
    if (!partition)
        return error;
    error = begin_patience(partition, order);
    partition->removing = order->header.id;
    partition->removed = order->vf;
    hotplug_say_held(partition); /* its descriptor no longer has it: a new TCB would not know */
    if (error >= 0)
        error = ask(partition, false);
    if (error < 0) {
        partition->removing = 0;
        lead_answer(partition, order->header.id, error, "its monitor does not listen");
    }
    return 0;
}

/* ---- what came of it */

/* Of those that it was given to begin with, one that was gone before it opened it. */
static void say_left_out(const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->descriptor.vfs_count; i++)
        if (partition->descriptor.vfs[i].bdf.value &&
            !seated(partition, partition->descriptor.vfs[i].bdf))
            say_closed(partition, partition->descriptor.vfs[i].bdf);
}

/* A VF that a predecessor gave it: the TCB may not have heard of it. */
void hotplug_seats(const struct partition *partition, const struct monitor_state *old)
{
    uint32_t complete = STATE_BIT(STATE_CHANNEL_IMAGE);

    if (partition->state.states & ~old->states & complete)
        say_left_out(partition);
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (partition->state.vfs[i].marks &&
            !monitor_vf_marks(old->vfs, partition->state.vfs[i].vf)) {
            hotplug_say_held(partition);
            return;
        }
}

static bool named(const struct partition *partition, struct bdf vf)
{
    for (uint32_t i = 0; i < partition->descriptor.vfs_count; i++)
        if (partition->descriptor.vfs[i].bdf.value == vf.value)
            return true;
    return false;
}

int hotplug_result(struct partition *partition, const struct monitor_vf_result *result)
{
    uint64_t id = result->header.id;
    bool added = id == partition->adding && result->vf.value == partition->added.value;
    bool removed = id == partition->removing && result->vf.value == partition->removed.value;

    if (!frame_string_ok(result->text, sizeof(result->text)) || !frame_error_ok(result->error))
        return -EBADMSG;
    if (!id) { /* of VF_MEND, which is not answered: what came of it is in STATE */
        if (result->error)
            log_warning("partition %s: VF %04x: %s: %s", partition->descriptor.name,
                        result->vf.value, result->text, strerror(-result->error));
        return 0;
    }
    /* it holds nothing of it; what nobody asked about is its own no more, or not to be believed */
    if (!seated(partition, result->vf) && (added || removed || !named(partition, result->vf)))
        say_closed(partition, result->vf);
    if (added)
        partition->adding = 0;
    if (removed) {
        partition->removing = 0;
        partition->patience = sd_event_source_disable_unref(partition->patience);
    }
    if (added || removed)
        lead_answer(partition, id, result->error, result->text);
    return 0;
}

/* Of those that control named: what its monitor says that it has, or was just given; before it says
 * so, all. */
static bool holds(const struct partition *partition, struct bdf vf)
{
    return !(partition->state.states & STATE_BIT(STATE_CHANNEL_IMAGE)) || seated(partition, vf) ||
           (partition->adding && partition->given && partition->added.value == vf.value);
}

static void add_held(const struct partition *partition, struct bdf vf, struct vfio_open *held)
{
    if (vf.value && holds(partition, vf) && held->vfs_count < PARCLOSE_MAX_PARTITION_VFS)
        held->vfs[held->vfs_count++] = vf;
}

void hotplug_say_held(const struct partition *partition)
{
    const struct partition_descriptor *d = &partition->descriptor;
    struct vfio_open held = {.header = frame_header(VFIO_HELD, sizeof(held), 0),
                             .partition = partition->id};

    for (uint32_t i = 0; i < d->vfs_count; i++)
        add_held(partition, d->vfs[i].bdf, &held);
    if (partition->removing)
        add_held(partition, partition->removed, &held);
    process_send(partition->lead->process, PROCESS_TCB, &held, NULL, 0);
}
