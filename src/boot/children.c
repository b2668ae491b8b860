/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one process.
 *
 *   DOWN -> start -> STARTING -> hello … READY -> UP -> death -> DOWN or BACKING_OFF -> start …
 *
 * It is dead when its pidfd says so. Its link has the better priority in the loop, so all that it
 * said before is processed first. The delay before the next start grows with deaths in a row: 0, 0,
 * 0, 100 ms, 200 ms … 5 s; a quiet minute of life clears the count. Nobody is ever given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "host.h"
#include "log/log.h"
#include "spawn.h"

#define QUIET_NS       UINT64_C(60000000000)
#define FREE_DEATHS    3
#define BACK_OFF_MS    100
#define BACK_OFF_MAX   5000
#define STOP_MS        20000
#define EXIT_PRIORITY  (SD_EVENT_PRIORITY_NORMAL + 100)
#define CHILD_NAME_MAX KEPT_NAME_MAX

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool child_alive(const struct child *child)
{
    return child->pidfd >= 0;
}

int child_send(struct child *child, const void *message, int file)
{
    return link_send(child->link, message, &file, file < 0 ? 0 : 1);
}

void child_tell_status(const struct child *child)
{
    struct child *control = &child->boot->children[PROCESS_CONTROL];

    if (!child->kind || !control->kind || control->kept->health != PROCESS_UP || !control->link)
        return;
    struct boot_status message = {
        .header = frame_header(BOOT_STATUS, sizeof(message), 0),
        .kind = child->kind->kind,
        .health = child->kept->health,
        .pid = child->kept->pid,
        .restarts = child->kept->restarts,
        .started_realtime_ns = child->kept->started_realtime_ns,
        .silent = child->silent && !child_alive(child),
    };
    memcpy(message.reason, child->kept->reason, sizeof(message.reason));
    if (child_send(control, &message, -1))
        log_warning("control does not take the state of %s", child->kind->name);
}

static void keep_name(char name[CHILD_NAME_MAX], char what, const struct child *child)
{
    kept_name(name, "%c.%d.%u", what, (int)child->kind->kind, child->kept->generation);
}

static void timer_set(struct child *child, uint64_t after_ms, sd_event_time_handler_t handler)
{
    sd_event_source_disable_unref(child->timer);
    child->timer = NULL;
    int error = sd_event_add_time_relative(child->boot->event, &child->timer, CLOCK_MONOTONIC,
                                           after_ms * 1000, 0, handler, child);
    if (error < 0) /* a process without its timer would never be mended */
        sd_event_exit(child->boot->event, error);
}

void child_kill(struct child *child, const char *reason)
{
    if (!child_alive(child))
        return;
    if (!child->reason[0])
        snprintf(child->reason, sizeof(child->reason), "%s", reason);
    if (pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        log_error("cannot kill %s: %s", child->kind->name, strerror(errno));
}

static int on_silence(sd_event_source *source, uint64_t now, void *data)
{
    struct child *child = data;
    char reason[PARCLOSE_REASON_MAX];
    (void)source;
    (void)now;

    snprintf(reason, sizeof(reason), "no sign of life for %u ms", child->kept->watchdog_ms);
    log_warning("%s: %s", child->kind->name, reason);
    child->silent = true;
    child_kill(child, reason);
    return 0;
}

int child_watch(struct child *child)
{
    if (!child->ordered)
        timer_set(child, child->kept->watchdog_ms, on_silence);
    return 0;
}

static void on_link_ended(void *context, int error)
{
    struct child *child = context;

    child->link = NULL;
    if (error)
        log_warning("%s broke the protocol: %s", child->kind->name, strerror(-error));
    child_kill(child, error ? "it broke the protocol with boot" : "");
}

/* How it ended. A process that boot adopted is not its child: only that it is gone is known. */
static void say_end(const struct child *child, char text[PARCLOSE_REASON_MAX])
{
    siginfo_t info = {0};

    if (waitid((idtype_t)P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0)
        snprintf(text, PARCLOSE_REASON_MAX, "it ended");
    else if (info.si_code == CLD_EXITED)
        snprintf(text, PARCLOSE_REASON_MAX, "it ended with status %d", info.si_status);
    else
        snprintf(text, PARCLOSE_REASON_MAX, "it was ended by signal %d (%s)", info.si_status,
                 strsignal(info.si_status));
    if (child->reason[0])
        snprintf(text, PARCLOSE_REASON_MAX, "%s", child->reason);
}

static uint32_t back_off_ms(struct kept_process *kept)
{
    if (clock_ns(CLOCK_BOOTTIME) - kept->started_boottime_ns > QUIET_NS)
        kept->deaths = 0;
    uint32_t over = kept->deaths < FREE_DEATHS ? 0 : kept->deaths - FREE_DEATHS + 1;
    uint64_t delay = (uint64_t)over * BACK_OFF_MS;
    kept->deaths++;
    return delay > BACK_OFF_MAX ? BACK_OFF_MAX : (uint32_t)delay;
}

static int on_back_off_over(sd_event_source *source, uint64_t now, void *data)
{
    struct child *child = data;
    (void)source;
    (void)now;

    child->kept->health = PROCESS_DOWN;
    boot_advance(child->boot);
    return 0;
}

/* Closes what belongs to the dead process; what it stored stays for the next. */
static void bury(struct child *child)
{
    char name[CHILD_NAME_MAX];

    keep_name(name, 'c', child);
    kept_remove(name);
    keep_name(name, 'p', child);
    kept_remove(name);
    link_free(child->link);
    child->link = NULL;
    sd_event_source_disable_unref(child->timer);
    child->timer = NULL;
    sd_event_source_disable_unref(child->exit);
    child->exit = NULL;
    close(child->pidfd);
    child->pidfd = -1;
    child->hello = false;
    child->kept->pid = 0;
    child->kept->health = PROCESS_DOWN;
}

static int on_exit_seen(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct child *child = data;
    struct boot *boot = child->boot;
    (void)source;
    (void)fd;
    (void)events;

    say_end(child, child->kept->reason);
    bury(child);
    if (!boot->kept->shutting_down) {
        uint32_t delay = child->ordered ? 0 : back_off_ms(child->kept);
        log_warning("%s is restarted in %u ms: %s", child->kind->name, delay, child->kept->reason);
        child->kept->restarts++;
        if (delay) {
            child->kept->health = PROCESS_BACKING_OFF;
            timer_set(child, delay, on_back_off_over);
        }
        child_tell_status(child);
    }
    child->ordered = child->silent = false;
    child->reason[0] = 0;
    boot_advance(boot);
    return 0;
}

/* Takes pidfd and socket, on success only. */
static int attend(struct child *child, int pidfd, int socket)
{
    const struct link_table table = {.rows = message_rows,
                                     .rows_count = message_rows_count,
                                     .rows_context = child,
                                     .ended = on_link_ended,
                                     .ended_context = child};
    int error =
        sd_event_add_io(child->boot->event, &child->exit, pidfd, EPOLLIN, on_exit_seen, child);
    if (error >= 0)
        error = sd_event_source_set_priority(child->exit, EXIT_PRIORITY);
    if (error >= 0)
        error = link_new(&child->link, child->boot->event, socket, &table);
    if (error < 0) {
        sd_event_source_disable_unref(child->exit);
        child->exit = NULL;
        return error;
    }
    child->pidfd = pidfd;
    return child_watch(child);
}

int child_adopt(struct child *child, int pidfd, int socket)
{
    int error = attend(child, pidfd, socket);
    if (!error)
        child->hello = true;
    return error;
}

static void note_start(struct child *child, pid_t pid)
{
    struct kept_process *kept = child->kept;

    kept->pid = (uint32_t)pid;
    kept->health = PROCESS_STARTING;
    kept->watchdog_ms = child->boot->kept->watchdog_ms;
    kept->started_realtime_ns = clock_ns(CLOCK_REALTIME);
    kept->started_boottime_ns = clock_ns(CLOCK_BOOTTIME);
}

static void keep(const struct child *child, int pidfd, int socket)
{
    char name[CHILD_NAME_MAX];

    keep_name(name, 'p', child);
    kept_add(name, pidfd);
    keep_name(name, 'c', child);
    kept_add(name, socket);
}

static int launch(struct child *child, int ours, int theirs)
{
    const struct boot *boot = child->boot;
    int pidfd, cgroup = -1;
    struct spawn plan = {.kind = child->kind,
                         .libexec = boot->layout->libexec,
                         .link = theirs,
                         .network = store_find(boot, PROCESS_BOOT, NETWORK)};

    int error = host_user(child->kind->user, &plan.uid, &plan.gid);
    if (error)
        return error;
    if (boot->cgroup >= 0)
        cgroup = host_cgroup_file(boot->cgroup, child->kind->cgroup, "cgroup.procs");
    plan.cgroup = cgroup;
    pid_t pid = spawn(&plan, &pidfd);
    if (cgroup >= 0)
        close(cgroup);
    if (pid < 0)
        return (int)pid;
    note_start(child, pid);
    error = attend(child, pidfd, ours);
    if (!error) {
        keep(child, pidfd, ours);
        return 0;
    }
    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    close(pidfd);
    return error;
}

/* A failure here is one of the host (no memory, no files, no user): tried again like a death. */
static void launch_failed(struct child *child, int error)
{
    uint32_t delay = back_off_ms(child->kept) + BACK_OFF_MS;

    log_error("cannot start %s: %s", child->kind->name, strerror(-error));
    child->kept->pid = 0;
    child->kept->health = PROCESS_BACKING_OFF;
    timer_set(child, delay, on_back_off_over);
}

void child_start(struct child *child)
{
    int ends[2];

    child->kept->generation++;
    int error = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
    if (error < 0) {
        launch_failed(child, -errno);
        return;
    }
    error = launch(child, ends[0], ends[1]);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        launch_failed(child, error);
    }
    child_tell_status(child);
}

static int on_stop_over(sd_event_source *source, uint64_t now, void *data)
{
    struct child *child = data;
    (void)source;
    (void)now;

    log_warning("%s does not stop: killed", child->kind->name);
    child_kill(child, "it did not stop");
    return 0;
}

void child_stop(struct child *child)
{
    const struct boot_empty message = {.header = frame_header(BOOT_STOP, sizeof(message), 0)};

    if (child->ordered)
        return;
    child->ordered = true;
    timer_set(child, STOP_MS, on_stop_over);
    if (child_send(child, &message, -1))
        child_kill(child, "it does not listen");
}
