/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The latest snapshot of the resource database (parclose/snapshot.h), mapped read-only once its
 * seals, its size and every field have been checked; from then on it cannot change.
 */
#pragma once

#include <stddef.h>

#include "parclose/snapshot.h"

#define SNAPSHOT_MEMORY_MAX 131072 /* blocks */
#define SNAPSHOT_VFS_MAX    (PARCLOSE_MAX_PFS * PARCLOSE_MAX_VFS_PER_PF)

struct snapshot_view {
    const struct snapshot *head;
    const struct snapshot_partition *partitions;
    const struct snapshot_pcpu *pcpus;
    const struct snapshot_memory *memory;
    const struct snapshot_pf *pfs;
    const struct snapshot_vf *vfs;
    const struct snapshot_function *functions;
    const struct snapshot_process *processes;
    uint32_t *name_hashes; /* of partitions; NULL: each is looked at */
    uint32_t *card_hashes; /* of the names of PFs' cards, in the same way */
    size_t size;           /* of the mapping at head */
};

/*
 * Maps the memfd; the file stays the caller's. -EPERM: it is not sealed; -EBADMSG: its size, a
 * count or a field is not what it may be. *view is only changed on success.
 */
int snapshot_view_open(struct snapshot_view *view, int fd);

/* Fine for a view that is all zero. */
void snapshot_view_close(struct snapshot_view *view);

/* It has no resources: it was never started, or is over. */
bool snapshot_partition_stopped(const struct snapshot_partition *partition);

/* NULL: there is none. */
const struct snapshot_partition *snapshot_view_partition(const struct snapshot_view *view,
                                                         const char *name);
const struct snapshot_partition *snapshot_view_partition_id(const struct snapshot_view *view,
                                                            struct partition_id id);
const struct snapshot_pf *snapshot_view_card(const struct snapshot_view *view, const char *card);
const struct snapshot_vf *snapshot_view_vf(const struct snapshot_view *view, struct bdf pf,
                                           uint32_t index);
