/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "steps.h"
#include "wire/frame.h"

#define IN(phase) (UINT32_C(1) << (phase))
#define RUNNING   (IN(PHASE_COMPLETE) | IN(PHASE_ATTACHED))

static int *file_place(struct monitor *m, uint32_t kind, uint32_t index)
{
    if (kind >= MONITOR_FILE_KINDS)
        return NULL;
    if (kind == FILE_VCPU_CGROUP)
        return index < PARCLOSE_MAX_VCPUS ? &m->cgroups[index] : NULL;
    return index == 0 ? &m->files[kind] : NULL;
}

static int on_file(void *context, struct frame *frame)
{
    struct monitor *m = context;
    const struct monitor_file *message = (const void *)frame->bytes;
    int *place = file_place(m, message->kind, message->index);

    if (!place)
        return -EINVAL;
    if (*place >= 0)
        return -EEXIST;
    *place = frame_take(frame, 0);
    return 0;
}

static int on_create(void *context, struct frame *frame)
{
    struct monitor *m = context;
    const char *what = "";
    int error = steps_create(m, &what);
    (void)frame;

    if (error)
        monitor_fail(m, what, error);
    return 0;
}

static int on_channels(void *context, struct frame *frame)
{
    struct monitor *m = context;
    const struct monitor_channels *message = (const void *)frame->bytes;
    int files[1 + PARCLOSE_MAX_PARTITION_VFS];

    if (m->channels || message->vfs_count != m->descriptor.vfs_count ||
        frame->files_count != 1 + message->vfs_count)
        return -EINVAL;
    for (size_t i = 0; i < frame->files_count; i++)
        files[i] = frame_take(frame, i);
    int error = steps_channels(m, message->vfs, files, message->vfs_count);
    if (error)
        monitor_fail(m, "its VFs", error);
    return 0;
}

/* Again after a freeze: QEMU then runs already, and says so. */
static int on_attached(void *context, struct frame *frame)
{
    struct monitor *m = context;
    (void)frame;

    m->phase = PHASE_ATTACHED;
    m->frozen = false;
    talk_say(m, TALK_CONT, 0);
    return 0;
}

static int on_detached(void *context, struct frame *frame)
{
    struct monitor *m = context;
    (void)frame;

    m->frozen = true;
    return 0;
}

/* A guest that has not begun has nothing to put in order. */
static int on_power_button(void *context, struct frame *frame)
{
    struct monitor *m = context;
    (void)frame;

    if (m->phase == PHASE_ATTACHED)
        talk_say(m, TALK_POWER_DOWN, 0);
    else
        monitor_finish(m, EXIT_STOPPED, "stopped before it began");
    return 0;
}

static int on_stop(void *context, struct frame *frame)
{
    (void)frame;
    monitor_finish(context, EXIT_STOPPED, "stopped on order");
    return 0;
}

static bool has_vf(const struct monitor *m, struct bdf vf)
{
    for (uint32_t i = 0; monitor_is(m, STATE_CHANNEL_IMAGE) && i < m->descriptor.vfs_count; i++)
        if (m->vfs[i].value == vf.value)
            return true;
    return false;
}

/* Nobody can take a device from a guest of QEMU's that does not give it up, so none comes or goes
 * while it runs, and its registers are QEMU's; what is so already is answered as done. */
static int on_vf(void *context, struct frame *frame)
{
    struct monitor *m = context;
    const struct monitor_vf_order *order = (const void *)frame->bytes;
    uint16_t type = frame->header.type;
    bool done = type != MONITOR_VF_MEND && has_vf(m, order->vf) == (type == MONITOR_VF_ADD);
    struct monitor_vf_result answer = {
        .header = frame_header(MONITOR_VF_RESULT, sizeof(answer), frame->header.id),
        .vf = order->vf,
        .error = done ? 0 : -EOPNOTSUPP};

    if (!done)
        snprintf(answer.text, sizeof(answer.text), "monitor \"qemu\": stop the partition first");
    if (!m->link_closed && frame_send(MONITOR_FD, &answer, NULL, 0))
        log_warning("lead was not told about its VF");
    return 0;
}

static int on_query(void *context, struct frame *frame)
{
    struct monitor *m = context;

    m->answer_id = frame->header.id;
    m->states.dirty = true;
    return 0;
}

static const struct frame_row rows[] = {
    {MONITOR_FILE, 1, 1, sizeof(struct monitor_file), IN(PHASE_COLLECT), on_file},
    {MONITOR_CREATE, 0, 0, sizeof(struct monitor_plain), IN(PHASE_COLLECT), on_create},
    {MONITOR_CHANNELS, 2, 1 + PARCLOSE_MAX_PARTITION_VFS, sizeof(struct monitor_channels),
     IN(PHASE_BUILD) | IN(PHASE_BUILT), on_channels},
    {MONITOR_ATTACHED, 0, 0, sizeof(struct monitor_plain), RUNNING, on_attached},
    {MONITOR_DETACHED, 0, 0, sizeof(struct monitor_plain), RUNNING, on_detached},
    {MONITOR_POWER_BUTTON, 0, 0, sizeof(struct monitor_plain), FRAME_ALWAYS, on_power_button},
    {MONITOR_STOP, 0, 0, sizeof(struct monitor_plain), FRAME_ALWAYS, on_stop},
    {MONITOR_VF_ADD, 2, 2, sizeof(struct monitor_vf_order), FRAME_ALWAYS, on_vf},
    {MONITOR_VF_REMOVE, 0, 0, sizeof(struct monitor_vf_order), FRAME_ALWAYS, on_vf},
    {MONITOR_VF_MEND, 0, 0, sizeof(struct monitor_vf_order), FRAME_ALWAYS, on_vf},
    {MONITOR_QUERY, 0, 0, sizeof(struct monitor_plain), FRAME_ALWAYS, on_query},
};

static void serve_one(struct monitor *m, struct frame *frame)
{
    int error = frame_dispatch(rows, sizeof(rows) / sizeof(rows[0]), m->phase, m, frame);

    if (error && m->phase < PHASE_COMPLETE)
        monitor_fail(m, "message refused", error);
    else if (error)
        log_warning("message refused: %s", strerror(-error));
    frame_clear(frame);
}

void link_serve(struct monitor *m)
{
    struct frame frame;
    int got = 0;

    while (!m->link_closed && (got = frame_receive(MONITOR_FD, &frame)) == 1)
        serve_one(m, &frame);
    if (got == -EBADMSG)
        monitor_fail(m, "lead breaks the protocol", got);
    if (got != -EAGAIN)
        m->link_closed = true; /* nobody is there: the guest goes on */
}

void link_tell(struct monitor *m)
{
    struct monitor_state state = {.header =
                                      frame_header(MONITOR_STATE, sizeof(state), m->answer_id),
                                  .states = m->states.entered,
                                  .frozen = m->frozen,
                                  .event_ns = m->states.event_ns};

    if (!m->states.dirty || m->link_closed)
        return;
    if (monitor_is(m, STATE_PROCESSOR_IMAGE))
        state.vcpus_count = m->descriptor.vcpus_count;
    memcpy(state.times, m->states.times, sizeof(state.times));
    memcpy(state.vcpu_pids, m->vcpu_tids, sizeof(state.vcpu_pids));
    for (uint32_t i = 0; monitor_is(m, STATE_CHANNEL_IMAGE) && i < m->descriptor.vfs_count; i++)
        state.vfs[i] = (struct vf_seat){.vf = m->vfs[i], .marks = VF_PRESENT};
    if (frame_send(MONITOR_FD, &state, NULL, 0) == -EAGAIN)
        return; /* the loop waits for room */
    m->states.dirty = false;
    m->answer_id = 0;
}

void link_say_exit(struct monitor *m)
{
    struct monitor_exit message = {.header = frame_header(MONITOR_EXIT, sizeof(message), 0),
                                   .reason = m->end.reason};

    memcpy(message.text, m->end.text, sizeof(message.text));
    if (!m->link_closed && frame_send(MONITOR_FD, &message, NULL, 0))
        log_warning("lead was not told the end");
}
