/* SPDX-License-Identifier: Apache-2.0 */
/* The ladder: rungs in order, at their time, within their budget, over control's death. */
#include <string.h>

#include "ladder.h"
#include "world.h"

static void wait_for_net0(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 0, "net1", 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    world_to_gate(world, "web");
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_WAITING);
    world_forget_sent(world);
}

static uint32_t boot_rung(struct world *world)
{
    const struct boot_restart *restart = world_take(world, PROCESS_BOOT, BOOT_RESTART);
    return restart ? restart->rung : 0;
}

static void rungs_come_in_order_and_in_time(void **state)
{
    struct world *world = *state;
    const struct pcim_recover *recover;

    wait_for_net0(world); /* waits of 1, 2, 3, 4 s */
    world_wait(world, SECOND - 1);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    world_wait(world, 1);
    recover = world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER);
    assert_int_equal(recover->pf.value, NET0.value);
    assert_int_equal(recover->rung, RUNG_RESTART_PF);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER)); /* net1 is ready */
    world_wait(world, 2 * SECOND - 1);
    assert_int_equal(boot_rung(world), 0);
    world_wait(world, 1);
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
    world_wait(world, 3 * SECOND);
    assert_int_equal(boot_rung(world), RUNG_RESTART_ISP);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 0);
    world_wait(world, 4 * SECOND);
    assert_int_equal(boot_rung(world), 0);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 1);
    assert_int_equal(db_pf(world->control->db, NET1)->image.in_error, 0);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_WAITING);
    assert_int_equal(world->timer_ns, 0); /* waits on, without a deadline */
}

static void ready_after_the_last_rung_goes_on(void **state)
{
    struct world *world = *state;

    wait_for_net0(world);
    world_wait(world, 60 * SECOND);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 1);
    world_readiness(world, NET0, PF_READY);
    const struct lead_order *attach = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    assert_non_null(attach);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 0);
    world_lead_result(world, "web", attach->header.id, 0);
    assert_int_equal(world_named(world, "web")->run.rung, RUNG_WAIT);
    world_forget_sent(world);
    world_wait(world, 60 * SECOND);
    assert_null(world_take(world, PROCESS_BOOT, BOOT_RESTART));
}

/* The first rung was taken, and brought the PF back. */
static void attach_after_a_rung(struct world *world)
{
    wait_for_net0(world);
    world_wait(world, SECOND);
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    world_readiness(world, NET0, PF_READY);
    const struct lead_order *attach = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    world_lead_result(world, "web", attach->header.id, 0);
}

static void ready_in_between_stops_the_climb(void **state)
{
    struct world *world = *state;

    attach_after_a_rung(world);
    world_wait(world, 60 * SECOND);
    assert_int_equal(boot_rung(world), 0);
}

static void budgets_bound_each_rung(void **state)
{
    const struct gate_config gate = {{1, 1, 1, 1}, {2, 0, 1, 0}};
    struct partition_run run = {0};
    (void)state;

    static const enum rung expected[] = {RUNG_RESTART_PF, RUNG_RESTART_PF, RUNG_RESTART_ISP,
                                         RUNG_ERROR, RUNG_ERROR};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        enum rung rung = ladder_next(&gate, &run);
        assert_int_equal(rung, expected[i]);
        run.rung = rung;
        run.rungs_taken[rung - 1]++;
    }
}

/* What was taken before the gate counts for an outage soon after it. */
static void an_attach_is_no_fresh_start(void **state)
{
    struct world *world = *state;

    attach_after_a_rung(world);
    world_forget_sent(world);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    world_wait(world, SECOND);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    world_wait(world, SECOND);
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
}

static void deadline_outlives_control(void **state)
{
    struct world *world = *state;

    wait_for_net0(world);
    world_wait(world, SECOND); /* rung 1 is taken */
    world->now_ns += SECOND;   /* half of rung 2's wait */
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    world_wait(world, SECOND - 1);
    assert_int_equal(boot_rung(world), 0);
    world_wait(world, 1);
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
}

/* A deadline that passed while control was dead: first the PFs are judged. */
static void restart_is_no_reason_for_a_rung(void **state)
{
    struct world *world = *state;

    wait_for_net0(world);
    world->now_ns += 10 * SECOND;
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    world_wait(world, SECOND / 2);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    world_vf(world, NET0, 0, true, true);
    world_vf(world, NET1, 0, true, true);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    world_wait(world, 5 * SECOND);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    assert_int_equal(world_named(world, "web")->run.rung, RUNG_WAIT);
}

static void recovery_is_ordered_again_of_a_new_sr_pcim(void **state)
{
    struct world *world = *state;

    wait_for_net0(world);
    world_wait(world, SECOND);
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    pcim_down(world->control);
    pcim_up(world->control);
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
}

static void vf_that_is_not_active_is_waited_for_too(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);

    world_define(world, &config);
    world_start(world, "web");
    world_readiness(world, NET0, PF_READY);
    world_monitor(world, "web", OWN_STATES, true);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_WAITING);
    world_wait(world, SECOND);
    const struct pcim_recover *recover = world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER);
    assert_non_null(recover);
    world_vf(world, NET0, 0, true, false);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CHANNELS));
    world_wait(world, 60 * SECOND); /* the hardware is there: nothing to climb for */
    assert_int_equal(boot_rung(world), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rungs_come_in_order_and_in_time),
        TEST(ready_after_the_last_rung_goes_on),
        TEST(ready_in_between_stops_the_climb),
        TEST(budgets_bound_each_rung),
        TEST(an_attach_is_no_fresh_start),
        TEST(deadline_outlives_control),
        TEST(restart_is_no_reason_for_a_rung),
        TEST(recovery_is_ordered_again_of_a_new_sr_pcim),
        TEST(vf_that_is_not_active_is_waited_for_too),
    };
    return cmocka_run_group_tests_name("control-ladder", tests, NULL, NULL);
}
