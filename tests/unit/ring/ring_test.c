/* SPDX-License-Identifier: Apache-2.0 */
/* Split virtqueues: both sides working together, then each of them hostile to the other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ring/ring.h"

#define BASE UINT64_C(0x100000)
#define SIZE 8
#define NONE RING_SIZE_MAX

static struct {
    struct ring_descriptor descriptors[SIZE];
    uint16_t available[3 + SIZE];
    uint16_t pad[5];
    uint16_t used[3 + 4 * SIZE];
    uint8_t data[4096];
} area __attribute__((aligned(64)));

static const struct ring_memory memory = {1, {{BASE, sizeof(area), (uint8_t *)&area}}};
static const struct ring_place place = {BASE + offsetof(__typeof__(area), descriptors),
                                        BASE + offsetof(__typeof__(area), available),
                                        BASE + offsetof(__typeof__(area), used), SIZE};
static struct ring ring;
static struct ring_chain chain;

static uint64_t data(uint32_t offset)
{
    return BASE + offsetof(__typeof__(area), data) + offset;
}

static int setup(void **state)
{
    (void)state;
    memset(&area, 0xa5, sizeof(area));
    assert_int_equal(ring_open(&ring, &memory, &place), 0);
    ring_clear(&ring);
    return 0;
}

static void put(uint16_t index, uint64_t address, uint32_t size, uint16_t flags, uint16_t next)
{
    area.descriptors[index] = (struct ring_descriptor){address, size, flags, next};
}

static void a_request_goes_and_comes_back(void **state)
{
    const struct ring_part out = {data(0), 16, false}, in = {data(16), 100, true};
    struct ring_used used;
    uint16_t head;

    (void)state;
    ring_describe(&ring, 3, &out, 5);
    ring_describe(&ring, 5, &in, NONE);
    ring_put(&ring, 0, 3);
    assert_int_equal(ring_take(&ring, 0, &head), 0);
    assert_true(ring_publish_available(&ring, 1));

    assert_int_equal(ring_take(&ring, 0, &head), 1);
    assert_int_equal(head, 3);
    assert_int_equal(ring_take(&ring, 1, &head), 0);
    assert_int_equal(ring_chain(&ring, &memory, 3, &chain), 0);
    assert_int_equal(chain.count, 2);
    assert_true(chain.parts[0].address == out.address && chain.parts[0].size == 16);
    assert_true(!chain.parts[0].writable && chain.parts[1].writable);

    ring_give(&ring, 0, 3, 77);
    assert_int_equal(ring_collect(&ring, 0, 1, &used), 0);
    assert_true(ring_publish_used(&ring, 1));
    assert_int_equal(ring_collect(&ring, 0, 1, &used), 1);
    assert_int_equal(used.id, 3);
    assert_int_equal(used.written, 77);
}

/* Positions run freely over 16 bits; the entry is where the size says. */
static void positions_wrap(void **state)
{
    struct ring_used used;
    uint16_t head, at = 0xfffd;

    (void)state;
    for (int i = 0; i < 3 * SIZE; i++, at++) {
        ring_put(&ring, at, (uint16_t)(i % SIZE));
        (void)ring_publish_available(&ring, (uint16_t)(at + 1));
        assert_int_equal(ring_take(&ring, at, &head), 1);
        assert_int_equal(head, i % SIZE);
        ring_give(&ring, at, head, 1);
        (void)ring_publish_used(&ring, (uint16_t)(at + 1));
        assert_int_equal(ring_collect(&ring, at, 1, &used), 1);
        assert_int_equal(used.id, i % SIZE);
    }
}

static void wishes_are_honoured(void **state)
{
    (void)state;
    area.available[0] = 1;
    assert_false(ring_publish_used(&ring, 1));
    area.used[0] = 1;
    assert_false(ring_publish_available(&ring, 1));
}

static int open_with(uint64_t descriptors, uint64_t available, uint64_t used, uint32_t size)
{
    const struct ring_place other = {descriptors, available, used, size};
    struct ring r;

    return ring_open(&r, &memory, &other);
}

static void places_that_are_no_ring(void **state)
{
    static const uint32_t sizes[] = {0, 3, 6, 257, 512, 1u << 31, UINT32_MAX};
    const uint64_t d = place.descriptors, a = place.available, u = place.used;
    const uint64_t end = BASE + sizeof(area);

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_int_equal(open_with(d, a, u, sizes[i]), -EINVAL);
    assert_int_equal(open_with(d + 8, a, u, SIZE), -EFAULT);
    assert_int_equal(open_with(d, a + 1, u, SIZE), -EFAULT);
    assert_int_equal(open_with(d, a, u + 2, SIZE), -EFAULT);
    assert_int_equal(open_with(end, a, u, SIZE), -EFAULT);
    assert_int_equal(open_with(end - 16, a, u, SIZE), -EFAULT);
    assert_int_equal(open_with(d, end - 2, u, SIZE), -EFAULT);
    assert_int_equal(open_with(d, a, end - 4, SIZE), -EFAULT);
    assert_int_equal(open_with(UINT64_MAX - 15, a, u, SIZE), -EFAULT);
    assert_int_equal(open_with(d, a, BASE - 4, SIZE), -EFAULT);
}

static void memory_has_edges(void **state)
{
    const struct ring_memory two = {
        2, {{0x1000, 0x1000, area.data}, {UINT64_MAX - 0xfff, 0x1000, area.data}}};

    (void)state;
    assert_ptr_equal(ring_memory_at(&two, 0x1000, 0x1000), area.data);
    assert_ptr_equal(ring_memory_at(&two, 0x1fff, 1), area.data + 0xfff);
    assert_null(ring_memory_at(&two, 0x1fff, 2));
    assert_null(ring_memory_at(&two, 0xfff, 2));
    assert_null(ring_memory_at(&two, 0x1800, UINT64_MAX));
    assert_non_null(ring_memory_at(&two, UINT64_MAX, 1));
    assert_null(ring_memory_at(&two, UINT64_MAX, 2));
}

static void a_hostile_driver_index(void **state)
{
    uint16_t head;

    (void)state;
    area.available[1] = SIZE + 1; /* more than the ring holds */
    assert_int_equal(ring_take(&ring, 0, &head), -EPROTO);
    area.available[1] = 0xffff; /* back */
    assert_int_equal(ring_take(&ring, 0, &head), -EPROTO);
    area.available[1] = 1;
    area.available[2] = SIZE; /* no such descriptor */
    assert_int_equal(ring_take(&ring, 0, &head), -EPROTO);
    area.available[2] = 0xffff;
    assert_int_equal(ring_take(&ring, 0, &head), -EPROTO);
}

static void hostile_chains(void **state)
{
    (void)state;
    put(0, data(0), 1, 1, 0); /* itself */
    assert_int_equal(ring_chain(&ring, &memory, 0, &chain), -EPROTO);
    for (uint16_t i = 0; i < SIZE; i++) /* all of them, round and round */
        put(i, data(0), 1, 1, (uint16_t)((i + 1) % SIZE));
    assert_int_equal(ring_chain(&ring, &memory, 4, &chain), -EPROTO);
    for (uint16_t i = 0; i < SIZE; i++) /* of no bytes: no part, and a loop all the same */
        put(i, data(0), 0, 1, (uint16_t)((i + 1) % SIZE));
    assert_int_equal(ring_chain(&ring, &memory, 4, &chain), -EPROTO);
    put(0, data(0), 1, 1, SIZE); /* next outside the table */
    assert_int_equal(ring_chain(&ring, &memory, 0, &chain), -EPROTO);
    put(0, data(0), 16, 4, 0); /* indirect */
    assert_int_equal(ring_chain(&ring, &memory, 0, &chain), -EPROTO);
    put(0, data(0), 1, 3, 1); /* readable after writable */
    put(1, data(0), 1, 0, 0);
    assert_int_equal(ring_chain(&ring, &memory, 0, &chain), -EPROTO);
    assert_int_equal(ring_chain(&ring, &memory, SIZE, &chain), -EPROTO);
}

static void hostile_addresses(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t size;
    } bad[] = {{0, 1},
               {BASE - 1, 2},
               {BASE + sizeof(area), 1},
               {BASE + sizeof(area) - 1, 2},
               {BASE, UINT32_MAX},
               {UINT64_MAX, 1},
               {UINT64_MAX - 3, 16}};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(0, bad[i].address, bad[i].size, 0, 0);
        assert_int_equal(ring_chain(&ring, &memory, 0, &chain), -EFAULT);
    }
    put(0, BASE + sizeof(area) - 1, 1, 2, 0);
    assert_int_equal(ring_chain(&ring, &memory, 0, &chain), 0);
}

/* The longest that is none: every descriptor once. */
static void a_chain_of_all(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < SIZE; i++)
        put(i, data(i), 1, i < SIZE - 1 ? 1 : 0, (uint16_t)(i + 1));
    assert_int_equal(ring_chain(&ring, &memory, 0, &chain), 0);
    assert_int_equal(chain.count, SIZE);
}

static void a_hostile_device_index(void **state)
{
    struct ring_used used;

    (void)state;
    area.used[1] = 3; /* it has two */
    assert_int_equal(ring_collect(&ring, 0, 2, &used), -EPROTO);
    area.used[1] = 0xffff;
    assert_int_equal(ring_collect(&ring, 0, 2, &used), -EPROTO);
    area.used[1] = SIZE + 1;
    assert_int_equal(ring_collect(&ring, 0, 1000, &used), -EPROTO);
    area.used[1] = 1; /* it has none */
    assert_int_equal(ring_collect(&ring, 0, 0, &used), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_request_goes_and_comes_back, setup),
        cmocka_unit_test_setup(positions_wrap, setup),
        cmocka_unit_test_setup(wishes_are_honoured, setup),
        cmocka_unit_test_setup(places_that_are_no_ring, setup),
        cmocka_unit_test_setup(memory_has_edges, setup),
        cmocka_unit_test_setup(a_hostile_driver_index, setup),
        cmocka_unit_test_setup(hostile_chains, setup),
        cmocka_unit_test_setup(hostile_addresses, setup),
        cmocka_unit_test_setup(a_chain_of_all, setup),
        cmocka_unit_test_setup(a_hostile_device_index, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
