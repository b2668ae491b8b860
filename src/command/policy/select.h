/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy: which of the free resources a partition gets. Pure: a snapshot in, a choice out; control
 * checks that it still holds. This folder is the operations role until operations is a process.
 *
 * The rule: memory from one NUMA node; pCPUs that idle owns, on that node as far as they go. Of the
 * nodes with enough memory, first those that have all the pCPUs too, of them the one to which the
 * PFs of most of the partition's VFs are attached, of them the one with the fewest pCPUs left over
 * (so that large partitions find room later). When no node has all the pCPUs, the one with most,
 * then with most VFs. Where the firmware does not say which node a PF is on, its VFs do not count.
 *
 * Example: 2 vCPUs, 512 MiB; node 0 has 4 idle pCPUs and 8 GiB, node 1 has 2 and 1 GiB: node 1.
 * With a VF of a card on node 0: node 0. With 3 GiB, 6 vCPUs, and a card on node 1: node 0, because
 * node 1 has not the memory; 2 of the 6 pCPUs are then node 1's.
 */
#pragma once

#include "snapshot_view.h"

struct selection {
    uint64_t generation; /* of the snapshot that it was made from */
    uint32_t memory_node;
    uint32_t pcpus_count;
    uint32_t pcpus[PARCLOSE_MAX_VCPUS];
};

/* 0; -ENOSPC: processors or memory; -EBUSY: a VF has another owner. `reason`: what is missing. */
int policy_select(const struct snapshot_view *view, const struct partition_config *partition,
                  struct selection *selection, char reason[PARCLOSE_REASON_MAX]);
