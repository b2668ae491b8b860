/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is only needed while it runs. */
struct run {
    struct audit_recovery *recovery;
    struct audit_snapshot snapshot; /* sequence 0: none */
    uint64_t *segments;
    size_t segments_count;
    struct audit_scan scan;
};

static int damaged(struct run *run, enum audit_damage damage, uint64_t entry, uint64_t segment)
{
    struct audit_opened *opened = run->recovery->opened;

    opened->damage = damage;
    opened->bad_entry = entry;
    opened->segment = segment;
    return -EUCLEAN;
}

/* --- the snapshot ----------------------------------------------------------------------------- */

/* The segment to begin with when entries from `entry` on are wanted; segments_count: none. */
static size_t segment_of(const struct run *run, uint64_t entry)
{
    size_t found = run->segments_count;

    for (size_t i = 0; i < run->segments_count && run->segments[i] <= entry; i++)
        found = i;
    return found;
}

static int snapshot_load(struct run *run, uint64_t number)
{
    const struct audit_visitor *visitor = run->recovery->visitor;
    int error =
        audit_snapshot_read(run->recovery->directory, number, &run->snapshot,
                            visitor ? visitor->load : NULL, visitor ? visitor->context : NULL);

    if (!error)
        run->recovery->opened->snapshot = number;
    else
        run->snapshot.sequence = 0;
    if (error == -EUCLEAN && !run->recovery->opened->damaged_snapshot)
        run->recovery->opened->damaged_snapshot = number;
    return error;
}

/* The newest whole one from which the segments lead on. */
static int snapshot_choose(struct run *run, const uint64_t *snapshots, size_t count)
{
    while (count--) {
        uint64_t number = snapshots[count];
        if (number > run->recovery->before || segment_of(run, number) == run->segments_count)
            continue;
        int error = snapshot_load(run, number);
        if (error != -EUCLEAN)
            return error;
    }
    if (run->segments_count && run->segments[0] != 1)
        return damaged(run, AUDIT_BAD_SNAPSHOT, run->segments[0], run->segments[0]);
    return 0;
}

static int snapshot_find(struct run *run)
{
    uint64_t *snapshots;
    ssize_t count = audit_files_list(run->recovery->directory, AUDIT_SNAPSHOT_PREFIX, &snapshots);

    if (count < 0)
        return (int)count;
    int error = snapshot_choose(run, snapshots, (size_t)count);
    if (!error && count && !run->segments_count)
        error = damaged(run, AUDIT_MISSING, snapshots[count - 1], snapshots[count - 1]);
    free(snapshots);
    return error;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* The chain has come to the snapshot's place: it must be the same one. */
static int snapshot_fits(struct run *run)
{
    const struct audit_chain *chain = &run->recovery->chain;

    if (chain->next != run->snapshot.sequence ||
        memcmp(chain->head, run->snapshot.head, AUDIT_HASH_SIZE) == 0)
        return 0;
    return damaged(run, AUDIT_BAD_CHAIN, chain->next, run->recovery->segment);
}

static int visit(struct run *run, const struct audit_entry *entry)
{
    const struct audit_visitor *visitor = run->recovery->visitor;

    if (entry->sequence < run->snapshot.sequence)
        return 0;
    run->recovery->opened->entries++;
    return visitor ? visitor->visit(visitor->context, entry) : 0;
}

/* All entries of one segment: 0 at what is none, whatever it is. */
static int entries(struct run *run)
{
    struct audit_recovery *recovery = run->recovery;
    const struct audit_entry *entry;
    enum audit_damage damage;

    while (recovery->chain.next < recovery->before) {
        int error = snapshot_fits(run);
        if (error)
            return error;
        int got = audit_scan_next(&run->scan, &recovery->chain, &entry, &damage);
        recovery->end = run->scan.offset;
        if (got == -EUCLEAN && damage == AUDIT_BAD_CHAIN)
            return damaged(run, damage, recovery->chain.next, recovery->segment);
        if (got != 1)
            return got == -EUCLEAN ? 0 : got;
        error = visit(run, entry);
        if (error < 0)
            return error;
    }
    return 0;
}

static int open_segment(struct run *run, uint64_t number)
{
    struct audit_recovery *recovery = run->recovery;
    char name[AUDIT_NAME_MAX];

    if (recovery->file >= 0)
        close(recovery->file);
    audit_file_name(AUDIT_SEGMENT_PREFIX, number, name);
    recovery->file = openat(recovery->directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    recovery->segment = number;
    recovery->end = AUDIT_SEGMENT_HEADER;
    audit_scan_file(&run->scan, recovery->file);
    return recovery->file < 0 ? -errno : 0;
}

/* The segment's header: it is what its name says and goes on where the one before ended. */
static int header_fits(struct run *run, bool first)
{
    struct audit_recovery *recovery = run->recovery;
    struct audit_chain *chain = &recovery->chain;
    struct audit_segment header;
    int got = audit_segment_read(recovery->file, &header);

    if (got < 0)
        return got;
    if (got == AUDIT_WHOLE && header.first != recovery->segment)
        got = AUDIT_BAD_HEADER;
    if (got != AUDIT_WHOLE)
        return damaged(run, (enum audit_damage)got, recovery->segment, recovery->segment);
    if (first) {
        chain->next = header.first;
        memcpy(chain->head, header.head, AUDIT_HASH_SIZE);
        return 0;
    }
    if (memcmp(chain->head, header.head, AUDIT_HASH_SIZE) != 0)
        return damaged(run, AUDIT_BAD_CHAIN, chain->next, recovery->segment);
    return 0;
}

/* A segment that others follow ends with its last entry: nothing was torn there. */
static int ends_before(struct run *run, uint64_t next_segment)
{
    struct audit_recovery *recovery = run->recovery;

    if (recovery->chain.next == next_segment && recovery->rest == AUDIT_REST_ZEROS)
        return 0;
    return damaged(run, recovery->rest == AUDIT_REST_ZEROS ? AUDIT_MISSING : AUDIT_BAD_ENTRY,
                   recovery->chain.next, recovery->segment);
}

static int segment(struct run *run, size_t index, bool first)
{
    struct audit_recovery *recovery = run->recovery;
    bool last = index + 1 == run->segments_count;
    int error = open_segment(run, run->segments[index]);

    if (!error)
        error = header_fits(run, first);
    if (!error)
        error = entries(run);
    if (error || recovery->chain.next == recovery->before)
        return error;
    error =
        audit_rest_read(recovery->file, recovery->end, recovery->chain.next, &recovery->rest, NULL);
    if (!error && !last)
        error = ends_before(run, run->segments[index + 1]);
    if (!error && recovery->rest == AUDIT_REST_DAMAGED)
        error = damaged(run, AUDIT_BAD_ENTRY, recovery->chain.next, recovery->segment);
    return error;
}

/* Where to begin: before the cut, if there is one, so that there is something to cut. */
static size_t begin_at(const struct run *run)
{
    uint64_t before = run->recovery->before;
    uint64_t from = run->snapshot.sequence ? run->snapshot.sequence : 1;

    return segment_of(run, from < before ? from : before - 1);
}

static int segments(struct run *run)
{
    struct audit_recovery *recovery = run->recovery;
    size_t begin = begin_at(run);
    int error = 0;

    for (size_t i = begin; !error && i < run->segments_count; i++) {
        if (recovery->chain.next == recovery->before)
            return 0;
        error = segment(run, i, i == begin);
    }
    if (error)
        return error;
    /* whole entries were there when the snapshot was made; this end of the log cannot be a tear */
    if (recovery->chain.next < run->snapshot.sequence)
        return damaged(run, AUDIT_MISSING, recovery->chain.next, recovery->segment);
    return snapshot_fits(run);
}

static int run_all(struct run *run)
{
    ssize_t count =
        audit_files_list(run->recovery->directory, AUDIT_SEGMENT_PREFIX, &run->segments);

    if (count < 0)
        return (int)count;
    run->segments_count = (size_t)count;
    int error = audit_hash_new(&run->recovery->chain.hash);
    if (!error)
        error = audit_scan_new(&run->scan);
    if (!error)
        error = snapshot_find(run);
    if (!error)
        error = segments(run);
    return error;
}

int audit_recovery_run(struct audit_recovery *recovery)
{
    struct run run = {.recovery = recovery};

    *recovery->opened = (struct audit_opened){0};
    recovery->chain = (struct audit_chain){.next = 1};
    recovery->segment = 0;
    recovery->file = -1;
    recovery->end = AUDIT_SEGMENT_HEADER;
    recovery->rest = AUDIT_REST_ZEROS;
    int error = run_all(&run);
    audit_scan_free(&run.scan);
    free(run.segments);
    return error;
}

void audit_recovery_free(struct audit_recovery *recovery)
{
    audit_hash_free(recovery->chain.hash);
    recovery->chain.hash = NULL;
    if (recovery->file >= 0)
        close(recovery->file);
    recovery->file = -1;
}
