/* SPDX-License-Identifier: Apache-2.0 */
/* parclose-monitor-qemu as a process: its beginning, its loop, its end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "link.h"
#include "log/log.h"
#include "monitor.h"
#include "observe.h"

#define QUIT_NS UINT64_C(2000000000) /* from `quit` to SIGKILL: less than lead waits for us */

uint64_t monitor_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t now_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

bool monitor_is(const struct monitor *m, enum partition_state state)
{
    return m->states.entered & STATE_BIT(state);
}

void monitor_enter(struct monitor *m, enum partition_state state)
{
    if (monitor_is(m, state))
        return;
    m->states.times[state] = (struct state_time){.realtime_ns = now_of(CLOCK_REALTIME),
                                                 .boottime_ns = now_of(CLOCK_BOOTTIME)};
    m->states.event_ns = monitor_now_ns();
    m->states.entered |= STATE_BIT(state);
    m->states.dirty = true;
}

void monitor_finish(struct monitor *m, enum exit_reason reason, const char *text)
{
    if (!m->end.reason) {
        m->end.reason = reason;
        for (size_t i = 0; i + 1 < sizeof(m->end.text) && text[i]; i++) /* QEMU's words, too */
            m->end.text[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
        log_notice("%s", m->end.text);
    }
    if (m->phase == PHASE_ENDING)
        return;
    /* before its guest began there is nothing to put in order, and its vCPUs' threads are frozen;
     * with a command that is out it does not listen */
    bool listens = m->phase == PHASE_ATTACHED && m->talk.socket >= 0 && !m->talk.out;
    m->phase = PHASE_ENDING;
    m->kill_at_ns = monitor_now_ns() + QUIT_NS;
    if (listens)
        talk_say(m, TALK_QUIT, 0);
    else
        child_kill(m);
}

void monitor_fail(struct monitor *m, const char *what, int error)
{
    char text[PARCLOSE_REASON_MAX];

    if (error)
        snprintf(text, sizeof(text), "%.110s: %s", what, strerror(-error));
    else
        snprintf(text, sizeof(text), "%.150s", what);
    monitor_finish(m, EXIT_MONITOR_ERROR, text);
}

/* ---- the loop */

enum waited {
    WAIT_LINK,
    WAIT_QEMU,
    WAIT_OPENS,
    WAIT_COMPLAINT,
    WAIT_TALK,
    WAIT_OUT,
    WAIT_IN,
    WAITED
};

static int patience(const struct monitor *m)
{
    uint64_t now = monitor_now_ns(), until = UINT64_MAX;

    if (m->talk.dead_line_ns)
        until = m->talk.dead_line_ns;
    if (m->kill_at_ns && m->kill_at_ns < until)
        until = m->kill_at_ns;
    if (observe_due(m) && now + OBSERVE_MS * UINT64_C(1000000) < until)
        until = now + OBSERVE_MS * UINT64_C(1000000);
    if (until == UINT64_MAX)
        return -1;
    return until <= now ? 0 : (int)((until - now) / 1000000 + 1);
}

static void wait_news(const struct monitor *m, struct pollfd fds[WAITED])
{
    short say = m->states.dirty ? POLLOUT : 0, typed = m->console.full ? POLLOUT : 0;

    fds[WAIT_LINK] =
        (struct pollfd){.fd = m->link_closed ? -1 : MONITOR_FD, .events = POLLIN | say};
    fds[WAIT_QEMU] = (struct pollfd){.fd = m->qemu ? m->qemu_pidfd : -1, .events = POLLIN};
    fds[WAIT_OPENS] = (struct pollfd){.fd = m->broker.listener, .events = POLLIN};
    fds[WAIT_COMPLAINT] = (struct pollfd){.fd = m->complaint.pipe, .events = POLLIN};
    fds[WAIT_TALK] = (struct pollfd){.fd = m->talk.socket, .events = POLLIN};
    fds[WAIT_OUT] = (struct pollfd){.fd = m->console.socket, .events = POLLIN | typed};
    fds[WAIT_IN] = (struct pollfd){.fd = m->console.ring ? m->console.in : -1, .events = POLLIN};
    if (poll(fds, WAITED, patience(m)) < 0)
        for (int i = 0; i < WAITED; i++)
            fds[i].revents = 0;
}

static void serve_opens(struct monitor *m, short events)
{
    int error = events & POLLIN ? broker_serve(&m->broker) : 0;

    if (!error && !(events & (POLLHUP | POLLERR)))
        return;
    close(m->broker.listener); /* the last task with the filter is gone */
    m->broker.listener = -1;
}

static void serve_console(struct monitor *m, const struct pollfd fds[WAITED])
{
    uint64_t count;

    if (fds[WAIT_IN].revents && read(m->console.in, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_warning("console: %s", strerror(errno));
    if (fds[WAIT_OUT].revents & (POLLIN | POLLHUP | POLLERR))
        console_read(&m->console);
    if (fds[WAIT_IN].revents || (fds[WAIT_OUT].revents & POLLOUT))
        console_write(&m->console);
}

/* Its end last: what it said before is heard. */
static void serve_news(struct monitor *m, const struct pollfd fds[WAITED])
{
    if (fds[WAIT_OPENS].revents)
        serve_opens(m, fds[WAIT_OPENS].revents);
    if (fds[WAIT_COMPLAINT].revents)
        complaint_read(&m->complaint);
    if (fds[WAIT_TALK].revents)
        talk_read(m);
    serve_console(m, fds);
    if (fds[WAIT_LINK].revents & (POLLIN | POLLHUP | POLLERR))
        link_serve(m);
    if (fds[WAIT_QEMU].revents && !(fds[WAIT_TALK].revents & POLLIN))
        child_reap(m);
}

static void serve_time(struct monitor *m)
{
    talk_tick(m);
    if (m->kill_at_ns && m->kill_at_ns <= monitor_now_ns()) {
        child_kill(m);
        m->kill_at_ns = 0;
    }
    if (observe_due(m))
        observe_look(m);
}

static bool ended(const struct monitor *m)
{
    return m->end.reason && !m->qemu;
}

static void run(struct monitor *m)
{
    struct pollfd fds[WAITED];

    monitor_enter(m, STATE_ALIVE);
    while (!ended(m)) {
        link_tell(m);
        wait_news(m, fds);
        serve_news(m, fds);
        serve_time(m);
    }
    link_tell(m);
    link_say_exit(m);
}

/* jansson would open /dev/urandom for it, when nothing can be opened any more. */
static void seed_json(void)
{
    uint32_t seed = 0;

    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        log_warning("no random numbers: %s", strerror(errno));
    json_object_seed(seed | 1);
}

static void prepare(struct monitor *m)
{
    for (int i = 0; i < MONITOR_FILE_KINDS; i++)
        m->files[i] = -1;
    for (int i = 0; i < PARCLOSE_MAX_VCPUS; i++)
        m->cgroups[i] = m->threads[i] = -1;
    for (int i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        m->vf_devices[i] = -1;
    m->memory = m->qemu_pidfd = m->broker.listener = m->complaint.pipe = -1;
    m->console.socket = m->talk.socket = -1;
}

int main(void)
{
    static struct monitor monitor;

    log_open("parclose-monitor-qemu");
    signal(SIGPIPE, SIG_IGN);
    /* the kernel named it by the number of the file that it was started from */
    prctl(PR_SET_NAME, "parclose-monitor-qemu");
    seed_json();
    prepare(&monitor);
    run(&monitor);
    return monitor.end.reason == EXIT_MONITOR_ERROR;
}
