/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-by takes the place of a VF whose PF is in error; it comes by the gate, and nothing goes
 * back by itself. */
#include "failover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

#define VF(pf, index) ((struct bdf){(pf).value + 0x80 + 2 * (index)})
#define LONG          30000
#define AT_ONCE       1

static const struct bdf net0 = NET0, net1 = NET1;

/* VF 0 of net0, VF 3 of net1 stands by for it; one MAC address. */
static struct partition_config definition(void)
{
    struct partition_config config = world_partition("web", 1, "net0", 0, "net1", 3, NULL);

    config.vfs[0].attributes =
        (struct vf_attributes){.present = VF_ATTR_MAC, .mac = {0x52, 0x54, 0, 0, 1, 0}};
    config.vfs[1].attributes = config.vfs[0].attributes;
    config.standby_of[1] = 1;
    return config;
}

static struct partition *start_web(struct world *world)
{
    struct partition_config config = definition();

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    return world_named(world, "web");
}

static struct partition *run_web(struct world *world)
{
    struct partition *web = start_web(world);

    world_run(world, "web");
    world_forget_sent(world);
    return web;
}

/* The third rung resets PFs that nobody uses: done. */
static void actions_done(struct world *world)
{
    const struct tcb_apply *apply;

    while ((apply = world_take(world, PROCESS_TCB, TCB_APPLY))) {
        const struct tcb_applied applied = {.header = frame_header(TCB_APPLIED, sizeof(applied), 1),
                                            .transaction = apply->transaction,
                                            .pf = apply->pf};
        assert_int_equal(world_say(world, PROCESS_TCB, &applied), 0);
    }
}

static void in_error(struct world *world, struct bdf pf)
{
    world_readiness(world, pf, PF_DRIVER_UNBOUND);
    for (unsigned i = 0; i < 20 && !db_pf(world->control->db, pf)->image.in_error; i++) {
        world_wait(world, SECOND);
        actions_done(world);
    }
    assert_int_equal(db_pf(world->control->db, pf)->image.in_error, 1);
}

static struct partition *failed_over(struct world *world)
{
    struct partition *web = run_web(world);

    in_error(world, net0);
    assert_int_equal(web->run.standbys, 1);
    return web;
}

static void seats(struct world *world, bool first, bool standby)
{
    struct vf_seat all[2] = {{VF(net0, 0), first ? VF_PRESENT : 0},
                             {VF(net1, 3), standby ? VF_PRESENT : 0}};

    world_seats(world, "web", all, 2);
}

static const struct lead_vf *ordered(struct world *world, uint16_t type)
{
    return world_take(world, PROCESS_LEAD, type);
}

static bool is_webs(struct world *world, struct bdf pf, uint32_t index)
{
    return owner_equal(db_pf(world->control->db, pf)->vfs[index].owner,
                       owner_guest(world_named(world, "web")->id));
}

/* The last ASSIGN or WANT of a VF; NULL: none. */
static const struct tcb_assign *assigned(struct world *world, struct bdf pf)
{
    const struct tcb_assign *last = NULL, *next;

    while ((next = world_take(world, PROCESS_TCB, TCB_ASSIGN)))
        last = next->pf.value == pf.value ? next : last;
    return last;
}

static const struct pcim_want *wanted(struct world *world, struct bdf pf)
{
    const struct pcim_want *last = NULL;

    for (size_t i = 0; i < world->sent_count; i++) {
        const struct pcim_want *want = (const void *)world->sent[i].frame.bytes;
        if (world->sent[i].peer == PROCESS_SR_PCIM && want->header.type == PCIM_WANT &&
            want->pf.value == pf.value)
            last = want;
    }
    return last;
}

/* How many VFs the descriptor of an order names, and the first of them. */
static uint32_t described(struct world *world, uint16_t type, struct bdf *pf)
{
    struct partition_descriptor descriptor = {0};
    struct frame *frame = world_take_frame(world, PROCESS_LEAD, type);

    assert_non_null(frame);
    assert_int_equal(pread(frame->files[0], &descriptor, sizeof(descriptor), 0),
                     sizeof(descriptor));
    *pf = descriptor.vfs[0].pf;
    return descriptor.vfs_count;
}

static unsigned entries(struct world *world, uint64_t since)
{
    (void)world;
    return (unsigned)(audit_log_next(world->control->log) - since);
}

/* ---- before anything fails */

static void both_are_its_own_and_it_has_one(void **state)
{
    struct world *world = *state;
    struct partition *web = start_web(world);
    struct bdf pf;

    assert_true(is_webs(world, net0, 0));
    assert_true(is_webs(world, net1, 3));
    assert_int_equal(assigned(world, net0)->attributes.present, VF_ATTR_MAC);
    assert_int_equal(wanted(world, net0)->attributes.present, VF_ATTR_MAC);
    assert_int_equal(wanted(world, net1)->wanted, 1); /* kept clean */
    assert_int_equal(wanted(world, net1)->in_use, 0);
    assert_int_equal(wanted(world, net1)->attributes.present, 0);
    const struct lead_order *create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    world_lead_result(world, "web", create->header.id, 0);
    world_monitor(world, "web", OWN_STATES, true);
    world_vf(world, net0, 0, true, false); /* the stand-by need not be there */
    assert_int_equal(described(world, LEAD_CHANNELS, &pf), 1);
    assert_int_equal(pf.value, net0.value);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    world_readiness(world, net0, PF_READY); /* nor its PF ready */
    assert_int_equal(web->run.attach, ATTACH_COMMITTED);
    world_check(world);
}

static void a_standby_that_another_has_keeps_it_from_starting(void **state)
{
    struct world *world = *state;
    struct partition_config other = world_partition("db", 1, "net1", 3, NULL);
    struct partition_config config = definition();

    assert_int_equal(world_define(world, &other), 0);
    assert_int_equal(world_start(world, "db"), 0);
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), -EBUSY);
    assert_non_null(strstr(world_result_text, "VF 3 of card net1"));
}

static void bad_ones_are_refused(void **state)
{
    struct world *world = *state;
    struct partition_config config = definition();

    config.vfs[1] = (struct partition_vf){.card = "disk0", .index = 1};
    config.vfs[1].attributes = config.vfs[0].attributes = (struct vf_attributes){0};
    assert_int_equal(world_define(world, &config), -EINVAL);
    assert_non_null(strstr(world_result_text, "another kind"));
    config = definition();
    strcpy(config.vfs[1].card, "net0");
    assert_int_equal(world_define(world, &config), -EINVAL);
    assert_non_null(strstr(world_result_text, "another card"));
}

static void loss_of_the_standbys_pf_is_nothing(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);
    uint64_t next = audit_log_next(world->control->log);

    world_readiness(world, net1, PF_LINK_DOWN);
    world_wait(world, 60 * SECOND);
    assert_int_equal(entries(world, next), 1); /* that it is lost, no more */
    assert_int_equal(world->control->entry->kind, AUDIT_PF_LOST);
    assert_int_equal(web->run.standbys, 0);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_RECOVER));
}

static void not_before_the_ladder_is_spent(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);

    world_readiness(world, net0, PF_LINK_DOWN);
    for (unsigned i = 0; i < 20 && web->run.rung < RUNG_RESTART_ISP; i++)
        world_wait(world, SECOND);
    assert_int_equal(web->run.rung, RUNG_RESTART_ISP);
    assert_int_equal(web->run.standbys, 0);
    world_readiness(world, net0, PF_READY);
    world_wait(world, 60 * SECOND);
    assert_int_equal(web->run.standbys, 0);
}

/* ---- it runs */

static void the_standby_takes_over(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);
    uint64_t generation = web->run.descriptor_generation;
    struct bdf pf;

    in_error(world, net0);
    assert_int_equal(web->run.standbys, 1);
    assert_int_equal(web->run.phase, PHASE_RUNNING);
    assert_true(web->run.descriptor_generation > generation);
    assert_int_equal(web->run.rung, RUNG_WAIT); /* the outage is over: what it has now is ready */
    world_check(world);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net0, 0).value);
    assert_int_equal(order->timeout_ms, LONG);
    uint64_t removal = order->header.id;
    /* the MAC address is on its way, not on both; the first is not touched while the guest has it
     */
    assert_int_equal(wanted(world, net1)->attributes.present, VF_ATTR_MAC);
    assert_int_equal(wanted(world, net1)->in_use, 0);
    assert_int_equal(wanted(world, net0)->wanted, 0);
    assert_int_equal(assigned(world, net0)->attributes.present, 0);
    world_vf(world, net1, 3, true, false);
    assert_null(ordered(world, LEAD_VF_ADD)); /* two with one address would be one too many */
    world_forget_sent(world);
    seats(world, false, false);
    world_lead_result(world, "web", removal, 0);
    assert_int_equal(wanted(world, net0)->wanted, 1); /* kept clean, when its PF is back */
    assert_int_equal(wanted(world, net0)->attributes.present, 0);
    assert_int_equal(described(world, LEAD_VF_ADD, &pf), 1);
    assert_int_equal(pf.value, net1.value);
    seats(world, false, true);
    assert_true(is_webs(world, net0, 0)); /* reserved still */
    world_check(world);
}

static void it_comes_by_the_gate(void **state)
{
    struct world *world = *state;

    failed_over(world);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);
    seats(world, false, false);
    world_lead_result(world, "web", order->header.id, 0);
    assert_null(ordered(world, LEAD_VF_ADD)); /* its attributes are not said to be set */
    world_readiness(world, net1, PF_BUSY);
    world_vf(world, net1, 3, true, false);
    assert_null(ordered(world, LEAD_VF_ADD));
    world_readiness(world, net1, PF_READY);
    order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net1, 3).value);
}

static void one_that_does_not_answer_is_taken_at_once(void **state)
{
    struct world *world = *state;
    struct tcb_vf dead = {.header = frame_header(TCB_VF, sizeof(dead), 0),
                          .vf = {.bdf = VF(net0, 0), .pf = net0, .open = 1}};

    run_web(world);
    assert_int_equal(world_say(world, PROCESS_TCB, &dead), 0);
    in_error(world, net0);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->timeout_ms, AT_ONCE);
}

static void as_soon_as_the_other_pf_is_ready(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);

    world_readiness(world, net1, PF_LINK_DOWN);
    in_error(world, net0);
    assert_int_equal(web->run.standbys, 0);
    assert_null(ordered(world, LEAD_VF_REMOVE));
    world_readiness(world, net1, PF_READY);
    assert_int_equal(web->run.standbys, 1);
    assert_non_null(ordered(world, LEAD_VF_REMOVE));
}

static void nothing_goes_back_by_itself(void **state)
{
    struct world *world = *state;
    struct partition *web = failed_over(world);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);

    seats(world, false, false);
    world_lead_result(world, "web", order->header.id, 0);
    world_vf(world, net1, 3, true, false);
    seats(world, false, true);
    world_forget_sent(world);
    world_readiness(world, net0, PF_READY);
    world_vf(world, net0, 0, true, false);
    world_wait(world, 60 * SECOND);
    assert_int_equal(web->run.standbys, 1);
    assert_null(ordered(world, LEAD_VF_REMOVE));
    assert_null(ordered(world, LEAD_VF_ADD));
    assert_int_equal(world_stop(world, "web", true, 0), 0);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_false(is_webs(world, net1, 3));
    world_check(world);
    assert_int_equal(world_start(world, "web"), 0);
    assert_int_equal(web->run.standbys, 0); /* this is how it does */
}

static struct partition *on_its_standby(struct world *world)
{
    struct partition *web = failed_over(world);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);

    seats(world, false, false);
    world_lead_result(world, "web", order->header.id, 0);
    world_vf(world, net1, 3, true, false);
    order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    seats(world, false, true);
    world_lead_result(world, "web", order->header.id, 0);
    world_forget_sent(world);
    return web;
}

static void each_stands_by_for_the_other(void **state)
{
    struct world *world = *state;
    struct partition *web = on_its_standby(world);

    in_error(world, net1);
    assert_int_equal(web->run.standbys, 1); /* both are in error: there is no better one */
    world_readiness(world, net0, PF_READY);
    assert_int_equal(web->run.standbys, 0);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net1, 3).value);
}

static void a_reboot_keeps_what_is_in_use(void **state)
{
    struct world *world = *state;
    struct partition *web = on_its_standby(world);

    world_readiness(world, net0, PF_READY);
    world_monitor_gone(world, "web", EXIT_REBOOT);
    assert_int_equal(web->run.phase, PHASE_STARTING);
    assert_int_equal(web->run.standbys, 1);
    world_check(world);
    world_forget_sent(world);
    world_monitor(world, "web", OWN_STATES, true);
    struct bdf pf;
    assert_int_equal(described(world, LEAD_CHANNELS, &pf), 1);
    assert_int_equal(pf.value, net1.value);
}

/* ---- definitions */

static void a_reload_without_the_standby_goes_back(void **state)
{
    struct world *world = *state;
    struct partition *web = on_its_standby(world);
    struct partition_config config = definition();

    config.vfs_count = 1;
    config.standby_of[1] = 0;
    memset(&config.vfs[1], 0, sizeof(config.vfs[1]));
    world_readiness(world, net0, PF_READY);
    assert_int_equal(world_define(world, &config), 0);
    world_check(world);
    assert_int_equal(web->run.standbys, 0);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net1, 3).value);
    world_vf(world, net0, 0, true, false);
    order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net0, 0).value);
}

static void one_that_exchanges_the_two_changes_nothing(void **state)
{
    struct world *world = *state;
    struct partition *web = on_its_standby(world);
    struct partition_config config = definition();
    struct partition_vf first = config.vfs[0];

    config.vfs[0] = config.vfs[1];
    config.vfs[1] = first;
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(web->run.standbys, 0);
    assert_null(ordered(world, LEAD_VF_REMOVE));
    assert_null(ordered(world, LEAD_VF_ADD));
    world_check(world);
}

static void a_standby_comes_while_it_runs(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);
    struct partition_config more = definition();

    config.vfs[0].attributes = more.vfs[0].attributes;
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_readiness(world, net1, PF_READY);
    world_forget_sent(world);
    assert_int_equal(world_define(world, &more), 0);
    assert_true(is_webs(world, net1, 3));
    world_vf(world, net1, 3, true, false);
    assert_null(ordered(world, LEAD_VF_ADD)); /* it stands by */
    world_check(world);
    in_error(world, net0);
    assert_int_equal(world_named(world, "web")->run.standbys, 1);
}

/* One of two that its guest has becomes the stand-by of the other. */
static void one_in_use_becomes_the_standby(void **state)
{
    struct world *world = *state;
    struct partition_config config = definition();

    config.standby_of[1] = 0;
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_forget_sent(world);
    config.standby_of[1] = 1;
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_named(world, "web")->run.standbys, 0);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net1, 3).value);
    assert_int_equal(assigned(world, net1)->attributes.present, 0);
    seats(world, true, false);
    world_lead_result(world, "web", order->header.id, 0);
    assert_true(is_webs(world, net1, 3));
    assert_null(ordered(world, LEAD_VF_ADD));
    world_check(world);
}

/* ---- before the gate */

static void one_that_starts_begins_on_the_standby(void **state)
{
    struct world *world = *state;
    struct partition *web = start_web(world);
    const struct lead_order *create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    struct bdf pf;

    world_lead_result(world, "web", create->header.id, 0);
    world_readiness(world, net1, PF_READY);
    world_monitor(world, "web", OWN_STATES, true);
    assert_int_equal(web->run.phase, PHASE_WAITING);
    in_error(world, net0);
    assert_int_equal(web->run.standbys, 1);
    assert_int_equal(web->run.rung, RUNG_WAIT);
    assert_true(web->run.deadline_boottime_ns > world->now_ns); /* for the stand-by's PF */
    world_vf(world, net1, 3, true, false);
    assert_int_equal(described(world, LEAD_CHANNELS, &pf), 1);
    assert_int_equal(pf.value, net1.value);
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    assert_int_equal(web->run.attach, ATTACH_COMMITTED);
    world_check(world);
}

static void a_pf_known_to_be_in_error_is_not_waited_for(void **state)
{
    struct world *world = *state;
    struct partition *web = failed_over(world);

    assert_int_equal(world_stop(world, "web", true, 0), 0);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(world_start(world, "web"), 0);
    assert_int_equal(web->run.standbys, 1);
    world_check(world);
}

/* Its monitor has the VF, the guest has not run. */
static void one_that_waits_with_its_vfs_begins_anew(void **state)
{
    struct world *world = *state;
    struct partition *web = start_web(world);
    struct bdf pf;

    world_to_gate(world, "web");
    world_readiness(world, net1, PF_READY);
    world_forget_sent(world);
    in_error(world, net0);
    assert_int_equal(web->run.standbys, 1);
    assert_int_equal(web->run.phase, PHASE_STOPPING);
    world_check(world);
    const struct lead_stop *stop = world_take(world, PROCESS_LEAD, LEAD_STOP);
    assert_non_null(stop);
    assert_int_equal(stop->force, 1);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(web->run.phase, PHASE_STARTING);
    assert_int_equal(web->run.standbys, 1);
    assert_true(is_webs(world, net1, 3));
    world_check(world);
    world_wait(world, 2 * SECOND); /* a reboot so soon has to wait a little */
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    world_vf(world, net1, 3, true, false);
    world_monitor(world, "web", OWN_STATES, true);
    assert_int_equal(described(world, LEAD_CHANNELS, &pf), 1);
    assert_int_equal(pf.value, net1.value);
}

static void a_stop_meanwhile_is_a_stop(void **state)
{
    struct world *world = *state;
    struct partition *web = start_web(world);

    world_to_gate(world, "web");
    world_readiness(world, net1, PF_READY);
    in_error(world, net0);
    assert_int_equal(web->run.phase, PHASE_STOPPING);
    assert_int_equal(world_stop(world, "web", false, 1000), 0);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(web->run.phase, PHASE_DEFINED);
    world_check(world);
}

static void a_stop_after_a_reboot_is_a_stop(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);

    world_monitor_gone(world, "web", EXIT_REBOOT);
    world_wait(world, 2 * SECOND);
    assert_int_equal(web->run.exit, EXIT_REBOOT);
    const struct lead_order *create = world_take(world, PROCESS_LEAD, LEAD_CREATE);
    assert_non_null(create);
    world_lead_result(world, "web", create->header.id, 0);
    assert_int_equal(world_stop(world, "web", true, 0), 0);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(web->run.phase, PHASE_DEFINED);
    assert_int_equal(web->run.exit, EXIT_STOPPED);
}

/* ---- a guest that stands still meanwhile */

static void a_frozen_one_is_thawed_and_gives_it_up(void **state)
{
    struct world *world = *state;
    struct partition_config config = definition();

    config.on_outage = OUTAGE_FREEZE;
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_forget_sent(world);
    in_error(world, net0);
    assert_int_equal(world_named(world, "web")->run.frozen_boottime_ns, 0);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    assert_non_null(ordered(world, LEAD_VF_REMOVE));
}

/* ---- deaths */

static void killed(struct world *world)
{
    assert_int_equal(world_restart(world, 2), 0);
    world_check(world);
    world_links_up(world);
    world_forget_sent(world);
}

static void control_dies_before_it_is_asked_for(void **state)
{
    struct world *world = *state;

    failed_over(world);
    killed(world);
    assert_int_equal(world_named(world, "web")->run.standbys, 1);
    assert_int_equal(wanted(world, net0) ? wanted(world, net0)->attributes.present : 0, 0);
    world_vf(world, net0, 0, true, true);
    seats(world, true, false);
    world_lead_sync(world);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net0, 0).value);
}

static void control_dies_before_the_standby_comes(void **state)
{
    struct world *world = *state;
    const struct lead_vf *order;

    failed_over(world);
    order = ordered(world, LEAD_VF_REMOVE);
    seats(world, false, false);
    world_lead_result(world, "web", order->header.id, 0);
    killed(world);
    world_vf(world, net0, 0, false, false);
    seats(world, false, false);
    world_lead_sync(world);
    assert_null(ordered(world, LEAD_VF_REMOVE));
    world_readiness(world, net1, PF_READY);
    world_vf(world, net1, 3, true, false);
    order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    uint64_t id = order->header.id;
    killed(world); /* and once more, while it comes */
    world_vf(world, net1, 3, true, true);
    seats(world, false, true);
    world_lead_sync(world);
    world_readiness(world, net1, PF_READY);
    assert_null(ordered(world, LEAD_VF_ADD));
    world_lead_result(world, "web", id, 0);
    assert_int_equal(world_named(world, "web")->run.standbys, 1);
    world_check(world);
}

static void control_dies_before_it_is_due(void **state)
{
    struct world *world = *state;
    struct partition *web = run_web(world);

    world_readiness(world, net1, PF_LINK_DOWN);
    in_error(world, net0);
    killed(world);
    web = world_named(world, "web");
    seats(world, true, false);
    world_lead_sync(world);
    world_readiness(world, net1, PF_READY);
    assert_int_equal(web->run.standbys, 0); /* net0 is not judged: it may be well by now … */
    world_readiness(world, net0, PF_DRIVER_UNBOUND);
    assert_int_equal(web->run.standbys, 1); /* … and is not */
}

static void control_dies_while_its_monitor_begins_anew(void **state)
{
    struct world *world = *state;

    start_web(world);
    world_to_gate(world, "web");
    world_readiness(world, net1, PF_READY);
    in_error(world, net0);
    killed(world);
    world_lead_sync(world); /* the monitor is gone */
    const struct partition *web = world_named(world, "web");
    assert_int_equal(web->run.phase, PHASE_STARTING);
    assert_int_equal(web->run.standbys, 1);
    world_check(world);
}

static void lead_dies_between(void **state)
{
    struct world *world = *state;

    failed_over(world);
    uint64_t id = ordered(world, LEAD_VF_REMOVE)->header.id;
    lead_down(world->control);
    lead_up(world->control);
    seats(world, true, false);
    world_lead_sync(world);
    const struct lead_vf *order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->header.id, id);
}

/* ---- edits of devices.xml */

static int32_t edit(struct world *world, struct bdf pf, uint32_t index)
{
    static struct tcb_edit message;

    message = (struct tcb_edit){.header = frame_header(TCB_EDIT, sizeof(message), ++world->next_id),
                                .vfs_count = 1,
                                .name = "e.xml"};
    message.vfs[0] = (struct vf_edit){.pf = pf, .index = index};
    message.vfs[0].before = world_named(world, "web")->config.vfs[0].attributes;
    message.vfs[0].after = message.vfs[0].before;
    message.vfs[0].after.present |= VF_ATTR_VLAN;
    message.vfs[0].after.vlan = 7;
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
    const struct tcb_edited *answer = world_take(world, PROCESS_TCB, TCB_EDITED);
    return answer ? answer->error : 0;
}

static void an_edit_is_one_of_both(void **state)
{
    struct world *world = *state;
    const struct partition *web = run_web(world);

    assert_int_equal(edit(world, net1, 3), -EPERM);
    assert_int_equal(edit(world, net0, 0), 0);
    assert_int_equal(web->config.vfs[0].attributes.vlan, 7);
    assert_int_equal(web->config.vfs[1].attributes.vlan, 7);
    assert_int_equal(assigned(world, net1)->attributes.present, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_are_its_own_and_it_has_one),
        TEST(a_standby_that_another_has_keeps_it_from_starting),
        TEST(bad_ones_are_refused),
        TEST(loss_of_the_standbys_pf_is_nothing),
        TEST(not_before_the_ladder_is_spent),
        TEST(the_standby_takes_over),
        TEST(it_comes_by_the_gate),
        TEST(one_that_does_not_answer_is_taken_at_once),
        TEST(as_soon_as_the_other_pf_is_ready),
        TEST(nothing_goes_back_by_itself),
        TEST(each_stands_by_for_the_other),
        TEST(a_reboot_keeps_what_is_in_use),
        TEST(a_reload_without_the_standby_goes_back),
        TEST(one_that_exchanges_the_two_changes_nothing),
        TEST(a_standby_comes_while_it_runs),
        TEST(one_in_use_becomes_the_standby),
        TEST(one_that_starts_begins_on_the_standby),
        TEST(a_pf_known_to_be_in_error_is_not_waited_for),
        TEST(one_that_waits_with_its_vfs_begins_anew),
        TEST(a_stop_meanwhile_is_a_stop),
        TEST(a_stop_after_a_reboot_is_a_stop),
        TEST(a_frozen_one_is_thawed_and_gives_it_up),
        TEST(control_dies_before_it_is_asked_for),
        TEST(control_dies_before_the_standby_comes),
        TEST(control_dies_before_it_is_due),
        TEST(control_dies_while_its_monitor_begins_anew),
        TEST(lead_dies_between),
        TEST(an_edit_is_one_of_both),
    };
    return cmocka_run_group_tests_name("control-failover", tests, NULL, NULL);
}
