/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot. The first byte says whether its header and trailer are put right, so that the changes
 * between them are reached.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/audit_snapshot.h"
#include "store/audit_text.h"

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_change(void *context, const struct audit_snapshot *snapshot,
                     const struct audit_change *change)
{
    char text[AUDIT_TEXT_MAX];

    if (audit_change_before(change) || !audit_change_after(change) || !snapshot->sequence)
        abort();
    audit_resource_text(change, text, sizeof(text));
    audit_image_text(change->kind, audit_change_after(change), text, sizeof(text));
    ++*(uint64_t *)context;
    return 0;
}

static void mend(uint8_t *bytes, size_t size)
{
    struct audit_snapshot *header = (void *)bytes;
    struct audit_snapshot_trailer trailer;
    struct audit_hash *hash;

    if (size < sizeof(*header) + sizeof(trailer))
        return;
    size -= sizeof(trailer);
    memcpy(&trailer, bytes + size, sizeof(trailer));
    header->magic = AUDIT_SNAPSHOT_MAGIC;
    header->version = AUDIT_VERSION;
    header->zone = AUDIT_ZONE;
    trailer.magic = AUDIT_SNAPSHOT_TRAILER;
    trailer.size = size;
    if (audit_hash_new(&hash) || audit_hash_once(hash, bytes, size, trailer.hash))
        abort();
    audit_hash_free(hash);
    memcpy(bytes + size, &trailer, sizeof(trailer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct audit_snapshot header;
    uint64_t changes = 0;

    if (size < 2 || size > INPUT_MAX)
        return 0;
    uint8_t *bytes = malloc(size - 1);
    int file = memfd_create("snapshot", MFD_CLOEXEC);
    if (!bytes || file < 0)
        abort();
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        mend(bytes, size - 1);
    if (audit_write_at(file, bytes, size - 1, 0))
        abort();
    int error = audit_snapshot_read_file(file, 0, &header, on_change, &changes);
    if (error && changes) /* all is verified before the first one */
        abort();
    free(bytes);
    close(file);
    return 0;
}
