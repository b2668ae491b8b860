/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory as buddy blocks. A block is 2 MiB times a power of two, and begins at a multiple of its
 * size; each node is covered by blocks in order, each with one owner. Halving a block makes two
 * buddies; two buddies that are both available become one block again, so what is available is
 * always in the largest blocks that there can be. Sizes in MiB, of a node of 16:
 *
 *   [0 available 16)
 *   4 for P1: the smallest available block that is large enough, halved down
 *   [0 P1 4) [4 available 4) [8 available 8)
 *   6 for P2: the block of 8 is the smallest that has 6; it gets 4 and 2 of it, largest first, so
 *   that each is aligned
 *   [0 P1 4) [4 available 4) [8 P2 4) [12 P2 2) [14 available 2)
 *   6 for P3: no block has 6: the largest, 4, is taken whole, then 2
 *   [0 P1 4) [4 P3 4) [8 P2 4) [12 P2 2) [14 P3 2)
 *   P2 is released, then P1: the buddy of 12 is P3's, that of 8 is not one block: nothing to join
 *   [0 available 4) [4 P3 4) [8 available 4) [12 available 2) [14 P3 2)
 *   P3 is released: 4 and 0 become 8; 14 and 12 become 4, with 8 it becomes 8; with 0 all is one
 *   [0 available 16)
 */
#include <errno.h>
#include <string.h>

#include "db.h"

/* Setting a run halves the two blocks in which it begins and ends: down to 2 MiB, at worst. */
#define GROWTH_MAX 128

static bool inside(const struct db *db, uint32_t node, uint64_t offset, uint64_t bytes)
{
    if ((offset | bytes) % MEMORY_GRAIN)
        return false;
    for (uint32_t i = 0; i < db->nodes_count; i++)
        if (db->nodes[i].node == node)
            return bytes && offset <= db->nodes[i].memory_bytes &&
                   bytes <= db->nodes[i].memory_bytes - offset;
    return false;
}

static uint64_t largest_power(uint64_t bytes)
{
    return UINT64_C(1) << (63 - __builtin_clzll(bytes));
}

/* Size of the largest block that can begin at `offset` and is no larger than `bytes`. */
static uint64_t block_size(uint64_t offset, uint64_t bytes)
{
    uint64_t size = largest_power(bytes), aligned = offset & -offset;

    return offset && aligned < size ? aligned : size;
}

/* Place of the block that `offset` is in. */
static uint32_t place(const struct db *db, uint32_t node, uint64_t offset)
{
    uint32_t low = 0, high = db->extents_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct extent *extent = &db->extents[middle];
        if (extent->node < node ||
            (extent->node == node && extent->offset + extent->bytes <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- finding */

/* Large ones first, then low ones: the order in which blocks are taken whole. */
static bool behind(const struct extent *extent, const struct extent *last)
{
    return extent->bytes < last->bytes ||
           (extent->bytes == last->bytes && extent->offset > last->offset);
}

/* The smallest available block that has `bytes`, or else the largest; behind `last`, which was the
 * one before. */
static const struct extent *pick(const struct db *db, uint32_t node, uint64_t bytes,
                                 const struct extent *last)
{
    const struct extent *enough = NULL, *most = NULL;

    for (uint32_t i = place(db, node, 0); i < db->extents_count; i++) {
        const struct extent *extent = &db->extents[i];
        if (extent->node != node)
            break;
        if (extent->owner.kind != OWNER_AVAILABLE || !behind(extent, last))
            continue;
        if (extent->bytes >= bytes && (!enough || extent->bytes < enough->bytes))
            enough = extent;
        if (!most || behind(most, extent))
            most = extent;
    }
    return enough ? enough : most;
}

int db_memory_find(const struct db *db, uint32_t node, uint64_t bytes, struct extent *blocks,
                   size_t max)
{
    struct extent last = {.bytes = UINT64_MAX};
    size_t count = 0;

    while (bytes) {
        const struct extent *from = pick(db, node, bytes, &last);
        if (!from)
            return -ENOMEM;
        last = *from;
        uint64_t left = from->bytes < bytes ? from->bytes : bytes, offset = from->offset;
        bytes -= left;
        for (; left; left -= blocks[count - 1].bytes) {
            if (count == max)
                return -ENOMEM;
            blocks[count++] = (struct extent){node, offset, largest_power(left), from->owner};
            offset += blocks[count - 1].bytes;
        }
    }
    return (int)count;
}

bool db_memory_owned(const struct db *db, uint32_t node, uint64_t offset, uint64_t bytes,
                     struct owner *owner)
{
    if (!inside(db, node, offset, bytes))
        return false;
    uint32_t i = place(db, node, offset);
    *owner = db->extents[i].owner;
    for (; i < db->extents_count && db->extents[i].node == node; i++) {
        if (db->extents[i].offset >= offset + bytes)
            break;
        if (!owner_equal(db->extents[i].owner, *owner))
            return false;
    }
    return true;
}

/* ---- setting */

/* Halves the block across which `edge` lies until a block begins there. */
static void split(struct db *db, uint32_t node, uint64_t edge)
{
    uint32_t i = place(db, node, edge);

    if (i == db->extents_count || db->extents[i].node != node)
        return;
    while (db->extents[i].offset < edge) {
        struct extent *half = &db->extents[i];
        memmove(half + 1, half, (db->extents_count - i) * sizeof(*half));
        db->extents_count++;
        half[0].bytes /= 2;
        half[1].bytes = half[0].bytes;
        half[1].offset += half[0].bytes;
        if (half[1].offset <= edge)
            i++;
    }
}

/* Makes one block of `count` ones from place `i` on. */
static void unite(struct db *db, uint32_t i, uint32_t count, uint64_t bytes)
{
    struct extent *extent = &db->extents[i];

    memmove(extent + 1, extent + count, (db->extents_count - i - count) * sizeof(*extent));
    db->extents_count -= count - 1;
    extent->bytes = bytes;
}

/* Joins the available block at place `i` with its buddy, and what becomes of it with its own. */
static void join(struct db *db, uint32_t i)
{
    for (;;) {
        const struct extent *extent = &db->extents[i];
        bool upper = extent->offset & extent->bytes;
        if (upper ? i == 0 : i + 1 == db->extents_count)
            return;
        const struct extent *buddy = upper ? extent - 1 : extent + 1;
        if (buddy->node != extent->node || buddy->bytes != extent->bytes ||
            buddy->owner.kind != OWNER_AVAILABLE)
            return;
        i -= upper;
        unite(db, i, 2, db->extents[i].bytes * 2);
    }
}

static void set_block(struct db *db, uint32_t node, uint64_t offset, uint64_t bytes,
                      struct owner owner)
{
    split(db, node, offset);
    split(db, node, offset + bytes);
    uint32_t first = place(db, node, offset);
    uint32_t behind_last = place(db, node, offset + bytes - 1) + 1;
    unite(db, first, behind_last - first, bytes);
    db->extents[first].owner = owner;
    if (owner.kind == OWNER_AVAILABLE)
        join(db, first);
}

int db_memory_set(struct db *db, uint32_t node, uint64_t offset, uint64_t bytes, struct owner owner)
{
    if (!inside(db, node, offset, bytes))
        return -ENOENT;
    if (db->extents_count + GROWTH_MAX > DB_EXTENTS_MAX)
        return -ENOSPC;
    while (bytes) {
        uint64_t size = block_size(offset, bytes);
        set_block(db, node, offset, size, owner);
        offset += size;
        bytes -= size;
    }
    return 0;
}

void db_memory_add(struct db *db, struct inventory_node node)
{
    uint32_t i = db->nodes_count++;

    for (; i > 0 && db->nodes[i - 1].node > node.node; i--)
        db->nodes[i] = db->nodes[i - 1];
    db->nodes[i] = node;
    i = place(db, node.node, 0);
    for (uint64_t offset = 0, size; offset < node.memory_bytes; offset += size, i++) {
        struct extent *extent = &db->extents[i];
        size = block_size(offset, node.memory_bytes - offset);
        memmove(extent + 1, extent, (db->extents_count++ - i) * sizeof(*extent));
        *extent = (struct extent){node.node, offset, size, owner_of_kind(OWNER_AVAILABLE)};
    }
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
