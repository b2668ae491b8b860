/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE  1048576
#define SIZE_MAXIMUM (UINT64_C(1) << 31) /* of a snapshot, in bytes: it is read as a whole */

struct audit_snapshot_writer {
    int directory, file;
    int error; /* the first that came up */
    struct audit_hash *hash;
    struct audit_snapshot header;
    uint64_t count;
    uint64_t written; /* bytes in the file */
    size_t filled;    /* bytes in the buffer */
    char name[AUDIT_NAME_MAX], name_new[AUDIT_NAME_MAX + 4];
    _Alignas(8) uint8_t buffer[BUFFER_SIZE];
};

static int flush(struct audit_snapshot_writer *writer)
{
    int error = audit_write_at(writer->file, writer->buffer, writer->filled, writer->written);

    if (!error)
        error = audit_hash_add(writer->hash, writer->buffer, writer->filled);
    writer->written += writer->filled;
    writer->filled = 0;
    if (error && !writer->error)
        writer->error = error;
    return error;
}

/* The names are set, everything else is not there yet. */
static int open_new(struct audit_snapshot_writer *writer)
{
    int error = audit_hash_new(&writer->hash);

    if (!error)
        error = audit_hash_begin(writer->hash);
    if (error)
        return error;
    writer->file = openat(writer->directory, writer->name_new,
                          O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return writer->file < 0 ? -errno : 0;
}

int audit_snapshot_begin(struct audit_snapshot_writer **result, int directory,
                         const struct audit_snapshot *header)
{
    struct audit_snapshot_writer *writer = calloc(1, sizeof(*writer));
    struct timespec now;

    if (!writer)
        return -ENOMEM;
    writer->directory = directory;
    writer->file = -1;
    audit_file_name(AUDIT_SNAPSHOT_PREFIX, header->sequence, writer->name);
    snprintf(writer->name_new, sizeof(writer->name_new), "%s.new", writer->name);
    int error = open_new(writer);
    if (error) {
        audit_snapshot_abandon(writer);
        return error;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    writer->header = *header;
    writer->header.magic = AUDIT_SNAPSHOT_MAGIC;
    writer->header.version = AUDIT_VERSION;
    writer->header.zone = AUDIT_ZONE;
    writer->header.realtime_ns =
        (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    memcpy(writer->buffer, &writer->header, sizeof(writer->header));
    writer->filled = sizeof(writer->header);
    *result = writer;
    return 0;
}

int audit_snapshot_add(struct audit_snapshot_writer *writer, enum resource_kind kind, uint64_t key0,
                       uint64_t key1, const void *image)
{
    if (writer->error)
        return writer->error;
    if (sizeof(writer->buffer) - writer->filled < sizeof(struct audit_change) + AUDIT_IMAGE_MAX) {
        int error = flush(writer);
        if (error)
            return error;
    }
    ssize_t put =
        audit_change_put(writer->buffer + writer->filled, sizeof(writer->buffer) - writer->filled,
                         kind, key0, key1, NULL, image);
    if (put < 0)
        return writer->error = (int)put;
    writer->filled += (size_t)put;
    writer->count++;
    return 0;
}

static int finish(struct audit_snapshot_writer *writer)
{
    struct audit_snapshot_trailer trailer = {.magic = AUDIT_SNAPSHOT_TRAILER,
                                             .count = writer->count};
    int error = writer->error ? writer->error : flush(writer);

    trailer.size = writer->written;
    if (!error)
        error = audit_hash_end(writer->hash, trailer.hash);
    if (!error)
        error = audit_write_at(writer->file, &trailer, sizeof(trailer), writer->written);
    if (!error && fsync(writer->file) < 0)
        error = -errno;
    if (!error &&
        renameat(writer->directory, writer->name_new, writer->directory, writer->name) < 0)
        error = -errno;
    return error;
}

static void writer_free(struct audit_snapshot_writer *writer)
{
    if (writer->file >= 0)
        close(writer->file);
    audit_hash_free(writer->hash);
    free(writer);
}

int audit_snapshot_commit(struct audit_snapshot_writer *writer)
{
    int error = finish(writer);

    if (error) {
        audit_snapshot_abandon(writer);
        return error;
    }
    writer_free(writer);
    return 0;
}

void audit_snapshot_abandon(struct audit_snapshot_writer *writer)
{
    if (!writer)
        return;
    if (writer->file >= 0)
        unlinkat(writer->directory, writer->name_new, 0);
    writer_free(writer);
}

uint64_t audit_snapshot_sequence(const struct audit_snapshot_writer *writer)
{
    return writer->header.sequence;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool header_ok(const struct audit_snapshot *header, uint64_t sequence)
{
    return header->magic == AUDIT_SNAPSHOT_MAGIC && header->version == AUDIT_VERSION &&
           header->zone == AUDIT_ZONE && header->sequence != 0 &&
           (sequence == 0 || header->sequence == sequence);
}

/* Visits the changes in `size` bytes; how many, -EUCLEAN when one is not whole. */
static ssize_t changes(const uint8_t *bytes, size_t size, const struct audit_snapshot *header,
                       audit_load *load, void *context)
{
    ssize_t count = 0;

    while (size) {
        const struct audit_change *change = (const void *)bytes;
        if (!audit_change_ok(change, size) || change->before_size || !change->after_size)
            return -EUCLEAN;
        int error = load ? load(context, header, change) : 0;
        if (error < 0)
            return error;
        bytes += audit_change_size(change);
        size -= audit_change_size(change);
        count++;
    }
    return count;
}

static int hash_matches(const uint8_t *bytes, size_t size, const uint8_t hash[AUDIT_HASH_SIZE])
{
    uint8_t computed[AUDIT_HASH_SIZE];
    struct audit_hash *context;
    int error = audit_hash_new(&context);

    if (error)
        return error;
    error = audit_hash_once(context, bytes, size, computed);
    audit_hash_free(context);
    if (error)
        return error;
    return memcmp(computed, hash, sizeof(computed)) == 0 ? 0 : -EUCLEAN;
}

static int read_bytes(const uint8_t *bytes, size_t size, uint64_t sequence,
                      struct audit_snapshot *header, audit_load *load, void *context)
{
    struct audit_snapshot_trailer trailer;
    size_t data = size - sizeof(trailer);

    memcpy(header, bytes, sizeof(*header));
    memcpy(&trailer, bytes + data, sizeof(trailer));
    if (!header_ok(header, sequence) || trailer.magic != AUDIT_SNAPSHOT_TRAILER ||
        trailer.size != data)
        return -EUCLEAN;
    int error = hash_matches(bytes, data, trailer.hash);
    if (error)
        return error;
    bytes += sizeof(*header);
    data -= sizeof(*header);
    ssize_t count = changes(bytes, data, header, NULL, NULL);
    if (count >= 0 && (uint64_t)count != trailer.count)
        return -EUCLEAN;
    if (count >= 0 && load)
        count = changes(bytes, data, header, load, context);
    return count < 0 ? (int)count : 0;
}

int audit_snapshot_read_file(int file, uint64_t sequence, struct audit_snapshot *header,
                             audit_load *load, void *context)
{
    struct stat status;

    if (fstat(file, &status) < 0)
        return -errno;
    uint64_t size = (uint64_t)status.st_size;
    if (size < sizeof(*header) + sizeof(struct audit_snapshot_trailer) || size > SIZE_MAXIMUM)
        return -EUCLEAN;
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    ssize_t got = audit_read_at(file, bytes, size, 0);
    int error = got < 0 ? (int)got : -EUCLEAN;
    if (got == (ssize_t)size)
        error = read_bytes(bytes, size, sequence, header, load, context);
    free(bytes);
    return error;
}

int audit_snapshot_read(int directory, uint64_t sequence, struct audit_snapshot *header,
                        audit_load *load, void *context)
{
    char name[AUDIT_NAME_MAX];

    audit_file_name(AUDIT_SNAPSHOT_PREFIX, sequence, name);
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return -errno;
    int error = audit_snapshot_read_file(file, sequence, header, load, context);
    close(file);
    return error;
}
