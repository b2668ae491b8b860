/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor that the gate is measured against: one message goes over five SEQPACKET hops between
 * six processes; on the way one of them writes 512 preallocated bytes and calls fdatasync, and the
 * last thaws a cgroup with one frozen process in it. Prints the nanoseconds from the first send to
 * the return of the last write, one line a round.
 *
 * usage: gate-floor FOLDER CGROUP [ROUNDS]   FOLDER: on the disk of the audit log; CGROUP: a new
 * leaf
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOPS     5
#define SYNC_HOP 2 /* the one that writes: control's place */
#define MESSAGE  192

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_log(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/gate-floor.%d", folder, getpid());
    int log = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log < 0 || posix_fallocate(log, 0, 1 << 20) || fsync(log))
        err(1, "%s", path);
    unlink(path);
    return log;
}

static int open_in(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        err(1, "%s", path);
    return file;
}

static void put(int file, const char *text)
{
    if (pwrite(file, text, strlen(text), 0) < 0)
        err(1, "write of %s", text);
}

static void write_record(int log)
{
    static off_t at;
    uint8_t record[512] = {1};
    if (pwrite(log, record, sizeof(record), at) != sizeof(record) || fdatasync(log))
        err(1, "log");
    at += (off_t)sizeof(record);
}

/* Waits as a daemon does, in epoll, then reads. 0 at the end of the chain's life. */
static ssize_t receive(int epoll, int from, void *message)
{
    struct epoll_event event;
    if (epoll_wait(epoll, &event, 1, -1) != 1)
        err(1, "epoll_wait");
    return recv(from, message, MESSAGE, 0);
}

static int watch(int socket)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event))
        err(1, "epoll");
    return epoll;
}

static void relay(int hop, int from, int to, int log)
{
    uint8_t message[MESSAGE];
    int epoll = watch(from);
    while (receive(epoll, from, message) > 0) {
        if (hop == SYNC_HOP)
            write_record(log);
        if (send(to, message, sizeof(message), MSG_NOSIGNAL) < 0)
            exit(0);
    }
    exit(0);
}

/* Starts the relays; returns the first end to send on and the last to receive on. */
static void start_chain(int log, int *first, int *last)
{
    int pair[HOPS][2];
    for (int i = 0; i < HOPS; i++)
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair[i]))
            err(1, "socketpair");
    for (int i = 0; i + 1 < HOPS; i++) {
        if (fork() == 0) {
            for (int j = 0; j < HOPS; j++) {
                if (j != i)
                    close(pair[j][1]);
                if (j != i + 1)
                    close(pair[j][0]);
            }
            relay(i + 1, pair[i][1], pair[i + 1][0], log);
        }
    }
    *first = pair[0][0];
    *last = pair[HOPS - 1][1];
}

static pid_t start_sleeper(int procs)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    char text[16];
    snprintf(text, sizeof(text), "%d", pid);
    put(procs, text);
    return pid;
}

int main(int count, char **values)
{
    if (count < 3)
        errx(2, "usage: gate-floor FOLDER CGROUP [ROUNDS]");
    int rounds = count > 3 ? atoi(values[3]) : 1, first, last;
    uint8_t message[MESSAGE] = {0};

    if (mkdir(values[2], 0755))
        err(1, "%s", values[2]);
    int log = open_log(values[1]), freeze = open_in(values[2], "cgroup.freeze");
    pid_t sleeper = start_sleeper(open_in(values[2], "cgroup.procs"));
    start_chain(log, &first, &last);
    int epoll = watch(last);
    for (int i = 0; i < rounds; i++) {
        put(freeze, "1");
        usleep(200000);
        uint64_t start = now_ns();
        if (send(first, message, sizeof(message), MSG_NOSIGNAL) < 0 ||
            receive(epoll, last, message) <= 0)
            err(1, "chain");
        put(freeze, "0");
        printf("%llu\n", (unsigned long long)(now_ns() - start));
        fflush(stdout);
    }
    kill(sleeper, SIGKILL);
    waitpid(sleeper, NULL, 0);
    rmdir(values[2]);
    return 0;
}
