/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimistic generations: what has changed since the snapshot that a request was made from.
 *
 * Command selects from a snapshot; by the time its request is here, another transaction may have
 * taken what was selected. So control knows which transaction was the last in each snapshot that it
 * published lately, and for each pCPU, memory node and definition the transaction that changed it
 * last. A request is refused as stale (-ESTALE: select again) only if something that *it* depends
 * on is not as its snapshot said; all else may have changed.
 *
 * Example: snapshot 40 has transactions up to 811. START web {pCPU 3} and START db {pCPU 3}, both
 * from 40: db's is 812; pCPU 3 changed in 812 > 811, so web is told "pCPU 3 now belongs to
 * partition db since transaction 812: select again". START mail {pCPU 5} from 40 is accepted: pCPU
 * 5 is as 40 said. From a snapshot that had 812 the same request is not stale but wrong (-EBUSY).
 */
#pragma once

#include "parclose/ids.h"
#include "store/audit_entry.h"

#define SINCE_SNAPSHOTS 64 /* published ones whose last transaction is known */

struct since_snapshot {
    uint64_t generation;
    uint64_t transaction;
};

struct since {
    uint64_t pcpus[PARCLOSE_MAX_PCPUS]; /* by index in the map: the last transaction; 0: none */
    uint64_t nodes[PARCLOSE_MAX_NODES];
    uint64_t definitions[PARCLOSE_MAX_PARTITIONS];    /* index = id - 1 */
    uint64_t host;                                    /* its configuration */
    struct since_snapshot snapshots[SINCE_SNAPSHOTS]; /* a ring */
    size_t snapshots_next;
};

struct control;
struct pcpu;
struct partition;

/* An entry was applied: what it changed is as it is since then. */
void since_note(struct control *control, const struct audit_entry *entry);

/* The snapshot of this generation has all transactions so far. */
void since_published(struct control *control);

/* Whether control published this snapshot and knows yet what it had. */
bool since_known(const struct control *control, uint64_t generation);

/* Whether what was changed by transaction `changed` is newer than the snapshot; so is everything
 * when the snapshot is not known (any more). */
bool since_stale(const struct control *control, uint64_t generation, uint64_t changed);

/* The transaction that changed it last; 0: none since the host was booted. */
uint64_t since_pcpu(const struct control *control, const struct pcpu *pcpu);
uint64_t since_node(const struct control *control, uint32_t number);
uint64_t since_definition(const struct control *control, const struct partition *partition);
