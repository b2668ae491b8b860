/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_entry.h"

#include <errno.h>
#include <string.h>

#include "store/crc32c.h"

#define ALIGN8(size) (((size) + 7) & ~(size_t)7)

static const size_t image_sizes[RESOURCE_KINDS] = {
    [RESOURCE_CONTROL] = sizeof(struct control_image),
    [RESOURCE_HOST] = sizeof(struct host_config),
    [RESOURCE_PARTITION] = sizeof(struct partition_config),
    [RESOURCE_RUN] = sizeof(struct partition_run),
    [RESOURCE_PCPU] = sizeof(struct owner),
    [RESOURCE_MEMORY] = sizeof(struct memory_image),
    [RESOURCE_PF] = sizeof(struct pf_image),
    [RESOURCE_VF] = sizeof(struct owner),
    [RESOURCE_ACTION] = sizeof(struct action_image),
    [RESOURCE_REQUEST] = sizeof(struct request_image),
    [RESOURCE_CHANNEL] = sizeof(struct channel_image),
    [RESOURCE_EDIT] = sizeof(struct edit_image),
    [RESOURCE_ORDER] = sizeof(struct order_image),
    [RESOURCE_APPLY] = sizeof(struct apply_image),
};

size_t audit_image_size(uint32_t kind)
{
    return kind < RESOURCE_KINDS ? image_sizes[kind] : 0;
}

void audit_entry_begin(struct audit_entry *entry, enum audit_kind kind, enum audit_phase phase)
{
    *entry = (struct audit_entry){.magic = AUDIT_ENTRY_MAGIC,
                                  .size = sizeof(*entry),
                                  .version = AUDIT_VERSION,
                                  .zone = AUDIT_ZONE,
                                  .phase = (uint16_t)phase,
                                  .kind = kind};
}

static uint8_t *put_image(uint8_t *at, const void *image, size_t size)
{
    if (!image)
        return at;
    memset(at, 0, ALIGN8(size));
    memcpy(at, image, size);
    return at + ALIGN8(size);
}

ssize_t audit_change_put(void *at, size_t available, enum resource_kind kind, uint64_t key0,
                         uint64_t key1, const void *before, const void *after)
{
    size_t size = audit_image_size(kind);
    struct audit_change change = {.kind = kind,
                                  .before_size = before ? (uint32_t)size : 0,
                                  .after_size = after ? (uint32_t)size : 0,
                                  .zone = AUDIT_ZONE,
                                  .key = {key0, key1}};
    size_t needed = audit_change_size(&change);

    if (!size)
        return -EINVAL;
    if (needed > available)
        return -E2BIG;
    memcpy(at, &change, sizeof(change));
    put_image(put_image((uint8_t *)at + sizeof(change), before, size), after, size);
    return (ssize_t)needed;
}

int audit_entry_add(struct audit_entry *entry, enum resource_kind kind, uint64_t key0,
                    uint64_t key1, const void *before, const void *after)
{
    ssize_t put = audit_change_put((uint8_t *)entry + entry->size, AUDIT_ENTRY_MAX - entry->size,
                                   kind, key0, key1, before, after);

    if (put < 0)
        return (int)put;
    entry->size += (uint32_t)put;
    entry->changes_count++;
    return 0;
}

size_t audit_change_size(const struct audit_change *change)
{
    return sizeof(*change) + ALIGN8(change->before_size) + ALIGN8(change->after_size);
}

bool audit_change_ok(const struct audit_change *change, size_t available)
{
    size_t size = available < sizeof(*change) ? 0 : audit_image_size(change->kind);

    return size && change->zone == AUDIT_ZONE &&
           (change->before_size == 0 || change->before_size == size) &&
           (change->after_size == 0 || change->after_size == size) &&
           audit_change_size(change) <= available;
}

static bool changes_ok(const struct audit_entry *entry)
{
    const uint8_t *at = (const uint8_t *)(entry + 1);
    size_t left = entry->size - sizeof(*entry);

    for (uint32_t i = 0; i < entry->changes_count; i++) {
        const struct audit_change *change = (const void *)at;
        if (!audit_change_ok(change, left))
            return false;
        at += audit_change_size(change);
        left -= audit_change_size(change);
    }
    return left == 0;
}

static bool header_ok(const struct audit_entry *entry, size_t available)
{
    return entry->magic == AUDIT_ENTRY_MAGIC && entry->version == AUDIT_VERSION &&
           entry->zone == AUDIT_ZONE && entry->size >= sizeof(*entry) &&
           entry->size <= AUDIT_ENTRY_MAX && entry->size % 8 == 0 && entry->size <= available &&
           entry->phase >= AUDIT_BEGUN && entry->phase < AUDIT_PHASES && entry->kind > AUDIT_NONE &&
           entry->kind < AUDIT_KINDS && memchr(entry->text, 0, sizeof(entry->text)) &&
           memchr(entry->who.reason, 0, sizeof(entry->who.reason));
}

bool audit_entry_ok(const struct audit_entry *entry, size_t available)
{
    return header_ok(entry, available) && entry->crc == audit_entry_crc(entry) && changes_ok(entry);
}

const struct audit_change *audit_entry_next(const struct audit_entry *entry,
                                            const struct audit_change *previous)
{
    const uint8_t *at = previous ? (const uint8_t *)previous + audit_change_size(previous)
                                 : (const uint8_t *)(entry + 1);
    return at < (const uint8_t *)entry + entry->size ? (const void *)at : NULL;
}

const void *audit_change_before(const struct audit_change *change)
{
    return change->before_size ? change + 1 : NULL;
}

const void *audit_change_after(const struct audit_change *change)
{
    return change->after_size ? (const uint8_t *)(change + 1) + ALIGN8(change->before_size) : NULL;
}

uint32_t audit_entry_crc(const struct audit_entry *entry)
{
    const uint8_t *bytes = (const uint8_t *)entry;
    const uint32_t zero = 0;
    uint32_t crc = crc32c(0, bytes, offsetof(struct audit_entry, crc));

    crc = crc32c(crc, &zero, sizeof(zero));
    size_t rest = offsetof(struct audit_entry, crc) + sizeof(zero);
    return crc32c(crc, bytes + rest, entry->size - rest);
}
