/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot: every resource of the map as it is before entry N, so that the entries before N need
 * not be read again.
 *
 *   +----------------+---------------------+---------------------+---+------------------------+
 *   | audit_snapshot | audit_change, after | audit_change, after | … | audit_snapshot_trailer |
 *   +----------------+---------------------+---------------------+---+------------------------+
 *
 * The changes are those of an entry that has no images before: loading is applying them. A file of
 * that name is whole or damaged, never half written: it has another name until it is durable.
 */
#pragma once

#include "store/audit_files.h"
#include "store/audit_hash.h"

#define AUDIT_SNAPSHOT_MAGIC   UINT64_C(0x50414e5343415250)
#define AUDIT_SNAPSHOT_TRAILER UINT64_C(0x444e455343415250)

struct audit_snapshot {
    uint64_t magic;
    uint32_t version;  /* AUDIT_VERSION */
    uint32_t zone;     /* AUDIT_ZONE */
    uint64_t sequence; /* N: the map is that before this entry */
    uint64_t realtime_ns;
    uint8_t boot_id[16];           /* of the host's boot that the map is of */
    uint8_t head[AUDIT_HASH_SIZE]; /* SHA-256 of entry N - 1; of 1: zeros */
};
_Static_assert(sizeof(struct audit_snapshot) == 80, "on disk");

struct audit_snapshot_trailer {
    uint64_t magic;
    uint64_t count;                /* of changes */
    uint64_t size;                 /* of all before the trailer, in bytes */
    uint8_t hash[AUDIT_HASH_SIZE]; /* SHA-256 of all before the trailer */
};
_Static_assert(sizeof(struct audit_snapshot_trailer) == 56, "on disk");

struct audit_snapshot_writer;

/* Begins snapshot.N.new in `directory`, borrowed until the end; N and head of `header` are the
 * caller's, the rest is set here. */
int audit_snapshot_begin(struct audit_snapshot_writer **writer, int directory,
                         const struct audit_snapshot *header);

/* One resource as it is. -EINVAL: no such kind; else what writing said. */
int audit_snapshot_add(struct audit_snapshot_writer *writer, enum resource_kind kind, uint64_t key0,
                       uint64_t key1, const void *image);

/* Makes it whole on disk and gives it its name, which is durable once the directory is synced. The
 * writer is gone then, also after an error. */
int audit_snapshot_commit(struct audit_snapshot_writer *writer);

/* Its N. */
uint64_t audit_snapshot_sequence(const struct audit_snapshot_writer *writer);

/* Gives it up. NULL is fine. */
void audit_snapshot_abandon(struct audit_snapshot_writer *writer);

/* Called for each change of a snapshot in order; a negative errno stops the loading. */
typedef int audit_load(void *context, const struct audit_snapshot *snapshot,
                       const struct audit_change *change);

/*
 * Reads a snapshot: all of it is verified before the first call of `load` (NULL: only verified).
 * 0; -EUCLEAN: not a whole snapshot of `sequence`; else a negative errno or what `load` says.
 * `header` is filled in on 0.
 */
int audit_snapshot_read(int directory, uint64_t sequence, struct audit_snapshot *header,
                        audit_load *load, void *context);

/* The same for a file (borrowed); `sequence` 0: any. */
int audit_snapshot_read_file(int file, uint64_t sequence, struct audit_snapshot *header,
                             audit_load *load, void *context);
