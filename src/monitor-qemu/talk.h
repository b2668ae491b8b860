/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation with QEMU over QMP: commands one after the other, each with its dead-line; the
 * answer must be that of the command that is out. Which commands, and what their answers mean, is
 * the table in talk.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "qmp.h"

#define TALK_QUEUE 32 /* commands that wait for their turn */
#define TALK_OUT   4096

enum talk_command {
    TALK_GREETING, /* nothing is said: QEMU speaks first */
    TALK_CAPABILITIES,
    TALK_STATUS,
    TALK_CPUS,
    TALK_PLUG, /* argument: which VF */
    TALK_CONT,
    TALK_STATS,
    TALK_POWER_DOWN,
    TALK_QUIT,
    TALK_COMMANDS
};

struct talk_turn {
    enum talk_command command;
    uint32_t argument;
};

struct talk {
    int socket; /* -1: none */
    bool out;   /* the first of the queue was said */
    uint64_t id;
    uint64_t dead_line_ns; /* CLOCK_MONOTONIC; 0: nothing is out */
    uint32_t queued;
    struct talk_turn queue[TALK_QUEUE];
    bool refused[TALK_COMMANDS]; /* by QEMU, once at least: not asked for again */
    char version[32];            /* of QEMU, from its greeting */
};

struct monitor;

/* Says it when its turn comes. */
void talk_say(struct monitor *monitor, enum talk_command command, uint32_t argument);

/* Whether such a command waits or is out. */
bool talk_has(const struct talk *talk, enum talk_command command);

/* There is something to read. */
void talk_read(struct monitor *monitor);

/* A dead-line may be over. */
void talk_tick(struct monitor *monitor);
