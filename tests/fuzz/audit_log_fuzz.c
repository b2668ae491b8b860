/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log's segments, read and judged as opening and readers do. The first byte says where the second
 * segment begins, and what is put right (headers, CRCs, the chain), so that what is behind them is
 * reached; the rest is entries as they are in the files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/audit_reader.h"
#include "store/audit_scan.h"

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct making {
    struct audit_hash *hash;
    uint64_t next;
    uint8_t head[AUDIT_HASH_SIZE];
};

/* Makes what looks like an entry one that follows the entry before it. */
static void mend(struct making *making, uint8_t *bytes, size_t size)
{
    struct audit_entry *entry = (void *)bytes;

    while (size >= sizeof(*entry)) {
        entry->size = entry->size / 8 * 8;
        if (entry->size < sizeof(*entry) || entry->size > size)
            return;
        entry->magic = AUDIT_ENTRY_MAGIC;
        entry->version = AUDIT_VERSION;
        entry->zone = AUDIT_ZONE;
        entry->sequence = making->next++;
        memcpy(entry->previous, making->head, sizeof(entry->previous));
        entry->crc = audit_entry_crc(entry);
        if (audit_hash_once(making->hash, entry, entry->size, making->head))
            abort();
        size -= entry->size;
        entry = (void *)((uint8_t *)entry + entry->size);
    }
}

static int segment(struct making *making, bool mended, const uint8_t *data, size_t size)
{
    struct audit_segment header;
    uint8_t *bytes = aligned_alloc(8, (size + 8) / 8 * 8);
    int file = memfd_create("segment", MFD_CLOEXEC);

    if (!bytes || file < 0)
        abort();
    audit_segment_fill(&header, making->next, making->head);
    memcpy(bytes, data, size);
    if (mended)
        mend(making, bytes, size);
    if (audit_write_at(file, &header, sizeof(header), 0) ||
        audit_write_at(file, bytes, size, AUDIT_SEGMENT_HEADER))
        abort();
    free(bytes);
    return file;
}

static void read_all(const int *files, size_t count)
{
    const struct audit_entry *entry;
    struct audit_reader *reader;
    struct audit_place place;
    uint64_t last = 0;
    int got = audit_reader_open(&reader, files, count, &place);

    if (got)
        return;
    while ((got = audit_reader_next(reader, &entry)) == 1) {
        if (entry->sequence <= last || !audit_entry_ok(entry, entry->size))
            abort();
        last = entry->sequence;
    }
    if (got != 0 && got != -EAGAIN && got != -EUCLEAN)
        abort();
    audit_reader_place(reader, &place);
    if ((got == -EUCLEAN) != (place.damage != AUDIT_WHOLE))
        abort();
    audit_reader_sealed(reader);
    audit_reader_continue(reader, files, count, &place);
    audit_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct making making = {.next = 1};
    int files[2];

    if (size < 2 || size > INPUT_MAX || audit_hash_new(&making.hash))
        return 0;
    bool mended = data[0] & 1;
    size_t first = (size - 1) * (data[0] >> 1) / 127 / 8 * 8;
    files[0] = segment(&making, mended, data + 1, first);
    files[1] = segment(&making, mended, data + 1 + first, size - 1 - first);
    read_all(files, 2);
    read_all(files, 1);
    close(files[0]);
    close(files[1]);
    audit_hash_free(making.hash);
    return 0;
}
