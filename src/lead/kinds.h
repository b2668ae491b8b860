/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of monitor that a definition may name (R-MON-4), and what each needs of lead. A
 * monitor is loaded when its partition is activated: another version of its executable, or of what
 * it starts, is that of the next activation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file of the distribution. path NULL: none is needed. */
struct monitor_part {
    const char *path;
    const char *package; /* that has it */
};

struct monitor_kind {
    const char *name;             /* as in a definition */
    const char *executable;       /* the monitor's */
    struct monitor_part program;  /* what it starts, handed over as FILE_PROGRAM */
    struct monitor_part firmware; /* the UEFI that it gives a guest which asks for one */
    bool libraries;               /* its root has the host's libraries to read; else it is empty */
    bool sessions;                /* it takes them (session.h) */
    bool threads;                 /* its vCPUs are threads of one process */
    /* beside vCPUs and guest memory, where no filter of its own bounds it; 0: not limited */
    uint32_t tasks;
    uint64_t memory_bytes; /* and a 16th of the guest's: page tables, its files in the cache */
};

/* All kinds; a kind's index is its number in a request to the spawning helper. */
extern const struct monitor_kind monitor_kinds[];
extern const size_t monitor_kinds_count;

/* The kind's index, or a negative errno. */
int kind_find(const char *name);
