/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lead -> tcb: the VFIO files of a partition. The TCB opens them only for VFs that control has
 * committed to that partition and that are bound to vfio-pci, sends them, and closes its copies.
 * lead says when the partition's monitor is gone, so that the TCB knows what is open.
 */
#pragma once

#include "parclose/device.h"
#include "parclose/wire.h"

enum message_tcb_lead {
    VFIO_OPEN = MSG_BASE_TCB_LEAD, /* lead -> tcb */
    VFIO_FILES,  /* tcb -> lead: container, then one group file a VF, same order */
    VFIO_HELD,   /* lead -> tcb, on each new link, and of a new VF: its monitor holds these */
    VFIO_CLOSED, /* lead -> tcb: its monitor ended, or closed one VF */
    VFIO_SYNC,   /* lead -> tcb, on each new link: all HELD are said */
};

struct vfio_open { /* OPEN, HELD */
    struct wire_header header;
    struct partition_id partition;
    uint32_t vfs_count;
    struct bdf vfs[PARCLOSE_MAX_PARTITION_VFS];
};

struct vfio_files {
    struct wire_header header;
    struct partition_id partition;
    int32_t error; /* 0: 1 + vfs_count files come along */
    uint32_t vfs_count;
    uint32_t groups[PARCLOSE_MAX_PARTITION_VFS];
    uint32_t reserved;
    char text[PARCLOSE_REASON_MAX];
};

struct vfio_closed {
    struct wire_header header;
    struct partition_id partition;
    struct bdf vf; /* 0: all of them */
};
struct vfio_sync {
    struct wire_header header;
};
