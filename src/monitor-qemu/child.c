/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "log/log.h"
#include "sandbox/sandbox.h"
#include "steps.h"
#include "wire/frame.h"

#define HIGH_FILE 100 /* above all that the child's files are moved to */

/* Each pair: ours, then the child's. */
struct ends {
    int qmp[2], console[2], listener[2], complaint[2];
};

static void close_end(struct ends *ends, int which)
{
    int *const all[] = {&ends->qmp[which], &ends->console[which], &ends->listener[which],
                        &ends->complaint[which]};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (*all[i] >= 0)
            close(*all[i]);
}

static int make_ends(struct ends *ends)
{
    *ends = (struct ends){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->qmp) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->console) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends->listener) < 0 ||
        pipe2(ends->complaint, O_CLOEXEC) < 0)
        return -errno;
    return fcntl(ends->complaint[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* ---- in the child */

/* First out of the way of the numbers that they get, then there. */
static int place_files(const struct ends *ends, int *program)
{
    int qmp = fcntl(ends->qmp[1], F_DUPFD_CLOEXEC, HIGH_FILE);
    int console = fcntl(ends->console[1], F_DUPFD_CLOEXEC, HIGH_FILE);

    *program = fcntl(*program, F_DUPFD_CLOEXEC, HIGH_FILE);
    if (qmp < 0 || console < 0 || *program < 0 || dup2(qmp, COMMAND_QMP) < 0 ||
        dup2(console, COMMAND_CONSOLE) < 0 || dup2(ends->complaint[1], STDERR_FILENO) < 0)
        return -errno;
    return 0;
}

/* They may be in a file system of the host's: QEMU writes into them, and does not make them larger
 * than the larger one is. */
static int keep_sizes(const int *files)
{
    static const enum monitor_file_kind written[] = {FILE_VARIABLES, FILE_DISK};
    struct rlimit limit = {0, 0};
    struct stat status;

    for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
        if (files[written[i]] < 0)
            continue;
        if (fstat(files[written[i]], &status) < 0)
            return -errno;
        if (S_ISREG(status.st_mode) && (rlim_t)status.st_size > limit.rlim_cur)
            limit = (struct rlimit){(rlim_t)status.st_size, (rlim_t)status.st_size};
    }
    return setrlimit(RLIMIT_FSIZE, &limit) < 0 ? -errno : 0;
}

static int send_listener(int socket, int listener)
{
    struct wire_header message = frame_header(0, sizeof(message), 0);
    return frame_send(socket, &message, &listener, 1);
}

/* From broker_listen() on an open would wait for the parent: only exec opens anything. */
static int become(const struct ends *ends, const int *files, pid_t parent)
{
    int program = files[FILE_PROGRAM];
    int socket = fcntl(ends->listener[1], F_DUPFD_CLOEXEC, HIGH_FILE);
    int error = socket < 0 ? -errno : keep_sizes(files);

    if (!error)
        error = place_files(ends, &program);
    if (!error && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        error = -errno;
    if (!error && getppid() != parent)
        error = -ESRCH;
    int listener = error ? error : broker_listen();
    if (listener < 0)
        return listener;
    error = send_listener(socket, listener);
    if (!error && syscall(SYS_close_range, COMMAND_CONSOLE + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        error = -errno;
    return error ? error : program;
}

_Noreturn static void child(const struct ends *ends, const int *files,
                            const struct command *command, pid_t parent)
{
    static char nothing[] = "PATH=/nowhere";
    char *const environment[] = {nothing, NULL};
    int file = become(ends, files, parent);

    if (file >= 0) {
        syscall(SYS_execveat, file, "", command->arguments, environment, AT_EMPTY_PATH);
        file = -errno;
    }
    log_error("QEMU cannot be started: errno %d", -file);
    _exit(127);
}

/* ---- in the parent */

/* The child's first word; it ends without one when it failed. */
static int take_listener(int socket)
{
    struct frame frame;
    struct timeval patience = {.tv_sec = 5};

    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    char byte;
    if (recv(socket, &byte, 1, MSG_PEEK) <= 0)
        return -ECHILD;
    if (frame_receive(socket, &frame) != 1)
        return -EBADMSG;
    int listener = frame.files_count == 1 ? frame_take(&frame, 0) : -EBADMSG;
    frame_clear(&frame);
    return listener;
}

/* What a loop, a broker and a parent need. */
static int seal(void)
{
    static const int calls[] = {
        SCMP_SYS(ioctl),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(pread64),
        SCMP_SYS(waitid),
        SCMP_SYS(pidfd_send_signal),
        SCMP_SYS(recvfrom),
        SCMP_SYS(sendto),
        SCMP_SYS(mkdir),
        SCMP_SYS(symlink),
    };
    return sandbox_seal(calls, sizeof(calls) / sizeof(calls[0]));
}

static void take_ends(struct monitor *m, const struct ends *ends)
{
    m->talk.socket = ends->qmp[0];
    m->console.socket = ends->console[0];
    m->complaint.pipe = ends->complaint[0];
}

static int born(struct monitor *m, const struct ends *ends)
{
    m->qemu_pidfd = pidfd_open(m->qemu, 0);
    if (m->qemu_pidfd < 0)
        return -errno;
    m->broker.listener = take_listener(ends->listener[0]);
    close(ends->listener[0]);
    if (m->broker.listener < 0)
        return m->broker.listener;
    /* QEMU shares our user: not our memory */
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return -errno;
    return seal();
}

static int build(struct monitor *m, struct command *command)
{
    const struct command_images images = {.kernel = m->files[FILE_KERNEL] >= 0,
                                          .initrd = m->files[FILE_INITRD] >= 0,
                                          .firmware = m->files[FILE_FIRMWARE] >= 0,
                                          .variables = m->files[FILE_VARIABLES] >= 0,
                                          .disk = m->files[FILE_DISK] >= 0};
    return command_build(command, &m->descriptor, &images);
}

int child_start(struct monitor *m)
{
    static struct command command;
    struct ends ends;
    pid_t parent = getpid();
    int error = build(m, &command);

    if (error)
        return error;
    error = make_ends(&ends);
    m->qemu = error ? 0 : fork();
    if (m->qemu == 0 && !error)
        child(&ends, m->files, &command, parent);
    if (m->qemu < 0) {
        error = -errno;
        m->qemu = 0;
    }
    close_end(&ends, 1);
    if (error) {
        close_end(&ends, 0);
        return error;
    }
    take_ends(m, &ends);
    return born(m, &ends);
}

void child_kill(struct monitor *m)
{
    if (m->qemu)
        syscall(SYS_pidfd_send_signal, m->qemu_pidfd, SIGKILL, NULL, 0);
}

void child_reap(struct monitor *m)
{
    siginfo_t info = {.si_code = 0};

    if (waitid(P_PIDFD, (id_t)m->qemu_pidfd, &info, WEXITED | WNOHANG) < 0 || !info.si_pid)
        return;
    steps_ended(m, info.si_code, info.si_status);
}
