/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goes over the entries of one segment with big reads and verifies them. For opening and for
 * readers; not for others.
 */
#pragma once

#include "store/audit_files.h"
#include "store/audit_hash.h"

/* How far the chain of entries is verified; goes on from segment to segment. */
struct audit_chain {
    struct audit_hash *hash;
    uint64_t next;                 /* sequence of the next entry */
    uint8_t head[AUDIT_HASH_SIZE]; /* SHA-256 of the one before it */
};

struct audit_scan {
    int file;        /* borrowed */
    uint64_t offset; /* of the next entry */
    uint64_t start;  /* of the bytes in the buffer; a multiple of 8 */
    size_t filled;
    uint8_t *buffer;
};

/* -ENOMEM: no memory. The file is set by audit_scan_file(). */
int audit_scan_new(struct audit_scan *scan);
void audit_scan_free(struct audit_scan *scan);

/* Begins at the first entry of a segment (borrowed). */
void audit_scan_file(struct audit_scan *scan, int file);

/*
 * The chain's next entry, valid until the next call, and the chain is one further: 1; 0: there are
 * zeros, or the file ends; -EUCLEAN: something else is there, `damage` says what is wrong with it;
 * another negative errno. Looks at the file again at each call that is not 1.
 */
int audit_scan_next(struct audit_scan *scan, struct audit_chain *chain,
                    const struct audit_entry **entry, enum audit_damage *damage);

/* What a segment has where its next entry should be. */
enum audit_rest {
    AUDIT_REST_ZEROS,
    AUDIT_REST_TORN,    /* something, but no entry that was written after `number` was durable */
    AUDIT_REST_DAMAGED, /* such an entry: so `number` was damaged later */
};

/* Judges a file from `offset` (a multiple of 8) to its end, where entry `number` should be. `whole`
 * counts whole entries of that or a later number there; may be NULL. */
int audit_rest_read(int file, uint64_t offset, uint64_t number, enum audit_rest *rest,
                    uint64_t *whole);
