/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation and retention; audit_log.h says in which order and why. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/audit_log_internal.h"

int audit_rotation_begin(struct audit_log *log, struct audit_snapshot_writer **snapshot)
{
    struct audit_snapshot header = {.sequence = log->next};

    if (log->next == log->segment)
        return -EALREADY;
    int error = audit_log_sync(log);
    if (error)
        return error;
    memcpy(header.boot_id, log->boot_id, sizeof(header.boot_id));
    memcpy(header.head, log->head, sizeof(header.head));
    return audit_snapshot_begin(snapshot, log->directory, &header);
}

/* --- retention -------------------------------------------------------------------------------- */

static int remove_file(int directory, const char *prefix, uint64_t number)
{
    char name[AUDIT_NAME_MAX];

    audit_file_name(prefix, number, name);
    return unlinkat(directory, name, 0) < 0 ? -errno : 0;
}

/* Oldest first, and never two at once before the first is durably gone: a power cut leaves no gap.
 * `from`: opening may begin there. */
static int segments_delete(int directory, const uint64_t *segments, size_t count, size_t keep,
                           uint64_t from)
{
    for (size_t i = 0; i + keep < count && segments[i + 1] <= from; i++) {
        if (i && fsync(directory) < 0)
            return -errno;
        int error = remove_file(directory, AUDIT_SEGMENT_PREFIX, segments[i]);
        if (error)
            return error;
    }
    return 0;
}

/* The older of the two snapshots that are kept is what a damaged newer one falls back to: so
 * nothing that it needs goes, and nothing at all when it is damaged itself. */
static int delete_before(int directory, const uint64_t *snapshots, size_t count, size_t keep)
{
    struct audit_snapshot header;
    uint64_t from = snapshots[count - 2], *segments;
    int error = audit_snapshot_read(directory, from, &header, NULL, NULL);

    if (error)
        return error == -EUCLEAN ? 0 : error;
    ssize_t segments_count = audit_files_list(directory, AUDIT_SEGMENT_PREFIX, &segments);
    if (segments_count < 0)
        return (int)segments_count;
    error = segments_delete(directory, segments, (size_t)segments_count, keep, from);
    free(segments);
    for (size_t i = 0; !error && i + 2 < count; i++)
        error = remove_file(directory, AUDIT_SNAPSHOT_PREFIX, snapshots[i]);
    return error;
}

static int retain(int directory, size_t keep)
{
    uint64_t *snapshots;
    ssize_t count = audit_files_list(directory, AUDIT_SNAPSHOT_PREFIX, &snapshots);

    if (count < 0)
        return (int)count;
    int error = count < 2 ? 0
                          : delete_before(directory, snapshots, (size_t)count,
                                          keep < AUDIT_KEEP_MIN ? AUDIT_KEEP_MIN : keep);
    free(snapshots);
    return error;
}

/* --- the new segment -------------------------------------------------------------------------- */

/* The old one ends with its last entry from now on: readers see that the log goes on elsewhere. It
 * does no harm when that fails or is lost. */
static void seal(int file, uint64_t end)
{
    if (ftruncate(file, (off_t)end) < 0)
        errno = 0;
    close(file);
}

static int go_on(struct audit_log *log)
{
    uint64_t allocated;
    int file = audit_segment_make(log->directory, log->next, log->head, &allocated);

    if (file < 0)
        return file;
    if (fsync(log->directory) < 0) { /* both names, snapshot and segment */
        log->broken = true;
        close(file);
        return -EIO;
    }
    seal(log->file, log->end);
    log->file = file;
    log->segment = log->next;
    log->end = AUDIT_SEGMENT_HEADER;
    log->allocated = allocated;
    return 0;
}

int audit_rotation_finish(struct audit_log *log, struct audit_snapshot_writer *snapshot,
                          size_t keep)
{
    if (log->broken || audit_snapshot_sequence(snapshot) != log->next) {
        audit_snapshot_abandon(snapshot);
        return log->broken ? -EIO : -EBUSY;
    }
    int error = audit_snapshot_commit(snapshot);
    if (!error)
        error = go_on(log);
    if (!error)
        retain(log->directory, keep); /* what cannot be deleted now can be at the next rotation */
    return error;
}

/* --- for readers ------------------------------------------------------------------------------ */

static int open_read_only(int directory, uint64_t number)
{
    char name[AUDIT_NAME_MAX];

    audit_file_name(AUDIT_SEGMENT_PREFIX, number, name);
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return file < 0 ? -errno : file;
}

static ssize_t open_newest(int directory, const uint64_t *segments, size_t count, int *files,
                           size_t max)
{
    size_t first = count > max ? count - max : 0;

    for (size_t i = first; i < count; i++) {
        files[i - first] = open_read_only(directory, segments[i]);
        if (files[i - first] >= 0)
            continue;
        int error = files[i - first];
        while (i-- > first)
            close(files[i - first]);
        return error;
    }
    return (ssize_t)(count - first);
}

ssize_t audit_log_files(const struct audit_log *log, int *files, size_t max)
{
    uint64_t *segments;
    ssize_t count = audit_files_list(log->directory, AUDIT_SEGMENT_PREFIX, &segments);

    if (count < 0)
        return count;
    count = open_newest(log->directory, segments, (size_t)count, files, max);
    free(segments);
    return count;
}
