/* SPDX-License-Identifier: Apache-2.0 */
/* Actions on devices: nothing is applied that was not committed, nothing is committed that would
 * take a VF from somebody. */
#include <errno.h>
#include <string.h>

#include "gate.h"
#include "world.h"

static int verdict(struct world *world, uint64_t id)
{
    const struct pcim_verdict *message = world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT);

    assert_non_null(message);
    assert_int_equal(message->header.id, id);
    return message->error;
}

static void start_web(struct world *world)
{
    struct partition_config config = world_partition("web", 1, "net0", 3, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
}

static void applied(struct world *world, uint64_t transaction, int error)
{
    struct tcb_applied message = {.header = frame_header(TCB_APPLIED, sizeof(message), transaction),
                                  .transaction = transaction,
                                  .error = error,
                                  .writes = 3};
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

/* It is proposed, sent to the TCB, done, and answered so: what was sent. */
static struct tcb_apply carried_out(struct world *world, uint32_t action, uint32_t index,
                                    uint32_t vfs)
{
    uint64_t id = world_propose(world, action, NET0, index, vfs);
    const struct tcb_apply *sent = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_non_null(sent);
    const struct tcb_apply apply = *sent;
    assert_int_equal(apply.action, action);
    applied(world, apply.transaction, 0);
    assert_int_equal(verdict(world, id), 0);
    return apply;
}

static void committed_applied_answered(void **state)
{
    struct world *world = *state;

    uint64_t number = audit_log_next(world->control->log);
    uint64_t id = world_propose(world, ACTION_PF_LINK_UP, NET0, 0, 0);
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_int_equal(apply->transaction, number);
    assert_int_equal(apply->action, ACTION_PF_LINK_UP);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT));
    applied(world, number, 0);
    assert_int_equal(verdict(world, id), 0);
    id = world_propose(world, ACTION_PF_LINK_UP, NET0, 0, 0);
    apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    applied(world, apply->transaction, -EIO);
    assert_int_equal(verdict(world, id), -EIO);
}

static void unknown_is_refused(void **state)
{
    struct world *world = *state;
    uint64_t number = audit_log_next(world->control->log);

    assert_int_equal(
        verdict(world, world_propose(world, ACTION_PF_BIND, (struct bdf){0x999}, 0, 0)), -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_CREATE_VFS, NET0, 0, 6)),
                     -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_ACTIVATE, NET0, 7, 0)), -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_ACTIVATE, NET0, UINT32_MAX, 0)),
                     -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_ACTIVATE, NET0, 0, 0)), -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    assert_int_equal(audit_log_next(world->control->log), number);
}

static void vf_seen(struct world *world, bool open, bool set)
{
    struct tcb_vf message = {.header = frame_header(TCB_VF, sizeof(message), 0),
                             .vf = db_pf(world->control->db, NET0)->vfs[3].observed};

    message.vf.open = open;
    message.vf.attributes_set = set;
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

static void only_what_the_pf_forgot_of_a_vf_in_use_is_renewed(void **state)
{
    struct world *world = *state;

    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_RENEW, NET0, 3, 0)), -EPERM);
    start_web(world);
    world_to_gate(world, "web");
    vf_seen(world, true, true);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_RENEW, NET0, 3, 0)), -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    vf_seen(world, true, false);
    assert_int_equal(carried_out(world, ACTION_VF_RENEW, 3, 0).index, 3);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_RENEW, NET0, 7, 0)), -EPERM);
}

/* Its guest has it open, and its PF cannot bring it back: neither alone is enough. */
static void only_a_lost_vf_is_abandoned(void **state)
{
    struct world *world = *state;
    struct pf *pf = db_pf(world->control->db, NET0);
    enum pf_readiness readiness = pf->readiness;

    start_web(world);
    world_to_gate(world, "web");
    vf_seen(world, true, true);
    pf->readiness = PF_ERRORS;
    strcpy(pf->observed.driver, "igb");
    pf->observed.recovery = RECOVERY_FAILED;
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_ABANDON, NET0, 3, 0)), -EPERM);
    pf->vfs[3].observed.answers = 0;
    pf->observed.recovery = RECOVERY_UNDER_WAY;
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_ABANDON, NET0, 3, 0)), -EPERM);
    pf->observed.recovery = RECOVERY_FAILED;
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_ABANDON, NET0, 7, 0)), -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    assert_int_equal(carried_out(world, ACTION_VF_ABANDON, 3, 0).index, 3);
    pf->observed.recovery = RECOVERY_NONE;
    pf->vfs[3].observed.answers = 1;
    pf->readiness = readiness;
}

/* Idle, and asked for; a partition that waits for a VF is enough for neither. */
static void only_an_idle_pf_that_may_is_put_to_sleep(void **state)
{
    struct world *world = *state;
    struct pf *pf = db_pf(world->control->db, NET0);

    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_SLEEP, NET0, 0, 0)), -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    pf->image.idle_power = IDLE_POWER_AUTO;
    carried_out(world, ACTION_PF_SLEEP, 0, 0);
    start_web(world);
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_SLEEP, NET0, 0, 0)), -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    carried_out(world, ACTION_PF_WAKE, 0, 0);
    world_to_gate(world, "web");
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_SLEEP, NET0, 0, 0)), -EPERM);
    pf->image.idle_power = IDLE_POWER_ON;
}

/* It touches none that anybody has: unlike what makes VFs, it is done beside a guest. */
static void vfs_are_bound_beside_a_guest(void **state)
{
    struct world *world = *state;

    start_web(world);
    world_to_gate(world, "web");
    vf_seen(world, true, true);
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_CREATE_VFS, NET0, 0, 7)),
                     -EPERM);
    assert_int_equal(carried_out(world, ACTION_PF_BIND_VFS, 0, 7).pf.value, NET0.value);
}

static void one_at_a_time_for_each_function(void **state)
{
    struct world *world = *state;

    uint64_t first = world_propose(world, ACTION_PF_LINK_UP, NET0, 0, 0);
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_BIND, NET0, 0, 0)), -EBUSY);
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_LINK_UP, NET0, 0, 0)), -EBUSY);
    applied(world, apply->transaction, 0);
    assert_int_equal(verdict(world, first), 0);
}

static void new_sr_pcim_takes_the_answer(void **state)
{
    struct world *world = *state;

    world_propose(world, ACTION_PF_LINK_UP, NET0, 0, 0);
    uint64_t number =
        ((const struct tcb_apply *)world_take(world, PROCESS_TCB, TCB_APPLY))->transaction;
    pcim_down(world->control);
    pcim_up(world->control);
    uint64_t id = world_propose(world, ACTION_PF_LINK_UP, NET0, 0, 0);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    applied(world, number, 0);
    assert_int_equal(verdict(world, id), 0);
}

static void nobody_pulls_a_vf_out_from_under_a_guest(void **state)
{
    struct world *world = *state;

    start_web(world);
    world_run(world, "web");
    world_forget_sent(world);
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_RESTART, NET0, 0, 0)), -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_CREATE_VFS, NET0, 0, 7)),
                     -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_ACTIVATE, NET0, 3, 0)), -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_RELEASE, NET0, 3, 0)), -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
    world_propose(world, ACTION_PF_RESTART, NET1, 0, 0); /* another card may be */
    assert_non_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

/* Opened through us by somebody whom control does not know of (yet). */
static void open_vf_is_left_alone(void **state)
{
    struct world *world = *state;

    world_vf(world, NET0, 5, true, true);
    assert_int_equal(verdict(world, world_propose(world, ACTION_PF_RESTART, NET0, 0, 0)), -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_RELEASE, NET0, 5, 0)), -EPERM);
    world_vf(world, NET0, 5, true, false);
    world_propose(world, ACTION_VF_RELEASE, NET0, 5, 0);
    assert_non_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

static void only_wanted_vfs_are_activated(void **state)
{
    struct world *world = *state;

    start_web(world);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_RELEASE, NET0, 3, 0)), -EPERM);
    assert_int_equal(verdict(world, world_propose(world, ACTION_VF_ACTIVATE, NET0, 2, 0)), -EPERM);
    world_propose(world, ACTION_VF_ACTIVATE, NET0, 3, 0);
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);
    assert_int_equal(apply->action, ACTION_VF_ACTIVATE);
    assert_int_equal(apply->index, 3);
}

/* The words of the TCB; gone as soon as it is ready, or another life of it begins. */
static void who_waits_is_told_why_a_vf_is_refused(void **state)
{
    struct world *world = *state;
    char text[PARCLOSE_REASON_MAX];

    start_web(world);
    struct partition *web = world_named(world, "web");
    world_readiness(world, NET0, PF_READY);
    world_propose(world, ACTION_VF_ACTIVATE, NET0, 3, 0);
    struct tcb_applied message = {.header = frame_header(TCB_APPLIED, sizeof(message), 0),
                                  .error = -EINVAL,
                                  .text = "its PF's controller has no 9 queues"};
    message.transaction =
        ((const struct tcb_apply *)world_take(world, PROCESS_TCB, TCB_APPLY))->transaction;
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
    world_vf(world, NET0, 3, true, false);
    vf_seen(world, false, false);
    assert_true(gate_vf_missing(world->control->db, web, text) >= 0);
    assert_non_null(strstr(text, "VF 3 of card net0"));
    assert_non_null(strstr(text, ": its PF's controller has no 9 queues"));
    world_propose(world, ACTION_VF_ACTIVATE, NET0, 3, 0);
    const struct tcb_apply *again = world_take(world, PROCESS_TCB, TCB_APPLY);
    applied(world, again->transaction, 0);
    assert_true(gate_vf_missing(world->control->db, web, text) >= 0);
    assert_null(strstr(text, "queues"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(committed_applied_answered),
        TEST(unknown_is_refused),
        TEST(only_what_the_pf_forgot_of_a_vf_in_use_is_renewed),
        TEST(only_a_lost_vf_is_abandoned),
        TEST(only_an_idle_pf_that_may_is_put_to_sleep),
        TEST(vfs_are_bound_beside_a_guest),
        TEST(one_at_a_time_for_each_function),
        TEST(new_sr_pcim_takes_the_answer),
        TEST(nobody_pulls_a_vf_out_from_under_a_guest),
        TEST(open_vf_is_left_alone),
        TEST(only_wanted_vfs_are_activated),
        TEST(who_waits_is_told_why_a_vf_is_refused),
    };
    return cmocka_run_group_tests_name("control-action", tests, NULL, NULL);
}
