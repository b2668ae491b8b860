/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What an sd-event loop with links, timers and a log needs; in the order of one's reading. */
static const int event_loop_calls[] = {
    SCMP_SYS(read),          SCMP_SYS(write),          SCMP_SYS(writev),
    SCMP_SYS(close),         SCMP_SYS(recvmsg),        SCMP_SYS(sendmsg),
    SCMP_SYS(shutdown),      SCMP_SYS(epoll_wait),     SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),  SCMP_SYS(epoll_ctl),      SCMP_SYS(epoll_create1),
    SCMP_SYS(eventfd2),      SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),   SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigreturn),   SCMP_SYS(brk),
    SCMP_SYS(munmap),        SCMP_SYS(mremap),         SCMP_SYS(madvise),
    SCMP_SYS(futex),         SCMP_SYS(fcntl),          SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),    SCMP_SYS(lseek),          SCMP_SYS(getpid),
    SCMP_SYS(gettid),        SCMP_SYS(getrandom),      SCMP_SYS(poll),
    SCMP_SYS(ppoll),         SCMP_SYS(tgkill),         SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),          SCMP_SYS(exit_group),
};

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        if (error && error != -EEXIST)
            return error;
    }
    return 0;
}

static int allow_memory(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &no_exec);
    if (!error)
        error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &no_exec);
    return error;
}

static int seal(const int *calls, size_t count, const int *extra, size_t extra_count)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return -ENOMEM;
    int error = allow(filter, calls, count);
    if (!error)
        error = allow(filter, extra, extra_count);
    if (!error)
        error = allow_memory(filter);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

int sandbox_seal(const int *extra, size_t extra_count)
{
    return seal(event_loop_calls, sizeof(event_loop_calls) / sizeof(event_loop_calls[0]), extra,
                extra_count);
}

int sandbox_seal_only(const int *calls, size_t count)
{
    return seal(calls, count, NULL, 0);
}

static bool bound(int resource, uint64_t most)
{
    const struct rlimit limit = {most, most};
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    return syscall(SYS_capset, &header, none) == 0;
}

static bool close_others(int keep)
{
    return (keep <= 0 || close_range(0, (unsigned)keep - 1, 0) == 0) &&
           close_range((unsigned)(keep + 1), ~0U, 0) == 0;
}

int sandbox_compute_only(int keep, uint64_t memory_max, unsigned seconds_max)
{
    static const int calls[] = {
        SCMP_SYS(write),        SCMP_SYS(brk),           SCMP_SYS(munmap),
        SCMP_SYS(mremap),       SCMP_SYS(madvise),       SCMP_SYS(futex),
        SCMP_SYS(getrandom),    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group),
    };

    if (!close_others(keep) || !bound(RLIMIT_NOFILE, 0) || !bound(RLIMIT_AS, memory_max) ||
        !bound(RLIMIT_CPU, seconds_max) || !bound(RLIMIT_FSIZE, 0) || !bound(RLIMIT_CORE, 0) ||
        !drop_capabilities())
        return -errno;
    return sandbox_seal_only(calls, sizeof(calls) / sizeof(calls[0]));
}

int sandbox_refuse(const int *calls, size_t count)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return -ENOMEM;
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    for (size_t i = 0; i < count && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}
