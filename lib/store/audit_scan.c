/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* One read brings many entries; whatever begins in the first half is whole in the buffer. */
#define BUFFER_SIZE ((size_t)4 * AUDIT_ENTRY_MAX)

int audit_scan_new(struct audit_scan *scan)
{
    *scan = (struct audit_scan){.file = -1, .buffer = aligned_alloc(8, BUFFER_SIZE)};
    return scan->buffer ? 0 : -ENOMEM;
}

void audit_scan_free(struct audit_scan *scan)
{
    free(scan->buffer);
    scan->buffer = NULL;
}

void audit_scan_file(struct audit_scan *scan, int file)
{
    scan->file = file;
    scan->offset = AUDIT_SEGMENT_HEADER;
    scan->start = 0;
    scan->filled = 0;
}

static int refill(struct audit_scan *scan)
{
    ssize_t got = audit_read_at(scan->file, scan->buffer, BUFFER_SIZE, scan->offset);

    if (got < 0)
        return (int)got;
    scan->start = scan->offset;
    scan->filled = (size_t)got;
    return 0;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

/* What is in the buffer at the offset; as audit_scan_next(), but only looks. */
static int look(const struct audit_scan *scan, const struct audit_chain *chain,
                const struct audit_entry **result, enum audit_damage *damage)
{
    size_t at = scan->offset - scan->start;
    size_t available = scan->filled > at ? scan->filled - at : 0;
    const struct audit_entry *entry = (const void *)(scan->buffer + at);

    if (all_zero(scan->buffer + at, available < sizeof(*entry) ? available : sizeof(*entry)))
        return 0;
    *damage = AUDIT_BAD_ENTRY;
    if (available < sizeof(*entry) || !audit_entry_ok(entry, available))
        return -EUCLEAN;
    if (entry->sequence != chain->next) {
        *damage = entry->sequence > chain->next ? AUDIT_MISSING : AUDIT_BAD_ENTRY;
        return -EUCLEAN;
    }
    *damage = AUDIT_BAD_CHAIN;
    if (memcmp(entry->previous, chain->head, AUDIT_HASH_SIZE) != 0)
        return -EUCLEAN;
    *result = entry;
    return 1;
}

static int take(struct audit_scan *scan, struct audit_chain *chain, const struct audit_entry *entry)
{
    int error = audit_hash_once(chain->hash, entry, entry->size, chain->head);

    scan->offset += entry->size;
    chain->next++;
    return error;
}

int audit_scan_next(struct audit_scan *scan, struct audit_chain *chain,
                    const struct audit_entry **entry, enum audit_damage *damage)
{
    int got = 0;

    if (scan->offset < scan->start + scan->filled)
        got = look(scan, chain, entry, damage);
    if (got != 1) { /* the buffer ends here, or the writer came further since it was read */
        int error = refill(scan);
        if (error)
            return error;
        got = look(scan, chain, entry, damage);
    }
    if (got != 1)
        return got;
    int error = take(scan, chain, *entry);
    return error ? error : 1;
}

static void judge(const uint8_t *bytes, size_t size, uint64_t number, enum audit_rest *rest,
                  uint64_t *whole)
{
    for (size_t i = 0; i < size; i += 8) {
        uint32_t words[2] = {0};
        memcpy(words, bytes + i, size - i < 8 ? size - i : 8);
        if (!words[0] && !words[1])
            continue;
        if (*rest == AUDIT_REST_ZEROS)
            *rest = AUDIT_REST_TORN;
        const struct audit_entry *entry = (const void *)(bytes + i);
        if (words[0] != AUDIT_ENTRY_MAGIC || size - i < sizeof(*entry) ||
            entry->sequence < number || !audit_entry_ok(entry, size - i))
            continue;
        ++*whole;
        if (entry->unsynced_from > number)
            *rest = AUDIT_REST_DAMAGED;
        i += entry->size - 8;
    }
}

int audit_rest_read(int file, uint64_t offset, uint64_t number, enum audit_rest *rest,
                    uint64_t *whole)
{
    struct stat status;
    uint64_t page = offset & ~(uint64_t)4095, unused = 0;

    *rest = AUDIT_REST_ZEROS;
    if (!whole)
        whole = &unused;
    *whole = 0;
    if (fstat(file, &status) < 0)
        return -errno;
    uint64_t size = (uint64_t)status.st_size;
    if (offset >= size)
        return 0;
    uint8_t *map = mmap(NULL, size - page, PROT_READ, MAP_PRIVATE, file, (off_t)page);
    if (map == MAP_FAILED)
        return -errno;
    judge(map + (offset - page), size - offset, number, rest, whole);
    munmap(map, size - page);
    return 0;
}
