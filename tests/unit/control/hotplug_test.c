/* SPDX-License-Identifier: Apache-2.0 */
/* VFs of a running partition: the gate for those that come, nothing given back too early. */
#include "hotplug.h"

#include <errno.h>
#include <string.h>

#include "world.h"

#define VF(pf, index) ((struct bdf){(pf).value + 0x80 + 2 * (index)})

static const struct bdf net0 = NET0, net1 = NET1;

/* web runs with VF 0 of net0. */
static struct partition *run_web(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_forget_sent(world);
    return world_named(world, "web");
}

/* Its definition gets VF 3 of net1. */
static int add(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 0, "net1", 3, NULL);

    return world_define(world, &config);
}

static int drop(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);

    return world_define(world, &config);
}

static void seats(struct world *world, bool first, bool second)
{
    struct vf_seat all[2] = {{VF(net0, 0), first ? VF_PRESENT : 0},
                             {VF(net1, 3), second ? VF_PRESENT : 0}};

    world_seats(world, "web", all, 2);
}

static const struct lead_vf *ordered(struct world *world, uint16_t type)
{
    return world_take(world, PROCESS_LEAD, type);
}

static struct owner owner(struct world *world, struct bdf pf, uint32_t index)
{
    return db_pf(world->control->db, pf)->vfs[index].owner;
}

static bool is_webs(struct world *world, struct bdf pf, uint32_t index)
{
    return owner_equal(owner(world, pf, index), owner_guest(world_named(world, "web")->id));
}

/* Up to VF_ADD; its id. */
static uint64_t add_ordered(struct world *world)
{
    const struct lead_vf *order;

    run_web(world);
    assert_int_equal(add(world), 0);
    world_vf(world, net1, 3, true, false);
    world_readiness(world, net1, PF_READY);
    order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    return order->header.id;
}

static void added(struct world *world)
{
    uint64_t id = add_ordered(world);

    seats(world, true, true);
    world_lead_result(world, "web", id, 0);
    world_forget_sent(world);
}

static void waits_for_the_pf_and_for_the_vf(void **state)
{
    struct world *world = *state;
    const struct tcb_assign *assign;
    const struct pcim_want *want;
    const struct lead_vf *order;

    run_web(world);
    assert_int_equal(add(world), 0);
    assert_true(is_webs(world, net1, 3));
    do
        assign = world_take(world, PROCESS_TCB, TCB_ASSIGN);
    while (assign && assign->pf.value != net1.value);
    assert_non_null(assign);
    assert_int_equal(assign->owner.kind, OWNER_GUEST);
    do
        want = world_take(world, PROCESS_SR_PCIM, PCIM_WANT);
    while (want && want->pf.value != net1.value);
    assert_non_null(want);
    assert_int_equal(want->wanted, 1);
    assert_int_equal(want->in_use, 0); /* it is to be activated */
    for (uint32_t r = 0; r < PF_READINESS_KINDS; r++)
        if (r != PF_READY)
            world_readiness(world, net1, (enum pf_readiness)r);
    world_vf(world, net1, 3, true, false);
    assert_null(ordered(world, LEAD_VF_ADD)); /* the PF is not ready */
    world_vf(world, net1, 3, false, false);
    world_readiness(world, net1, PF_READY);
    assert_null(ordered(world, LEAD_VF_ADD)); /* the VF is not active */
    world_vf(world, net1, 3, true, false);
    order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net1, 3).value);
    seats(world, true, true);
    world_lead_result(world, "web", order->header.id, 0);
    assert_null(ordered(world, LEAD_VF_ADD));
    assert_null(ordered(world, LEAD_DETACH));
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
}

static void an_add_that_failed_is_tried_again_later(void **state)
{
    struct world *world = *state;
    uint64_t id = add_ordered(world);

    world_lead_result(world, "web", id, -EAGAIN);
    assert_null(ordered(world, LEAD_VF_ADD));
    world_wait(world, 2 * SECOND);
    assert_non_null(ordered(world, LEAD_VF_ADD));
}

static void a_vf_goes_and_then_belongs_to_nobody(void **state)
{
    struct world *world = *state;
    const struct lead_vf *order;

    added(world);
    assert_int_equal(drop(world), 0);
    order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net1, 3).value);
    assert_int_equal(order->timeout_ms, HOTPLUG_REMOVE_MS);
    assert_true(is_webs(world, net1, 3)); /* until it is really gone */
    assert_int_equal(add(world), -EAGAIN);
    seats(world, true, false);
    assert_true(is_webs(world, net1, 3));
    world_lead_result(world, "web", order->header.id, 0);
    assert_int_equal(owner(world, net1, 3).kind, OWNER_INTERCONNECT);
    assert_true(is_webs(world, net0, 0));
    assert_null(ordered(world, LEAD_VF_REMOVE));
    assert_int_equal(add(world), 0);
}

static void nothing_is_given_back_while_it_is_handed_over(void **state)
{
    struct world *world = *state;
    uint64_t id = add_ordered(world);
    const struct lead_vf *order;

    assert_int_equal(drop(world), 0);
    assert_true(is_webs(world, net1, 3));
    assert_null(ordered(world, LEAD_VF_REMOVE));
    seats(world, true, true);
    world_lead_result(world, "web", id, 0);
    order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    seats(world, true, false);
    world_lead_result(world, "web", order->header.id, 0);
    assert_int_equal(owner(world, net1, 3).kind, OWNER_INTERCONNECT);
}

static void one_that_never_came_is_given_back_at_once(void **state)
{
    struct world *world = *state;

    run_web(world);
    world_vf(world, net1, 3, false, false);
    assert_int_equal(add(world), 0);
    assert_int_equal(drop(world), 0);
    assert_int_equal(owner(world, net1, 3).kind, OWNER_INTERCONNECT);
    assert_null(ordered(world, LEAD_VF_REMOVE));
}

static void only_vfs_change_and_only_free_ones_come(void **state)
{
    struct world *world = *state;
    struct partition_config other = world_partition("other", 1, "net1", 3, NULL);
    struct partition_config config = world_partition("web", 2, "net0", 0, "net1", 4, NULL);

    run_web(world);
    assert_int_equal(world_define(world, &config), -EBUSY); /* another vCPU */
    config = world_partition("web", 1, "net0", 0, NULL);
    config.vfs[0].attributes.vlan = 7;
    assert_int_equal(world_define(world, &config), -EBUSY);
    assert_int_equal(world_define(world, &other), 0);
    assert_int_equal(world_start(world, "other"), 0);
    assert_int_equal(add(world), -EBUSY);
    assert_int_equal(world_stop(world, "web", false, 1000), 0);
    assert_int_equal(world_named(world, "web")->config.vfs_count, 1);
    config = world_partition("web", 1, NULL);
    assert_int_equal(world_define(world, &config), -EBUSY); /* it is being stopped */
}

/* SR-PCIM's proposal of an action on VF 3 of net1: control's verdict. */
static int verdict(struct world *world)
{
    uint64_t id = world_propose(world, ACTION_VF_ACTIVATE, net1, 3, 0);
    const struct pcim_verdict *message = world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT);

    (void)id;
    return message ? message->error : 0; /* 0: it goes to the TCB first */
}

/* The rest of it runs: that does not keep the VF from being made ready; its monitor's having it
 * does. */
static void one_that_waits_may_be_made_ready(void **state)
{
    struct world *world = *state;

    run_web(world);
    world_vf(world, net1, 3, false, false);
    assert_int_equal(add(world), 0);
    world_forget_sent(world);
    assert_int_equal(verdict(world), 0);
    assert_non_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

static void one_that_is_handed_over_may_not(void **state)
{
    struct world *world = *state;
    uint64_t id = add_ordered(world);

    assert_int_equal(verdict(world), -EPERM);
    seats(world, true, true);
    world_lead_result(world, "web", id, 0);
    assert_int_equal(verdict(world), -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

static const char *waiting(struct world *world, char text[PARCLOSE_REASON_MAX])
{
    hotplug_waiting(world->control->db, world_named(world, "web"), text);
    return text;
}

static void what_it_waits_for_is_said(void **state)
{
    struct world *world = *state;
    char text[PARCLOSE_REASON_MAX];

    run_web(world);
    assert_string_equal(waiting(world, text), "");
    world_readiness(world, net1, PF_DRIVER_UNBOUND);
    assert_int_equal(add(world), 0);
    assert_non_null(strstr(waiting(world, text), "VF 3 of card net1: "));
    assert_non_null(strstr(text, "not bound"));
    world_readiness(world, net1, PF_READY);
    world_vf(world, net1, 3, false, false);
    assert_non_null(strstr(waiting(world, text), "VF 3 of card net1: it is not"));
    world_vf(world, net1, 3, true, false);
    const struct lead_vf *order = ordered(world, LEAD_VF_ADD);
    assert_non_null(strstr(waiting(world, text), "its monitor takes it up"));
    world_lead_result(world, "web", order->header.id, -EAGAIN);
    assert_non_null(strstr(waiting(world, text), "it cannot be done"));
    seats(world, true, true);
    assert_string_equal(waiting(world, text), "");
    assert_int_equal(drop(world), 0);
    assert_non_null(strstr(waiting(world, text), "VF 3 of card net1: its guest to give it up"));
}

/* Lead's answer to VF_REMOVE, as it went. */
static void removed(struct world *world, uint64_t id, const char *how)
{
    struct lead_result message = {.header = frame_header(LEAD_RESULT, sizeof(message), id),
                                  .partition = world_named(world, "web")->id};

    strcpy(message.text, how);
    seats(world, true, false);
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

static void one_that_was_taken_by_force_is_said(void **state)
{
    struct world *world = *state;

    added(world);
    assert_int_equal(drop(world), 0);
    removed(world, ordered(world, LEAD_VF_REMOVE)->header.id, "");
    assert_string_equal(world_named(world, "web")->run.reason, "");
    world_vf(world, net1, 3, false, false);
    assert_int_equal(add(world), 0);
    world_vf(world, net1, 3, true, false);
    const struct lead_vf *order = ordered(world, LEAD_VF_ADD);
    seats(world, true, true);
    world_lead_result(world, "web", order->header.id, 0);
    assert_int_equal(drop(world), 0);
    removed(world, ordered(world, LEAD_VF_REMOVE)->header.id, "the guest did not give it up");
    assert_non_null(strstr(world_named(world, "web")->run.reason, "the guest did not give it up"));
    assert_int_equal(owner(world, net1, 3).kind, OWNER_INTERCONNECT);
}

/* Of an order of before, with the same id: the one that is due is given again. */
static void a_late_answer_is_not_taken_for_another(void **state)
{
    struct world *world = *state;
    uint64_t id;

    added(world);
    assert_int_equal(drop(world), 0);
    id = ordered(world, LEAD_VF_REMOVE)->header.id;
    world_lead_result(world, "web", id, 0); /* the VF is still on the bus */
    assert_true(is_webs(world, net1, 3));
    assert_non_null(ordered(world, LEAD_VF_REMOVE));
}

/* A guest that reboots while it is asked: its new monitor gets what the definition names. */
static void a_reboot_gives_back_what_was_to_go(void **state)
{
    struct world *world = *state;
    const struct tcb_assign *assign;

    added(world);
    assert_int_equal(drop(world), 0);
    world_forget_sent(world);
    world_monitor_gone(world, "web", EXIT_REBOOT);
    world_check(world);
    assert_int_equal(owner(world, net1, 3).kind, OWNER_INTERCONNECT);
    assert_true(is_webs(world, net0, 0));
    do
        assign = world_take(world, PROCESS_TCB, TCB_ASSIGN);
    while (assign && assign->pf.value != net1.value);
    assert_non_null(assign);
    assert_int_equal(assign->owner.kind, OWNER_INTERCONNECT);
}

static void control_dies_between(void **state)
{
    struct world *world = *state;
    const struct lead_vf *order;

    added(world);
    assert_int_equal(drop(world), 0);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    seats(world, true, true);
    world_lead_sync(world);
    assert_null(ordered(world, LEAD_VF_REMOVE)); /* the TCB has not said which is which */
    assert_true(is_webs(world, net1, 3));
    world_vf(world, net0, 0, true, true);
    world_vf(world, net1, 3, true, true);
    world_readiness(world, net1, PF_READY);
    order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net1, 3).value);
    seats(world, true, false);
    world_lead_result(world, "web", order->header.id, 0);
    assert_int_equal(owner(world, net1, 3).kind, OWNER_INTERCONNECT);
}

static void lead_dies_between(void **state)
{
    struct world *world = *state;
    uint64_t id = add_ordered(world);

    lead_down(world->control);
    lead_up(world->control);
    seats(world, true, false);
    world_lead_sync(world);
    const struct lead_vf *order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    assert_int_equal(order->header.id, id); /* the same order */
    lead_down(world->control);
    lead_up(world->control);
    seats(world, true, true); /* the monitor did it, nobody heard */
    world_lead_sync(world);
    assert_null(ordered(world, LEAD_VF_ADD));
}

static void the_end_gives_all_back(void **state)
{
    struct world *world = *state;
    const struct tcb_assign *assign;

    added(world);
    assert_int_equal(drop(world), 0);
    world_forget_sent(world);
    world_monitor_gone(world, "web", EXIT_MONITOR_DIED);
    assert_int_equal(owner(world, net1, 3).kind, OWNER_INTERCONNECT);
    do
        assign = world_take(world, PROCESS_TCB, TCB_ASSIGN);
    while (assign && assign->pf.value != net1.value);
    assert_non_null(assign);
    assert_int_equal(assign->owner.kind, OWNER_INTERCONNECT);
}

/* Its PF is not renewed for a VF that goes, and may be given to somebody else. */
static void one_that_goes_is_not_mended(void **state)
{
    struct world *world = *state;
    struct vf_seat all[2] = {{VF(net0, 0), VF_PRESENT}, {VF(net1, 3), VF_PRESENT | VF_RESET}};
    struct vf *vf = &db_pf(world->control->db, net1)->vfs[3];

    added(world);
    world_seats(world, "web", all, 2);
    assert_true(vf->reset_boottime_ns);
    assert_int_equal(drop(world), 0);
    assert_false(vf->reset_boottime_ns);
    world_seats(world, "web", all, 2); /* said again, until it has gone */
    assert_false(vf->reset_boottime_ns);
}

/* QEMU's guests keep what they started with. */
static void another_monitor_takes_none(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);
    struct partition *partition;

    strcpy(config.monitor, "qemu");
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    partition = world_named(world, "web");
    config.vfs_count = 0;
    assert_int_equal(world_define(world, &config), -EOPNOTSUPP);
    assert_true(is_webs(world, net0, 0));
    assert_int_equal(partition->config.vfs_count, 1);
}

/* What SR-PCIM was told last of VF 0 of net0. */
static struct pcim_want last_want(struct world *world)
{
    const struct pcim_want *want;
    struct pcim_want last = {0};

    while ((want = world_take(world, PROCESS_SR_PCIM, PCIM_WANT)) != NULL)
        if (want->pf.value == net0.value && want->index == 0)
            last = *want;
    return last;
}

/* Lead may speak before the TCB does: then nobody knows yet which VF is at the address that it
 * names. */
static void one_in_use_is_known_whoever_speaks_first(void **state)
{
    struct world *world = *state;

    run_web(world);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    seats(world, true, false);
    world_vf(world, net0, 0, true, true);
    assert_int_equal(last_want(world).in_use, 1);
    world_vf(world, net0, 0, false, true); /* no news of who has it */
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_WANT));
    assert_int_equal(world_restart(world, 3), 0);
    world_links_up(world);
    world_vf(world, net0, 0, true, true);
    seats(world, true, false);
    assert_int_equal(last_want(world).in_use, 1);
}

/* Somebody unbinds the PF's driver in the moment of the start, and hangs until the VF is let go. */
static void one_that_the_kernel_wants_back_is_let_go_before_its_guest_begins(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);
    struct vf_seat seat = {VF(net0, 0), VF_PRESENT | VF_REQUESTED};
    const struct lead_vf *order;

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_to_gate(world, "web");
    world_seats(world, "web", &seat, 1);
    order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->timeout_ms, 1);
    world_readiness(world, net0, PF_READY); /* it looks so: its driver is being unbound */
    assert_null(ordered(world, LEAD_ATTACH));
    seat.marks = 0;
    world_seats(world, "web", &seat, 1);
    world_lead_result(world, "web", order->header.id, 0);
    assert_null(ordered(world, LEAD_ATTACH));
    order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    seat.marks = VF_PRESENT;
    world_seats(world, "web", &seat, 1);
    world_lead_result(world, "web", order->header.id, 0);
    assert_non_null(ordered(world, LEAD_ATTACH));
    world_check(world);
}

/* The PF's driver was unbound in the moment of the gate: the guest would find a VF that is dead. */
static void one_that_the_kernel_wants_back_is_let_go_before_its_guest_begins_with_it(void **state)
{
    struct world *world = *state;
    struct vf_seat seat = {VF(net0, 0), VF_PRESENT | VF_REQUESTED | VF_IDLE};
    const struct lead_vf *order;

    run_web(world);
    world_seats(world, "web", &seat, 1);
    order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->timeout_ms, 1);
    world_readiness(world, net0, PF_DRIVER_UNBOUND);
    seat.marks = 0;
    world_seats(world, "web", &seat, 1);
    world_lead_result(world, "web", order->header.id, 0);
    assert_null(ordered(world, LEAD_VF_ADD));
    world_readiness(world, net0, PF_READY);
    order = ordered(world, LEAD_VF_ADD);
    assert_non_null(order);
    seat.marks = VF_PRESENT | VF_IDLE;
    world_seats(world, "web", &seat, 1);
    world_lead_result(world, "web", order->header.id, 0);
    world_check(world);
}

/* The kernel takes its place below the PF away first: the TCB may look before its monitor is asked.
 */
static void one_that_is_not_seen_any_more_is_let_go(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);
    struct vf_seat seat = {VF(net0, 0), VF_PRESENT};
    struct tcb_gone gone = {.header = frame_header(TCB_GONE, sizeof(gone), 0), .bdf = VF(net0, 0)};
    const struct lead_vf *order;
    struct pcim_want want;

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_to_gate(world, "web");
    world_seats(world, "web", &seat, 1);
    db_pf(world->control->db, net0)->observed.sriov =
        (struct sriov_capability){.offset = 0x160, .first_vf_offset = 0x80, .vf_stride = 2};
    world_readiness(world, net0, PF_DRIVER_UNBOUND);
    assert_int_equal(world_say(world, PROCESS_TCB, &gone), 0);
    assert_null(ordered(world, LEAD_VF_REMOVE));
    seat.marks |= VF_REQUESTED;
    world_seats(world, "web", &seat, 1);
    order = ordered(world, LEAD_VF_REMOVE);
    assert_non_null(order);
    assert_int_equal(order->vf.value, VF(net0, 0).value);
    assert_int_equal(order->timeout_ms, 1);
    want = last_want(world);
    assert_true(want.requested); /* people are told who is waited for */
    assert_int_equal(want.in_use, 1);
    seat.marks = 0;
    world_seats(world, "web", &seat, 1);
    world_lead_result(world, "web", order->header.id, 0);
    assert_int_equal(last_want(world).in_use, 0);
    world_check(world);
}

/* The attach was undone: its guest ran for a moment, or not at all. */
static void one_that_the_kernel_wants_back_of_an_undone_attach_is_let_go(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);
    struct vf_seat seat = {VF(net0, 0), VF_PRESENT | VF_IDLE};
    const struct lead_vf *detach;

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_to_gate(world, "web");
    world_seats(world, "web", &seat, 1);
    world_readiness(world, net0, PF_READY);
    assert_non_null(ordered(world, LEAD_ATTACH));
    seat.marks |= VF_REQUESTED;
    world_seats(world, "web", &seat, 1);
    assert_null(ordered(world, LEAD_VF_REMOVE)); /* an attach is under way */
    world_readiness(world, net0, PF_DRIVER_UNBOUND);
    detach = ordered(world, LEAD_DETACH);
    assert_non_null(detach);
    world_lead_result(world, "web", detach->header.id, 0);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_FROZEN);
    assert_non_null(ordered(world, LEAD_VF_REMOVE));
    world_check(world);
}

/* Its guest decides: it goes on, and nobody takes it. */
static void one_that_the_kernel_wants_back_of_a_guest_that_runs_stays(void **state)
{
    struct world *world = *state;
    const struct vf_seat seat = {VF(net0, 0), VF_PRESENT | VF_REQUESTED};

    run_web(world);
    world_seats(world, "web", &seat, 1);
    assert_null(ordered(world, LEAD_VF_REMOVE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_is_not_seen_any_more_is_let_go),
        TEST(one_that_the_kernel_wants_back_of_an_undone_attach_is_let_go),
        TEST(waits_for_the_pf_and_for_the_vf),
        TEST(one_that_the_kernel_wants_back_is_let_go_before_its_guest_begins_with_it),
        TEST(one_that_goes_is_not_mended),
        TEST(another_monitor_takes_none),
        TEST(an_add_that_failed_is_tried_again_later),
        TEST(a_vf_goes_and_then_belongs_to_nobody),
        TEST(nothing_is_given_back_while_it_is_handed_over),
        TEST(one_that_never_came_is_given_back_at_once),
        TEST(only_vfs_change_and_only_free_ones_come),
        TEST(one_that_waits_may_be_made_ready),
        TEST(one_that_is_handed_over_may_not),
        TEST(what_it_waits_for_is_said),
        TEST(one_that_was_taken_by_force_is_said),
        TEST(a_late_answer_is_not_taken_for_another),
        TEST(a_reboot_gives_back_what_was_to_go),
        TEST(control_dies_between),
        TEST(lead_dies_between),
        TEST(one_in_use_is_known_whoever_speaks_first),
        TEST(one_that_the_kernel_wants_back_is_let_go_before_its_guest_begins),
        TEST(one_that_the_kernel_wants_back_of_a_guest_that_runs_stays),
        TEST(the_end_gives_all_back),
    };
    return cmocka_run_group_tests_name("control-hotplug", tests, NULL, NULL);
}
