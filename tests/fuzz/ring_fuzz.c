/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues in memory of the fuzzer's: the input is the memory, its first bytes say where
 * the rings are. What is accepted lies in it; nothing outside is touched (guard pages of the
 * allocation under ASan).
 */
#include <stdlib.h>
#include <string.h>

#include "ring/ring.h"

#define BASE UINT64_C(0x10000)
#define ROOM 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int good)
{
    if (!good)
        abort();
}

static void fuzz_device(const struct ring *ring, const struct ring_memory *memory, uint16_t next)
{
    static struct ring_chain chain;
    uint16_t head;

    for (uint32_t i = 0; i < ring->size && ring_take(ring, next, &head) == 1; i++, next++) {
        check(head < ring->size);
        if (ring_chain(ring, memory, head, &chain) < 0)
            continue;
        check(chain.count <= ring->size);
        for (uint32_t k = 0; k < chain.count; k++) {
            check(chain.parts[k].size > 0);
            check(ring_memory_at(memory, chain.parts[k].address, chain.parts[k].size) != NULL);
            check(k == 0 || chain.parts[k].writable >= chain.parts[k - 1].writable);
        }
        ring_give(ring, next, head, 1);
        (void)ring_publish_used(ring, (uint16_t)(next + 1));
    }
}

static void fuzz_driver(const struct ring *ring, uint16_t next, uint32_t out)
{
    struct ring_used used;

    for (uint32_t i = 0; i <= ring->size; i++, next++, out--) {
        int rc = ring_collect(ring, next, out, &used);

        if (rc <= 0)
            return;
        check(out > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ring_memory memory = {1, {{BASE, ROOM, NULL}}};
    struct {
        uint16_t descriptors, available, used, next;
        uint8_t order, out;
    } start;
    struct ring ring;
    uint8_t *room;

    if (size < sizeof(start))
        return 0;
    memcpy(&start, data, sizeof(start));
    room = aligned_alloc(4096, ROOM);
    check(room != NULL);
    memset(room, 0, ROOM);
    memcpy(room, data + sizeof(start), size - sizeof(start) < ROOM ? size - sizeof(start) : ROOM);
    memory.regions[0].base = room;
    struct ring_place place = {BASE + start.descriptors, BASE + start.available, BASE + start.used,
                               1u << (start.order & 15)};
    if (ring_open(&ring, &memory, &place) == 0) {
        fuzz_driver(&ring, start.next, start.out);
        fuzz_device(&ring, &memory, start.next);
        ring_clear(&ring);
    }
    free(room);
    return 0;
}
