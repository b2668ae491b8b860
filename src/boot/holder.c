/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-holder: stands in for systemd where systemd is not init. It runs boot as its child,
 * keeps boot's files (the protocol of sd_pid_notify_with_fds() and sd_listen_fds_with_names(); see
 * kept.h) and starts it again when it dies. It touches nothing else. SIGTERM and SIGHUP are passed
 * on: boot ends alone and is started again. The holder ends when boot ends in order, with status 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"

#define FILES_MAX  4096
#define NAME_MAX_  128
#define LIMIT      UINT64_C(8192) /* its own, and the same again under way to boot */
#define FIRST_FILE 3
#define RESTART_MS 100
#define HASTE_MS   1000 /* boot that lives shorter waits so long for its next life */

static struct held {
    int file;
    char name[NAME_MAX_];
} held[FILES_MAX];
static size_t held_count;
static pid_t boot;
static const char *program;

static void drop(const char *name)
{
    for (size_t i = held_count; i-- > 0;)
        if (!strcmp(held[i].name, name)) {
            close(held[i].file);
            held[i] = held[--held_count];
        }
}

/* As systemd: a file that is held already is not held again under another name. */
static bool is_held(int file)
{
    for (size_t i = 0; i < held_count; i++)
        if (!syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, held[i].file, file))
            return true;
    return false;
}

static void add(const char *name, int file)
{
    if (is_held(file)) {
        close(file);
        return;
    }
    if (held_count == FILES_MAX) {
        log_error("no room for %s", name);
        close(file);
        return;
    }
    held[held_count].file = file;
    snprintf(held[held_count++].name, NAME_MAX_, "%s", name);
}

/* The value of the line KEY=… of a message. */
static bool value_of(const char *message, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);

    for (const char *line = message; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (!strncmp(line, key, length) && line[length] == '=') {
            snprintf(value, size, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
            return true;
        }
    return false;
}

static void understand(const char *message, int *file)
{
    char name[NAME_MAX_], yes[4];

    if (!value_of(message, "FDNAME", name, sizeof(name)) || strchr(name, ':'))
        return;
    if (value_of(message, "FDSTOREREMOVE", yes, sizeof(yes)))
        drop(name);
    else if (value_of(message, "FDSTORE", yes, sizeof(yes)) && *file >= 0) {
        add(name, *file);
        *file = -1;
    }
}

/* The sender and, -1: none, the file of a message; more files than one are nothing that boot sends.
 */
static pid_t unpack(struct msghdr *header, int *file)
{
    struct ucred from = {0};

    *file = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
            memcpy(&from, CMSG_DATA(c), sizeof(from));
        else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(file, CMSG_DATA(c), sizeof(*file));
    return from.pid;
}

/* True: there was a message. */
static bool receive(int notify)
{
    char text[1024], control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
    struct iovec part = {text, sizeof(text) - 1};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof(control)};
    int file;
    ssize_t got = recvmsg(notify, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got < 0)
        return errno == EINTR;
    text[got] = 0;
    if (unpack(&header, &file) == boot && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        understand(text, &file);
    if (file >= 0)
        close(file);
    return true;
}

/* Every file to its number: first out of the way, then into place. */
static bool place_files(void)
{
    int above = FIRST_FILE + (int)held_count;

    for (size_t i = 0; i < held_count; i++)
        if ((held[i].file = fcntl(held[i].file, F_DUPFD_CLOEXEC, above)) < 0)
            return false;
    for (size_t i = 0; i < held_count; i++)
        if (dup2(held[i].file, FIRST_FILE + (int)i) < 0)
            return false;
    return true;
}

static bool tell_files(const char *notify)
{
    static char names[FILES_MAX * NAME_MAX_];
    char count[16], pid[16];
    size_t end = 0;

    for (size_t i = 0; i < held_count; i++)
        end += (size_t)sprintf(names + end, "%s%s", i ? ":" : "", held[i].name);
    snprintf(count, sizeof(count), "%zu", held_count);
    snprintf(pid, sizeof(pid), "%d", getpid());
    if (setenv("NOTIFY_SOCKET", notify, 1) || unsetenv("LISTEN_FDS"))
        return false;
    return !held_count || (!setenv("LISTEN_FDS", count, 1) && !setenv("LISTEN_PID", pid, 1) &&
                           !setenv("LISTEN_FDNAMES", names, 1));
}

_Noreturn static void become_boot(const char *notify)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (place_files() && tell_files(notify))
        execl(program, program, NULL);
    log_error("cannot run %s: %s", program, strerror(errno));
    _exit(EXIT_FAILURE);
}

static void start(const char *notify)
{
    boot = fork();
    if (boot == 0)
        become_boot(notify);
    if (boot < 0)
        log_error("cannot fork: %s", strerror(errno));
}

/* Reaps whoever is dead; orphans of boot come to us. True: boot is among them. */
static bool reap(int *status)
{
    bool was_boot = false;
    int how;
    pid_t pid;

    while ((pid = waitpid(-1, &how, WNOHANG)) > 0)
        if (pid == boot) {
            was_boot = true;
            *status = how;
        }
    return was_boot || boot < 0;
}

/* What boot sent before it died counts. */
static void boot_ended(int notify, int status, const char *address)
{
    static time_t started;
    bool haste = started && time(NULL) - started < 2;

    while (receive(notify))
        ;
    if (boot > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        exit(EXIT_SUCCESS);
    boot = 0;
    log_warning("boot ended; %zu files are kept for the next", held_count);
    usleep(1000 * (haste ? HASTE_MS : RESTART_MS));
    started = time(NULL);
    start(address);
}

static int open_notify(char address[32])
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(sa_family_t); /* the kernel picks an abstract name */
    int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1;

    if (notify < 0 || bind(notify, (struct sockaddr *)&name, size) < 0 ||
        setsockopt(notify, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0)
        return -errno;
    size = sizeof(name);
    if (getsockname(notify, (struct sockaddr *)&name, &size) < 0)
        return -errno;
    snprintf(address, 32, "@%.*s", (int)(size - sizeof(sa_family_t) - 1), name.sun_path + 1);
    return notify;
}

static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void on_signals(int signals, int notify, const char *address)
{
    struct signalfd_siginfo info;
    int status = 0;

    while (read(signals, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo != SIGCHLD && boot > 0)
            kill(boot, info.ssi_signo == SIGTERM ? SIGINT : SIGTERM);
    if (reap(&status))
        boot_ended(notify, status, address);
}

int main(int argc, char **argv)
{
    const struct rlimit files = {LIMIT, LIMIT};
    char address[32];
    int signals = open_signals(), notify = open_notify(address);

    log_open("holder");
    program = argc > 1 ? argv[1] : PARCLOSE_LIBEXEC "/parclose-boot";
    if (signals < 0 || notify < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
        setrlimit(RLIMIT_NOFILE, &files) < 0) {
        log_error("cannot start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    start(address);
    for (;;) {
        struct pollfd polls[] = {{notify, POLLIN, 0}, {signals, POLLIN, 0}};
        if (poll(polls, 2, -1) < 0)
            continue;
        while (receive(notify))
            ;
        on_signals(signals, notify, address);
    }
}
