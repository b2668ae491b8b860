/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of an audit log in their directory, and what a segment begins with.
 *
 *   audit.00000000000000000001      segment: entries 1, 2, … (the number of its first entry)
 *   audit.00000000000000081920      segment: the next ones
 *   snapshot.00000000000000081920   the map as it is before entry 81920
 *   *.new                           is being made; a leftover when nobody is making it
 *   cut.*                           kept aside by audit_log_cut(); never read
 */
#pragma once

#include <stdbool.h>

#include "store/audit_entry.h"

#define AUDIT_SEGMENT_MAGIC  UINT64_C(0x474f4c4c43415250)
#define AUDIT_SEGMENT_HEADER 4096 /* bytes before the first entry; zeros behind the header */
#define AUDIT_NAME_MAX       40   /* of a file, NUL included */
#define AUDIT_FILES_LIMIT    4096 /* segments, or snapshots, in a directory */

#define AUDIT_SEGMENT_PREFIX  "audit."
#define AUDIT_SNAPSHOT_PREFIX "snapshot."

struct audit_segment {
    uint64_t magic;
    uint32_t version; /* AUDIT_VERSION */
    uint32_t zone;    /* AUDIT_ZONE */
    uint64_t first;   /* sequence of its first entry, from 1 on; as in the file's name */
    uint8_t head[AUDIT_HASH_SIZE]; /* SHA-256 of entry first - 1; of 1: zeros */
    uint32_t reserved;
    uint32_t crc; /* CRC32C of this header up to here */
};
_Static_assert(sizeof(struct audit_segment) == 64, "on disk");

/* What is wrong with a log; in the order of what is looked at first. */
enum audit_damage {
    AUDIT_WHOLE = 0,
    AUDIT_OTHER_VERSION = 1, /* made by another version of Parclose */
    AUDIT_BAD_HEADER = 2,    /* of a segment: no segment, damaged, or not what its name says */
    AUDIT_BAD_ENTRY = 3,     /* damaged, though it was durable once */
    AUDIT_BAD_CHAIN = 4,     /* whole by its CRC, but its hash of the one before is another: one of
                              * the two, or of a segment's or snapshot's head, was changed */
    AUDIT_MISSING = 5,       /* the entry is not there, though what follows it is */
    AUDIT_BAD_SNAPSHOT = 6,  /* no snapshot is whole, and the segments do not go back to 1 */
    AUDIT_DAMAGES
};

/* For people: "is damaged", …; never NULL. */
const char *audit_damage_text(enum audit_damage damage);

/* prefix and number as a file's name. */
void audit_file_name(const char *prefix, uint64_t number, char name[AUDIT_NAME_MAX]);

/*
 * The numbers of all files of a prefix, ascending, in a new array that the caller frees; none: 0
 * and an empty array. How many, or a negative errno; -E2BIG beyond AUDIT_FILES_LIMIT.
 */
ssize_t audit_files_list(int directory, const char *prefix, uint64_t **numbers);

/* A header, CRC included. */
void audit_segment_fill(struct audit_segment *segment, uint64_t first,
                        const uint8_t head[AUDIT_HASH_SIZE]);

/* Reads and checks a segment's header; AUDIT_WHOLE, or what is wrong; or a negative errno. */
int audit_segment_read(int file, struct audit_segment *segment);

/* pwrite() and pread() of all: 0, or how many bytes came (less only at the end of the file); or a
 * negative errno. */
int audit_write_at(int file, const void *data, size_t size, uint64_t offset);
ssize_t audit_read_at(int file, void *buffer, size_t size, uint64_t offset);
