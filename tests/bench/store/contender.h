/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store is measured against: each contender makes the same transaction durable, the audit
 * record and the new state of each resource that it changes, before it returns.
 */
#pragma once

#include "store/audit_entry.h"

struct contender {
    const char *name;
    /* A new store in `folder`, a directory of its own. Ends the program when it cannot. */
    void *(*open)(const char *folder);
    void (*transact)(void *state, struct audit_entry *entry);
    void (*close)(void *state);
};

extern const struct contender ours, floor_write, sqlite, lmdb;

#define WORKLOAD_PARTITIONS 8u

/* The transaction number `n`: the start of a partition, or its release: 4 pCPUs, 2 extents, 3 VFs
 * and the partition's running data; before images as transaction n - 1 left them. */
void workload_fill(struct audit_entry *entry, uint64_t n);

/* The host that it is for. */
struct inventory;
void workload_inventory(struct inventory *inventory);

/* Our store in pieces, for many clients at once. */
void ours_append(void *state, struct audit_entry *entry);
void ours_sync(void *state);

/* Entries that were in its log, behind the snapshot, when it was opened. */
uint64_t ours_entries(const void *state);
