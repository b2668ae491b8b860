/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-store FOLDER [PAIRS]   FOLDER: on the disk that is measured; a folder of its own is
 * made in it and removed again.
 *
 * Each pair: ROUNDS times BATCH transactions of each contender, in an order that turns: what else
 * the machine does meets all of them. Prints, a line a pair, how many times the rate of each of the
 * others ours is:
 *   PAIR floor R sqlite R lmdb R
 * then the rate of 16 clients over that of one, both through the same serving process, which takes
 * what is in all links' queues, saves it all with one sync, and answers:
 *   CLIENTS R
 */
#include <err.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "contender.h"

#define BATCH       10
#define ROUNDS      20
#define CLIENTS_MAX 16
#define SERVE_NS    UINT64_C(250000000)

static const struct contender *const contenders[] = {&ours, &floor_write, &sqlite, &lmdb};
#define CONTENDERS 4

static char root[4096];
static struct audit_entry *entry;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void remove_all(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *folder_of(const char *name)
{
    static char path[4200];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    if (mkdir(path, 0700))
        err(1, "%s", path);
    return path;
}

static uint64_t batch(const struct contender *contender, void *state, uint64_t *n)
{
    uint64_t start = now_ns();

    for (int i = 0; i < BATCH; i++) {
        workload_fill(entry, (*n)++);
        contender->transact(state, entry);
    }
    return now_ns() - start;
}

static void compare(int pairs)
{
    void *states[CONTENDERS];
    uint64_t numbers[CONTENDERS] = {0};

    for (int c = 0; c < CONTENDERS; c++) {
        states[c] = contenders[c]->open(folder_of(contenders[c]->name));
        batch(contenders[c], states[c], &numbers[c]); /* warm */
    }
    for (int pair = 0; pair < pairs; pair++) {
        uint64_t took[CONTENDERS] = {0};
        for (int i = 0; i < ROUNDS * CONTENDERS; i++) {
            int c = (i / CONTENDERS + i) % CONTENDERS;
            took[c] += batch(contenders[c], states[c], &numbers[c]);
        }
        printf("PAIR");
        for (int c = 1; c < CONTENDERS; c++)
            printf(" %s %.3f", contenders[c]->name, (double)took[c] / (double)took[0]);
        printf("\n");
        fflush(stdout);
    }
    for (int c = 0; c < CONTENDERS; c++)
        contenders[c]->close(states[c]);
}

/* ---- many clients */

static _Noreturn void client(int link)
{
    char message[192] = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (send(link, message, sizeof(message), 0) > 0 &&
           recv(link, message, sizeof(message), 0) > 0)
        ;
    _exit(0);
}

static int take_all(struct pollfd *links, int count, bool *asked, void *state, uint64_t *n)
{
    char message[192];
    int taken = 0;

    for (int i = 0; i < count; i++) {
        asked[i] = recv(links[i].fd, message, sizeof(message), MSG_DONTWAIT) > 0;
        if (!asked[i])
            continue;
        workload_fill(entry, (*n)++);
        ours_append(state, entry);
        taken++;
    }
    return taken;
}

static uint64_t serve(struct pollfd *links, int count, void *state, uint64_t *n)
{
    uint64_t end = now_ns() + SERVE_NS, served = 0;
    bool asked[CLIENTS_MAX];
    char answer[192] = {0};

    while (now_ns() < end) {
        if (poll(links, (nfds_t)count, 1000) <= 0)
            errx(1, "no client asks");
        served += (uint64_t)take_all(links, count, asked, state, n);
        ours_sync(state);
        for (int i = 0; i < count; i++)
            if (asked[i] && send(links[i].fd, answer, sizeof(answer), 0) < 0)
                err(1, "answer");
    }
    return served;
}

/* Transactions in SERVE_NS with so many clients. */
static uint64_t serve_clients(int count, void *state, uint64_t *n)
{
    struct pollfd links[CLIENTS_MAX];

    for (int i = 0; i < count; i++) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
            err(1, "socketpair");
        pid_t pid = fork();
        if (pid < 0)
            err(1, "fork");
        if (pid == 0) {
            close(ends[0]);
            for (int earlier = 0; earlier < i; earlier++)
                close(links[earlier].fd);
            client(ends[1]);
        }
        close(ends[1]);
        links[i] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    }
    uint64_t served = serve(links, count, state, n);
    for (int i = 0; i < count; i++)
        close(links[i].fd);
    for (int i = 0; i < count; i++)
        wait(NULL);
    return served;
}

static void many(int pairs)
{
    void *state = ours.open(folder_of("clients"));
    uint64_t n = 0;

    for (int pair = 0; pair < pairs; pair++) {
        uint64_t one = serve_clients(1, state, &n), all = serve_clients(CLIENTS_MAX, state, &n);
        printf("CLIENTS %.3f\n", (double)all / (double)one);
        fflush(stdout);
    }
    ours.close(state);
}

int main(int argc, char **argv)
{
    int pairs = argc > 2 ? atoi(argv[2]) : 20;

    if (argc < 2 || argc > 3 || pairs < 1)
        errx(2, "usage: bench-store FOLDER [PAIRS]");
    snprintf(root, sizeof(root), "%s/bench-store-%d", argv[1], getpid());
    if (mkdir(root, 0700))
        err(1, "%s", root);
    atexit(remove_all);
    entry = aligned_alloc(8, AUDIT_ENTRY_MAX);
    if (!entry)
        err(1, "memory");
    compare(pairs);
    many(pairs);
    free(entry);
    return 0;
}
