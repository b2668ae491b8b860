/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the entries of an audit log in order, over its segments, from read-only files; verifies
 * each entry's CRC and the chain. Trusts nothing in the files.
 *
 * Where the files come from: CONTROL_AUDIT_OPEN is answered with the newest segments as read-only
 * files, oldest first, at most WIRE_MAX_FDS. (Not with the directory: through it a client could
 * open its parents by "..", and what may be opened would hang on the modes of the files.) Root may
 * read a directory itself: audit_reader_open_directory().
 *
 * To follow: at the end ask audit_reader_sealed(); when it is true the log goes on in another
 * segment: fetch the files anew and give them to audit_reader_continue().
 */
#pragma once

#include "store/audit_files.h"

struct audit_reader;

/* Where a reader is, and what is wrong there. */
struct audit_place {
    enum audit_damage damage; /* AUDIT_WHOLE: nothing */
    uint64_t entry;           /* that audit_reader_next() would return */
    uint64_t segment;         /* its segment: the number in the file's name */
    uint64_t offset;          /* its first byte in that file */
};

/*
 * Borrows the files, segments in order without gaps. -EUCLEAN: they are no such thing; `place` says
 * what is wrong. -EINVAL: no file. The first segment's head is taken as it is: nothing says what
 * was before.
 */
int audit_reader_open(struct audit_reader **reader, const int *files, size_t count,
                      struct audit_place *place);

/* The same over all segments in a directory (borrowed for the call). -ENOENT: there is none. */
int audit_reader_open_directory(struct audit_reader **reader, int directory,
                                struct audit_place *place);

/*
 * The next entry, valid until the next call: 1; 0 at the end; -EAGAIN: the tail is not whole: the
 * writer is just adding it, or a power cut tore it; -EUCLEAN: damaged, audit_reader_place() says
 * where and how; another negative errno: it cannot be read.
 */
int audit_reader_next(struct audit_reader *reader, const struct audit_entry **entry);

void audit_reader_place(const struct audit_reader *reader, struct audit_place *place);

/* SHA-256 of the last entry that was returned; before it: of the one before the first. */
const uint8_t *audit_reader_head(const struct audit_reader *reader);

/* At the end: whether the writer has gone on to another segment. */
bool audit_reader_sealed(const struct audit_reader *reader);

/*
 * Goes on with files fetched anew (borrowed), instead of the former ones, after the last entry that
 * was returned. -EUCLEAN: they do not fit what was read; -ENODATA: they begin later than that.
 */
int audit_reader_continue(struct audit_reader *reader, const int *files, size_t count,
                          struct audit_place *place);

/* NULL is fine. */
void audit_reader_close(struct audit_reader *reader);
