/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of devices.xml: one transaction each, all of it on the devices or nothing, and no VF is
 * changed under its user. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

static const struct vf_attributes none;

static struct vf_attributes vlan(uint16_t vlan)
{
    return (struct vf_attributes){.present = VF_ATTR_VLAN, .vlan = vlan};
}

static struct vf_edit change(uint32_t index, struct vf_attributes before,
                             struct vf_attributes after)
{
    return (struct vf_edit){NET0, index, before, after};
}

static int propose(struct world *world, uint64_t id, uint32_t count, const struct vf_edit *vfs)
{
    struct tcb_edit message = {.header = frame_header(TCB_EDIT, sizeof(message), id),
                               .uid = 1000,
                               .vfs_count = count,
                               .name = "office.xml"};
    if (count)
        memcpy(message.vfs, vfs, count * sizeof(*vfs));
    return world_say(world, PROCESS_TCB, &message);
}

/* EDITED's error; its text stays in `said`. */
static char said[PARCLOSE_REASON_MAX];

static int edited(struct world *world, uint64_t id)
{
    const struct tcb_edited *message = world_take(world, PROCESS_TCB, TCB_EDITED);

    assert_non_null(message);
    assert_int_equal(message->header.id, id);
    memcpy(said, message->text, sizeof(said));
    return message->error;
}

static void not_edited_yet(struct world *world)
{
    assert_null(world_take(world, PROCESS_TCB, TCB_EDITED));
}

static struct tcb_apply configured(struct world *world, uint32_t index)
{
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);

    assert_non_null(apply);
    assert_int_equal(apply->action, ACTION_VF_CONFIGURE);
    assert_int_equal(apply->pf.value, NET0.value);
    assert_int_equal(apply->index, index);
    return *apply;
}

static void applied(struct world *world, struct tcb_apply apply, int error)
{
    const struct tcb_applied message = {
        .header = frame_header(TCB_APPLIED, sizeof(message), apply.header.id),
        .transaction = apply.transaction,
        .pf = apply.pf,
        .index = apply.index,
        .error = error,
        .writes = 1,
        .text = "the driver's word"};
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

/* The attributes that the TCB was told for a VF, the latest. */
static struct vf_attributes assigned(struct world *world, uint32_t index)
{
    struct vf_attributes attributes = {.present = UINT32_MAX};
    const struct tcb_assign *assign;

    while ((assign = world_take(world, PROCESS_TCB, TCB_ASSIGN)))
        if (assign->pf.value == NET0.value && assign->index == index)
            attributes = assign->attributes;
    return attributes;
}

static const struct vf_attributes *defined(struct world *world, const char *name, uint32_t number)
{
    return &world_named(world, name)->config.vfs[number].attributes;
}

/* "web" with VFs 3 and 4 of net0, "mail" with VF 5: started, nothing open yet. */
static void start_both(struct world *world)
{
    struct partition_config web = world_partition("web", 1, "net0", 3, "net0", 4, NULL);
    struct partition_config mail = world_partition("mail", 1, "net0", 5, NULL);

    web.vfs[0].attributes = vlan(7);
    assert_int_equal(world_define(world, &web), 0);
    assert_int_equal(world_define(world, &mail), 0);
    assert_int_equal(world_start(world, "web"), 0);
    assert_int_equal(world_start(world, "mail"), 0);
    world_forget_sent(world);
}

static void committed_applied_answered(void **state)
{
    struct world *world = *state;
    const struct vf_edit vfs[] = {change(3, vlan(7), vlan(8)), change(5, none, vlan(9))};

    start_both(world);
    uint64_t number = audit_log_next(world->control->log);
    assert_int_equal(propose(world, 77, 2, vfs), 0);
    assert_memory_equal(defined(world, "web", 0), &vfs[0].after, sizeof(none));
    assert_memory_equal(defined(world, "web", 1), &none, sizeof(none));
    assert_memory_equal(defined(world, "mail", 0), &vfs[1].after, sizeof(none));
    assert_int_equal(assigned(world, 3).vlan, 8);
    struct tcb_apply first = configured(world, 3), second = configured(world, 5);
    assert_int_equal(first.transaction, number);
    assert_int_equal(second.transaction, number);
    applied(world, second, 0);
    not_edited_yet(world);
    applied(world, second, 0); /* twice is once */
    not_edited_yet(world);
    applied(world, first, 0);
    assert_int_equal(edited(world, 77), 0);
    assert_int_equal(propose(world, 77, 2, vfs), 0); /* asked again: not done again */
    assert_int_equal(edited(world, 77), 0);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    world_check(world);
}

static void one_that_fails_undoes_all(void **state)
{
    struct world *world = *state;
    const struct vf_edit vfs[] = {change(3, vlan(7), vlan(8)), change(5, none, vlan(9))};

    start_both(world);
    propose(world, 77, 2, vfs);
    struct tcb_apply first = configured(world, 3), second = configured(world, 5);
    applied(world, first, -EOPNOTSUPP);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY)); /* not before the other is over */
    world_forget_sent(world);
    uint64_t begun = first.transaction;
    applied(world, second, 0);
    not_edited_yet(world);
    assert_memory_equal(defined(world, "web", 0), &vfs[0].before, sizeof(none));
    assert_memory_equal(defined(world, "mail", 0), &none, sizeof(none));
    first = configured(world, 3);
    second = configured(world, 5);
    assert_int_equal(assigned(world, 3).vlan, 7);
    assert_true(first.transaction > begun);
    applied(world, first, 0);
    not_edited_yet(world);
    applied(world, second, 0);
    assert_int_equal(edited(world, 77), -EOPNOTSUPP);
    assert_non_null(strstr(said, "VF 3: the driver's word"));
    propose(world, 77, 0, NULL);
    assert_int_equal(edited(world, 77), -EOPNOTSUPP);
    world_check(world);
}

static void what_cannot_be_undone_is_said(void **state)
{
    struct world *world = *state;
    const struct vf_edit vf = change(3, vlan(7), vlan(8));

    start_both(world);
    propose(world, 77, 1, &vf);
    applied(world, configured(world, 3), -EIO);
    applied(world, configured(world, 3), -ENODEV);
    assert_int_equal(edited(world, 77), -EIO);
    assert_non_null(strstr(said, "is not as it was before"));
}

static int refused(struct world *world, uint32_t count, const struct vf_edit *vfs)
{
    uint64_t number = audit_log_next(world->control->log);

    assert_int_equal(propose(world, 78, count, vfs), 0);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    assert_int_equal(audit_log_next(world->control->log), number);
    return edited(world, 78);
}

static void refused_is_what_cannot_be(void **state)
{
    struct world *world = *state;
    struct vf_edit vf = change(3, vlan(7), vlan(8)), two[2];

    start_both(world);
    vf.index = 2;
    assert_int_equal(refused(world, 1, &vf), -EPERM); /* nobody's */
    vf.index = 7;
    assert_int_equal(refused(world, 1, &vf), -EPERM); /* the card has no such */
    vf.index = UINT32_MAX;
    assert_int_equal(refused(world, 1, &vf), -EPERM);
    vf = change(3, vlan(7), vlan(8));
    vf.pf = (struct bdf){0x999};
    assert_int_equal(refused(world, 1, &vf), -EPERM); /* not managed */
    vf = change(3, vlan(6), vlan(8));
    assert_int_equal(refused(world, 1, &vf), -ESTALE); /* made from what is no more */
    vf = change(3, vlan(7), vlan(4095));
    assert_int_equal(refused(world, 1, &vf), -EINVAL);
    two[0] = two[1] = change(3, vlan(7), vlan(8));
    assert_int_equal(refused(world, 2, two), -EINVAL);
    two[1].index = 2; /* all or nothing */
    assert_int_equal(refused(world, 2, two), -EPERM);
    assert_int_equal(world_stop(world, "web", false, 1000), 0);
    world_forget_sent(world);
    assert_int_equal(refused(world, 1, two), -EBUSY);
}

static void one_at_a_time(void **state)
{
    struct world *world = *state;
    const struct vf_edit first = change(3, vlan(7), vlan(8)), other = change(5, none, vlan(9));

    start_both(world);
    propose(world, 77, 1, &first);
    const struct tcb_apply apply = configured(world, 3);
    assert_int_equal(refused(world, 1, &other), -EBUSY);
    applied(world, apply, 0);
    assert_int_equal(edited(world, 77), 0);
    propose(world, 78, 1, &other);
    configured(world, 5);
}

static void an_action_under_way_comes_first(void **state)
{
    struct world *world = *state;
    const struct vf_edit vf = change(3, vlan(7), vlan(8));

    start_both(world);
    world_propose(world, ACTION_VF_ACTIVATE, NET0, 3, 0);
    struct tcb_apply apply;
    memcpy(&apply, world_take(world, PROCESS_TCB, TCB_APPLY), sizeof(apply));
    assert_int_equal(refused(world, 1, &vf), -EBUSY);
    applied(world, apply, 0);
    propose(world, 77, 1, &vf);
    apply = configured(world, 3);
    world_propose(world, ACTION_VF_ACTIVATE, NET0, 3, 0); /* and the other way round */
    assert_int_equal(
        ((const struct pcim_verdict *)world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT))->error,
        0); /* the activation's */
    assert_int_equal(
        ((const struct pcim_verdict *)world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT))->error,
        -EBUSY);
    applied(world, apply, 0);
    assert_int_equal(edited(world, 77), 0);
}

/* Nobody but an edit makes a VF_CONFIGURE. */
static void sr_pcim_cannot_configure(void **state)
{
    struct world *world = *state;

    start_both(world);
    world_propose(world, ACTION_VF_CONFIGURE, NET0, 3, 0);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    assert_int_equal(
        ((const struct pcim_verdict *)world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT))->error,
        -EPERM);
}

static void a_vf_in_use_keeps_what_its_driver_has_read(void **state)
{
    struct world *world = *state;
    struct partition_config web = world_partition("web", 1, "net0", 3, NULL);
    struct vf_attributes mac = {.present = VF_ATTR_MAC, .mac = {2, 0, 0, 0, 0, 1}};
    struct vf_attributes queues = {.nvme_queues = 2}, both = mac, other = mac;

    assert_int_equal(world_define(world, &web), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_forget_sent(world);
    const struct vf_edit with_mac = change(3, none, mac), with_queues = change(3, none, queues);
    assert_int_equal(refused(world, 1, &with_mac), -EBUSY);
    assert_non_null(strstr(said, "partition web"));
    assert_int_equal(refused(world, 1, &with_queues), -EBUSY);
    both.present |= VF_ATTR_VLAN;
    both.vlan = 8;
    const struct vf_edit with_both = change(3, none, both), with_vlan = change(3, none, vlan(8));
    assert_int_equal(refused(world, 1, &with_both), -EBUSY);
    propose(world, 77, 1, &with_vlan); /* the switch's side of it */
    applied(world, configured(world, 3), 0);
    assert_int_equal(edited(world, 77), 0);
    other.mac[5] = 2;
    const struct vf_edit another = change(3, vlan(8), other);
    assert_int_equal(refused(world, 1, &another), -EBUSY);
}

static void what_control_never_had_is_said(void **state)
{
    struct world *world = *state;

    assert_int_equal(propose(world, 77, 0, NULL), 0);
    assert_int_equal(edited(world, 77), -ENOENT);
}

/* The TCB dies, and its successor finds the file again. */
static void the_tcb_may_die_on_the_way(void **state)
{
    struct world *world = *state;
    const struct vf_edit vf = change(3, vlan(7), vlan(8));

    start_both(world);
    propose(world, 77, 1, &vf);
    configured(world, 3);
    tcb_down(world->control);
    world_forget_sent(world);
    tcb_up(world->control);
    propose(world, 77, 0, NULL);
    not_edited_yet(world);
    assert_int_equal(assigned(world, 3).vlan, 8);
    applied(world, configured(world, 3), 0);
    assert_int_equal(edited(world, 77), 0);
}

/* What is stopped while it is undone is not given anything back; its file is read at its start. */
static void a_partition_may_stop_on_the_way(void **state)
{
    struct world *world = *state;
    const struct vf_edit vf = change(3, vlan(7), vlan(8));

    start_both(world);
    world_monitor(world, "web", OWN_STATES, true);
    propose(world, 77, 1, &vf);
    const struct tcb_apply apply = configured(world, 3);
    assert_int_equal(world_stop(world, "web", true, 0), 0);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    applied(world, apply, -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    assert_int_equal(edited(world, 77), -EPERM);
    world_check(world);
}

/* ---- the largest host: 64 PFs of 256 VFs each, all of them there */

static struct bdf large_pf(uint32_t number)
{
    return (struct bdf){(number + 1) << 12};
}

static void say_all_vfs(struct world *world, uint32_t number)
{
    const struct bdf bdf = large_pf(number);
    struct tcb_pf pf = {.header = frame_header(TCB_PF, sizeof(pf), 0),
                        .pf = {.bdf = bdf, .class = CLASS_NETWORK, .answers = 1}};

    world_say(world, PROCESS_TCB, &pf);
    for (uint32_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++) {
        struct tcb_vf vf = {.header = frame_header(TCB_VF, sizeof(vf), 0),
                            .vf = {.bdf = {bdf.value + 0x80 + 2 * v},
                                   .pf = bdf,
                                   .index = v,
                                   .status = FUNCTION_ACTIVE,
                                   .answers = 1,
                                   .driver = "vfio-pci"}};
        assert_int_equal(world_say(world, PROCESS_TCB, &vf), 0);
    }
    world_forget_sent(world);
}

static void set_large_host(struct world *world)
{
    struct host_config host = world_host();

    world_links_up(world);
    world_lead_sync(world);
    host.cards_count = PARCLOSE_MAX_PFS;
    for (uint32_t p = 0; p < PARCLOSE_MAX_PFS; p++) {
        host.cards[p] = (struct card_config){
            .bdf = large_pf(p), .vfs = PARCLOSE_MAX_VFS_PER_PF, .driver = "mlx5_core"};
        snprintf(host.cards[p].name, sizeof(host.cards[p].name), "large%u", p);
    }
    assert_int_equal(world_host_set(world, &host), 0);
    world->busy = true; /* as it comes over a link: many messages, then the group's end */
    for (uint32_t p = 0; p < PARCLOSE_MAX_PFS; p++)
        say_all_vfs(world, p);
    world->busy = false;
    world_settle(world);
    for (uint32_t p = 0; p < PARCLOSE_MAX_PFS; p++)
        for (uint32_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            assert_true(db_pf(world->control->db, large_pf(p))->vfs[v].present);
}

/* As many partitions as there are pCPUs, with as many VFs as one may have, over all PFs. */
static void start_six(struct world *world)
{
    for (uint32_t n = 0; n < 6; n++) {
        char name[16];
        snprintf(name, sizeof(name), "guest%u", n);
        struct partition_config config = world_partition(name, 1, NULL);
        config.vfs_count = PARCLOSE_MAX_PARTITION_VFS;
        for (uint32_t v = 0; v < config.vfs_count; v++) {
            config.vfs[v] = (struct partition_vf){.index = 255 - n, .attributes = vlan(7)};
            snprintf(config.vfs[v].card, sizeof(config.vfs[v].card), "large%u", 8 * v + 7 - n);
        }
        assert_int_equal(world_define(world, &config), 0);
        assert_int_equal(world_start(world, name), 0);
    }
    world_forget_sent(world);
}

/* What is ordered of the devices is as large as the edit, not as the host. */
static void one_edit_of_the_largest_host_is_one_order(void **state)
{
    struct world *world = *state;
    const struct vf_edit edit = {large_pf(63), 255, vlan(7), vlan(8)};

    set_large_host(world);
    start_six(world);
    assert_int_equal(propose(world, 77, 1, &edit), 0);
    const struct tcb_apply *order = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_non_null(order);
    const struct tcb_apply apply = *order;
    assert_int_equal(apply.action, ACTION_VF_CONFIGURE);
    assert_int_equal(apply.pf.value, large_pf(63).value);
    assert_int_equal(apply.index, 255);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    applied(world, apply, 0);
    assert_int_equal(edited(world, 77), 0);
    world_wait(world, 10 * SECOND);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    world_check(world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(committed_applied_answered),
        TEST(one_that_fails_undoes_all),
        TEST(what_cannot_be_undone_is_said),
        TEST(refused_is_what_cannot_be),
        TEST(one_at_a_time),
        TEST(an_action_under_way_comes_first),
        TEST(sr_pcim_cannot_configure),
        TEST(a_vf_in_use_keeps_what_its_driver_has_read),
        TEST(what_control_never_had_is_said),
        TEST(the_tcb_may_die_on_the_way),
        TEST(a_partition_may_stop_on_the_way),
        cmocka_unit_test_setup_teardown(one_edit_of_the_largest_host_is_one_order, world_setup_bare,
                                        world_teardown),
    };
    return cmocka_run_group_tests_name("control-edit", tests, NULL, NULL);
}
