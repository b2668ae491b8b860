/* SPDX-License-Identifier: Apache-2.0 */
/* Every PCI function of the host is in the map once: as a PF, as a VF, or as another function. */
#include "world.h"

static void say(struct world *world, uint32_t bdf, uint32_t present)
{
    const struct tcb_function message = {.header = frame_header(TCB_FUNCTION, sizeof(message), 0),
                                         .present = present,
                                         .function = {.bdf = {bdf}, .class_code = 0x060400}};
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

#define END UINT32_MAX
/* That the map has just these, in this order. */
static void assert_functions(const struct world *world, const uint32_t *bdfs)
{
    const struct db *db = world->control->db;
    uint32_t count = 0;

    for (; bdfs[count] != END; count++) {
        assert_true(count < db->functions_count);
        assert_int_equal(db->functions[count].observed.bdf.value, bdfs[count]);
    }
    assert_int_equal(db->functions_count, count);
}
#define ASSERT_FUNCTIONS(...) assert_functions(world, (const uint32_t[]){__VA_ARGS__, END})

static void they_come_and_go_in_order(void **state)
{
    struct world *world = *state;

    say(world, 0x20, 1);
    say(world, 0x08, 1);
    say(world, 0x10, 1);
    say(world, 0x10, 1);
    say(world, 0, 1); /* 0000:00:00.0 is an address as any */
    ASSERT_FUNCTIONS(0, 0x08, 0x10, 0x20);
    say(world, 0, 0);
    say(world, 0x10, 0);
    say(world, 0x18, 0); /* it was never there */
    ASSERT_FUNCTIONS(0x08, 0x20);
}

static void what_a_new_link_does_not_say_is_gone(void **state)
{
    const struct tcb_sync sync = {.header = frame_header(TCB_SYNC, sizeof(sync), 0)};
    struct world *world = *state;

    say(world, 0x08, 1);
    say(world, 0x10, 1);
    tcb_down(world->control);
    tcb_up(world->control);
    ASSERT_FUNCTIONS(0x08, 0x10); /* until all is said */
    say(world, 0x10, 1);
    assert_int_equal(world_say(world, PROCESS_TCB, &sync), 0);
    ASSERT_FUNCTIONS(0x10);
}

static void one_that_becomes_a_pf_or_a_vf_is_no_other_function(void **state)
{
    struct world *world = *state;

    say(world, NET0.value, 1);
    say(world, NET0.value + 0x80, 1);
    say(world, 0x08, 1);
    world_vf(world, NET0, 0, false, false); /* says its PF, too */
    ASSERT_FUNCTIONS(0x08);
}

static void more_than_there_is_room_for_are_left_out(void **state)
{
    struct world *world = *state;

    for (uint32_t i = 1; i <= PARCLOSE_MAX_FUNCTIONS + 1; i++)
        say(world, 0x10000 + i, 1);
    assert_int_equal(world->control->db->functions_count, PARCLOSE_MAX_FUNCTIONS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(they_come_and_go_in_order),
        TEST(what_a_new_link_does_not_say_is_gone),
        TEST(one_that_becomes_a_pf_or_a_vf_is_no_other_function),
        TEST(more_than_there_is_room_for_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
