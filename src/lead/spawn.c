/* SPDX-License-Identifier: Apache-2.0 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"
#include "parclose/msg_boot.h"
#include "parclose/msg_lead_monitor.h"

#define FILES_MOST 1024
#define OOM_SCORE  (-500) /* before the infrastructure, which has -900, and after the rest */

static int check(long result)
{
    return result < 0 ? -errno : 0;
}

static int set_limits(uint64_t memory_lock)
{
    const struct rlimit core = {0, 0}, files = {FILES_MOST, FILES_MOST},
                        lock = {memory_lock, memory_lock};
    int error = check(setrlimit(RLIMIT_CORE, &core));
    if (!error)
        error = check(setrlimit(RLIMIT_NOFILE, &files));
    return error ? error : check(setrlimit(RLIMIT_MEMLOCK, &lock));
}

/* To be more likely a victim needs no right; to be less so does. */
static int set_oom_score(void)
{
    char text[16] = "";
    int file = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (file < 0)
        return -errno;
    int error = check(read(file, text, sizeof(text) - 1));
    if (!error && strtol(text, NULL, 10) < OOM_SCORE) {
        snprintf(text, sizeof(text), "%d", OOM_SCORE);
        error = check(write(file, text, strlen(text)));
    }
    close(file);
    return error;
}

/* ---- its root, made on /proc because that is there and nobody needs it any more */

#define ROOT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* The host's folder to read, where the host has it. */
static int see_folder(const char *path, unsigned long noexec)
{
    const unsigned long flags = MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | noexec;
    char inner[64];

    snprintf(inner, sizeof(inner), "/proc%s", path);
    if (access(path, F_OK) < 0)
        return 0;
    int error = check(mkdir(inner, 0755));
    if (!error)
        error = check(mount(path, inner, NULL, MS_BIND, NULL));
    return error ? error : check(mount(NULL, inner, NULL, MS_REMOUNT | flags, NULL));
}

static int add_folders(void)
{
    int error = check(mkdir("/proc/usr", 0755));
    if (!error)
        error = check(mkdir("/proc/usr/lib", 0755));
    if (!error)
        error = check(mkdir("/proc/usr/share", 0755));
    if (!error)
        error = see_folder("/usr/lib/x86_64-linux-gnu", 0);
    if (!error)
        error = see_folder("/usr/lib64", 0);
    if (!error)
        error = see_folder("/usr/share/qemu", MS_NOEXEC);
    return error ? error : see_folder("/usr/share/seabios", MS_NOEXEC);
}

/* Libraries, and one small folder for links of its own ("vfs", command.h of monitor-qemu). */
static int add_libraries(uint32_t uid)
{
    char options[64];

    umask(022);
    int error = add_folders();

    if (!error)
        error = check(symlink("usr/lib", "/proc/lib"));
    if (!error)
        error = check(symlink("usr/lib64", "/proc/lib64"));
    if (!error)
        error = check(mkdir("/proc/vfs", 0755));
    snprintf(options, sizeof(options), "size=64k,nr_inodes=64,mode=0755,uid=%u,gid=%u", uid, uid);
    return error ? error : check(mount("parclose-vfs", "/proc/vfs", "tmpfs", ROOT_FLAGS, options));
}

/* The old root is no more (pivot_root(2), "pivot_root(".", ".")"). */
static int set_root(const struct monitor_kind *kind, uint32_t uid)
{
    int error = check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
    if (!error)
        error = check(mount("parclose", "/proc", "tmpfs", ROOT_FLAGS, "size=4k,mode=0755"));
    if (!error && kind->libraries)
        error = add_libraries(uid);
    if (!error)
        error = check(mount(NULL, "/proc", NULL, MS_REMOUNT | MS_RDONLY | ROOT_FLAGS, NULL));
    if (!error)
        error = check(chdir("/proc"));
    if (!error)
        error = check(syscall(SYS_pivot_root, ".", "."));
    if (!error)
        error = check(umount2(".", MNT_DETACH));
    return error ? error : check(chdir("/"));
}

/* No network, no host's IPC, no file but what its kind needs. */
static int set_namespaces(const struct monitor_kind *kind, uint32_t uid)
{
    int error = check(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
    return error ? error : set_root(kind, uid);
}

/* All but the inheritable ones are gone with uid 0. */
static int drop_inheritable(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}};

    return check(syscall(SYS_capset, &header, none));
}

static int set_user(uint32_t uid)
{
    int error = check(setgroups(0, NULL));
    if (!error)
        error = check(setresgid(uid, uid, uid));
    for (unsigned long capability = 0; capability < 64 && !error; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
            error = -errno;
    if (!error)
        error = check(setresuid(uid, uid, uid));
    if (!error)
        error = drop_inheritable();
    return error ? error : check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* 0 and 1: nothing; 2: the log; 3: the link; the rest closed. */
static int set_files(int link)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        return -errno;
    int error = check(dup2(nothing, STDIN_FILENO));
    if (!error)
        error = check(dup2(nothing, STDOUT_FILENO));
    if (!error)
        error = link == MONITOR_FD ? check(fcntl(link, F_SETFD, 0)) : check(dup2(link, MONITOR_FD));
    return error ? error : check((long)close_range(MONITOR_FD + 1, ~0U, 0));
}

_Noreturn static void become_monitor(const struct spawn_request *request, int link,
                                     const struct monitor_kind *kind)
{
    char name[] = "parclose-monitor";
    char *const arguments[] = {name, NULL}, *const environment[] = {NULL};

    signal(SIGCHLD, SIG_DFL);
    int error = check(setsid());
    if (!error)
        error = set_files(link);
    int program = open(kind->executable, O_RDONLY | O_CLOEXEC);
    if (!error)
        error = check(program);
    if (!error)
        error = set_oom_score();
    if (!error)
        error = set_limits(request->memory_lock);
    if (!error)
        error = set_namespaces(kind, request->uid);
    if (!error)
        error = set_user(request->uid);
    if (!error) {
        syscall(SYS_execveat, program, "", arguments, environment, AT_EMPTY_PATH);
        error = -errno;
    }
    log_error("cannot become the monitor of partition %u: errno %d", request->partition.value,
              -error);
    _exit(127);
}

static void spawn(const struct spawn_request *request, int link, int cgroup,
                  const struct monitor_kind *kind, struct spawn_answer *answer, int *pidfd)
{
    struct clone_args args = {.flags = CLONE_PIDFD | CLONE_INTO_CGROUP,
                              .pidfd = (uint64_t)(uintptr_t)pidfd,
                              .exit_signal = SIGCHLD,
                              .cgroup = (uint64_t)cgroup};
    long pid = syscall(SYS_clone3, &args, sizeof(args));

    if (pid == 0)
        become_monitor(request, link, kind);
    answer->error = pid < 0 ? -errno : 0;
    answer->pid = pid < 0 ? 0 : (uint32_t)pid;
}

static int serve(int socket, const struct monitor_kind *kinds, size_t count)
{
    struct pollfd wait = {socket, POLLIN, 0};
    struct frame frame;
    int pidfd = -1;

    if (poll(&wait, 1, -1) < 0)
        return errno == EINTR ? 1 : -errno;
    int got = frame_receive(socket, &frame);
    if (got <= 0)
        return got == -EAGAIN ? 1 : got;
    const struct spawn_request *request = (const void *)frame.bytes;
    if (frame.header.type != SPAWN_REQUEST || frame.size != sizeof(*request) ||
        frame.files_count != 2 || request->kind >= count)
        return -EBADMSG;
    struct spawn_answer answer = {
        .header = frame_header(SPAWN_ANSWER, sizeof(answer), request->header.id),
        .partition = request->partition};
    spawn(request, frame.files[0], frame.files[1], &kinds[request->kind], &answer, &pidfd);
    int error = frame_send(socket, &answer, &pidfd, pidfd >= 0 ? 1 : 0);
    if (pidfd >= 0)
        close(pidfd);
    frame_clear(&frame);
    return error ? error : 1;
}

/* Monitors are reaped by nobody's waiting for them: their ends are told by pidfd. */
_Noreturn static void helper(int socket, const struct monitor_kind *kinds, size_t count)
{
    signal(SIGCHLD, SIG_IGN);
    close(BOOT_FD);
    int going = 1;
    while (going == 1)
        going = serve(socket, kinds, count);
    _exit(going == 0 ? 0 : 1);
}

int spawn_helper_start(const struct monitor_kind *kinds, size_t count)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        helper(ends[1], kinds, count);
    }
    close(ends[1]);
    if (pid > 0)
        return ends[0];
    int error = -errno;
    close(ends[0]);
    return error;
}
