/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/audit_log.h"

struct audit_reader {
    int file;
    uint64_t offset;
    uint64_t sequence;
    _Alignas(8) uint8_t buffer[AUDIT_ENTRY_MAX];
};

/* Reads up to `size` bytes; how many, less only at the end of the file. */
static ssize_t read_at(int file, void *buffer, size_t size, uint64_t offset)
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

int audit_reader_open(struct audit_reader **result, int file)
{
    uint64_t magic;
    ssize_t got = read_at(file, &magic, sizeof(magic), 0);

    if (got < 0)
        return (int)got;
    if (got != 0 && (got != sizeof(magic) || magic != AUDIT_FILE_MAGIC))
        return -EUCLEAN;
    struct audit_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return -ENOMEM;
    reader->file = file;
    reader->offset = AUDIT_FILE_HEADER;
    reader->sequence = 1;
    *result = reader;
    return 0;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

int audit_reader_next(struct audit_reader *reader, const struct audit_entry **result)
{
    const struct audit_entry *entry = (const void *)reader->buffer;
    ssize_t got = read_at(reader->file, reader->buffer, sizeof(*entry), reader->offset);

    if (got < 0)
        return (int)got;
    if (all_zero(reader->buffer, (size_t)got))
        return 0;
    if (got < (ssize_t)sizeof(*entry) || entry->magic != AUDIT_ENTRY_MAGIC ||
        entry->size < sizeof(*entry) || entry->size > AUDIT_ENTRY_MAX)
        return -EUCLEAN;
    got = read_at(reader->file, reader->buffer, entry->size, reader->offset);
    if (got < 0)
        return (int)got;
    if (got < (ssize_t)sizeof(*entry) || !audit_entry_ok(entry, (size_t)got) ||
        entry->sequence != reader->sequence)
        return -EUCLEAN;
    reader->offset += entry->size;
    reader->sequence++;
    *result = entry;
    return 1;
}

uint64_t audit_reader_sequence(const struct audit_reader *reader)
{
    return reader->sequence;
}

uint64_t audit_reader_offset(const struct audit_reader *reader)
{
    return reader->offset;
}

void audit_reader_close(struct audit_reader *reader)
{
    free(reader);
}
