/* SPDX-License-Identifier: Apache-2.0 */
/* An entry of the audit log, with magic and CRC put right so that what is behind them is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "store/audit_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_words(const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;
    char text[AUDIT_TEXT_MAX];
    uint32_t changes = 0;

    while ((change = audit_entry_next(entry, change))) {
        audit_resource_text(change, text, sizeof(text));
        audit_image_text(change->kind, audit_change_before(change), text, sizeof(text));
        audit_image_text(change->kind, audit_change_after(change), text, sizeof(text));
        changes++;
    }
    if (changes != entry->changes_count)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* exactly as large as the input: reading beyond it is found */
    struct audit_entry *entry;

    if (size < sizeof(*entry) || size > AUDIT_ENTRY_MAX)
        return 0;
    entry = malloc(size);
    if (!entry)
        return 0;
    memcpy(entry, data, size);
    entry->magic = AUDIT_ENTRY_MAGIC;
    entry->version = AUDIT_VERSION;
    if (entry->size >= sizeof(*entry) && entry->size <= size)
        entry->crc = audit_entry_crc(entry);
    if (audit_entry_ok(entry, size))
        read_words(entry);
    free(entry);
    return 0;
}
