/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/audit_scan.h"

struct audit_reader {
    int *files; /* segments, oldest first */
    size_t files_count;
    size_t current; /* the one that is being read */
    bool owned;     /* the files are the reader's */
    uint64_t segment;
    enum audit_damage damage;
    struct audit_chain chain;
    struct audit_scan scan;
};

static void files_drop(struct audit_reader *reader)
{
    for (size_t i = 0; reader->owned && i < reader->files_count; i++)
        close(reader->files[i]);
    free(reader->files);
    reader->files = NULL;
    reader->files_count = 0;
}

static int files_set(struct audit_reader *reader, const int *files, size_t count)
{
    int *copy = calloc(count, sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    memcpy(copy, files, count * sizeof(*copy));
    files_drop(reader);
    reader->files = copy;
    reader->files_count = count;
    reader->current = 0;
    return 0;
}

static int damaged(struct audit_reader *reader, enum audit_damage damage)
{
    reader->damage = damage;
    return -EUCLEAN;
}

/* The current file's header; its entries are next to be read. */
static int segment_enter(struct audit_reader *reader, struct audit_segment *header)
{
    int got = audit_segment_read(reader->files[reader->current], header);

    if (got < 0)
        return got;
    if (got != AUDIT_WHOLE)
        return damaged(reader, (enum audit_damage)got);
    reader->segment = header->first;
    audit_scan_file(&reader->scan, reader->files[reader->current]);
    return 0;
}

/* From one segment to the next: it goes on where this one ends. */
static int segment_next(struct audit_reader *reader)
{
    struct audit_segment header;

    reader->current++;
    int error = segment_enter(reader, &header);
    if (error)
        return error;
    if (header.first != reader->chain.next)
        return damaged(reader,
                       header.first > reader->chain.next ? AUDIT_MISSING : AUDIT_BAD_HEADER);
    if (memcmp(header.head, reader->chain.head, AUDIT_HASH_SIZE) != 0)
        return damaged(reader, AUDIT_BAD_CHAIN);
    return 0;
}

static int begin(struct audit_reader *reader, const int *files, size_t count)
{
    struct audit_segment header;
    int error = files_set(reader, files, count);

    if (!error)
        error = audit_hash_new(&reader->chain.hash);
    if (!error)
        error = audit_scan_new(&reader->scan);
    if (!error)
        error = segment_enter(reader, &header);
    if (error)
        return error;
    reader->chain.next = header.first;
    memcpy(reader->chain.head, header.head, AUDIT_HASH_SIZE);
    return 0;
}

int audit_reader_open(struct audit_reader **result, const int *files, size_t count,
                      struct audit_place *place)
{
    struct audit_reader *reader = calloc(1, sizeof(*reader));

    *place = (struct audit_place){0};
    if (!reader)
        return -ENOMEM;
    int error = count ? begin(reader, files, count) : -EINVAL;
    audit_reader_place(reader, place);
    if (error)
        audit_reader_close(reader);
    else
        *result = reader;
    return error;
}

static int open_all(int directory, const uint64_t *segments, size_t count, int *files)
{
    char name[AUDIT_NAME_MAX];

    for (size_t i = 0; i < count; i++) {
        audit_file_name(AUDIT_SEGMENT_PREFIX, segments[i], name);
        files[i] = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (files[i] >= 0)
            continue;
        int error = -errno;
        while (i--)
            close(files[i]);
        return error;
    }
    return 0;
}

static int open_listed(struct audit_reader **reader, int directory, const uint64_t *segments,
                       size_t count, struct audit_place *place)
{
    int *files = calloc(count, sizeof(*files));

    if (!files)
        return -ENOMEM;
    int error = open_all(directory, segments, count, files);
    if (!error) {
        error = audit_reader_open(reader, files, count, place);
        for (size_t i = 0; error && i < count; i++)
            close(files[i]);
        if (!error)
            (*reader)->owned = true;
    }
    free(files);
    return error;
}

int audit_reader_open_directory(struct audit_reader **reader, int directory,
                                struct audit_place *place)
{
    uint64_t *segments;
    ssize_t count = audit_files_list(directory, AUDIT_SEGMENT_PREFIX, &segments);

    *place = (struct audit_place){0};
    if (count < 0)
        return (int)count;
    int error = count ? open_listed(reader, directory, segments, (size_t)count, place) : -ENOENT;
    free(segments);
    return error;
}

/* Nothing whole is at the place: the end, a tear, or damage. */
static int judge(struct audit_reader *reader, int got, enum audit_damage damage)
{
    bool last = reader->current + 1 == reader->files_count;
    enum audit_rest rest;

    if (got == -EUCLEAN && (damage == AUDIT_BAD_CHAIN || !last))
        return damaged(reader, damage);
    int error =
        audit_rest_read(reader->scan.file, reader->scan.offset, reader->chain.next, &rest, NULL);
    if (error)
        return error;
    if (rest == AUDIT_REST_DAMAGED || (rest == AUDIT_REST_TORN && !last))
        return damaged(reader, AUDIT_BAD_ENTRY);
    return rest == AUDIT_REST_TORN ? -EAGAIN : 0;
}

int audit_reader_next(struct audit_reader *reader, const struct audit_entry **entry)
{
    for (;;) {
        enum audit_damage damage = AUDIT_WHOLE;
        int got = audit_scan_next(&reader->scan, &reader->chain, entry, &damage);
        if (got == 1 || (got < 0 && got != -EUCLEAN))
            return got;
        int error = judge(reader, got, damage);
        if (error || reader->current + 1 == reader->files_count)
            return error;
        error = segment_next(reader);
        if (error)
            return error;
    }
}

void audit_reader_place(const struct audit_reader *reader, struct audit_place *place)
{
    *place = (struct audit_place){.damage = reader->damage,
                                  .entry = reader->chain.next,
                                  .segment = reader->segment,
                                  .offset = reader->scan.offset};
}

const uint8_t *audit_reader_head(const struct audit_reader *reader)
{
    return reader->chain.head;
}

bool audit_reader_sealed(const struct audit_reader *reader)
{
    struct stat status;

    return fstat(reader->scan.file, &status) == 0 &&
           (uint64_t)status.st_size <= reader->scan.offset;
}

/* The last of the files that begins with the next entry or before it. */
static int find(struct audit_reader *reader, size_t *index, struct audit_segment *found)
{
    *found = (struct audit_segment){0};
    for (size_t i = 0; i < reader->files_count; i++) {
        struct audit_segment header;
        int got = audit_segment_read(reader->files[i], &header);
        if (got != AUDIT_WHOLE)
            return got < 0 ? got : damaged(reader, (enum audit_damage)got);
        if (header.first > reader->chain.next)
            break;
        *found = header;
        *index = i;
    }
    return found->first ? 0 : -ENODATA;
}

/* In the segment that was read last where it ended, or at the beginning of the one after it. */
static int resume(struct audit_reader *reader)
{
    struct audit_segment header;
    uint64_t offset = reader->scan.offset;
    int error = find(reader, &reader->current, &header);

    if (error)
        return error;
    audit_scan_file(&reader->scan, reader->files[reader->current]);
    if (header.first == reader->segment) {
        reader->scan.offset = offset;
        return 0;
    }
    reader->segment = header.first;
    if (header.first != reader->chain.next)
        return damaged(reader, AUDIT_BAD_HEADER);
    if (memcmp(header.head, reader->chain.head, AUDIT_HASH_SIZE) != 0)
        return damaged(reader, AUDIT_BAD_CHAIN);
    return 0;
}

int audit_reader_continue(struct audit_reader *reader, const int *files, size_t count,
                          struct audit_place *place)
{
    int error = count ? files_set(reader, files, count) : -EINVAL;

    if (!error) {
        reader->owned = false;
        error = resume(reader);
    }
    audit_reader_place(reader, place);
    return error;
}

void audit_reader_close(struct audit_reader *reader)
{
    if (!reader)
        return;
    files_drop(reader);
    audit_hash_free(reader->chain.hash);
    audit_scan_free(&reader->scan);
    free(reader);
}
