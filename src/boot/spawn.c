/* SPDX-License-Identifier: Apache-2.0 */
#include "spawn.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log/log.h"
#include "parclose/msg_boot.h"

#define SYS_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define FILES_MAX 4096

static int check(int result)
{
    return result < 0 ? -errno : 0;
}

static int remount_sys(unsigned long flags)
{
    return check(mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND | SYS_FLAGS | flags, NULL));
}

int spawn_shut_sys(void)
{
    int error = check(unshare(CLONE_NEWNS));
    if (!error)
        error = check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
    return error ? error : remount_sys(MS_RDONLY);
}

static int open_network(void)
{
    int file = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return file < 0 ? -errno : file;
}

int spawn_network(void)
{
    int own = open_network();
    if (own < 0)
        return own;
    int made = check(unshare(CLONE_NEWNET));
    if (!made)
        made = open_network();
    int error = check(setns(own, CLONE_NEWNET));
    close(own);
    if (error && made >= 0)
        close(made);
    return error ? error : made;
}

static int see_sys(enum sys_view view)
{
    if (view == SYS_READ_ONLY)
        return 0;
    int error = check(unshare(CLONE_NEWNS));
    if (!error)
        error = check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
    if (!error && view == SYS_WRITABLE)
        error = remount_sys(0);
    if (!error && view == SYS_ABSENT)
        error = check(mount("parclose", "/sys", "tmpfs", SYS_FLAGS | MS_RDONLY, "size=4k"));
    return error;
}

static int join_cgroup(int procs)
{
    return procs < 0 || write(procs, "0", 1) == 1 ? 0 : -errno;
}

static int limit(const struct kind *kind)
{
    const struct rlimit none = {0, 0}, files = {FILES_MAX, FILES_MAX},
                        all = {RLIM_INFINITY, RLIM_INFINITY};
    int error = check(setrlimit(RLIMIT_CORE, &none));
    if (!error)
        error = check(setrlimit(RLIMIT_NOFILE, &files));
    if (!error && kind->locks_memory)
        error = check(setrlimit(RLIMIT_MEMLOCK, &all));
    return error;
}

/* 0 and 1: nothing; 2: the log; 3: boot; the rest closed. */
static int set_files(int link)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        return -errno;
    int error = check(dup2(nothing, STDIN_FILENO));
    if (!error)
        error = check(dup2(nothing, STDOUT_FILENO));
    if (!error)
        error = link == BOOT_FD ? check(fcntl(link, F_SETFD, 0)) : check(dup2(link, BOOT_FD));
    return error ? error : check(close_range(BOOT_FD + 1, ~0U, 0));
}

/* The bounding set first: it needs what the next step takes. */
static int drop(const struct spawn *plan)
{
    const capng_type_t sets =
        CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_BOUNDING_SET;
    capng_clear(CAPNG_SELECT_ALL);
    for (unsigned capability = 0; capability < 64; capability++)
        if (plan->kind->capabilities & (UINT64_C(1) << capability) &&
            capng_update(CAPNG_ADD, sets, capability))
            return -EINVAL;
    if (capng_apply(CAPNG_SELECT_BOUNDS))
        return -EPERM;
    int error = check(setgroups(0, NULL));
    if (!error)
        error = check(setresgid(plan->gid, plan->gid, plan->gid));
    if (!error)
        error = check(setresuid(plan->uid, plan->uid, plan->uid));
    if (!error && capng_apply(CAPNG_SELECT_CAPS))
        error = -EPERM;
    return error ? error : check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int become(const struct spawn *plan)
{
    reset_signals();
    int error = join_cgroup(plan->cgroup);
    if (!error)
        error = see_sys(plan->kind->sys);
    if (!error && !plan->kind->network)
        error = check(setns(plan->network, CLONE_NEWNET));
    if (!error)
        error = set_files(plan->link);
    if (!error)
        error = limit(plan->kind);
    return error ? error : drop(plan);
}

_Noreturn static void child(const struct spawn *plan)
{
    static char search[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LANG=C.UTF-8";
    char *const environment[] = {search, language, NULL};
    char path[PARCLOSE_PATH_MAX], name[PARCLOSE_NAME_MAX];
    int error = become(plan);

    snprintf(name, sizeof(name), "parclose-%s", plan->kind->name);
    snprintf(path, sizeof(path), "%s/%s", plan->libexec, name);
    if (!error) {
        execve(path, (char *[]){name, NULL}, environment);
        error = -errno;
    }
    log_error("cannot become %s: %s", path, strerror(-error));
    _exit(127);
}

pid_t spawn(const struct spawn *plan, int *pidfd)
{
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        child(plan);
    /* Nobody but this thread waits for children, so the pid is still that of the child. */
    *pidfd = pidfd_open(pid, 0);
    if (*pidfd >= 0)
        return pid;
    int error = -errno;
    kill(pid, SIGKILL);
    return error;
}
