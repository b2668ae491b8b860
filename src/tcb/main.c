/* SPDX-License-Identifier: Apache-2.0 */
/* parclose-tcb as a process. */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "tcb.h"

uint64_t tcb_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int take_file(void *context, const char *name, int fd)
{
    struct tcb *tcb = context;

    if (strcmp(name, "state") != 0 || tcb->run_folder >= 0) {
        close(fd);
        return -EBADMSG;
    }
    tcb->run_folder = fd;
    return 0;
}

static int prepare(void *context, struct process *process)
{
    struct tcb *tcb = context;
    sd_event *event = process_event(process);

    tcb->process = process;
    signal(SIGCHLD, SIG_IGN); /* children tell by their socket how it went */
    int error = events_open(tcb, event);
    if (error >= 0)
        error = sd_event_add_defer(event, &tcb->observe, picture_on_observe, tcb);
    if (error >= 0)
        error = sd_event_source_set_enabled(tcb->observe, SD_EVENT_OFF);
    if (error >= 0)
        error = sd_event_add_time_relative(event, &tcb->document, CLOCK_MONOTONIC, 0, 0,
                                           document_on_due, tcb);
    if (error >= 0)
        error = sd_event_source_set_enabled(tcb->document, SD_EVENT_OFF);
    if (error >= 0)
        error = sd_event_source_set_priority(tcb->document, SD_EVENT_PRIORITY_IDLE);
    return error;
}

static int start(void *context, struct process *process, uint32_t generation)
{
    struct tcb *tcb = context;
    (void)process;
    tcb->generation = (uint64_t)generation << 32; /* our successor's documents are newer */
    if (tcb->run_folder < 0)
        return -EINVAL;
    edits_open(tcb);
    return 0;
}

/* Reading sysfs, talking netlink and NVMe, and children to do so. */
static const int system_calls[] = {
    SCMP_SYS(openat),
    SCMP_SYS(open),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(pread64),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(rename),
    SCMP_SYS(fchmod),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(pipe2),
    SCMP_SYS(socketpair),
    SCMP_SYS(clone),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(kill),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(ioctl),
    SCMP_SYS(socket),
    SCMP_SYS(bind),
    SCMP_SYS(getsockname),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockopt),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(uname),
    SCMP_SYS(time),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(rseq),
    SCMP_SYS(close_range),
    /* the folder of edits */
    SCMP_SYS(mkdirat),
    SCMP_SYS(unlinkat),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    /* their reader locks itself down: all of these only take away */
    SCMP_SYS(seccomp),
    SCMP_SYS(prctl),
    SCMP_SYS(prlimit64),
    SCMP_SYS(setrlimit),
    SCMP_SYS(capset),
};

int main(void)
{
    static struct tcb tcb = {.run_folder = -1};
    const struct process_peer peers[] = {
        {PROCESS_CONTROL, control_rows, control_rows_count, control_up, NULL},
        {PROCESS_SR_PCIM, NULL, 0, pcim_up, NULL},
        {PROCESS_LEAD, lead_rows, lead_rows_count, lead_up, NULL},
    };
    const struct process_config config = {
        .kind = PROCESS_TCB,
        .name = "parclose-tcb",
        .peers = peers,
        .peers_count = sizeof(peers) / sizeof(peers[0]),
        .system_calls = system_calls,
        .system_calls_count = sizeof(system_calls) / sizeof(system_calls[0]),
        .prepare = prepare,
        .file = take_file,
        .stored = keep_stored,
        .start = start,
    };
    return process_run(&config, &tcb);
}
