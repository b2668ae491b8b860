/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a log, what was promised by then, and whether a log found after a power cut keeps
 * the promises.
 */
#pragma once

#include "crash_disk.h"

#define HISTORY_MAX 4096 /* entries */

/* Each entry has an id of its own (in the key of each of its changes). */
struct history {
    uint64_t ids[HISTORY_MAX];
    uint64_t must;               /* entries up to here were acknowledged */
    uint64_t may;                /* entries up to here were written, or are being written */
    uint64_t aside[HISTORY_MAX]; /* ids of acknowledged entries that were cut off on purpose */
    size_t aside_count;
};

/* Takes a mark of a record into account. */
void history_mark(struct history *history, const struct disk_operation *mark);

enum history_flavour {
    HISTORY_SMALL,    /* entries of a few hundred bytes to a few thousand; everything happens */
    HISTORY_BIG,      /* entries of AUDIT_ENTRY_MAX, so that space is made often: some fixed steps,
                       * then any */
    HISTORY_RECORDED, /* always the same one: each kind of step once */
    HISTORIES
};

/*
 * Opens the log in a directory and does `steps` things with it, or all of the recorded one's; marks
 * go into the record that is under way. `history` is what is there before, and is kept up to date.
 * NULL, or what is wrong.
 */
const char *history_run(int directory, struct history *history, enum history_flavour flavour,
                        size_t steps);

/* Opens the log in a directory as after a power cut: NULL, or which promise is not kept.
 * `entries`: how many it has. */
const char *history_verify(int directory, const struct history *history, uint64_t *entries);
