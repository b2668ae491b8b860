/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log on disk: a file header of AUDIT_FILE_HEADER bytes, entries one after the other, and
 * zeros up to the end of the space that is allocated ahead, so that a commit is one pwrite and one
 * fdatasync that changes no metadata. One writer; readers through audit_reader.h.
 *
 * After a power cut. Entries are appended in order, and a later entry may reach the disk before an
 * earlier one only while neither was known to be durable; so each says from which entry on nothing
 * was durable yet when it was written (unsynced_from). Opening finds the first entry that is not
 * whole, number N, and looks for whole ones behind it:
 *   entries  … 7 8 [9: torn]                        no whole entry behind: the tail, cut at 9
 *   entries  … 7 8 [9: torn] 10{unsynced_from 9}    10 was in flight with 9: the tail too, cut at 9
 *   entries  … 7 8 [9: bad]  10{unsynced_from 10}   9 was durable when 10 was written: it was
 *                                                   damaged later. Refused, -EUCLEAN, bad_entry 9
 */
#pragma once

#include "store/audit_entry.h"

#define AUDIT_FILE_MAGIC  UINT64_C(0x474f4c4c43415250)
#define AUDIT_FILE_HEADER 4096
#define AUDIT_GROW        1048576 /* space is allocated in steps of this */
#define AUDIT_AHEAD       (AUDIT_ENTRY_MAX + 65536)

struct audit_log;

/* Called for each entry in order while the log is opened; a negative errno stops the opening. */
typedef int audit_visit(void *context, const struct audit_entry *entry);

struct audit_opened {
    uint64_t entries;   /* whole ones */
    uint64_t bad_entry; /* of -EUCLEAN: the damaged one; of a cut tail: the first that was cut */
    uint64_t cut_bytes; /* of the torn tail that was cut; 0: there was none */
};

/*
 * Opens or makes `name` in `directory` (borrowed) and visits all entries. -EUCLEAN: an entry before
 * the tail is damaged, or the file is no audit log; nothing was changed then. `opened` is always
 * filled in.
 */
int audit_log_open(struct audit_log **log, int directory, const char *name,
                   const uint8_t boot_id[16], audit_visit *visit, void *context,
                   struct audit_opened *opened);

/*
 * Writes the entry: sets magic, sequence, times, boot_id and CRC; the caller has set the rest.
 * Durable only after audit_log_sync(). -ENOSPC: nothing was written, the log is fine. Any other
 * error: what is on disk is unknown; every later call fails, and only a new opening helps.
 */
int audit_log_append(struct audit_log *log, struct audit_entry *entry);

/* Makes all appended entries durable: one fdatasync, none when there is nothing new. */
int audit_log_sync(struct audit_log *log);

/* Allocates space ahead when less than AUDIT_AHEAD is left. For an idle moment; append does it
 * itself when it must. */
int audit_log_reserve(struct audit_log *log);

/* Number that the next entry gets. */
uint64_t audit_log_next(const struct audit_log *log);

/* A read-only file of the log, borrowed: for readers elsewhere. */
int audit_log_read_only(const struct audit_log *log);

/* NULL is fine. Does not sync. */
void audit_log_close(struct audit_log *log);
