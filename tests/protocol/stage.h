/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One real daemon, sandbox and all, on a stage: the test is boot and every peer of it. Boot's part
 * is as in msg_boot.h. All waiting has a dead-line; a miss fails the test.
 */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "parclose/msg_boot.h"
#include "wire/frame.h"

struct stage {
    char executable[PATH_MAX]; /* absolute: the daemon works in its folder */
    enum process_kind kind;
    char folder[64]; /* empty at first; the daemon works in it, and may have it as a directory */
    pid_t pid;
    int boot;
    uint32_t generation;      /* of the daemon: how many there were */
    int links[PROCESS_KINDS]; /* the peers' ends; -1: there is none */
    uint32_t generations[PROCESS_KINDS];
    struct boot_complaint complaint; /* the latest that boot heard */
    unsigned complaints;
};

/* kill -9; what it said before can still be read from the links. */
void stage_kill(struct stage *stage);
/* A successor of one that was killed, in the same folder, up to its HELLO. */
void stage_again(struct stage *stage);

/* Empties the folder, while no daemon is there. */
void stage_forget(struct stage *stage);

/* Up to its HELLO. */
void stage_begin(struct stage *stage, const char *executable, enum process_kind kind);
/* Hands over a file, and closes it here. */
void stage_give(struct stage *stage, const char *name, int file);
/* A new link to a peer; the one before is closed. */
void stage_link(struct stage *stage, enum process_kind peer);
/* A new link between two daemons: the test has no end of it. */
void stage_join(struct stage *one, struct stage *other);
/* START, and READY heard. */
void stage_start(struct stage *stage);
/* STOP; it must end in order. Takes the stage down. */
void stage_end(struct stage *stage);

/* Any bytes as one datagram, `file` with it `files` times. 0, or -EPIPE: nobody is there. */
#define STAGE_FILES_MAX (WIRE_MAX_FDS + 1)
int stage_throw(int socket, const void *bytes, size_t size, int file, size_t files);

/* Asks for a sign of life and hears it: a fraction of a second. */
void stage_alive(struct stage *stage);

/* Waits until all that was sent on a peer's link is handled; hears what boot is told about it. */
void stage_settle(struct stage *stage, enum process_kind peer);

/* How many files the daemon has open. */
size_t stage_files(const struct stage *stage);
