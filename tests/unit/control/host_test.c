/* SPDX-License-Identifier: Apache-2.0 */
/* Other cards than before, all at once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

/* 64 cards from bus `first` on, all of them there. */
static struct host_config many(uint32_t first)
{
    struct host_config host = world_host();

    host.cards_count = HOST_MAX_CARDS;
    for (uint32_t i = 0; i < host.cards_count; i++) {
        host.cards[i] =
            (struct card_config){.bdf = {(first + i) << 8}, .vfs = 1, .driver = "mlx5_core"};
        snprintf(host.cards[i].name, sizeof(host.cards[i].name), "card%u", first + i);
    }
    return host;
}

static void seen(struct world *world, const struct host_config *host)
{
    for (uint32_t i = 0; i < host->cards_count; i++) {
        struct tcb_pf pf = {
            .header = frame_header(TCB_PF, sizeof(pf), 0),
            .pf = {.bdf = host->cards[i].bdf, .class = CLASS_NETWORK, .answers = 1}};
        assert_int_equal(world_say(world, PROCESS_TCB, &pf), 0);
    }
}

/* Those that go are known until the TCB has let them go. */
static void more_than_can_be_known_at_once_are_refused(void **state)
{
    struct world *world = *state;
    const struct host_config old = many(16);
    struct host_config new = many(48); /* half of them others */

    world_links_up(world);
    assert_int_equal(world_host_set(world, &old), 0);
    seen(world, &old);
    assert_int_equal(world_host_set(world, &new), -EBUSY);
    assert_string_equal(world_result_text,
                        "32 cards more than the 64 that can be known at once: take the old ones "
                        "out of host.xml first");
    assert_memory_equal(&world->control->db->host, &old, sizeof(old));
    struct host_config fewer = old;
    fewer.cards_count = 0;
    assert_int_equal(world_host_set(world, &fewer), 0);
    for (uint32_t i = 0; i < old.cards_count; i++) {
        struct tcb_gone gone = {.header = frame_header(TCB_GONE, sizeof(gone), 0),
                                .bdf = old.cards[i].bdf};
        assert_int_equal(world_say(world, PROCESS_TCB, &gone), 0);
    }
    assert_int_equal(world_host_set(world, &new), 0);
    world_check(world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(more_than_can_be_known_at_once_are_refused),
    };
    return cmocka_run_group_tests_name("control-host", tests, NULL, NULL);
}
