/* SPDX-License-Identifier: Apache-2.0 */
/* A partition that says on-outage="freeze" stands still while a PF of it is being recovered. */
#include "freeze.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "outage.h"
#include "world.h"

#define DETACH_BIT (UINT32_C(1) << ORDER_DETACH)

static struct partition_config definition(enum outage_policy policy)
{
    struct partition_config config = world_partition("web", 1, "net0", 0, "net1", 0, NULL);

    config.on_outage = policy;
    return config;
}

/* web runs with VF 0 of net0 and of net1; waits of 1, 2, 3, 4 s. */
static struct partition *run_web(struct world *world)
{
    struct partition_config config = definition(OUTAGE_FREEZE);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_forget_sent(world);
    return world_named(world, "web");
}

/* Lead's answer to the order, and what it says then. */
static void done(struct world *world, uint16_t type)
{
    const struct lead_order *order = world_take(world, PROCESS_LEAD, type);

    assert_non_null(order);
    assert_null(world_take(world, PROCESS_LEAD, type));
    world_lead_result(world, "web", order->header.id, 0);
    world_monitor(world, "web", STATES_BEFORE_GATE, type == LEAD_DETACH);
}

static void nothing_ordered(struct world *world)
{
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    assert_null(world_take(world, PROCESS_LEAD, LEAD_DETACH));
}

static struct partition *frozen_web(struct world *world)
{
    struct partition *web = run_web(world);

    world_readiness(world, NET0, PF_LINK_DOWN);
    done(world, LEAD_DETACH);
    assert_true(freeze_stands(web));
    nothing_ordered(world);
    return web;
}

static bool last_entry(struct world *world, enum audit_phase phase, const char *words)
{
    const struct audit_entry *entry = world->control->entry;

    return entry->kind == AUDIT_FREEZE && entry->phase == phase && strstr(entry->text, words);
}

static struct snapshot_partition shown(struct world *world)
{
    struct snapshot_partition first;
    struct frame *frame;

    for (world_forget_sent(world); world->changed; world->changed = false)
        control_idle(world->control);
    world_settle(world);
    frame = world_take_frame(world, PROCESS_COMMAND, CONTROL_SNAPSHOT);
    assert_non_null(frame);
    assert_int_equal(pread(frame->files[0], &first, sizeof(first), sizeof(struct snapshot)),
                     sizeof(first));
    return first;
}

static void until_the_pf_is_ready(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);

    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_true(last_entry(world, AUDIT_BEGUN, "partition web: PF 0000:01:00.0 (card net0)"));
    done(world, LEAD_DETACH);
    assert_int_equal(web->run.phase, PHASE_RUNNING);
    assert_int_equal(web->run.attach, ATTACH_DONE);
    world_check(world);
    uint64_t next = audit_log_next(world->control->log);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    assert_int_equal(audit_log_next(world->control->log), next);
    nothing_ordered(world);
    world_wait(world, SECOND / 2);
    world_readiness(world, NET0, PF_READY);
    assert_true(last_entry(world, AUDIT_APPLIED, "thawed after 500 ms: its PFs are ready again"));
    assert_int_equal(audit_log_next(world->control->log), next + 2); /* outage, freeze */
    done(world, LEAD_ATTACH);
    assert_false(freeze_stands(web));
    assert_int_equal(web->run.frozen_ns, SECOND / 2);
    nothing_ordered(world);
}

static void it_is_shown_with_its_pf(void **state)
{
    struct world *world = *state;
    struct snapshot_partition web;

    frozen_web(world);
    web = shown(world);
    assert_int_equal(web.phase, PHASE_FROZEN);
    assert_non_null(strstr(web.waiting_for, "PF 0000:01:00.0 (card net0)"));
    assert_int_equal(web.frozen_boottime_ns, world->now_ns);
    assert_int_equal(web.next_rung, RUNG_RESTART_PF);
    pcim_down(world->control); /* nobody judges it: it stays as it is, and says why */
    web = shown(world);
    assert_int_equal(web.phase, PHASE_FROZEN);
    assert_non_null(strstr(web.waiting_for, "card net0"));
    pcim_up(world->control);
    world_readiness(world, NET1, PF_READY);
    world_wait(world, SECOND / 4);
    world_readiness(world, NET0, PF_READY);
    web = shown(world);
    assert_int_equal(web.phase, PHASE_RUNNING);
    assert_int_equal(web.frozen_boottime_ns, 0);
    assert_int_equal(web.frozen_ns, SECOND / 4);
}

static void what_says_continue_goes_on(void **state)
{
    struct world *world = *state;
    struct partition_config config = definition(OUTAGE_CONTINUE);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_true(world_named(world, "web")->run.deadline_boottime_ns > 0);
    nothing_ordered(world);
    config.on_outage = OUTAGE_FREEZE; /* while it lacks it */
    assert_int_equal(world_define(world, &config), 0);
    done(world, LEAD_DETACH);
    config.on_outage = OUTAGE_CONTINUE;
    assert_int_equal(world_define(world, &config), 0);
    assert_true(last_entry(world, AUDIT_APPLIED, "its definition says so"));
    done(world, LEAD_ATTACH);
}

static void a_pf_that_is_given_up_thaws_it(void **state)
{
    struct world *world = *state;
    struct partition *web = frozen_web(world);

    for (unsigned i = 0; i < 20 && freeze_stands(web); i++)
        world_wait(world, SECOND);
    assert_int_equal(web->run.rung, RUNG_ERROR);
    assert_true(last_entry(world, AUDIT_APPLIED, "its PF is given up"));
    done(world, LEAD_ATTACH);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    world_readiness(world, NET1, PF_LINK_DOWN); /* nobody climbs for it now */
    nothing_ordered(world);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, NET1, PF_LINK_DOWN); /* a new outage */
    done(world, LEAD_DETACH);
}

static void not_for_a_pf_in_error(void **state)
{
    struct world *world = *state;
    struct partition_config other = world_partition("db", 1, "net0", 1, NULL);
    struct partition *web = frozen_web(world);

    for (unsigned i = 0; i < 20 && freeze_stands(web); i++)
        world_wait(world, SECOND);
    done(world, LEAD_ATTACH);
    other.on_outage = OUTAGE_FREEZE;
    assert_int_equal(world_define(world, &other), 0);
    assert_int_equal(world_start(world, "db"), 0);
    assert_false(freeze_stands(world_named(world, "db"))); /* it waits before the gate, as ever */
    nothing_ordered(world);
}

static void not_over_before_all_are_ready(void **state)
{
    struct world *world = *state;

    frozen_web(world);
    world_readiness(world, NET1, PF_LINK_DOWN);
    world_readiness(world, NET0, PF_READY);
    nothing_ordered(world);
    world_readiness(world, NET1, PF_READY);
    done(world, LEAD_ATTACH);
}

/* ---- the answer comes late, or never */

static void back_while_the_freeze_is_under_way(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);

    world_readiness(world, NET0, PF_LINK_DOWN);
    const struct lead_order *detach = world_take(world, PROCESS_LEAD, LEAD_DETACH);
    assert_non_null(detach);
    world_readiness(world, NET0, PF_READY);
    const struct lead_order *attach = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    assert_non_null(attach); /* not only when the freeze is done: it may never be */
    world_lead_result(world, "web", detach->header.id, 0); /* it was just done */
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    nothing_ordered(world);
    world_lead_result(world, "web", attach->header.id, 0);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    nothing_ordered(world);
    assert_int_equal(web->run.attach, ATTACH_DONE);
}

static void lost_while_the_thaw_is_under_way(void **state)
{
    struct world *world = *state;
    struct partition *web = frozen_web(world);

    world_readiness(world, NET0, PF_READY);
    const struct lead_order *attach = world_take(world, PROCESS_LEAD, LEAD_ATTACH);
    assert_non_null(attach);
    world_readiness(world, NET0, PF_LINK_DOWN);
    const struct lead_order *detach = world_take(world, PROCESS_LEAD, LEAD_DETACH);
    assert_non_null(detach);
    world_lead_result(world, "web", attach->header.id, 0);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    nothing_ordered(world);
    world_lead_result(world, "web", detach->header.id, 0);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    nothing_ordered(world);
    assert_true(freeze_stands(web));
}

static void what_lead_cannot_do_is_tried_again(void **state)
{
    struct world *world = *state;

    run_web(world);
    world_readiness(world, NET0, PF_LINK_DOWN);
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_DETACH);
    world_lead_result(world, "web", order->header.id, -EIO);
    nothing_ordered(world);
    world_wait(world, SECOND - 1);
    nothing_ordered(world);
    world_wait(world, 1);
    done(world, LEAD_DETACH);
}

/* ---- ends */

static size_t place(const struct world *world, uint16_t type)
{
    for (size_t i = 0; i < world->sent_count; i++)
        if (world->sent[i].peer == PROCESS_LEAD && world->sent[i].frame.header.type == type)
            return i;
    fail_msg("nothing of type %u was sent", type);
    return 0;
}

static void a_stop_thaws_it_first(void **state)
{
    struct world *world = *state;
    struct partition *web = frozen_web(world);

    world_wait(world, SECOND / 2);
    world_forget_sent(world);
    assert_int_equal(world_stop(world, "web", false, 5000), 0);
    world_check(world);
    assert_true(place(world, LEAD_ATTACH) < place(world, LEAD_STOP));
    const struct lead_stop *stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_int_equal(stop->force, 0);
    assert_int_equal(stop->timeout_ms, 5000);
    assert_int_equal(web->run.frozen_ns, SECOND / 2);
    done(world, LEAD_ATTACH);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    nothing_ordered(world);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    assert_int_equal(web->run.phase, PHASE_DEFINED);
    world_check(world);
}

static void a_stop_while_the_freeze_is_under_way(void **state)
{
    struct world *world = *state;

    run_web(world);
    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_int_equal(world_stop(world, "web", false, 5000), 0);
    assert_true(place(world, LEAD_DETACH) < place(world, LEAD_ATTACH));
    assert_true(place(world, LEAD_ATTACH) < place(world, LEAD_STOP));
}

static void a_forced_stop_ends_it_frozen_or_not(void **state)
{
    struct world *world = *state;
    struct partition *web = frozen_web(world);

    assert_int_equal(world_stop(world, "web", true, 0), 0);
    const struct lead_stop *stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_non_null(stop);
    assert_int_equal(stop->force, 1);
    world_monitor_gone(world, "web", EXIT_STOPPED); /* before the thaw is answered */
    assert_int_equal(web->run.phase, PHASE_DEFINED);
    assert_false(freeze_stands(web));
    world_check(world);
}

static void a_shutdown_thaws_it_first(void **state)
{
    struct world *world = *state;
    struct control_plain shutdown = {.header =
                                         frame_header(CONTROL_SHUTDOWN, sizeof(shutdown), 99)};

    frozen_web(world);
    world_forget_sent(world);
    assert_int_equal(world_say(world, PROCESS_COMMAND, &shutdown), 0);
    assert_true(place(world, LEAD_ATTACH) < place(world, LEAD_STOP));
    world_check(world);
}

static void its_monitor_dies_frozen(void **state)
{
    struct world *world = *state;
    struct partition *web = frozen_web(world);

    world_monitor_gone(world, "web", EXIT_MONITOR_DIED);
    assert_int_equal(web->run.phase, PHASE_FAILED);
    assert_false(freeze_stands(web));
    world_check(world);
}

/* It had asked for it just before: a new run begins, which waits before the gate. */
static void it_reboots_frozen(void **state)
{
    struct world *world = *state;
    struct partition *web = frozen_web(world);

    world_monitor_gone(world, "web", EXIT_REBOOT);
    assert_int_equal(web->run.phase, PHASE_STARTING);
    assert_false(freeze_stands(web));
    assert_int_equal(web->run.frozen_ns, 0);
    world_check(world);
    nothing_ordered(world);
}

static void a_server_holds_back_its_end(void **state)
{
    struct world *world = *state;
    struct partition *web = frozen_web(world);

    world_console(world, "web", 77);
    world_monitor_gone(world, "web", EXIT_MONITOR_DIED);
    assert_int_equal(web->run.phase, PHASE_RELEASING);
    assert_false(freeze_stands(web));
    world_check(world);
}

/* ---- hot-plug */

static void a_vf_is_asked_for_after_the_thaw(void **state)
{
    struct world *world = *state;
    struct partition_config config = definition(OUTAGE_FREEZE);

    frozen_web(world);
    config.vfs_count = 1; /* without net1's, which is well */
    assert_int_equal(world_define(world, &config), 0);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE));
    world_readiness(world, NET0, PF_READY);
    done(world, LEAD_ATTACH);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE));
}

static void one_without_the_lost_vf_is_thawed(void **state)
{
    struct world *world = *state;
    struct partition_config config = definition(OUTAGE_FREEZE);

    frozen_web(world);
    config.vfs_count = 1;
    config.vfs[0] = config.vfs[1];
    assert_int_equal(world_define(world, &config), 0);
    done(world, LEAD_ATTACH);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE));
}

/* ---- deaths */

static void killed(struct world *world)
{
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    world_forget_sent(world);
}

static void control_dies_before_it_is_ordered(void **state)
{
    struct world *world = *state;

    run_web(world);
    world_readiness(world, NET0, PF_LINK_DOWN);
    killed(world);
    assert_true(freeze_stands(world_named(world, "web")));
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    done(world, LEAD_DETACH);
    world_readiness(world, NET1, PF_READY);
    nothing_ordered(world);
    world_readiness(world, NET0, PF_READY);
    done(world, LEAD_ATTACH);
}

static void control_dies_while_it_is_frozen(void **state)
{
    struct world *world = *state;

    frozen_web(world);
    world_wait(world, SECOND / 4);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    nothing_ordered(world); /* not judged yet */
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_readiness(world, NET1, PF_READY);
    nothing_ordered(world);
    world_wait(world, SECOND / 4);
    world_readiness(world, NET0, PF_READY);
    assert_true(last_entry(world, AUDIT_APPLIED, "thawed after 500 ms"));
    done(world, LEAD_ATTACH);
}

static void control_dies_before_the_thaw_is_ordered(void **state)
{
    struct world *world = *state;

    frozen_web(world);
    world_readiness(world, NET0, PF_READY);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    done(world, LEAD_ATTACH);
}

static void control_dies_after_a_stop_of_a_frozen_one(void **state)
{
    struct world *world = *state;

    frozen_web(world);
    assert_int_equal(world_stop(world, "web", false, 5000), 0);
    killed(world);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    assert_true(place(world, LEAD_ATTACH) < place(world, LEAD_STOP));
}

static void lead_dies_while_it_is_frozen(void **state)
{
    struct world *world = *state;

    frozen_web(world);
    lead_down(world->control);
    lead_up(world->control);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_lead_sync(world);
    nothing_ordered(world);
    lead_down(world->control);
    world_readiness(world, NET0, PF_READY);
    nothing_ordered(world);
    lead_up(world->control);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    nothing_ordered(world); /* not all is said yet */
    world_lead_sync(world);
    done(world, LEAD_ATTACH);
}

static void lead_dies_while_the_freeze_is_under_way(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);

    world_readiness(world, NET0, PF_LINK_DOWN);
    const struct lead_order *order = world_take(world, PROCESS_LEAD, LEAD_DETACH);
    uint64_t id = order->header.id;
    lead_down(world->control);
    lead_up(world->control);
    assert_int_equal(web->ordered & DETACH_BIT, 0);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    order = world_take(world, PROCESS_LEAD, LEAD_DETACH);
    assert_non_null(order);
    assert_int_equal(order->header.id, id);
}

static void its_monitor_is_gone_with_lead(void **state)
{
    struct world *world = *state;
    struct partition *web = frozen_web(world);

    lead_down(world->control);
    lead_up(world->control);
    world_lead_sync(world);
    assert_int_equal(web->run.phase, PHASE_FAILED);
    world_check(world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(until_the_pf_is_ready),
        TEST(it_is_shown_with_its_pf),
        TEST(what_says_continue_goes_on),
        TEST(a_pf_that_is_given_up_thaws_it),
        TEST(not_for_a_pf_in_error),
        TEST(not_over_before_all_are_ready),
        TEST(back_while_the_freeze_is_under_way),
        TEST(lost_while_the_thaw_is_under_way),
        TEST(what_lead_cannot_do_is_tried_again),
        TEST(a_stop_thaws_it_first),
        TEST(a_stop_while_the_freeze_is_under_way),
        TEST(a_forced_stop_ends_it_frozen_or_not),
        TEST(a_shutdown_thaws_it_first),
        TEST(its_monitor_dies_frozen),
        TEST(it_reboots_frozen),
        TEST(a_server_holds_back_its_end),
        TEST(a_vf_is_asked_for_after_the_thaw),
        TEST(one_without_the_lost_vf_is_thawed),
        TEST(control_dies_before_it_is_ordered),
        TEST(control_dies_while_it_is_frozen),
        TEST(control_dies_before_the_thaw_is_ordered),
        TEST(control_dies_after_a_stop_of_a_frozen_one),
        TEST(lead_dies_while_it_is_frozen),
        TEST(lead_dies_while_the_freeze_is_under_way),
        TEST(its_monitor_is_gone_with_lead),
    };
    return cmocka_run_group_tests_name("control-freeze", tests, NULL, NULL);
}
