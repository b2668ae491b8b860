/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory extents. Setting an owner splits the extents at both ends of the run, marks what is
 * between, and joins neighbours again: [0 available 64)  set 16..32 to P1  →  [0 available 16) [16
 * P1 32) [32 available 64) set 32..48 to P1                    →  [0 available 16) [16 P1 48) [48
 * available 64)
 */
#include <errno.h>
#include <string.h>

#include "db.h"

static bool inside(const struct db *db, uint32_t node, uint64_t offset, uint64_t bytes)
{
    for (uint32_t i = 0; i < db->nodes_count; i++)
        if (db->nodes[i].node == node)
            return bytes && offset <= db->nodes[i].memory_bytes &&
                   bytes <= db->nodes[i].memory_bytes - offset;
    return false;
}

int db_memory_find(const struct db *db, uint32_t node, uint64_t bytes, struct extent *runs,
                   size_t max)
{
    size_t count = 0;

    for (uint32_t i = 0; i < db->extents_count && bytes; i++) {
        const struct extent *extent = &db->extents[i];
        if (extent->node != node || extent->owner.kind != OWNER_AVAILABLE)
            continue;
        if (count == max)
            return -ENOMEM;
        runs[count] = *extent;
        if (runs[count].bytes > bytes)
            runs[count].bytes = bytes;
        bytes -= runs[count++].bytes;
    }
    return bytes ? -ENOMEM : (int)count;
}

bool db_memory_owned(const struct db *db, uint32_t node, uint64_t offset, uint64_t bytes,
                     struct owner *owner)
{
    for (uint32_t i = 0; i < db->extents_count; i++) {
        const struct extent *extent = &db->extents[i];
        if (extent->node != node || offset < extent->offset ||
            offset - extent->offset >= extent->bytes)
            continue;
        *owner = extent->owner;
        return bytes <= extent->bytes - (offset - extent->offset);
    }
    return false;
}

/* Makes an extent begin at `offset`, when one lies across it. The caller saw to the room. */
static void split(struct db *db, uint32_t node, uint64_t offset)
{
    for (uint32_t i = 0; i < db->extents_count; i++) {
        struct extent *extent = &db->extents[i];
        if (extent->node != node || offset <= extent->offset ||
            offset - extent->offset >= extent->bytes)
            continue;
        memmove(extent + 2, extent + 1, (db->extents_count - i - 1) * sizeof(*extent));
        extent[1] = extent[0];
        extent[0].bytes = offset - extent[0].offset;
        extent[1].offset = offset;
        extent[1].bytes -= extent[0].bytes;
        db->extents_count++;
        return;
    }
}

static void join(struct db *db)
{
    uint32_t kept = 0;

    for (uint32_t i = 1; i < db->extents_count; i++) {
        struct extent *last = &db->extents[kept];
        const struct extent *extent = &db->extents[i];
        if (extent->node == last->node && owner_equal(extent->owner, last->owner))
            last->bytes += extent->bytes;
        else
            db->extents[++kept] = *extent;
    }
    db->extents_count = kept + 1;
}

int db_memory_set(struct db *db, uint32_t node, uint64_t offset, uint64_t bytes, struct owner owner)
{
    if (!inside(db, node, offset, bytes))
        return -ENOENT;
    if (db->extents_count + 2 > DB_EXTENTS_MAX)
        return -ENOSPC;
    split(db, node, offset);
    split(db, node, offset + bytes);
    for (uint32_t i = 0; i < db->extents_count; i++) {
        struct extent *extent = &db->extents[i];
        if (extent->node == node && extent->offset >= offset &&
            extent->offset + extent->bytes <= offset + bytes)
            extent->owner = owner;
    }
    join(db);
    return 0;
}

uint64_t db_memory_total(const struct db *db)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < db->nodes_count; i++)
        total += db->nodes[i].memory_bytes;
    return total;
}

uint64_t db_memory_of(const struct db *db, uint32_t node, struct owner owner)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < db->extents_count; i++)
        if ((node == UINT32_MAX || db->extents[i].node == node) &&
            owner_equal(db->extents[i].owner, owner))
            total += db->extents[i].bytes;
    return total;
}
