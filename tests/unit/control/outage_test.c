/* SPDX-License-Identifier: Apache-2.0 */
/* A partition that runs loses a PF: noted once, climbed for within what its guest holds, over. */
#include "outage.h"

#include <string.h>

#include "gate.h"
#include "world.h"

/* web runs with VF 0 of net0 and of net1; waits of 1, 2, 3, 4 s. */
static struct partition *run_web(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 0, "net1", 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_forget_sent(world);
    return world_named(world, "web");
}

/* What its driver is, as the TCB sees it. */
static void driver(struct world *world, struct bdf bdf, const char *name)
{
    struct tcb_pf message = {.header = frame_header(TCB_PF, sizeof(message), 0),
                             .pf = {.bdf = bdf, .class = CLASS_NETWORK, .answers = 1}};

    strcpy(message.pf.driver, name);
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

static uint32_t boot_rung(struct world *world)
{
    const struct boot_restart *restart = world_take(world, PROCESS_BOOT, BOOT_RESTART);
    return restart ? restart->rung : 0;
}

static bool last_entry(struct world *world, enum audit_kind kind, enum audit_phase phase,
                       const char *words)
{
    const struct audit_entry *entry = world->control->entry;

    return entry->kind == kind && entry->phase == phase && strstr(entry->text, words);
}

static void begun_once_and_over_with_its_time(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);

    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_true(last_entry(world, AUDIT_OUTAGE, AUDIT_BEGUN, "partition web: PF 0000:01:00.0"));
    uint64_t next = audit_log_next(world->control->log);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    assert_int_equal(audit_log_next(world->control->log), next);
    assert_int_equal(web->run.phase, PHASE_RUNNING);
    assert_int_equal(web->run.attach, ATTACH_DONE);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_DETACH));
    world_wait(world, SECOND / 2);
    world_readiness(world, NET0, PF_READY);
    assert_true(last_entry(world, AUDIT_OUTAGE, AUDIT_APPLIED, "again after 500 ms"));
    assert_int_equal(web->run.deadline_boottime_ns, 0);
    world_forget_sent(world);
    world_wait(world, 60 * SECOND);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    assert_int_equal(boot_rung(world), 0);
}

static void not_over_before_all_are_ready(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);

    world_readiness(world, NET0, PF_LINK_DOWN);
    world_readiness(world, NET1, PF_LINK_DOWN);
    world_readiness(world, NET0, PF_READY);
    assert_true(web->run.deadline_boottime_ns > 0);
    world_readiness(world, NET1, PF_READY);
    assert_int_equal(web->run.deadline_boottime_ns, 0);
}

static void an_unbound_driver_is_bound(void **state)
{
    struct world *world = *state;

    run_web(world);
    driver(world, NET0, "");
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    world_wait(world, SECOND);
    const struct pcim_recover *recover = world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER);
    assert_non_null(recover);
    assert_int_equal(recover->pf.value, NET0.value);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER)); /* net1 is ready */
}

/* Nobody has its driver: who restarts it takes nothing. */
static void lose(struct world *world)
{
    driver(world, NET0, "");
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
}

static bool recovers(struct world *world)
{
    return world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER);
}

/* Each loss goes on where the one before it was, after the wait that is due there. */
static void one_that_flaps_has_no_rung_twice(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);

    for (unsigned rung = RUNG_RESTART_PF; rung <= RUNG_ERROR; rung++) {
        lose(world);
        world_wait(world, rung * SECOND - 1);
        assert_int_equal(web->run.rung, RUNG_WAIT);
        world_wait(world, 1);
        assert_int_equal(web->run.rung, rung);
        assert_int_equal(recovers(world), rung == RUNG_RESTART_PF);
        assert_int_equal(boot_rung(world),
                         rung == RUNG_RESTART_SR_PCIM || rung == RUNG_RESTART_ISP ? rung : 0);
        assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, rung == RUNG_ERROR);
        world_readiness(world, NET0, PF_READY);
        assert_true(last_entry(world, AUDIT_RECOVERED, AUDIT_BEGUN, "") ||
                    last_entry(world, AUDIT_OUTAGE, AUDIT_APPLIED, "ready again"));
        assert_int_equal(web->run.rung, RUNG_WAIT);
        assert_int_equal(web->run.rungs_taken[rung - 1], 1);
        assert_int_equal(web->run.calm, 1);
    }
    lose(world);
    world_wait(world, 4 * SECOND);
    assert_int_equal(web->run.rung, RUNG_ERROR);
    assert_int_equal(boot_rung(world), 0);
    assert_false(recovers(world));
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 1);
}

/* The four waits are 10 s. */
static void what_was_taken_is_forgotten_in_peace(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);
    char text[PARCLOSE_REASON_MAX];

    lose(world);
    world_wait(world, SECOND);
    assert_true(recovers(world));
    world_readiness(world, NET0, PF_READY);
    assert_false(outage_text(world->control, web, text));
    world_wait(world, 9 * SECOND);
    lose(world); /* that was no peace */
    assert_true(outage_text(world->control, web, text));
    world_wait(world, SECOND);
    world_readiness(world, NET0, PF_READY);
    world_wait(world, 10 * SECOND - 1);
    assert_int_equal(web->run.rungs_taken[0], 1);
    world_wait(world, 1);
    assert_true(last_entry(world, AUDIT_RUNG, AUDIT_APPLIED, "what was taken is forgotten"));
    assert_int_equal(web->run.rungs_taken[0], 0);
    assert_int_equal(web->run.deadline_boottime_ns, 0);
    assert_int_equal(world->timer_ns == 0 || world->timer_ns > world->now_ns, 1);
    lose(world);
    world_wait(world, SECOND);
    assert_true(recovers(world));
    assert_int_equal(boot_rung(world), 0);
}

/* Control may die meanwhile. */
static void what_was_taken_outlives_control(void **state)
{
    const struct vf_seat seats[] = {{{NET0.value + 0x80}, VF_PRESENT},
                                    {{NET1.value + 0x80}, VF_PRESENT}};
    struct world *world = *state;

    run_web(world);
    lose(world);
    world_wait(world, SECOND);
    world_readiness(world, NET0, PF_READY);
    world_wait(world, 5 * SECOND);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    world_vf(world, NET0, 0, true, true);
    world_vf(world, NET1, 0, true, true);
    world_seats(world, "web", seats, 2);
    world_lead_sync(world);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    world_wait(world, 5 * SECOND - 1);
    assert_int_equal(world_named(world, "web")->run.rungs_taken[0], 1);
    world_wait(world, 1);
    assert_int_equal(world_named(world, "web")->run.rungs_taken[0], 0);
}

/* A restart that was skipped is there when it can be of use. */
static void what_was_skipped_was_not_taken(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);

    driver(world, NET0, "igb");
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_wait(world, SECOND);
    assert_true(last_entry(world, AUDIT_RUNG, AUDIT_UNDONE, "skipped"));
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(web->run.rungs_taken[0], 0);
    assert_int_equal(web->run.deadline_boottime_ns, 0);
    lose(world);
    world_wait(world, SECOND);
    assert_true(recovers(world));
}

/* Its guest begins anew, not its PF; who stops it has it begin with nothing. */
static void a_reboot_forgets_nothing_and_a_stop_all(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);

    lose(world);
    world_wait(world, SECOND);
    world_readiness(world, NET0, PF_READY);
    world_monitor_gone(world, "web", EXIT_REBOOT);
    assert_int_equal(web->run.phase, PHASE_STARTING);
    assert_int_equal(web->run.rungs_taken[0], 1);
    assert_int_equal(web->run.calm, 0);
    world_wait(world, SECOND); /* it reboots so soon that it is made to wait */
    world_run(world, "web");
    assert_int_equal(web->run.rungs_taken[0], 1);
    assert_int_equal(web->run.calm, 1);
    assert_int_equal(world_stop(world, "web", true, 0), 0);
    assert_int_equal(web->run.calm, 0);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(web->run.rungs_taken[0], 0);
}

static void what_would_take_its_vfs_is_skipped_and_said(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);
    char text[PARCLOSE_REASON_MAX] = "";

    driver(world, NET0, "igb");
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_wait(world, SECOND);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    assert_true(last_entry(world, AUDIT_RUNG, AUDIT_UNDONE, "restart the PF: skipped"));
    assert_true(outage_text(world->control, web, text));
    assert_non_null(strstr(text, "no restart"));
    world_wait(world, 2 * SECOND); /* spent at once, whatever its budget */
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
    world_wait(world, 3 * SECOND);
    assert_int_equal(boot_rung(world), RUNG_RESTART_ISP);
    world_wait(world, 4 * SECOND);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 1);
    assert_int_equal(db_pf(world->control->db, NET1)->image.in_error, 0);
    assert_int_equal(web->run.phase, PHASE_RUNNING);
    assert_int_equal(web->run.deadline_boottime_ns, 0);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(db_pf(world->control->db, NET0)->image.in_error, 0);
    assert_int_equal(web->run.rung, RUNG_WAIT);
    assert_false(outage_text(world->control, web, text));
}

/* VF 0 of net0 has, or has not, been lost by the hardware; open or not. */
static void vf_of_net0(struct world *world, bool answers, bool open)
{
    struct tcb_vf message = {.header = frame_header(TCB_VF, sizeof(message), 0),
                             .vf = {.bdf = {NET0.value + 0x80},
                                    .pf = NET0,
                                    .status = answers ? FUNCTION_ACTIVE : FUNCTION_ABSENT,
                                    .answers = answers,
                                    .attributes_set = answers,
                                    .open = open}};

    strcpy(message.vf.driver, "vfio-pci");
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

static void restarted(struct world *world, const struct tcb_apply *apply)
{
    const struct tcb_applied done = {.header = frame_header(TCB_APPLIED, sizeof(done), 0),
                                     .transaction = apply->transaction,
                                     .pf = NET0,
                                     .index = ACTION_WHOLE_PF};

    assert_int_equal(world_say(world, PROCESS_TCB, &done), 0);
}

/* It is ordered away from its guest. */
static const struct lead_vf *taken(struct world *world, struct bdf vf)
{
    const struct lead_vf *order = world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE);

    assert_non_null(order);
    assert_int_equal(order->vf.value, vf.value);
    return order;
}

/* Its PF begins anew, and then the guest gets it. */
static void comes_back(struct world *world, struct bdf vf)
{
    world_propose(world, ACTION_PF_RESTART, NET0, ACTION_WHOLE_PF, 0);
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_non_null(apply);
    restarted(world, apply);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_ADD));
    world_vf(world, NET0, 0, true, false);
    world_readiness(world, NET0, PF_READY);
    const struct lead_vf *order = world_take(world, PROCESS_LEAD, LEAD_VF_ADD);
    assert_non_null(order);
    assert_int_equal(order->vf.value, vf.value);
}

static void a_lost_vf_is_taken_its_pf_restarted_and_it_comes_back(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);
    const struct bdf vf = {NET0.value + 0x80}, other = {NET1.value + 0x80};
    const struct vf_seat both[] = {{vf, VF_PRESENT}, {other, VF_PRESENT}}, one[] = {{other, 1}};
    const struct lead_vf *order;

    world_seats(world, "web", both, 2);
    driver(world, NET0, "igb");
    vf_of_net0(world, false, true);
    world_readiness(world, NET0, PF_VFS_MISSING);
    world_readiness(world, NET0, PF_ERRORS);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE)); /* it may come back by itself */
    world_wait(world, SECOND);
    assert_int_equal(web->run.rung, RUNG_RESTART_PF);
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
    order = taken(world, vf);
    assert_int_equal(order->timeout_ms, 1);
    world_propose(world, ACTION_PF_RESTART, NET0, ACTION_WHOLE_PF, 0);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY)); /* its monitor has it still */
    vf_of_net0(world, false, false);
    world_seats(world, "web", one, 1);
    world_lead_result(world, "web", order->header.id, 0);
    comes_back(world, vf);
    assert_int_equal(web->run.phase, PHASE_RUNNING);
    world_check(world);
}

/* It answers, but nobody could mend it: its driver has to begin anew, which costs its guest
 * nothing. */
static void one_that_was_reset_is_taken_when_it_is_not_mended(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);
    const struct bdf vf = {NET0.value + 0x80}, other = {NET1.value + 0x80};
    const struct vf_seat dead[] = {{vf, VF_PRESENT | VF_RESET}, {other, VF_PRESENT}};
    const struct vf_seat one[] = {{other, VF_PRESENT}};
    const struct lead_vf *order;

    driver(world, NET0, "igb");
    vf_of_net0(world, true, true);
    world_seats(world, "web", dead, 2);
    world_readiness(world, NET0, PF_VF_RESET);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE));
    world_wait(world, SECOND);
    assert_int_equal(web->run.rung, RUNG_RESTART_PF);
    order = taken(world, vf);
    vf_of_net0(world, true, false);
    world_seats(world, "web", one, 1);
    world_lead_result(world, "web", order->header.id, 0);
    assert_false(last_entry(world, AUDIT_VF_NEWS, AUDIT_APPLIED, "works again"));
    comes_back(world, vf);
    world_check(world);
}

/* Who has a VF that answers keeps it, whatever happened to others of the PF. */
static void one_that_answers_is_not_taken(void **state)
{
    struct world *world = *state;
    const struct vf_seat seat = {{NET0.value + 0x80}, VF_PRESENT};

    run_web(world);
    world_seats(world, "web", &seat, 1);
    driver(world, NET0, "igb");
    vf_of_net0(world, true, true);
    world_readiness(world, NET0, PF_VFS_MISSING);
    world_wait(world, SECOND);
    assert_true(last_entry(world, AUDIT_RUNG, AUDIT_UNDONE, "skipped"));
    world_wait(world, 60 * SECOND);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE));
}

/* Its guest has not begun: nothing is asked of it, and the gate does not open before it has its VF
 * back. */
static void one_that_waits_gets_its_lost_vf_back_before_it_begins(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, "net1", 0, NULL);
    const struct bdf vf = {NET0.value + 0x80}, other = {NET1.value + 0x80};
    const struct vf_seat both[] = {{vf, VF_PRESENT}, {other, VF_PRESENT}};
    const struct partition *web;
    const struct lead_vf *order;
    char text[PARCLOSE_REASON_MAX];

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_to_gate(world, "web");
    web = world_named(world, "web");
    world_readiness(world, NET1, PF_READY);
    driver(world, NET0, "igb");
    vf_of_net0(world, false, true);
    world_readiness(world, NET0, PF_ERRORS);
    assert_int_equal(web->run.phase, PHASE_WAITING);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_REMOVE));
    world_wait(world, SECOND);
    assert_int_equal(web->run.rung, RUNG_RESTART_PF);
    order = taken(world, vf);
    vf_of_net0(world, false, false);
    world_seats(world, "web", &both[1], 1);
    world_lead_result(world, "web", order->header.id, 0);
    world_propose(world, ACTION_PF_RESTART, NET0, ACTION_WHOLE_PF, 0);
    restarted(world, world_take(world, PROCESS_TCB, TCB_APPLY));
    world_forget_sent(world);
    vf_of_net0(world, true, false);
    world_readiness(world, NET0, PF_READY);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH)); /* without a VF */
    assert_false(gate_open(world->control->db, web, text));
    assert_non_null(strstr(text, "VF 0 of card net0"));
    order = world_take(world, PROCESS_LEAD, LEAD_VF_ADD);
    assert_non_null(order);
    assert_int_equal(order->vf.value, vf.value);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH)); /* it is on its way */
    world_seats(world, "web", both, 2);
    world_lead_result(world, "web", order->header.id, 0);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    world_check(world);
}

static void one_restart_serves_all_that_wait(void **state)
{
    struct world *world = *state;
    struct partition_config other = world_partition("db", 1, "net0", 1, NULL);

    run_web(world);
    assert_int_equal(world_define(world, &other), 0);
    assert_int_equal(world_start(world, "db"), 0);
    world_run(world, "db");
    driver(world, NET0, "igb");
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_forget_sent(world);
    world_wait(world, 3 * SECOND);
    assert_int_equal(world_named(world, "db")->run.rung, RUNG_RESTART_SR_PCIM);
    assert_int_equal(world_named(world, "web")->run.rung, RUNG_RESTART_SR_PCIM);
    assert_int_equal(boot_rung(world), RUNG_RESTART_SR_PCIM);
    assert_int_equal(boot_rung(world), 0);
}

static void nobody_to_judge_is_no_outage(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);

    pcim_down(world->control);
    assert_int_equal(web->run.deadline_boottime_ns, 0);
    pcim_up(world->control);
    world_readiness(world, NET0, PF_LINK_DOWN);
    pcim_down(world->control); /* rung 2, say */
    assert_true(web->run.deadline_boottime_ns > 0);
    world_wait(world, 60 * SECOND); /* not judged: nothing to climb for */
    assert_int_equal(web->run.rung, RUNG_WAIT);
    pcim_up(world->control);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    assert_int_equal(web->run.deadline_boottime_ns, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begun_once_and_over_with_its_time),
        TEST(not_over_before_all_are_ready),
        TEST(an_unbound_driver_is_bound),
        TEST(one_that_flaps_has_no_rung_twice),
        TEST(what_was_taken_is_forgotten_in_peace),
        TEST(what_was_taken_outlives_control),
        TEST(what_was_skipped_was_not_taken),
        TEST(a_reboot_forgets_nothing_and_a_stop_all),
        TEST(what_would_take_its_vfs_is_skipped_and_said),
        TEST(one_restart_serves_all_that_wait),
        TEST(nobody_to_judge_is_no_outage),
        TEST(a_lost_vf_is_taken_its_pf_restarted_and_it_comes_back),
        TEST(one_that_answers_is_not_taken),
        TEST(one_that_was_reset_is_taken_when_it_is_not_mended),
        TEST(one_that_waits_gets_its_lost_vf_back_before_it_begins),
    };
    return cmocka_run_group_tests_name("control-outage", tests, NULL, NULL);
}
