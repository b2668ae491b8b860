/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of devices: outages of VFs, rungs and times to recover of PFs, writes. */
#include "counts.h"

#include <string.h>

#include "world.h"

static struct pf *net0(struct world *world)
{
    return db_pf(world->control->db, NET0);
}

static void run_web(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 3, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    control_idle(world->control);
}

static void times_to_recover_go_into_their_buckets(void **state)
{
    struct world *world = *state;
    const struct pf_counts *counts = &net0(world)->counts;

    world_readiness(world, NET0, PF_DRIVER_UNBOUND); /* it never was ready: no loss */
    world_wait(world, 5 * SECOND);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(counts->recovery_ns, 0);
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_wait(world, SECOND / 4);
    world_readiness(world, NET0, PF_VFS_MISSING); /* still the same loss */
    world_wait(world, SECOND / 4);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(counts->recoveries[0], 1); /* 500 ms are within 500 ms */
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_wait(world, SECOND / 2 + 1);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(counts->recoveries[1], 1);
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_wait(world, 3600 * SECOND);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(counts->recoveries[RECOVERY_BOUNDS], 1);
    assert_int_equal(counts->recovery_ns, 3601 * SECOND + 1);
}

static void a_new_judge_and_an_administrator_are_no_loss(void **state)
{
    struct world *world = *state;
    const struct pf_counts *counts = &net0(world)->counts;

    world_readiness(world, NET0, PF_READY);
    pcim_down(world->control);
    pcim_up(world->control);
    world_wait(world, SECOND);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET0, PF_DISABLED);
    world_wait(world, SECOND);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    world_wait(world, SECOND);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(counts->recovery_ns, 0);
    pcim_down(world->control); /* what is lost meanwhile, is */
    pcim_up(world->control);
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_wait(world, SECOND);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(counts->recovery_ns, SECOND);
}

static void outages_are_of_vfs_that_a_guest_has(void **state)
{
    struct world *world = *state;
    struct vf *vf = &net0(world)->vfs[3];

    run_web(world);
    assert_int_equal(vf->outage_boottime_ns, 0);
    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_int_equal(vf->outage_boottime_ns, world->now_ns);
    assert_int_equal(net0(world)->vfs[2].outage_boottime_ns, 0);
    world_wait(world, SECOND / 2);
    pcim_down(world->control); /* unjudged: it goes on */
    control_idle(world->control);
    pcim_up(world->control);
    world_wait(world, SECOND / 4);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(vf->outage_boottime_ns, 0);
    assert_int_equal(vf->outage_ns, SECOND / 2 + SECOND / 4);
    vf->reset_boottime_ns = world->now_ns; /* under its guest */
    control_idle(world->control);
    world_wait(world, SECOND);
    vf->reset_boottime_ns = 0;
    control_idle(world->control);
    assert_int_equal(vf->outage_ns, SECOND + SECOND / 2 + SECOND / 4);
}

static void an_outage_ends_with_its_guest(void **state)
{
    struct world *world = *state;
    const struct vf *vf = &net0(world)->vfs[3];

    run_web(world);
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_wait(world, SECOND / 2);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    control_idle(world->control);
    assert_int_equal(vf->outage_boottime_ns, 0);
    assert_int_equal(vf->outage_ns, SECOND / 2);
}

static void rungs_and_writes_are_counted_and_shown(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 3, "net1", 0, NULL);
    struct tcb_applied applied = {
        .header = frame_header(TCB_APPLIED, sizeof(applied), 1), .pf = NET0, .writes = 3};

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    world_to_gate(world, "web");
    world_wait(world, 3 * SECOND); /* rungs 1 and 2 */
    assert_int_equal(net0(world)->counts.rungs[RUNG_RESTART_PF - 1], 1);
    assert_int_equal(net0(world)->counts.rungs[RUNG_RESTART_SR_PCIM - 1], 1);
    assert_int_equal(net0(world)->counts.rungs[RUNG_RESTART_ISP - 1], 0);
    assert_int_equal(db_pf(world->control->db, NET1)->counts.rungs[0], 0); /* it is ready */
    world_forget_sent(world);
    world_propose(world, ACTION_PF_BIND, NET0, 0, 0);
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    applied.transaction = apply->transaction;
    assert_int_equal(world_say(world, PROCESS_TCB, &applied), 0);
    assert_int_equal(world_say(world, PROCESS_TCB, &applied), 0); /* counts once */
    assert_int_equal(net0(world)->counts.writes, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(times_to_recover_go_into_their_buckets),
        TEST(a_new_judge_and_an_administrator_are_no_loss),
        TEST(outages_are_of_vfs_that_a_guest_has),
        TEST(an_outage_ends_with_its_guest),
        TEST(rungs_and_writes_are_counted_and_shown),
    };
    return cmocka_run_group_tests_name("control-counts", tests, NULL, NULL);
}
