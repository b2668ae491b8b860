/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of an apply, laid ready in CONFIG/.apply before the service is asked (what that is good
 * for, and who reads them, is in src/command/staged.h), and their way to their places afterwards.
 *
 *   staged_write   .apply.new: files, then the request's id; all on the disk; renamed to .apply
 *   staged_move    each file renamed to its place; places on the disk; then the id goes, the folder
 *   staged_remove  the id goes first, then the files, the folder
 *
 * A power cut anywhere leaves .apply with its id and all files that are not in their places yet, or
 * no id and nothing that counts. Each function goes on with what another process left.
 */
#pragma once

#include <stdint.h>

#include "proposal.h"

/* Opens the configuration directory, and keeps others from doing the same until *lock is closed, by
 * a file there that only its owner can open. The directory, or a negative errno; -EWOULDBLOCK:
 * another apply has it. */
int staged_lock(const char *config, int *lock);

/* The id of the files that are there; 0: none, or they lost it. */
uint64_t staged_id(int config);

/* Partitions that are stopped for it and have to be started whatever becomes of it. */
struct staged_restarts {
    uint32_t count;
    char names[PROPOSAL_PARTITIONS_MAX][PARCLOSE_NAME_MAX];
};

/* With what was there before removed. 0 or a negative errno; then nothing counts. */
int staged_write(int config, const char *id, const struct staged_restarts *restarts,
                 const struct proposal_texts *texts);

/* Those of what is there; none when there is nothing. */
void staged_restarts(int config, struct staged_restarts *restarts);

/* 0 or a negative errno; then it can be tried again. */
int staged_move(int config);
int staged_remove(int config);
