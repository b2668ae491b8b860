/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "create.h"
#include "power.h"
#include "sys.h"
#include "text.h"

#define IN(phase)   (1u << (phase))
#define ANY_PHASE   0xff
#define REPLAY_MOST 2

/* ---- handlers of a few lines; those that build the partition are in create.c ---- */

static int on_attached(struct monitor *m, struct inbox *inbox)
{
    (void)inbox;
    m->phase = PHASE_ATTACHED;
    m->frozen = false;
    if (m->attaches++) {
        for (uint32_t i = 0; i < m->vm.vcpus_count; i++)
            atomic_store(&m->slots[i].resumed, 1);
        watchdog_restart(&m->watchdog, sys_clock_ns(CLOCK_MONOTONIC));
    }
    state_enter(&m->states, STATE_CHANNELS_ATTACHED);
    state_enter(&m->states, STATE_CHANNELS_SCHEDULED);
    return 0;
}

/* The guest cannot reset its watchdog now. */
static int on_detached(struct monitor *m, struct inbox *inbox)
{
    (void)inbox;
    m->frozen = true;
    return 0;
}

static int on_channel(struct monitor *m, struct inbox *inbox)
{
    const struct monitor_channel *message = (const struct monitor_channel *)inbox->bytes;
    int rc = channel_connect(&m->channels, message->index, inbox->files[0]);

    if (rc == 0)
        (void)inbox_take(inbox, 0);
    return m->phase == PHASE_BUILT && rc == -EBUSY ? 0 : rc; /* lead was sooner than our word */
}

/* A guest that has not begun has nothing to put in order. */
static int on_power_button(struct monitor *m, struct inbox *inbox)
{
    (void)inbox;
    if (m->phase == PHASE_ATTACHED)
        power_button(m);
    else
        monitor_end(m, EXIT_STOPPED, "stopped before it began", 0);
    return 0;
}

static int on_stop(struct monitor *m, struct inbox *inbox)
{
    (void)inbox;
    monitor_end(m, EXIT_STOPPED, "stopped on order", 0);
    return 0;
}

static int on_query(struct monitor *m, struct inbox *inbox)
{
    m->answer_id = inbox->header.id;
    m->states.dirty = true;
    return 0;
}

static const struct link_row rows[] = {
    {MONITOR_FILE, sizeof(struct monitor_file), 1, 1, IN(PHASE_COLLECT), create_file},
    {MONITOR_CREATE, sizeof(struct monitor_plain), 0, 0, IN(PHASE_COLLECT), create_partition},
    {MONITOR_CHANNELS, sizeof(struct monitor_channels), 2, 1 + PARCLOSE_MAX_PARTITION_VFS,
     IN(PHASE_BUILT), create_channels},
    {MONITOR_CHANNEL, sizeof(struct monitor_channel), 1, 1,
     IN(PHASE_BUILT) | IN(PHASE_COMPLETE) | IN(PHASE_ATTACHED), on_channel},
    {MONITOR_ATTACHED, sizeof(struct monitor_plain), 0, 0, IN(PHASE_COMPLETE) | IN(PHASE_ATTACHED),
     on_attached},
    {MONITOR_DETACHED, sizeof(struct monitor_plain), 0, 0, IN(PHASE_COMPLETE) | IN(PHASE_ATTACHED),
     on_detached},
    {MONITOR_VF_ADD, sizeof(struct monitor_vf_order), 2, 2, IN(PHASE_COMPLETE) | IN(PHASE_ATTACHED),
     hotplug_add},
    {MONITOR_VF_REMOVE, sizeof(struct monitor_vf_order), 0, 0,
     IN(PHASE_COMPLETE) | IN(PHASE_ATTACHED), hotplug_remove},
    {MONITOR_VF_MEND, sizeof(struct monitor_vf_order), 0, 0,
     IN(PHASE_COMPLETE) | IN(PHASE_ATTACHED), hotplug_mend},
    {MONITOR_POWER_BUTTON, sizeof(struct monitor_plain), 0, 0, ANY_PHASE, on_power_button},
    {MONITOR_STOP, sizeof(struct monitor_plain), 0, 0, ANY_PHASE, on_stop},
    {MONITOR_QUERY, sizeof(struct monitor_plain), 0, 0, ANY_PHASE, on_query},
    {MONITOR_SESSION, sizeof(struct monitor_session), 1, 1, ANY_PHASE, session_open},
};

int link_check(const struct inbox *inbox, enum monitor_phase phase, const struct link_row **row)
{
    const struct wire_header *h = &inbox->header;

    if (inbox->cut || inbox->size < sizeof(*h) || h->size != inbox->size ||
        h->version != WIRE_VERSION)
        return -EPROTO;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct link_row *r = &rows[i];

        if (r->type != h->type)
            continue;
        if (r->size != h->size || inbox->files_count < r->files_least ||
            inbox->files_count > r->files_most)
            return -EPROTO;
        *row = r;
        return r->phases & IN(phase) ? 0 : -EBUSY;
    }
    return -EPROTO;
}

static void done(struct monitor *m)
{
    m->inbox_attempts = 0;
    m->inbox.handled = true;
    inbox_close(&m->inbox);
}

static void serve_one(struct monitor *m)
{
    const struct link_row *row;
    int rc = link_check(&m->inbox, m->phase, &row);

    if (rc == 0)
        rc = row->handle(m, &m->inbox);
    if (rc < 0 && m->phase < PHASE_COMPLETE)
        monitor_end(m, EXIT_MONITOR_ERROR, "message refused", rc);
    else if (rc < 0)
        text_log("message refused", rc);
    done(m);
}

/* A dead main's: once more, then no more. */
static void serve_again(struct monitor *m)
{
    uint16_t type = m->inbox.header.type;

    if (m->inbox.handled) {
        done(m);
    } else if (++m->inbox_attempts < REPLAY_MOST) {
        serve_one(m);
    } else {
        if (type == MONITOR_VF_ADD || type == MONITOR_VF_REMOVE || type == MONITOR_VF_MEND)
            hotplug_refuse(m, &m->inbox, -EIO);
        done(m);
    }
}

void link_serve(struct monitor *m)
{
    int rc = 0;

    if (m->inbox.pending)
        serve_again(m);
    while (!m->end.reason && (rc = inbox_receive(&m->inbox, MONITOR_FD)) > 0)
        serve_one(m);
    if (rc == 0 || (rc != -EAGAIN && rc != -EINTR))
        m->link_closed = m->end.reason == EXIT_NONE; /* nobody is there: the guest goes on */
}

static long send_message(const void *message, size_t size)
{
    struct iovec iov = {(void *)(uintptr_t)message, size};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

    return sys_sendmsg(MONITOR_FD, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void fill_state(const struct monitor *m, struct monitor_state *s)
{
    *s = (struct monitor_state){
        .header = {.version = WIRE_VERSION,
                   .type = MONITOR_STATE,
                   .size = sizeof(*s),
                   .id = m->answer_id},
        .states = m->states.entered,
        .vcpus_count = m->vm.vcpus_count,
        .vcpu_restarts = atomic_load(&m->vcpu_restarts),
        .main_restarts = atomic_load(&m->main_restarts),
        .session = session_owner(m),
        .stopped = m->debugger.state == DEBUGGER_STOPPED,
        .event_ns = m->states.event_ns,
    };
    memcpy(s->times, m->states.times, sizeof(s->times));
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++)
        s->vcpu_pids[i] = atomic_load(&m->vcpu_pids[i]);
    hotplug_seats(m, s->vfs);
    s->channels_count = m->channels.count;
    s->frozen = m->frozen;
    channel_status(&m->channels, s->channels);
}

/* Behind the state that has their outcome. False: the link has no room now. */
static bool tell_answers(struct monitor *m)
{
    for (unsigned i = 0; i < HOTPLUG_ANSWERS; i++) {
        if (!m->hotplug.answers[i].due)
            continue;
        if (send_message(&m->hotplug.answers[i].message, sizeof(struct monitor_vf_result)) ==
            -EAGAIN)
            return false;
        m->hotplug.answers[i].due = false;
    }
    return true;
}

void link_tell(struct monitor *m)
{
    struct monitor_state state;
    long rc;

    if (!m->states.dirty || m->link_closed)
        return;
    fill_state(m, &state);
    rc = send_message(&state, sizeof(state));
    if (rc == -EAGAIN || !tell_answers(m))
        return; /* main's loop waits for room */
    m->states.dirty = false;
    m->answer_id = 0;
}

void link_say_exit(struct monitor *m)
{
    struct monitor_exit message = {
        .header = {.version = WIRE_VERSION, .type = MONITOR_EXIT, .size = sizeof(message)},
        .reason = m->end.reason,
    };

    memcpy(message.text, m->end.text, sizeof(message.text));
    if (!m->end.said && !m->link_closed && send_message(&message, sizeof(message)) < 0)
        text_log("lead was not told the end", 0);
    m->end.said = true;
}
