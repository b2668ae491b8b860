/* SPDX-License-Identifier: Apache-2.0 */
/* VFs that were reset under their guests: from a monitor's mark to its going, whoever dies between,
 * and nobody whose VF works is disturbed more than once in ten seconds. */
#include <errno.h>
#include <string.h>

#include "world.h"

static void run(struct world *world, const char *name, uint32_t index)
{
    struct partition_config config = world_partition(name, 1, "net0", index, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, name), 0);
    world_run(world, name);
}

static struct bdf vf_of(struct world *world, uint32_t index)
{
    return db_pf(world->control->db, NET0)->vfs[index].observed.bdf;
}

static void marks_at(struct world *world, const char *name, struct bdf vf, uint32_t marks)
{
    struct lead_monitor message = {.header = frame_header(LEAD_MONITOR, sizeof(message), 0),
                                   .partition = world_named(world, name)->id,
                                   .present = 1,
                                   .states = STATES_BEFORE_GATE,
                                   .event_ns = world->now_ns};

    message.vfs[0] = (struct vf_seat){.vf = vf, .marks = VF_PRESENT | marks};
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

static void marks(struct world *world, const char *name, uint32_t index, uint32_t marks)
{
    marks_at(world, name, vf_of(world, index), marks);
}

static int verdict_of(struct world *world, uint64_t id)
{
    const struct pcim_verdict *verdict;

    while ((verdict = world_take(world, PROCESS_SR_PCIM, PCIM_VERDICT)))
        if (verdict->header.id == id)
            return verdict->error;
    return 1; /* not yet */
}

static uint64_t renew(struct world *world)
{
    return world_propose(world, ACTION_PF_RENEW, NET0, 0, 0);
}

static void applied(struct world *world, int error)
{
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);

    assert_non_null(apply);
    assert_int_equal(apply->action, ACTION_PF_RENEW);
    struct tcb_applied message = {.header =
                                      frame_header(TCB_APPLIED, sizeof(message), apply->header.id),
                                  .transaction = apply->transaction,
                                  .error = error,
                                  .pf = NET0};
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

static bool takes_mend(struct world *world, uint32_t index)
{
    const struct lead_vf *order = world_take(world, PROCESS_LEAD, LEAD_VF_MEND);

    return order && order->vf.value == vf_of(world, index).value;
}

static uint32_t wanted_reset(struct world *world)
{
    const struct pcim_want *want = world_take(world, PROCESS_SR_PCIM, PCIM_WANT);

    assert_non_null(want);
    return want->reset;
}

static void a_mark_is_mended(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    world_forget_sent(world);
    marks(world, "web", 3, 0);
    assert_null(world_take(world, PROCESS_SR_PCIM, PCIM_WANT));
    marks(world, "web", 3, VF_RESET);
    assert_int_equal(wanted_reset(world), 1);
    uint64_t id = renew(world);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_MEND)); /* not before it was applied */
    applied(world, 0);
    assert_int_equal(verdict_of(world, id), 0);
    assert_true(takes_mend(world, 3));
    uint64_t next = audit_log_next(world->control->log);
    marks(world, "web", 3, 0);
    assert_int_equal(audit_log_next(world->control->log), next + 1);
    assert_int_equal(wanted_reset(world), 0);
    world_check(world);
}

static void without_a_mark_nothing_is_renewed(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    assert_int_equal(verdict_of(world, renew(world)), -EPERM);
    marks(world, "web", 3, VF_ERROR | VF_REQUESTED);
    assert_int_equal(verdict_of(world, renew(world)), -EPERM);
    assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
}

static uint32_t said_requested(struct world *world)
{
    const struct tcb_assign *assign = world_take(world, PROCESS_TCB, TCB_ASSIGN);
    const struct pcim_want *want = world_take(world, PROCESS_SR_PCIM, PCIM_WANT);

    assert_non_null(assign);
    assert_non_null(want);
    assert_int_equal(assign->index, 3);
    assert_int_equal(assign->requested, want->requested);
    return want->requested;
}

/* Who waits for a VF is seen beside its PF: what the monitor says goes to both who tell of it. */
static void a_request_of_the_host_is_told(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    world_forget_sent(world);
    marks(world, "web", 3, 0);
    assert_null(world_take(world, PROCESS_TCB, TCB_ASSIGN));
    marks(world, "web", 3, VF_REQUESTED);
    assert_int_equal(said_requested(world), 1);
    marks(world, "web", 3, VF_REQUESTED | VF_ERROR);
    assert_null(world_take(world, PROCESS_TCB, TCB_ASSIGN));
    pcim_down(world->control);
    pcim_up(world->control);
    tcb_down(world->control);
    tcb_up(world->control);
    assert_int_equal(said_requested(world), 1);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(said_requested(world), 0);
    assert_false(db_pf(world->control->db, NET0)->vfs[3].requested);
}

/* Of one whose guest has not armed its interrupts yet nobody but the PF tells. */
static void a_pf_that_was_reset_is_renewed_without_a_mark(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    struct tcb_pf message = {.header = frame_header(TCB_PF, sizeof(message), 0),
                             .pf = db_pf(world->control->db, NET0)->observed};
    message.pf.reset = 1;
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
    world_forget_sent(world);
    uint64_t id = renew(world);
    applied(world, 0);
    assert_int_equal(verdict_of(world, id), 0);
    assert_true(takes_mend(world, 3));
}

/* A monitor that was taken over says the same again and again. */
static void news_without_end_are_some_entries(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    uint64_t next = audit_log_next(world->control->log);
    for (int i = 0; i < 200; i++)
        marks(world, "web", 3, i % 2 ? 0 : VF_ERROR);
    assert_int_equal(audit_log_next(world->control->log), next + 32);
    assert_non_null(strstr(world->control->entry->text, "not noted"));
    world_wait(world, 60 * SECOND);
    next = audit_log_next(world->control->log);
    marks(world, "web", 3, VF_ERROR);
    assert_int_equal(audit_log_next(world->control->log), next + 1);
}

/* One whose mark is still to come would else be alone with it. */
static void all_of_a_renewed_pf_are_mended(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    run(world, "mail", 4);
    marks(world, "web", 3, VF_RESET);
    renew(world);
    applied(world, 0);
    assert_true(takes_mend(world, 3));
    assert_true(takes_mend(world, 4));
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_MEND));
}

static void a_monitor_that_lies_disturbs_once_in_ten_seconds(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    for (int i = 0; i < 3; i++) {
        marks(world, "web", 3, VF_RESET);
        renew(world);
        applied(world, 0);
        for (int s = 0; s < 9; s++) {
            world_wait(world, SECOND);
            assert_int_equal(verdict_of(world, renew(world)), -EPERM);
        }
        assert_null(world_take(world, PROCESS_TCB, TCB_APPLY));
        world_wait(world, 2 * SECOND);
    }
}

/* The TCB found that another VF works: the PF was renewed for that one, this one needs its own. */
static void who_is_alone_with_it_is_mended_without(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    run(world, "mail", 4);
    marks(world, "web", 3, VF_RESET);
    renew(world);
    applied(world, -EBUSY);
    assert_true(takes_mend(world, 3));
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_MEND));
}

static void what_failed_is_proposed_again(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    marks(world, "web", 3, VF_RESET);
    uint64_t id = renew(world);
    applied(world, -EIO);
    assert_int_equal(verdict_of(world, id), -EIO);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_VF_MEND));
    renew(world);
    applied(world, 0);
    assert_true(takes_mend(world, 3));
}

static void a_new_control_hears_it_again(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    marks(world, "web", 3, VF_RESET);
    renew(world);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    world_vf(world, NET0, 3, true, true);
    marks(world, "web", 3, VF_RESET);
    world_lead_sync(world);
    applied(world, 0); /* what was committed goes on */
    assert_true(takes_mend(world, 3));
}

/* Lead speaks as soon as it is asked, the TCB only once it has looked: the order there is. */
static void a_new_control_hears_it_before_it_knows_the_vf(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    marks(world, "web", 3, VF_RESET);
    const struct bdf vf = vf_of(world, 3);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    marks_at(world, "web", vf, VF_RESET);
    world_lead_sync(world);
    world_forget_sent(world);
    world_vf(world, NET0, 3, true, true);
    assert_int_equal(wanted_reset(world), 1);
    renew(world);
    applied(world, 0);
    assert_true(takes_mend(world, 3));
}

static void a_new_sr_pcim_and_a_new_lead_hear_it_again(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    marks(world, "web", 3, VF_RESET);
    world_forget_sent(world);
    pcim_down(world->control);
    pcim_up(world->control);
    assert_int_equal(wanted_reset(world), 1);
    lead_down(world->control);
    lead_up(world->control);
    marks(world, "web", 3, VF_RESET);
    world_lead_sync(world);
    renew(world);
    applied(world, 0);
    assert_true(takes_mend(world, 3));
}

/* A partition that ends takes its marks with it. */
static void an_end_forgets(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    marks(world, "web", 3, VF_RESET);
    world_forget_sent(world);
    world_monitor_gone(world, "web", EXIT_PANIC);
    assert_int_equal(wanted_reset(world), 0);
    assert_int_equal(verdict_of(world, renew(world)), -EPERM);
    assert_int_equal(db_pf(world->control->db, NET0)->vfs[3].reset_boottime_ns, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_mark_is_mended),
        TEST(without_a_mark_nothing_is_renewed),
        TEST(a_request_of_the_host_is_told),
        TEST(a_pf_that_was_reset_is_renewed_without_a_mark),
        TEST(news_without_end_are_some_entries),
        TEST(all_of_a_renewed_pf_are_mended),
        TEST(a_monitor_that_lies_disturbs_once_in_ten_seconds),
        TEST(who_is_alone_with_it_is_mended_without),
        TEST(what_failed_is_proposed_again),
        TEST(a_new_control_hears_it_again),
        TEST(a_new_control_hears_it_before_it_knows_the_vf),
        TEST(a_new_sr_pcim_and_a_new_lead_hear_it_again),
        TEST(an_end_forgets),
    };
    return cmocka_run_group_tests_name("control-resets", tests, NULL, NULL);
}
