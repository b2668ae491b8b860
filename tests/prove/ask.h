/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the model checker asks and what the core (core.c) answers: "you are in state S, this
 * happens: what do you do, and where are you then?" States are numbers that core.c gives out;
 * 0 is the root. The checker's half is below, for its C code only (ASK_CLIENT).
 */
#pragma once

#include <stdint.h>

#define ASK_PARTITIONS  2
#define ASK_PFS         2
#define ASK_OUTPUTS_MAX 12
#define ASK_STATES_MAX  200000
#define ASK_CODES       64 /* different questions in one state */

enum event_kind {
    E_READY, /* a: PF */
    E_LOST,  /* a: PF */
    E_PCIM_DOWN,
    E_PCIM_UP,
    E_VFS, /* the TCB says all VFs: active */
    E_LEAD_DOWN,
    E_LEAD_UP,
    E_SYNC,    /* lead has said all */
    E_MONITOR, /* a: partition; b: 1 frozen + 2 * level (0 nothing, 1 its own states, 2 all) */
    E_GONE,    /* a: partition */
    E_RESULT,  /* a: partition; b: 1 error + 2 * enum order */
    E_START,   /* a: partition */
    E_STOP,    /* a: partition */
    E_TICK,    /* a second passes */
    E_SETTLE,  /* the group ends */
    E_KILL,    /* control is killed and started again */
    E_CUT,     /* the same, and all that was not synced is gone */
    EVENT_KINDS
};

/* What control does that others can see, in the order in which it does it. */
enum output {
    OUT_NONE,
    OUT_COMMIT,                              /* + partition: an attach was appended to the log */
    OUT_BEGUN = OUT_COMMIT + ASK_PARTITIONS, /* + partition: a start was appended */
    OUT_SYNC = OUT_BEGUN + ASK_PARTITIONS,   /* fdatasync */
    OUT_CREATE,                              /* + partition: sent to lead; so the next ones */
    OUT_CHANNELS = OUT_CREATE + ASK_PARTITIONS,
    OUT_ATTACH = OUT_CHANNELS + ASK_PARTITIONS,
    OUT_DETACH = OUT_ATTACH + ASK_PARTITIONS,
    OUT_STOP = OUT_DETACH + ASK_PARTITIONS,
    OUT_STARTED = OUT_STOP + ASK_PARTITIONS, /* command hears that its START is committed */
    OUTPUTS = OUT_STARTED + ASK_PARTITIONS
};

struct question {
    int32_t state;
    uint8_t kind, a, b, reserved;
};

struct answer {
    int32_t to; /* -1: it cannot happen there, or changes nothing */
    uint8_t outputs[ASK_OUTPUTS_MAX];
    uint8_t phase[ASK_PARTITIONS];  /* enum partition_phase, in `to` */
    uint8_t attach[ASK_PARTITIONS]; /* enum attach_state */
    uint8_t group; /* 1: a group is open; 2: it must end before the next message is handled */
    uint8_t tick;  /* control waits for a second to pass */
};

#ifdef ASK_CLIENT
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What was asked before, in the file PROVE_TABLE. `to` is 1 more there, or -1; 0: not asked yet. */
static struct answer (*asked)[ASK_CODES];
static int ask_core = -1;

/* The core is this program's child; PROVE_CORE and PROVE_SCENE say which. A table that is there
 * already is whole: nobody is asked. */
static void ask_begin(void)
{
    int ends[2], file = open(getenv("PROVE_TABLE"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    size_t size = sizeof(*asked) * ASK_STATES_MAX;
    int whole = lseek(file, 0, SEEK_END) > 0;

    if (file < 0 || ftruncate(file, (off_t)size) || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        abort();
    asked = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (asked == MAP_FAILED)
        abort();
    if (!whole && fork() == 0) {
        dup2(ends[1], 0);
        close(ends[0]);
        close(ends[1]);
        execl(getenv("PROVE_CORE"), "core", getenv("PROVE_SCENE"), (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ask_core = ends[0];
}

static unsigned ask_code(unsigned kind, unsigned a, unsigned b)
{
    static const uint8_t first[EVENT_KINDS] = {0,  2,  4,  5,  6,  7,  8,  9, 10,
                                               22, 24, 52, 54, 56, 57, 58, 59};
    unsigned per = kind == E_MONITOR ? 6 : kind == E_RESULT ? 14 : 1;
    return first[kind] + a * per + b;
}

static const struct answer *ask(int state, unsigned kind, unsigned a, unsigned b)
{
    const struct question question = {state, (uint8_t)kind, (uint8_t)a, (uint8_t)b, 0};
    struct answer *answer;

    if (ask_core < 0)
        ask_begin();
    answer = &asked[state][ask_code(kind, a, b)];
    if (answer->to)
        return answer;
    if (write(ask_core, &question, sizeof(question)) != sizeof(question) ||
        recv(ask_core, answer, sizeof(*answer), MSG_WAITALL) != sizeof(*answer)) {
        printf("the core does not answer\n");
        exit(3);
    }
    if (answer->to >= 0)
        answer->to++;
    return answer;
}

/* One step of control, for a person who reads a counterexample. */
static void ask_print(int state, unsigned kind, unsigned a, unsigned b, const struct answer *answer)
{
    static const char *const events[EVENT_KINDS] = {
        "READY",   "LOST", "PCIM_DOWN", "PCIM_UP", "VFS",    "LEAD_DOWN",
        "LEAD_UP", "SYNC", "MONITOR",   "GONE",    "RESULT", "START",
        "STOP",    "TICK", "SETTLE",    "KILL",    "CUT"};
    static const char *const did[OUTPUTS] = {
        "",         "commit a", "commit b",   "begun a",    "begun b",   "synced",
        "CREATE a", "CREATE b", "CHANNELS a", "CHANNELS b", "ATTACH a",  "ATTACH b",
        "DETACH a", "DETACH b", "STOP a",     "STOP b",     "STARTED a", "STARTED b"};

    printf("%6d: %s %u %u ->", state, events[kind], a, b);
    for (int i = 0; i < ASK_OUTPUTS_MAX && answer->outputs[i]; i++)
        printf(" [%s]", did[answer->outputs[i]]);
    printf(" phase %u %u attach %u %u\n", answer->phase[0], answer->phase[1], answer->attach[0],
           answer->attach[1]);
}
#endif
