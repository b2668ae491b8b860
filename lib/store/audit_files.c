/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/crc32c.h"

#define DIGITS 20 /* of UINT64_MAX */

const char *audit_damage_text(enum audit_damage damage)
{
    static const char *const texts[AUDIT_DAMAGES] = {
        [AUDIT_WHOLE] = "is whole",
        [AUDIT_OTHER_VERSION] = "is in a file of another version of Parclose",
        [AUDIT_BAD_HEADER] = "is behind a damaged file header",
        [AUDIT_BAD_ENTRY] = "is damaged",
        [AUDIT_BAD_CHAIN] = "does not fit the hash of the one before it",
        [AUDIT_MISSING] = "is missing",
        [AUDIT_BAD_SNAPSHOT] = "can be reached from no whole snapshot",
    };
    return damage < AUDIT_DAMAGES ? texts[damage] : "?";
}

void audit_file_name(const char *prefix, uint64_t number, char name[AUDIT_NAME_MAX])
{
    snprintf(name, AUDIT_NAME_MAX, "%s%0*" PRIu64, prefix, DIGITS, number);
}

/* The number in a name, 0: it is none of this prefix. */
static uint64_t number_of(const char *name, const char *prefix)
{
    char again[AUDIT_NAME_MAX];
    size_t length = strlen(prefix);

    if (strncmp(name, prefix, length) != 0)
        return 0;
    uint64_t number = strtoull(name + length, NULL, 10);
    audit_file_name(prefix, number, again);
    return strcmp(name, again) == 0 ? number : 0;
}

/* Ascending; there are few, and they often come in order. */
static void insert(uint64_t *numbers, size_t count, uint64_t number)
{
    for (; count && numbers[count - 1] > number; count--)
        numbers[count] = numbers[count - 1];
    numbers[count] = number;
}

static ssize_t list(DIR *stream, const char *prefix, uint64_t *numbers)
{
    const struct dirent *file;
    size_t count = 0;

    while (errno = 0, (file = readdir(stream))) {
        uint64_t number = number_of(file->d_name, prefix);
        if (number && count == AUDIT_FILES_LIMIT)
            return -E2BIG;
        if (number)
            insert(numbers, count++, number);
    }
    return errno ? -errno : (ssize_t)count;
}

ssize_t audit_files_list(int directory, const char *prefix, uint64_t **result)
{
    int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = own < 0 ? NULL : fdopendir(own);
    uint64_t *numbers = calloc(AUDIT_FILES_LIMIT, sizeof(*numbers));
    ssize_t count = -ENOMEM;

    if (!stream)
        count = -errno;
    else if (numbers)
        count = list(stream, prefix, numbers);
    if (stream)
        closedir(stream);
    else if (own >= 0)
        close(own);
    if (count >= 0)
        *result = numbers;
    else
        free(numbers);
    return count;
}

void audit_segment_fill(struct audit_segment *segment, uint64_t first,
                        const uint8_t head[AUDIT_HASH_SIZE])
{
    *segment = (struct audit_segment){
        .magic = AUDIT_SEGMENT_MAGIC, .version = AUDIT_VERSION, .zone = AUDIT_ZONE, .first = first};
    memcpy(segment->head, head, AUDIT_HASH_SIZE);
    segment->crc = crc32c(0, segment, offsetof(struct audit_segment, crc));
}

int audit_segment_read(int file, struct audit_segment *segment)
{
    ssize_t got = audit_read_at(file, segment, sizeof(*segment), 0);

    if (got < 0)
        return (int)got;
    if (got < (ssize_t)sizeof(*segment) || segment->magic != AUDIT_SEGMENT_MAGIC)
        return AUDIT_BAD_HEADER;
    if (segment->version != AUDIT_VERSION)
        return AUDIT_OTHER_VERSION;
    if (segment->crc != crc32c(0, segment, offsetof(struct audit_segment, crc)) ||
        segment->zone != AUDIT_ZONE || segment->first == 0)
        return AUDIT_BAD_HEADER;
    return AUDIT_WHOLE;
}

int audit_write_at(int file, const void *data, size_t size, uint64_t offset)
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

ssize_t audit_read_at(int file, void *buffer, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(file, (uint8_t *)buffer + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}
