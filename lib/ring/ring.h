/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues (virtio 1.2, section 2.7) in memory that the other side can write at any moment:
 * the device's side, for who serves a driver, and the driver's, for who puts requests to a device.
 * Each value is read from the ring once, checked, and used from the copy.
 *
 * No state of its own: positions are the caller's, free-running; what of them lies in the ring is
 * only ever written, never believed. No policy, no allocation, no wait, no system call.
 *
 * Errors: -EPROTO the other side broke the ring's rules, -EFAULT an address outside its memory,
 * -EINVAL a place that cannot be a ring.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RING_SIZE_MAX    256
#define RING_REGIONS_MAX 8

/* Where [address, address + size) of the driver's address space is mapped. */
struct ring_region {
    uint64_t address;
    uint64_t size;
    uint8_t *base;
};

struct ring_memory {
    uint32_t count;
    struct ring_region regions[RING_REGIONS_MAX];
};

/* NULL unless all of it lies in one region. */
void *ring_memory_at(const struct ring_memory *memory, uint64_t address, uint64_t size);

struct ring_descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct ring_descriptor) == 16, "virtio 1.2, 2.7.5");

struct ring_used {
    uint32_t id;
    uint32_t written;
};

/* What the driver said of a queue. */
struct ring_place {
    uint64_t descriptors;
    uint64_t available;
    uint64_t used;
    uint32_t size; /* a power of two, 1..RING_SIZE_MAX */
};

/* An open one: pointers into its memory. */
struct ring {
    uint32_t size;
    struct ring_descriptor *descriptors;
    uint16_t *available; /* flags, index, entries */
    uint16_t *used;      /* flags, index; then the entries */
};

int ring_open(struct ring *ring, const struct ring_memory *memory, const struct ring_place *place);

/* ---- the device's side ---- */

struct ring_part {
    uint64_t address;
    uint32_t size;
    bool writable; /* by the device */
};

/* A request: readable parts first, then writable ones; all in memory when they were checked. */
struct ring_chain {
    uint32_t count;
    struct ring_part parts[RING_SIZE_MAX];
};

/* The request at position `next`: 1 and its head, 0 none, -EPROTO. */
int ring_take(const struct ring *ring, uint16_t next, uint16_t *head);

/* Its parts. Indirect tables were not offered: -EPROTO, as are loops and a readable part after a
 * writable one. Parts of no bytes are left out. */
int ring_chain(const struct ring *ring, const struct ring_memory *memory, uint16_t head,
               struct ring_chain *chain);

/* Writes the used entry at a position; the driver sees it once it is published. */
void ring_give(const struct ring *ring, uint16_t position, uint16_t head, uint32_t written);

/* Everything before `next` is given back. Returns whether the driver wants to be interrupted. */
bool ring_publish_used(const struct ring *ring, uint16_t next);

/* As the ring itself says, for who goes on with it after another: how many were given back, and
 * whether the driver waits for any. */
uint16_t ring_used_index(const struct ring *ring);
bool ring_waits(const struct ring *ring);

/* ---- the driver's side ---- */

/* All zero: a ring on which nothing has happened. */
void ring_clear(const struct ring *ring);

/* Descriptor `index`; `next` >= size: the last of its chain. */
void ring_describe(const struct ring *ring, uint16_t index, const struct ring_part *part,
                   uint32_t next);

/* Writes the available entry at a position; the device sees it once it is published. */
void ring_put(const struct ring *ring, uint16_t position, uint16_t head);

/* Everything before `next` is the device's. Returns whether the device wants to be kicked. */
bool ring_publish_available(const struct ring *ring, uint16_t next);

/* What the device gave back at position `next`, of `out` requests that it has: 1, 0 none, -EPROTO.
 * The caller checks whether it has that id, and never believes `written`. */
int ring_collect(const struct ring *ring, uint16_t next, uint32_t out, struct ring_used *used);
