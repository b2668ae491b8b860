/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the entries of an audit log in order from a read-only file. Trusts nothing in the file.
 */
#pragma once

#include "store/audit_entry.h"

struct audit_reader;

/* Borrows the file, reads with pread. -EUCLEAN: not an audit log. An empty file has no entries. */
int audit_reader_open(struct audit_reader **reader, int file);

/*
 * The next entry, valid until the next call: 1; 0 at the end (also when the writer is just adding
 * one); -EUCLEAN: what is here is no whole entry, or not the next number.
 */
int audit_reader_next(struct audit_reader *reader, const struct audit_entry **entry);

/* Of the entry that audit_reader_next() would return: its number and its place in the file. */
uint64_t audit_reader_sequence(const struct audit_reader *reader);
uint64_t audit_reader_offset(const struct audit_reader *reader);

/* NULL is fine. */
void audit_reader_close(struct audit_reader *reader);
