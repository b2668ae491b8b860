/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy: which of the free resources a partition gets. Pure: a snapshot in, a choice out; control
 * checks that it still holds. This folder is the operations role until operations is a process.
 *
 * The rule: memory from one NUMA node; pCPUs that idle owns, on that node as far as they go. Of the
 * nodes with enough memory, first those that have all the pCPUs too, of them the one with the
 * fewest left over (so that large partitions find room later); else the one with most pCPUs.
 *
 * Example: 2 vCPUs, 512 MiB; node 0 has 4 idle pCPUs and 8 GiB, node 1 has 2 and 1 GiB: node 1.
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
