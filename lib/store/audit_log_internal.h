/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What appending, opening and rotation share; not for others.
 */
#pragma once

#include "store/audit_log.h"

struct audit_log {
    int directory;
    int file;    /* the last segment */
    bool broken; /* an append or sync failed: what is on disk is unknown */
    struct audit_hash *hash;
    uint8_t boot_id[16];
    uint8_t head[AUDIT_HASH_SIZE]; /* of entry next - 1 */
    uint64_t segment;              /* sequence of the last segment's first entry */
    uint64_t next;                 /* sequence of the next entry */
    uint64_t unsynced;             /* first entry that is not known to be durable; = next: none */
    uint64_t end;                  /* offset of the next entry */
    uint64_t allocated;            /* zeros are written up to here */
};

/* Writes zeros from *allocated on, at least to `to`. */
int audit_log_allocate(int file, uint64_t *allocated, uint64_t to);

/* Makes an empty segment under its final name, which is not durable yet: a file, or a negative
 * errno. `allocated`: its size. */
int audit_segment_make(int directory, uint64_t first, const uint8_t head[AUDIT_HASH_SIZE],
                       uint64_t *allocated);
