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
 *
 * Each node has two tables by granule (2 MiB): `orders` says where blocks begin, `owners` whose
 * they are. A block begins at a multiple of its size, so the one that a granule is in is found by
 * rounding down to ever larger powers of two; halving and joining touch two entries. The tables are
 * as long as the node, but only what blocks begin at is ever touched, and resident.
 */
#include <errno.h>
#include <stdlib.h>

#include "db.h"

/* Setting a run halves the two blocks in which it begins and ends: down to 2 MiB, at worst. */
#define GROWTH_MAX 128

/* In `orders`, where a block begins: this bit and the log2 of its size in granules; else 0. */
#define BEGINS 0x40

static uint64_t length(const struct node *node)
{
    return node->memory_bytes / MEMORY_GRAIN;
}

const struct node *db_node(const struct db *db, uint32_t number)
{
    for (uint32_t i = 0; i < db->nodes_count; i++)
        if (db->nodes[i].node == number)
            return &db->nodes[i];
    return NULL;
}

/* The node, when the run lies inside of it and is made of granules. */
static const struct node *inside(const struct db *db, uint32_t number, uint64_t offset,
                                 uint64_t bytes)
{
    const struct node *node = db_node(db, number);

    if (!node || !bytes || (offset | bytes) % MEMORY_GRAIN || offset > node->memory_bytes ||
        bytes > node->memory_bytes - offset)
        return NULL;
    return node;
}

static unsigned order_of(uint64_t granules)
{
    return 63 - (unsigned)__builtin_clzll(granules);
}

/* Order of the largest block that can begin at `begin` and has no more than `granules`. */
static unsigned largest_order(uint64_t begin, uint64_t granules)
{
    unsigned most = order_of(granules), aligned = begin ? order_of(begin & -begin) : most;

    return aligned < most ? aligned : most;
}

/* ---- blocks, by the granule at which they begin */

static unsigned order_at(const struct node *node, uint64_t begin)
{
    return node->orders[begin] & (BEGINS - 1);
}

static uint64_t size_of(const struct node *node, uint64_t begin)
{
    return UINT64_C(1) << order_at(node, begin);
}

/* Where the block begins that the granule is in. */
static uint64_t begin_of(const struct node *node, uint64_t granule)
{
    unsigned order = 0;

    while (node->orders[granule >> order << order] < (BEGINS | order))
        order++;
    return granule >> order << order;
}

static struct extent block_at(const struct node *node, uint64_t begin)
{
    return (struct extent){node->node, begin * MEMORY_GRAIN, size_of(node, begin) * MEMORY_GRAIN,
                           node->owners[begin]};
}

static void put(struct db *db, const struct node *node, uint64_t begin, unsigned order,
                struct owner owner)
{
    node->orders[begin] = (uint8_t)(BEGINS | order);
    node->owners[begin] = owner;
    db->blocks_count++;
}

static void drop(struct db *db, const struct node *node, uint64_t begin)
{
    node->orders[begin] = 0;
    db->blocks_count--;
}

bool db_memory_next(const struct db *db, struct memory_walk *walk)
{
    for (; walk->node < db->nodes_count; walk->node++, walk->granule = 0) {
        const struct node *node = &db->nodes[walk->node];
        if (walk->granule >= length(node) || !node->orders[walk->granule])
            continue;
        walk->block = block_at(node, walk->granule);
        walk->granule += size_of(node, walk->granule);
        return true;
    }
    return false;
}

/* ---- finding */

/* Large ones first, then low ones: the order in which blocks are taken whole. */
static bool behind(const struct extent *extent, const struct extent *last)
{
    return extent->bytes < last->bytes ||
           (extent->bytes == last->bytes && extent->offset > last->offset);
}

/* The smallest available block that has `bytes`, or else the largest, its bytes 0 when there is
 * none; behind `last`, which was the one before. */
static struct extent pick(const struct node *node, uint64_t bytes, const struct extent *last)
{
    struct extent enough = {.bytes = UINT64_MAX}, most = {.bytes = 0};

    for (uint64_t begin = 0; begin < length(node); begin += size_of(node, begin)) {
        const struct extent block = block_at(node, begin);
        if (block.owner.kind != OWNER_AVAILABLE || !behind(&block, last))
            continue;
        if (block.bytes >= bytes && block.bytes < enough.bytes)
            enough = block;
        if (!most.bytes || behind(&most, &block))
            most = block;
    }
    return enough.bytes != UINT64_MAX ? enough : most;
}

int db_memory_find(const struct db *db, uint32_t number, uint64_t bytes, struct extent *blocks,
                   size_t max)
{
    const struct node *node = db_node(db, number);
    struct extent last = {.bytes = UINT64_MAX};
    size_t count = 0;

    if (!node)
        return -ENOMEM;
    while (bytes) {
        last = pick(node, bytes, &last);
        if (!last.bytes)
            return -ENOMEM;
        uint64_t left = last.bytes < bytes ? last.bytes : bytes, offset = last.offset;
        bytes -= left;
        for (; left; left -= blocks[count - 1].bytes) {
            if (count == max)
                return -ENOMEM;
            blocks[count++] =
                (struct extent){number, offset, UINT64_C(1) << order_of(left), last.owner};
            offset += blocks[count - 1].bytes;
        }
    }
    return (int)count;
}

bool db_memory_owned(const struct db *db, uint32_t number, uint64_t offset, uint64_t bytes,
                     struct owner *owner)
{
    const struct node *node = inside(db, number, offset, bytes);

    if (!node)
        return false;
    uint64_t begin = begin_of(node, offset / MEMORY_GRAIN);
    *owner = node->owners[begin];
    for (; begin < (offset + bytes) / MEMORY_GRAIN; begin += size_of(node, begin))
        if (!owner_equal(node->owners[begin], *owner))
            return false;
    return true;
}

/* ---- setting */

/* Halves the block across which `edge` lies until a block begins there. */
static void split(struct db *db, const struct node *node, uint64_t edge)
{
    if (edge == length(node))
        return;
    for (uint64_t begin = begin_of(node, edge); begin < edge;) {
        unsigned half = order_at(node, begin) - 1;
        uint64_t upper = begin + (UINT64_C(1) << half);
        node->orders[begin]--;
        put(db, node, upper, half, node->owners[begin]);
        if (upper <= edge)
            begin = upper;
    }
}

/* Joins the available block with its buddy, and what becomes of it with its own. */
static void join(struct db *db, const struct node *node, uint64_t begin)
{
    for (;;) {
        uint64_t size = size_of(node, begin), buddy = begin ^ size;
        if (buddy + size > length(node) || node->orders[buddy] != node->orders[begin] ||
            node->owners[buddy].kind != OWNER_AVAILABLE)
            return;
        drop(db, node, begin | size);
        begin &= ~size;
        node->orders[begin]++;
    }
}

static void set_block(struct db *db, const struct node *node, uint64_t begin, unsigned order,
                      struct owner owner)
{
    uint64_t end = begin + (UINT64_C(1) << order);

    split(db, node, begin);
    split(db, node, end);
    for (uint64_t at = begin, size; at < end; at += size) {
        size = size_of(node, at);
        drop(db, node, at);
    }
    put(db, node, begin, order, owner);
    if (owner.kind == OWNER_AVAILABLE)
        join(db, node, begin);
}

int db_memory_set(struct db *db, uint32_t number, uint64_t offset, uint64_t bytes,
                  struct owner owner)
{
    const struct node *node = inside(db, number, offset, bytes);
    uint64_t end = (offset + bytes) / MEMORY_GRAIN;

    if (!node)
        return -ENOENT;
    if (db->blocks_count + GROWTH_MAX > DB_EXTENTS_MAX)
        return -ENOSPC;
    for (uint64_t begin = offset / MEMORY_GRAIN; begin < end;) {
        unsigned order = largest_order(begin, end - begin);
        set_block(db, node, begin, order, owner);
        begin += UINT64_C(1) << order;
    }
    return 0;
}

/* ---- nodes */

int db_memory_add(struct db *db, const struct inventory_node *inventory)
{
    struct node node = {.node = inventory->node, .memory_bytes = inventory->memory_bytes};
    uint32_t i = db->nodes_count;

    if (node.memory_bytes > DB_NODE_MAX)
        return -E2BIG;
    node.orders = calloc(length(&node), sizeof(node.orders[0]));
    node.owners = calloc(length(&node), sizeof(node.owners[0]));
    if (!node.orders || !node.owners) {
        free(node.orders);
        free(node.owners);
        return -ENOMEM;
    }
    for (uint64_t begin = 0; begin < length(&node); begin += size_of(&node, begin))
        put(db, &node, begin, largest_order(begin, length(&node) - begin),
            owner_of_kind(OWNER_AVAILABLE));
    for (; i > 0 && db->nodes[i - 1].node > node.node; i--)
        db->nodes[i] = db->nodes[i - 1];
    db->nodes[i] = node;
    db->nodes_count++;
    return 0;
}

void db_memory_free(struct db *db)
{
    for (uint32_t i = 0; i < db->nodes_count; i++) {
        free(db->nodes[i].orders);
        free(db->nodes[i].owners);
    }
}

uint64_t db_memory_total(const struct db *db)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < db->nodes_count; i++)
        total += db->nodes[i].memory_bytes;
    return total;
}

uint64_t db_memory_of(const struct db *db, uint32_t number, struct owner owner)
{
    uint64_t total = 0;

    for (struct memory_walk walk = {0}; db_memory_next(db, &walk);)
        if ((number == UINT32_MAX || walk.block.node == number) &&
            owner_equal(walk.block.owner, owner))
            total += walk.block.bytes;
    return total;
}
