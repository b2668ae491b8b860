/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log on disk: segments and snapshots in a directory (audit_files.h). A segment is a
 * header, entries one after the other, and, in the last one, zeros up to the end of the space that
 * is allocated ahead, so that a commit is one pwrite and one fdatasync that changes no metadata.
 * One writer; readers through audit_reader.h.
 *
 * After a power cut. Entries are appended in order, and a later entry may reach the disk before an
 * earlier one only while neither was known to be durable; so each says from which entry on nothing
 * was durable yet when it was written (unsynced_from). Opening finds the first entry of the last
 * segment that is not whole, number N, and looks for whole ones behind it:
 *   entries  … 7 8 [9: torn]                        no whole entry behind: the tail, cut at 9
 *   entries  … 7 8 [9: torn] 10{unsynced_from 9}    10 was in flight with 9: the tail too, cut at 9
 *   entries  … 7 8 [9: bad]  10{unsynced_from 10}   9 was durable when 10 was written: it was
 *                                                   damaged later. Refused, -EUCLEAN, bad_entry 9
 *
 * Rotation, before entry N, each step durable before the next one begins:
 *   1. all entries before N           nothing has changed yet
 *   2. snapshot.N (as .new, renamed)  a crash leaves snapshot.N without audit.N: the old segment
 *                                     goes on, and opening takes its entries from N on
 *   3. audit.N (as .new, renamed)     empty: the same log
 * then entries go to audit.N, the old segment's zeros are cut off (readers take that for "goes on
 * elsewhere"), and what is older than need be is deleted.
 *
 * Opening takes the newest whole snapshot N, the segment in which N is, and all later ones. Every
 * entry read is verified, and so is that the chain fits over segments and to the snapshot.
 */
#pragma once

#include "store/audit_snapshot.h"

#ifndef AUDIT_GROW
#define AUDIT_GROW 1048576 /* space is allocated in steps of this */
#endif
#define AUDIT_AHEAD    (AUDIT_ENTRY_MAX + AUDIT_GROW / 16)
#define AUDIT_KEEP_MIN 2 /* segments */

struct audit_log;

/* Called for each entry in order while the log is opened; a negative errno stops the opening. */
typedef int audit_visit(void *context, const struct audit_entry *entry);

/* What opening tells; all with `context`. NULL instead: nothing. */
struct audit_visitor {
    audit_load *load;   /* each resource of the snapshot, if there is one */
    audit_visit *visit; /* each entry from the snapshot on */
    void *context;
};

struct audit_opened {
    uint64_t entries;          /* whole ones that were visited */
    uint64_t snapshot;         /* its number; 0: there was none */
    uint64_t damaged_snapshot; /* the newest one that could not be used; 0: none */
    enum audit_damage damage;  /* of -EUCLEAN: what is wrong */
    uint64_t bad_entry;        /* of -EUCLEAN: the one that is wrong; of a cut tail: the first that
                                * was cut */
    uint64_t segment;          /* of -EUCLEAN: the number in the name of its file */
    uint64_t cut_bytes;        /* of the torn tail that was cut; 0: there was none */
};

/*
 * Opens or makes the log in `directory` (borrowed for the call) and visits what is in it, in one
 * pass: what was visited is to be thrown away after an error. -EUCLEAN: damaged; nothing was
 * changed on disk then. `opened` is always filled in. For the way on see audit_cut.h.
 */
int audit_log_open(struct audit_log **log, int directory, const uint8_t boot_id[16],
                   const struct audit_visitor *visitor, struct audit_opened *opened);

/*
 * Writes the entry: sets magic, sequence, times, boot_id, previous and CRC; the caller has set the
 * rest. Durable only after audit_log_sync(). -ENOSPC: nothing was written, the log is fine. Any
 * other error: what is on disk is unknown; every later call fails, and only a new opening helps.
 */
int audit_log_append(struct audit_log *log, struct audit_entry *entry);

/* Makes all appended entries durable: one fdatasync, none when there is nothing new. */
int audit_log_sync(struct audit_log *log);

/* Allocates space ahead when less than AUDIT_AHEAD is left, durably. For an idle moment; append
 * does it itself when it must. Errors as of append. */
int audit_log_reserve(struct audit_log *log);

/* Number that the next entry gets. */
uint64_t audit_log_next(const struct audit_log *log);

/* SHA-256 of the last entry: the head of the chain. Zeros when there is none. */
const uint8_t *audit_log_head(const struct audit_log *log);

/* Bytes of the last segment that are entries. */
uint64_t audit_log_segment_bytes(const struct audit_log *log);

/*
 * Rotation: begin, add all resources of the map to the snapshot, finish. No entry may be appended
 * between begin and finish. For an idle moment: it writes the whole map.
 *
 * begin makes the entries durable. -EALREADY: the last segment has no entry yet.
 */
int audit_rotation_begin(struct audit_log *log, struct audit_snapshot_writer **snapshot);

/*
 * Takes the snapshot (or abandons it) and goes on in a new segment; then deletes the oldest
 * segments while there are more than `keep` (at least AUDIT_KEEP_MIN), and old snapshots. Never
 * deleted: the two newest snapshots, and what is needed to open from the older of them. -EBUSY: an
 * entry was appended meanwhile; no rotation. -ENOSPC, and other errors of the file system before
 * the new segment has its name: no rotation, the log is fine in the old one. Errors later: as of
 * append.
 */
int audit_rotation_finish(struct audit_log *log, struct audit_snapshot_writer *snapshot,
                          size_t keep);

/* The newest segments as read-only files, oldest first, at most `max`: how many, or a negative
 * errno. The caller closes them. */
ssize_t audit_log_files(const struct audit_log *log, int *files, size_t max);

/* NULL is fine. Does not sync. */
void audit_log_close(struct audit_log *log);
