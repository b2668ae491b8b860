/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <poll.h>
#include <time.h>

#include "bus.h"
#include "console.h"
#include "create.h"
#include "link.h"
#include "monitor.h"
#include "sys.h"
#include "text.h"

/* A vCPU operates once it has left the guest, for us or within the kernel: it was in it then. */
static bool all_operate(const struct monitor *m)
{
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++)
        if (atomic_load(&m->slots[i].exits) == 0 && vm_exits(&m->vm, i) <= 0)
            return false;
    return true;
}

static void observe(struct monitor *m, uint32_t *deaths_seen)
{
    uint32_t deaths = atomic_load(&m->deaths);

    if (deaths != *deaths_seen || m->channels.dirty || m->pci.dirty)
        m->states.dirty = true;
    m->channels.dirty = m->pci.dirty = false;
    *deaths_seen = deaths;
    if (m->phase == PHASE_BUILT)
        create_complete(m);
    if (m->phase != PHASE_ATTACHED)
        return;
    if (!state_is(&m->states, STATE_PROCESSORS_OPERATING) && all_operate(m))
        state_enter(&m->states, STATE_PROCESSORS_OPERATING);
    if (!state_is(&m->states, STATE_CHANNELS_OPERATING) && pci_operating(&m->pci))
        state_enter(&m->states, STATE_CHANNELS_OPERATING);
}

/* The files that main waits for: link, work, console; two a VF; the sessions'; the channels'. */
#define VF_FILES (PARCLOSE_MAX_PARTITION_VFS * VFIO_NOTES)
#define SESSIONS (3 + VF_FILES)
#define OWN      (SESSIONS + SESSIONS_MOST)
#define FILES    (OWN + CHANNEL_FILES)

static int64_t sooner(int64_t ms, int64_t other)
{
    return ms < 0 || (other >= 0 && other < ms) ? other : ms; /* -1: for ever */
}

/* Returns how many files are the channels'. */
static unsigned wait_events(const struct monitor *m, struct pollfd fds[FILES])
{
    unsigned channels = channel_files(&m->channels, fds + OWN);
    int64_t ms = sooner(watchdog_wait_ms(&m->watchdog, watchdog_clock(&m->watchdog)),
                        session_wait(m, fds + SESSIONS));
    uint64_t now_ns = sys_clock_ns(CLOCK_MONOTONIC);
    int64_t look = pci_looks(&m->pci) ? pci_wait_ms(&m->pci, now_ns) : -1;
    short send = m->states.dirty ? POLLOUT : 0;

    fds[0] = (struct pollfd){.fd = m->link_closed ? -1 : MONITOR_FD, .events = POLLIN | send};
    fds[1] = (struct pollfd){.fd = m->work, .events = POLLIN};
    fds[2] =
        (struct pollfd){.fd = m->ring ? m->files.single[FILE_CONSOLE_IN] : -1, .events = POLLIN};
    for (unsigned i = 0; i < VF_FILES; i++) {
        const struct vf *vf = &m->pci.vfs[i / VFIO_NOTES];
        int file = vf->stage == VF_ON ? vf->notes[i % VFIO_NOTES] : -1;

        fds[3 + i] = (struct pollfd){.fd = file, .events = POLLIN};
    }
    ms = sooner(sooner(ms, look), hotplug_wait_ms(m, now_ns));
    if (sys_poll_ms(fds, OWN + channels, ms) < 0)
        for (unsigned i = 0; i < OWN + channels; i++)
            fds[i].revents = 0;
    return channels;
}

static void look_at_vfs(struct monitor *m)
{
    if (!pci_looks(&m->pci) || !pci_look(&m->pci, sys_clock_ns(CLOCK_MONOTONIC)))
        return;
    m->states.dirty = true;
    text_log("a VF was reset under its guest", 0);
}

/* Marks stay until the VF has gone: whoever asks later is told as well. */
static void serve_notes(struct monitor *m, const struct pollfd fds[])
{
    static const uint32_t marks[VFIO_NOTES] = {VF_ERROR, VF_REQUESTED};

    for (unsigned i = 0; i < VF_FILES; i++) {
        struct vf *vf = &m->pci.vfs[i / VFIO_NOTES];
        uint32_t mark = marks[i % VFIO_NOTES];

        if (!fds[i].revents)
            continue;
        sys_event_clear(fds[i].fd);
        if (vf->marks & mark)
            continue;
        vf->marks |= mark;
        m->states.dirty = true;
        text_log(mark == VF_ERROR ? "an error of a VF was reported" : "the host asks for a VF back",
                 0);
    }
}

static void serve_events(struct monitor *m, const struct pollfd fds[FILES], unsigned channels)
{
    if (fds[1].revents)
        sys_event_clear(m->work); /* before the slots are looked at: none is missed */
    if (fds[2].revents) {
        sys_event_clear(fds[2].fd);
        console_pump(m);
    }
    serve_notes(m, fds + 3);
    session_serve(m, fds + SESSIONS);
    channel_serve(&m->channels, fds + OWN, channels);
    if (fds[0].revents)
        link_serve(m); /* last: VFs may go by it */
}

_Noreturn void model_run(struct monitor *m)
{
    struct pollfd fds[FILES];
    uint32_t deaths_seen = 0;
    unsigned channels;

    hotplug_recover(m);
    if (m->phase >= PHASE_COMPLETE)
        create_seal(m);
    state_enter(&m->states, STATE_ALIVE);
    channel_begin(&m->channels);
    bus_begin(m);
    session_begin(m);
    if (m->inbox.pending)
        link_serve(m);
    while (!m->end.reason) {
        bus_serve(m);
        session_step(m);
        watchdog_look(m);
        look_at_vfs(m);
        hotplug_again(m, sys_clock_ns(CLOCK_MONOTONIC));
        observe(m, &deaths_seen);
        console_flush(m);
        link_tell(m);
        if (m->end.reason)
            break;
        channels = wait_events(m, fds);
        serve_events(m, fds, channels);
    }
    console_flush(m);
    link_tell(m);
    link_say_exit(m);
    sys_exit(0);
}
