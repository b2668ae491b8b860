/* SPDX-License-Identifier: Apache-2.0 */
/* Buddy blocks against a plain model: one owner for each granule. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db.h"

#define MIB      (UINT64_C(1) << 20)
#define GRANULES 1003 /* of node 1: no power of two */
#define STEPS    4000

static struct db *make(uint64_t bytes)
{
    struct inventory inventory = {.nodes_count = 2, .pcpus_count = 1};
    struct db *db;

    inventory.nodes[0] = (struct inventory_node){.node = 1, .memory_bytes = bytes};
    inventory.nodes[1] = (struct inventory_node){.node = 0, .memory_bytes = 64 * MIB};
    assert_int_equal(db_new(&db, &inventory), 0);
    return db;
}

static void check(const struct db *db)
{
    char text[PARCLOSE_REASON_MAX];

    if (db_check(db, text))
        fail_msg("%s", text);
}

static void give(struct db *db, const struct extent *blocks, int count, struct owner owner)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(
            db_memory_set(db, blocks[i].node, blocks[i].offset, blocks[i].bytes, owner), 0);
}

/* The example above the code, in MiB of 2: "offset+size" for each block of an owner. */
static void is(const struct db *db, const char *expected)
{
    char text[256] = "";

    for (struct memory_walk walk = {0}; db_memory_next(db, &walk);) {
        const struct extent *e = &walk.block;
        if (e->node != 1)
            continue;
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%llu:%u:%llu", used ? " " : "",
                 (unsigned long long)(e->offset / MIB), e->owner.kind,
                 (unsigned long long)(e->bytes / MIB));
    }
    assert_string_equal(text, expected);
}

static int take(struct db *db, uint64_t mib, enum owner_kind owner, struct extent *blocks)
{
    int count = db_memory_find(db, 1, mib * MIB, blocks, 8);

    assert_true(count > 0);
    give(db, blocks, count, owner_of_kind(owner));
    return count;
}

/* Other owners stand for P1, P2, P3: guests would have to be started. */
static void example(void **state)
{
    struct db *db = make(16 * MIB);
    struct extent one[8], two[8], three[8];
    const struct owner available = owner_of_kind(OWNER_AVAILABLE);
    (void)state;

    is(db, "0:0:16");
    int ones = take(db, 4, 2, one);
    is(db, "0:2:4 4:0:4 8:0:8");
    int twos = take(db, 6, 3, two);
    is(db, "0:2:4 4:0:4 8:3:4 12:3:2 14:0:2");
    int threes = take(db, 6, 4, three);
    is(db, "0:2:4 4:4:4 8:3:4 12:3:2 14:4:2");
    assert_int_equal(db_memory_find(db, 1, 2 * MIB, two + 6, 2), -ENOMEM);
    give(db, two, twos, available);
    give(db, one, ones, available);
    is(db, "0:0:4 4:4:4 8:0:4 12:0:2 14:4:2");
    give(db, three, threes, available);
    is(db, "0:0:16");
    db_free(db);
}

static void a_gib_is_aligned_to_a_gib(void **state)
{
    struct db *db = make((UINT64_C(1) << 40) + 6 * MIB);
    struct extent blocks[64];
    (void)state;

    assert_int_equal(db_memory_find(db, 1, 2 * MIB, blocks, 64), 1);
    give(db, blocks, 1, owner_of_kind(OWNER_BOOT));
    assert_int_equal(blocks[0].offset, (UINT64_C(1) << 40) + 4 * MIB); /* the smallest block */
    for (int i = 0; i < 100; i++) {
        int count = db_memory_find(db, 1, 5120 * MIB, blocks, 64);
        assert_int_equal(count, 2);
        for (int b = 0; b < count; b++)
            assert_int_equal(blocks[b].offset % (UINT64_C(1) << 30), 0);
        give(db, blocks, count, owner_of_kind(OWNER_BOOT));
    }
    check(db);
    db_free(db);
}

static void all_of_16_tib_fits_into_one_entry(void **state)
{
    struct db *db = make((UINT64_C(16) << 40) - 2 * MIB);
    static struct extent blocks[DB_BLOCKS_MAX];
    (void)state;

    int count = db_memory_find(db, 1, (UINT64_C(16) << 40) - 2 * MIB, blocks, DB_BLOCKS_MAX);
    assert_int_equal(count, 23);
    give(db, blocks, count, owner_of_kind(OWNER_BOOT));
    check(db);
    db_free(db);
}

static void what_is_no_memory_is_refused(void **state)
{
    struct db *db = make(64 * MIB);
    struct owner owner = {0};
    (void)state;

    assert_int_equal(db_memory_set(db, 2, 0, 2 * MIB, owner), -ENOENT);
    assert_int_equal(db_memory_set(db, 1, 1, 2 * MIB, owner), -ENOENT);
    assert_int_equal(db_memory_set(db, 1, 0, 3 * MIB, owner), -ENOENT);
    assert_int_equal(db_memory_set(db, 1, 0, 0, owner), -ENOENT);
    assert_int_equal(db_memory_set(db, 1, 62 * MIB, 4 * MIB, owner), -ENOENT);
    assert_int_equal(db_memory_set(db, 1, UINT64_MAX - 2 * MIB + 1, 4 * MIB, owner), -ENOENT);
    assert_false(db_memory_owned(db, 1, 62 * MIB, UINT64_MAX - 2 * MIB + 1, &owner));
    assert_int_equal(db_memory_find(db, 2, 2 * MIB, &(struct extent){0}, 1), -ENOMEM);
    db_free(db);
}

static void a_node_is_bounded(void **state)
{
    struct inventory inventory = {.nodes_count = 1, .pcpus_count = 1};
    struct db *db = NULL;
    (void)state;

    inventory.nodes[0].memory_bytes = DB_NODE_MAX + MEMORY_GRAIN;
    assert_int_equal(db_new(&db, &inventory), -E2BIG);
    inventory.nodes[0].memory_bytes = DB_NODE_MAX;
    assert_int_equal(db_new(&db, &inventory), 0);
    assert_int_equal(db->blocks_count, 1);
    db_free(db);
}

/* ---- random runs, set and found, against the model */

static uint32_t model[GRANULES];

static void same(const struct db *db)
{
    struct owner owner;

    for (uint64_t i = 0; i < GRANULES; i++) {
        assert_true(db_memory_owned(db, 1, i * MEMORY_GRAIN, MEMORY_GRAIN, &owner));
        assert_int_equal(owner.kind, model[i]);
    }
}

static void set_model(uint64_t offset, uint64_t bytes, uint32_t owner)
{
    for (uint64_t i = offset / MEMORY_GRAIN; i < (offset + bytes) / MEMORY_GRAIN; i++)
        model[i] = owner;
}

static uint32_t free_granules(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < GRANULES; i++)
        count += model[i] == OWNER_AVAILABLE;
    return count;
}

static void random_allocation(struct db *db)
{
    static struct extent blocks[GRANULES];
    uint64_t wanted = 1 + (uint64_t)rand() % 200;
    int count = db_memory_find(db, 1, wanted * MEMORY_GRAIN, blocks, GRANULES);
    uint64_t got = 0;

    if (wanted > free_granules()) {
        assert_int_equal(count, -ENOMEM);
        return;
    }
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        for (uint64_t g = 0; g < blocks[i].bytes / MEMORY_GRAIN; g++)
            assert_int_equal(model[blocks[i].offset / MEMORY_GRAIN + g], OWNER_AVAILABLE);
        set_model(blocks[i].offset, blocks[i].bytes, OWNER_BOOT); /* each only once, then */
        got += blocks[i].bytes;
    }
    assert_int_equal(got, wanted * MEMORY_GRAIN);
    give(db, blocks, count, owner_of_kind(OWNER_BOOT));
}

static void random_run(struct db *db)
{
    uint64_t first = (uint64_t)rand() % GRANULES;
    uint64_t count = 1 + (uint64_t)rand() % (GRANULES - first);
    enum owner_kind owner = rand() % 3 ? OWNER_AVAILABLE : OWNER_BOOT;

    if (count > 150)
        count = 150;
    assert_int_equal(
        db_memory_set(db, 1, first * MEMORY_GRAIN, count * MEMORY_GRAIN, owner_of_kind(owner)), 0);
    set_model(first * MEMORY_GRAIN, count * MEMORY_GRAIN, owner);
}

static void random_steps(void **state)
{
    struct db *db = make(GRANULES * MEMORY_GRAIN);
    (void)state;

    srand(20160077);
    for (int i = 0; i < STEPS; i++) {
        if (rand() % 2)
            random_allocation(db);
        else
            random_run(db);
        check(db);
        if (i % 16 == 0)
            same(db);
    }
    same(db);
    db_memory_set(db, 1, 0, GRANULES * MEMORY_GRAIN, owner_of_kind(OWNER_AVAILABLE));
    check(db);
    assert_int_equal(db->blocks_count, 1 + 8); /* node 0; 1003 has eight bits that are set */
    db_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example),
        cmocka_unit_test(a_gib_is_aligned_to_a_gib),
        cmocka_unit_test(all_of_16_tib_fits_into_one_entry),
        cmocka_unit_test(what_is_no_memory_is_refused),
        cmocka_unit_test(a_node_is_bounded),
        cmocka_unit_test(random_steps),
    };

    return cmocka_run_group_tests_name("control-memory", tests, NULL, NULL);
}
