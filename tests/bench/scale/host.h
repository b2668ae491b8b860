/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host of a given size, with control's core on it; the benchmark is every other process. Any
 * failure ends the program.
 *
 * At full size: 1,024 pCPUs and 16 TiB on 16 nodes, 64 cards with 256 VFs each, 4,096 partitions
 * defined, five eighths of the pCPUs given to one started partition each, with 4 GiB and 8 VFs.
 */
#pragma once

#include <stdint.h>

#include "control.h"
#include "snapshot_view.h"

#define HOST_PARTITION_VFS 8

struct host {
    char directory[4096];
    int state; /* file of it */
    struct control *control;
    uint32_t started;          /* partitions p0, p1, ... */
    uint32_t partitions;       /* that are defined */
    int32_t error;             /* of the last RESULT */
    struct snapshot_view view; /* the latest snapshot, as command sees it */
};

/* `part`: of the full size, 1 / part. `folder`: the audit log gets a folder of its own in it. */
void host_make(struct host *host, const char *folder, uint32_t part);
void host_free(struct host *host);

/* Starts the next partition: its audit entry is on disk when this returns. */
void host_start(struct host *host);

/* What the next partition is to be. */
void host_next(const struct host *host, struct partition_config *config);
