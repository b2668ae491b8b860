/* SPDX-License-Identifier: Apache-2.0 */
#include "msix.h"

#include <string.h>

void msix_begin(struct msix *msix, uint32_t count)
{
    *msix = (struct msix){.count = count < MSIX_VECTORS ? count : MSIX_VECTORS};
    for (uint32_t i = 0; i < msix->count; i++)
        msix->entries[i].words[3] = 1;
}

static bool access_ok(const struct msix *msix, uint64_t offset, unsigned size)
{
#ifdef PARCLOSE_MUTANT_MSIX_UNBOUND /* the vector's number is not checked */
    return msix->count && (size == 4 || size == 8) && offset % size == 0;
#endif
    return (size == 4 || size == 8) && offset % size == 0 &&
           offset < (uint64_t)msix->count * MSIX_ENTRY;
}

uint64_t msix_read(const struct msix *msix, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    if (!access_ok(msix, offset, size))
        return UINT64_MAX;
    memcpy(&value, &msix->entries[offset / MSIX_ENTRY].words[offset % MSIX_ENTRY / 4], size);
    return value;
}

bool msix_write(struct msix *msix, uint64_t offset, unsigned size, uint64_t value)
{
    struct msix_entry *entry;
    bool was_live, is_live;

    if (!access_ok(msix, offset, size))
        return false;
    entry = &msix->entries[offset / MSIX_ENTRY];
    was_live = msix_live(msix, (uint32_t)(offset / MSIX_ENTRY));
    memcpy(&entry->words[offset % MSIX_ENTRY / 4], &value, size);
    entry->words[0] &= ~UINT32_C(3);
    entry->words[3] &= 1;
    is_live = msix_live(msix, (uint32_t)(offset / MSIX_ENTRY));
    return was_live || is_live;
}

/* More than there are, and the reserved values: all. The vector's number is in the low bits. */
uint32_t msix_from_msi(struct msix *msix, const struct msi *msi)
{
    uint32_t wanted = UINT32_C(1) << (msi->enable & 7);
    uint32_t count = wanted < msix->count ? wanted : msix->count;

    msix->control = msi->on ? MSIX_CTRL_ENABLE : 0;
    for (uint32_t i = 0; i < msix->count; i++)
        msix->entries[i] = (struct msix_entry){
            .words = {(uint32_t)msi->address & ~UINT32_C(3), (uint32_t)(msi->address >> 32),
                      (msi->data & ~(count - 1)) | i, i >= count}};
    return msi->on ? count : 0;
}

bool msix_live(const struct msix *msix, uint32_t vector)
{
    if (vector >= msix->count || (msix->control & MSIX_CTRL_MASK_ALL))
        return false;
    return (msix->control & MSIX_CTRL_ENABLE) && !(msix->entries[vector].words[3] & 1);
}
