/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/audit_reader.h"

struct audit_log {
    int file;
    int read_only;
    bool broken; /* an append or sync failed: what is on disk is unknown */
    uint8_t boot_id[16];
    uint64_t next;      /* sequence of the next entry */
    uint64_t unsynced;  /* first entry that is not known to be durable; = next: none */
    uint64_t end;       /* offset of the next entry */
    uint64_t allocated; /* zeros are written up to here */
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int write_at(int file, const void *data, size_t size, uint64_t offset)
{
    const uint8_t *bytes = data;

    while (size) {
        ssize_t done = pwrite(file, bytes, size, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        bytes += done;
        offset += (uint64_t)done;
        size -= (size_t)done;
    }
    return 0;
}

/* Zeros are written, not only allocated: an fdatasync into unwritten extents would have to commit
 * the file system's journal as well. */
static int allocate(struct audit_log *log, uint64_t to)
{
    static const uint8_t zeros[65536];

    if (fallocate(log->file, 0, (off_t)log->allocated, (off_t)(to - log->allocated)) < 0 &&
        errno != EOPNOTSUPP)
        return -errno;
    while (log->allocated < to) {
        uint64_t size = to - log->allocated;
        if (size > sizeof(zeros))
            size = sizeof(zeros);
        int error = write_at(log->file, zeros, size, log->allocated);
        if (error)
            return error;
        log->allocated += size;
    }
    return 0;
}

static int sync_all(int file)
{
    return fsync(file) < 0 ? -errno : 0;
}

static int write_file_header(struct audit_log *log)
{
    static const struct {
        uint64_t magic;
        uint32_t version;
        uint32_t reserved;
    } header = {AUDIT_FILE_MAGIC, AUDIT_VERSION, 0};
    int error = allocate(log, AUDIT_GROW);

    if (!error)
        error = write_at(log->file, &header, sizeof(header), 0);
    if (!error)
        error = sync_all(log->file);
    return error;
}

enum rest { REST_CLEAN, REST_TORN, REST_DAMAGED };

/* What is in `bytes`, where entry `number` should have been the next. */
static enum rest rest_judge(const uint8_t *bytes, size_t size, uint64_t number)
{
    enum rest rest = REST_CLEAN;

    for (size_t i = 0; i < size; i += 8) {
        uint32_t words[2] = {0};
        memcpy(words, bytes + i, size - i < 8 ? size - i : 8);
        if (!words[0] && !words[1])
            continue;
        rest = REST_TORN;
        if (words[0] != AUDIT_ENTRY_MAGIC || size - i < sizeof(struct audit_entry))
            continue;
        const struct audit_entry *entry = (const void *)(bytes + i);
        if (entry->sequence > number && entry->unsynced_from > number &&
            audit_entry_ok(entry, size - i))
            return REST_DAMAGED;
    }
    return rest;
}

/* Looks at the file from `offset`, a multiple of 8, to its end. */
static int rest_read(int file, uint64_t offset, uint64_t size, uint64_t number, enum rest *rest)
{
    uint64_t page = offset & ~(uint64_t)4095;

    *rest = REST_CLEAN;
    if (offset >= size)
        return 0;
    uint8_t *map = mmap(NULL, size - page, PROT_READ, MAP_PRIVATE, file, (off_t)page);
    if (map == MAP_FAILED)
        return -errno;
    *rest = rest_judge(map + (offset - page), size - offset, number);
    munmap(map, size - page);
    return 0;
}

static int cut(struct audit_log *log, uint64_t size, struct audit_opened *opened)
{
    opened->cut_bytes = size - log->end;
    opened->bad_entry = log->next;
    if (ftruncate(log->file, (off_t)log->end) < 0)
        return -errno;
    log->allocated = log->end;
    return sync_all(log->file);
}

static int visit_all(struct audit_reader *reader, audit_visit *visit, void *context)
{
    const struct audit_entry *entry;
    int got;

    while ((got = audit_reader_next(reader, &entry)) == 1) {
        int error = visit(context, entry);
        if (error < 0)
            return error;
    }
    return got == -EUCLEAN ? 0 : got; /* the rest of the file tells torn from damaged */
}

/* A first pass without effects, so that a damaged log changes nothing in the visitor either. */
static int visit_none(void *context, const struct audit_entry *entry)
{
    (void)context;
    (void)entry;
    return 0;
}

static int pass(struct audit_log *log, audit_visit *visit, void *context)
{
    struct audit_reader *reader;
    int error = audit_reader_open(&reader, log->file);

    if (error)
        return error;
    error = visit_all(reader, visit, context);
    log->next = log->unsynced = audit_reader_sequence(reader);
    log->end = audit_reader_offset(reader);
    audit_reader_close(reader);
    return error;
}

static int load(struct audit_log *log, uint64_t size, audit_visit *visit, void *context,
                struct audit_opened *opened)
{
    enum rest rest;
    int error = pass(log, visit_none, NULL);

    if (!error)
        error = rest_read(log->file, log->end, size, log->next, &rest);
    if (!error)
        error = sync_all(log->file); /* what a killed predecessor wrote may be in memory only */
    if (error)
        return error;
    opened->entries = log->next - 1;
    log->allocated = size > log->end ? size : log->end;
    if (rest == REST_DAMAGED) {
        opened->bad_entry = log->next;
        return -EUCLEAN;
    }
    error = pass(log, visit, context);
    if (!error && rest == REST_TORN)
        error = cut(log, size, opened);
    return error;
}

/* A power cut while the file was made leaves a short or all-zero one: made again. */
static int is_unmade(int file, uint64_t size, bool *unmade)
{
    enum rest rest = REST_CLEAN;
    int error = size ? rest_read(file, 0, size, 0, &rest) : 0;

    *unmade = rest == REST_CLEAN;
    return error;
}

static int open_files(struct audit_log *log, int directory, const char *name)
{
    log->file = openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log->file < 0)
        return -errno;
    log->read_only = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (log->read_only < 0)
        return -errno;
    return fsync(directory) < 0 ? -errno : 0;
}

static int open_log(struct audit_log *log, int directory, const char *name, audit_visit *visit,
                    void *context, struct audit_opened *opened)
{
    struct stat status;
    bool unmade;
    int error = open_files(log, directory, name);

    if (!error && fstat(log->file, &status) < 0)
        error = -errno;
    if (!error)
        error = is_unmade(log->file, (uint64_t)status.st_size, &unmade);
    if (!error && unmade) {
        status.st_size = AUDIT_GROW;
        error = write_file_header(log);
    }
    if (!error)
        error = load(log, (uint64_t)status.st_size, visit, context, opened);
    if (!error)
        error = audit_log_reserve(log);
    return error;
}

int audit_log_open(struct audit_log **result, int directory, const char *name,
                   const uint8_t boot_id[16], audit_visit *visit, void *context,
                   struct audit_opened *opened)
{
    struct audit_log *log = calloc(1, sizeof(*log));

    *opened = (struct audit_opened){0};
    if (!log)
        return -ENOMEM;
    *log = (struct audit_log){.file = -1, .read_only = -1};
    memcpy(log->boot_id, boot_id, sizeof(log->boot_id));
    int error = open_log(log, directory, name, visit, context, opened);
    if (error) {
        audit_log_close(log);
        return error;
    }
    *result = log;
    return 0;
}

static int make_room(struct audit_log *log, uint64_t needed)
{
    uint64_t to = log->end + needed;

    if (to <= log->allocated)
        return 0;
    to = (to + AUDIT_GROW - 1) / AUDIT_GROW * AUDIT_GROW;
    return allocate(log, to);
}

int audit_log_append(struct audit_log *log, struct audit_entry *entry)
{
    if (log->broken)
        return -EIO;
    int error = make_room(log, entry->size);
    if (error)
        return error;
    entry->magic = AUDIT_ENTRY_MAGIC;
    entry->version = AUDIT_VERSION;
    entry->sequence = log->next;
    entry->unsynced_from = log->unsynced;
    entry->realtime_ns = clock_ns(CLOCK_REALTIME);
    entry->boottime_ns = clock_ns(CLOCK_BOOTTIME);
    memcpy(entry->boot_id, log->boot_id, sizeof(entry->boot_id));
    entry->crc = audit_entry_crc(entry);
    error = write_at(log->file, entry, entry->size, log->end);
    if (error) {
        log->broken = true;
        return error == -ENOSPC ? -EIO : error;
    }
    log->next++;
    log->end += entry->size;
    return 0;
}

int audit_log_sync(struct audit_log *log)
{
    if (log->broken)
        return -EIO;
    if (log->unsynced == log->next)
        return 0;
    if (fdatasync(log->file) < 0) {
        log->broken = true;
        return -errno;
    }
    log->unsynced = log->next;
    return 0;
}

int audit_log_reserve(struct audit_log *log)
{
    return make_room(log, AUDIT_AHEAD);
}

uint64_t audit_log_next(const struct audit_log *log)
{
    return log->next;
}

int audit_log_read_only(const struct audit_log *log)
{
    return log->read_only;
}

void audit_log_close(struct audit_log *log)
{
    if (!log)
        return;
    if (log->file >= 0)
        close(log->file);
    if (log->read_only >= 0)
        close(log->read_only);
    free(log);
}
