/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/ring.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define FLAG_NEXT         1u
#define FLAG_WRITE        2u
#define FLAG_INDIRECT     4u
#define NO_INTERRUPT      1u
#define NO_NOTIFY         1u
#define WORD_FLAGS        0 /* of both rings, in 16-bit words */
#define WORD_INDEX        1
#define WORD_ENTRIES      2
#define DESCRIPTORS_ALIGN 16
#define AVAILABLE_ALIGN   2
#define USED_ALIGN        4

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are little-endian");

/* ---- memory that the other side can write ---- */

static uint16_t load16(const uint16_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store16(uint16_t *word, uint16_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void *ring_memory_at(const struct ring_memory *memory, uint64_t address, uint64_t size)
{
    for (uint32_t i = 0; i < memory->count; i++) {
        const struct ring_region *r = &memory->regions[i];
        uint64_t skip = address - r->address;

        if (address >= r->address && skip < r->size && size <= r->size - skip)
            return r->base + skip;
    }
    return NULL;
}

static void *aligned_at(const struct ring_memory *memory, uint64_t address, uint64_t size,
                        uint64_t align)
{
    void *at = ring_memory_at(memory, address, size);

    return address % align || (uintptr_t)at % align ? NULL : at;
}

int ring_open(struct ring *ring, const struct ring_memory *memory, const struct ring_place *place)
{
    uint32_t size = place->size;

    if (size == 0 || size > RING_SIZE_MAX || (size & (size - 1)))
        return -EINVAL;
    *ring = (struct ring){
        .size = size,
        .descriptors = aligned_at(memory, place->descriptors, size * sizeof(struct ring_descriptor),
                                  DESCRIPTORS_ALIGN),
        .available = aligned_at(memory, place->available, 2 * (WORD_ENTRIES + size + UINT64_C(1)),
                                AVAILABLE_ALIGN),
        .used = aligned_at(memory, place->used,
                           2 * (WORD_ENTRIES + UINT64_C(1)) + size * sizeof(struct ring_used),
                           USED_ALIGN),
    };
    return ring->descriptors && ring->available && ring->used ? 0 : -EFAULT;
}

static uint16_t *used_entry(const struct ring *ring, uint16_t position)
{
    return ring->used + WORD_ENTRIES +
           (position & (ring->size - 1)) * (sizeof(struct ring_used) / sizeof(uint16_t));
}

/* ---- the device's side ---- */

int ring_take(const struct ring *ring, uint16_t next, uint16_t *head)
{
    uint16_t waiting = (uint16_t)(load16(&ring->available[WORD_INDEX]) - next);

    if (waiting > ring->size)
        return -EPROTO;
    if (waiting == 0)
        return 0;
    *head = load16(&ring->available[WORD_ENTRIES + (next & (ring->size - 1))]);
    return *head < ring->size ? 1 : -EPROTO;
}

static struct ring_descriptor copy_descriptor(const struct ring *ring, uint16_t index)
{
    const volatile struct ring_descriptor *at = &ring->descriptors[index];

    return (struct ring_descriptor){at->address, at->size, at->flags, at->next};
}

/* Rules between a part and those before it; -EFAULT: not memory. */
static int add_part(struct ring_chain *chain, const struct ring_memory *memory,
                    const struct ring_descriptor *d)
{
    bool writable = d->flags & FLAG_WRITE;

    if (d->flags & FLAG_INDIRECT)
        return -EPROTO;
    if (d->size == 0)
        return 0;
    if (chain->count && chain->parts[chain->count - 1].writable && !writable)
        return -EPROTO;
    if (!ring_memory_at(memory, d->address, d->size))
        return -EFAULT;
    chain->parts[chain->count++] = (struct ring_part){d->address, d->size, writable};
    return 0;
}

int ring_chain(const struct ring *ring, const struct ring_memory *memory, uint16_t head,
               struct ring_chain *chain)
{
    uint16_t at = head;

    chain->count = 0;
    for (uint32_t i = 0; i < ring->size; i++) { /* a longer one is a loop */
        struct ring_descriptor d;
        int rc;

        if (at >= ring->size)
            return -EPROTO;
        d = copy_descriptor(ring, at);
        rc = add_part(chain, memory, &d);
        if (rc < 0)
            return rc;
        if (!(d.flags & FLAG_NEXT))
            return 0;
        at = d.next;
    }
    return -EPROTO;
}

void ring_give(const struct ring *ring, uint16_t position, uint16_t head, uint32_t written)
{
    struct ring_used entry = {head, written};

    memcpy(used_entry(ring, position), &entry, sizeof(entry));
}

bool ring_publish_used(const struct ring *ring, uint16_t next)
{
    store16(&ring->used[WORD_INDEX], next);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the index is out before the wish is read */
    return !(load16(&ring->available[WORD_FLAGS]) & NO_INTERRUPT);
}

uint16_t ring_used_index(const struct ring *ring)
{
    return load16(&ring->used[WORD_INDEX]);
}

bool ring_waits(const struct ring *ring)
{
    return load16(&ring->available[WORD_INDEX]) != ring_used_index(ring);
}

/* ---- the driver's side ---- */

void ring_clear(const struct ring *ring)
{
    memset(ring->descriptors, 0, ring->size * sizeof(struct ring_descriptor));
    memset(ring->available, 0, 2 * (WORD_ENTRIES + (size_t)ring->size + 1));
    memset(ring->used, 0,
           sizeof(uint16_t) * (WORD_ENTRIES + 1) + ring->size * sizeof(struct ring_used));
}

void ring_describe(const struct ring *ring, uint16_t index, const struct ring_part *part,
                   uint32_t next)
{
    bool last = next >= ring->size;

    ring->descriptors[index] = (struct ring_descriptor){
        .address = part->address,
        .size = part->size,
        .flags = (uint16_t)((part->writable ? FLAG_WRITE : 0) | (last ? 0 : FLAG_NEXT)),
        .next = (uint16_t)(last ? 0 : next),
    };
}

void ring_put(const struct ring *ring, uint16_t position, uint16_t head)
{
    store16(&ring->available[WORD_ENTRIES + (position & (ring->size - 1))], head);
}

bool ring_publish_available(const struct ring *ring, uint16_t next)
{
    store16(&ring->available[WORD_INDEX], next);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !(load16(&ring->used[WORD_FLAGS]) & NO_NOTIFY);
}

int ring_collect(const struct ring *ring, uint16_t next, uint32_t out, struct ring_used *used)
{
    uint16_t done = (uint16_t)(load16(&ring->used[WORD_INDEX]) - next);

    if (done > out || done > ring->size)
        return -EPROTO;
    if (done == 0)
        return 0;
    memcpy(used, used_entry(ring, next), sizeof(*used));
    return 1;
}
