/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/audit_log_internal.h"
#include "store/audit_recovery.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Zeros are written, not only allocated: an fdatasync into unwritten extents would have to commit
 * the file system's journal as well. */
int audit_log_allocate(int file, uint64_t *allocated, uint64_t to)
{
    static const uint8_t zeros[65536];

    if (fallocate(file, 0, (off_t)*allocated, (off_t)(to - *allocated)) < 0 && errno != EOPNOTSUPP)
        return -errno;
    while (*allocated < to) {
        uint64_t size = to - *allocated;
        if (size > sizeof(zeros))
            size = sizeof(zeros);
        int error = audit_write_at(file, zeros, size, *allocated);
        if (error)
            return error;
        *allocated += size;
    }
    return 0;
}

/* --- a new segment ---------------------------------------------------------------------------- */

static int segment_fill(int file, uint64_t first, const uint8_t head[AUDIT_HASH_SIZE],
                        uint64_t *allocated)
{
    struct audit_segment header;

    *allocated = 0;
    audit_segment_fill(&header, first, head);
    int error = audit_log_allocate(file, allocated, AUDIT_GROW);
    if (!error)
        error = audit_write_at(file, &header, sizeof(header), 0);
    if (!error && fsync(file) < 0)
        error = -errno;
    return error;
}

int audit_segment_make(int directory, uint64_t first, const uint8_t head[AUDIT_HASH_SIZE],
                       uint64_t *allocated)
{
    char name[AUDIT_NAME_MAX], name_new[AUDIT_NAME_MAX + 4];

    audit_file_name(AUDIT_SEGMENT_PREFIX, first, name);
    snprintf(name_new, sizeof(name_new), "%s.new", name);
    int file =
        openat(directory, name_new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return -errno;
    int error = segment_fill(file, first, head, allocated);
    if (!error && renameat(directory, name_new, directory, name) < 0)
        error = -errno;
    if (!error)
        return file;
    unlinkat(directory, name_new, 0);
    close(file);
    return error;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Half-made files of a predecessor, of no use to anybody. */
static void leftovers_delete(struct audit_log *log)
{
    char name[AUDIT_NAME_MAX], name_new[AUDIT_NAME_MAX + 4];

    audit_file_name(AUDIT_SNAPSHOT_PREFIX, log->next, name);
    snprintf(name_new, sizeof(name_new), "%s.new", name);
    unlinkat(log->directory, name_new, 0);
    audit_file_name(AUDIT_SEGMENT_PREFIX, log->next, name);
    snprintf(name_new, sizeof(name_new), "%s.new", name);
    unlinkat(log->directory, name_new, 0);
}

static int cut_tail(struct audit_log *log, struct audit_opened *opened)
{
    opened->cut_bytes = log->allocated - log->end;
    opened->bad_entry = log->next;
    opened->segment = log->segment;
    log->allocated = log->end;
    return ftruncate(log->file, (off_t)log->end) < 0 ? -errno : 0;
}

/* Takes over what recovery found; the file and the hash are the log's then. */
static int adopt(struct audit_log *log, struct audit_recovery *recovery)
{
    struct stat status;

    if (recovery->file < 0) {
        recovery->file =
            audit_segment_make(log->directory, 1, recovery->chain.head, &log->allocated);
        recovery->segment = 1;
    }
    if (recovery->file < 0)
        return recovery->file;
    if (fstat(recovery->file, &status) < 0)
        return -errno;
    log->file = recovery->file;
    log->hash = recovery->chain.hash;
    recovery->file = -1;
    recovery->chain.hash = NULL;
    memcpy(log->head, recovery->chain.head, sizeof(log->head));
    log->segment = recovery->segment;
    log->next = log->unsynced = recovery->chain.next;
    log->end = recovery->end;
    log->allocated = (uint64_t)status.st_size > log->end ? (uint64_t)status.st_size : log->end;
    return 0;
}

/* What a killed predecessor wrote, and the names that it gave, may be in memory only; so may the
 * cut, and what is behind it must not come back under the entries that follow. */
static int settle(struct audit_log *log)
{
    if (fsync(log->file) < 0 || fsync(log->directory) < 0)
        return -errno;
    leftovers_delete(log);
    return audit_log_reserve(log);
}

static int open_log(struct audit_log *log, const struct audit_visitor *visitor,
                    struct audit_opened *opened)
{
    struct audit_recovery recovery = {
        .directory = log->directory, .before = UINT64_MAX, .visitor = visitor, .opened = opened};
    int error = audit_recovery_run(&recovery);

    if (!error)
        error = adopt(log, &recovery);
    if (!error && recovery.rest == AUDIT_REST_TORN)
        error = cut_tail(log, opened);
    if (!error)
        error = settle(log);
    audit_recovery_free(&recovery);
    return error;
}

int audit_log_open(struct audit_log **result, int directory, const uint8_t boot_id[16],
                   const struct audit_visitor *visitor, struct audit_opened *opened)
{
    struct audit_log *log = calloc(1, sizeof(*log));

    *opened = (struct audit_opened){0};
    if (!log)
        return -ENOMEM;
    log->file = -1;
    memcpy(log->boot_id, boot_id, sizeof(log->boot_id));
    log->directory = fcntl(directory, F_DUPFD_CLOEXEC, 3);
    int error = log->directory < 0 ? -errno : open_log(log, visitor, opened);
    if (error) {
        audit_log_close(log);
        return error;
    }
    *result = log;
    return 0;
}

void audit_log_close(struct audit_log *log)
{
    if (!log)
        return;
    if (log->file >= 0)
        close(log->file);
    if (log->directory >= 0)
        close(log->directory);
    audit_hash_free(log->hash);
    free(log);
}

/* --- appending -------------------------------------------------------------------------------- */

static int make_room(struct audit_log *log, uint64_t needed)
{
    uint64_t to = log->end + needed;

    if (to <= log->allocated)
        return 0;
    to = (to + AUDIT_GROW - 1) / AUDIT_GROW * AUDIT_GROW;
    return audit_log_allocate(log->file, &log->allocated, to);
}

static void stamp(const struct audit_log *log, struct audit_entry *entry)
{
    entry->magic = AUDIT_ENTRY_MAGIC;
    entry->version = AUDIT_VERSION;
    entry->zone = AUDIT_ZONE;
    entry->sequence = log->next;
    entry->unsynced_from = log->unsynced;
    entry->realtime_ns = clock_ns(CLOCK_REALTIME);
    entry->boottime_ns = clock_ns(CLOCK_BOOTTIME);
    memcpy(entry->boot_id, log->boot_id, sizeof(entry->boot_id));
    memcpy(entry->previous, log->head, sizeof(entry->previous));
    entry->crc = audit_entry_crc(entry);
}

int audit_log_append(struct audit_log *log, struct audit_entry *entry)
{
    if (log->broken)
        return -EIO;
    int error = make_room(log, entry->size);
    if (error)
        return error;
    stamp(log, entry);
    error = audit_write_at(log->file, entry, entry->size, log->end);
    if (!error)
        error = audit_hash_once(log->hash, entry, entry->size, log->head);
    if (error) {
        log->broken = true;
        return error == -ENOSPC ? -EIO : error;
    }
    log->next++;
    log->end += entry->size;
    return 0;
}

static int sync_file(struct audit_log *log)
{
    if (fdatasync(log->file) < 0) {
        log->broken = true;
        return -errno;
    }
    log->unsynced = log->next;
    return 0;
}

int audit_log_sync(struct audit_log *log)
{
    if (log->broken)
        return -EIO;
    return log->unsynced == log->next ? 0 : sync_file(log);
}

int audit_log_reserve(struct audit_log *log)
{
    if (log->broken)
        return -EIO;
    if (log->end + AUDIT_AHEAD <= log->allocated)
        return 0;
    int error = make_room(log, AUDIT_AHEAD);
    return error ? error : sync_file(log);
}

uint64_t audit_log_next(const struct audit_log *log)
{
    return log->next;
}

const uint8_t *audit_log_head(const struct audit_log *log)
{
    return log->head;
}

uint64_t audit_log_segment_bytes(const struct audit_log *log)
{
    return log->end - AUDIT_SEGMENT_HEADER;
}
