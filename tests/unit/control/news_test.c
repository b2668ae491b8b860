/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody else does to a PF that no partition runs with: noted, with its end; what we do, and
 * what is told otherwise, is not. */
#include "news.h"

#include <string.h>

#include "world.h"

static uint64_t next(struct world *world)
{
    return audit_log_next(world->control->log);
}

static void is_entry(struct world *world, enum audit_phase phase, uint64_t refers_to,
                     const char *words)
{
    const struct audit_entry *entry = world->control->entry;

    assert_int_equal(entry->kind, AUDIT_PF_LOST);
    assert_int_equal(entry->phase, phase);
    assert_int_equal(entry->refers_to, refers_to);
    assert_int_equal(entry->who.process, PROCESS_SR_PCIM);
    assert_non_null(strstr(entry->text, words));
}

static void say(struct world *world, struct bdf pf, enum pf_readiness readiness, const char *reason)
{
    struct pcim_readiness message = {.header = frame_header(PCIM_READINESS, sizeof(message), 0),
                                     .pf = pf,
                                     .readiness = readiness};

    strcpy(message.reason, reason);
    assert_int_equal(world_say(world, PROCESS_SR_PCIM, &message), 0);
}

static void a_loss_and_its_end_are_an_entry_each(void **state)
{
    struct world *world = *state;
    uint64_t first = next(world);

    say(world, NET0, PF_DRIVER_UNBOUND, "driver igb is not bound"); /* never ready yet */
    say(world, NET0, PF_READY, "");
    assert_int_equal(next(world), first);
    say(world, NET0, PF_DRIVER_UNBOUND, "driver igb is not bound");
    assert_int_equal(next(world), first + 1);
    is_entry(world, AUDIT_BEGUN, 0, "PF 0000:01:00.0 (card net0): driver igb is not bound");
    say(world, NET0, PF_VFS_MISSING, "its VFs are not enabled");
    say(world, NET1, PF_READY, "");
    assert_int_equal(next(world), first + 1);
    world_wait(world, SECOND / 2);
    say(world, NET0, PF_READY, "");
    assert_int_equal(next(world), first + 2);
    is_entry(world, AUDIT_APPLIED, first,
             "PF 0000:01:00.0 (card net0): it is ready again after 500 ms");
    say(world, NET0, PF_READY, "its VF 2 is not bound");
    assert_int_equal(next(world), first + 2);
}

/* It is noted only: no message waits for the disk because of it. */
static void nothing_waits_for_it(void **state)
{
    struct world *world = *state;

    world_readiness(world, NET0, PF_READY);
    world->busy = true;
    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_int_equal(world->control->entry->kind, AUDIT_PF_LOST);
    assert_false(world->control->outbox.open);
    world_readiness(world, NET0, PF_READY);
    assert_false(world->control->outbox.open);
    world->busy = false;
}

/* It was ready before SR-PCIM died, and is not when the next one looks. */
static void what_happens_while_nobody_judges_is_noted_too(void **state)
{
    struct world *world = *state;
    uint64_t first;

    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    first = next(world);
    pcim_down(world->control);
    pcim_up(world->control);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(next(world), first);
    world_readiness(world, NET1, PF_VFS_MISSING);
    assert_int_equal(next(world), first + 1);
    pcim_down(world->control);
    pcim_up(world->control);
    world_readiness(world, NET1, PF_READY);
    assert_int_equal(next(world), first + 2);
    is_entry(world, AUDIT_APPLIED, first, "0000:02:00.0");
}

static void applied(struct world *world, struct bdf pf, uint32_t writes)
{
    const struct tcb_apply *apply = world_take(world, PROCESS_TCB, TCB_APPLY);

    assert_non_null(apply);
    const struct tcb_applied message = {
        .header = frame_header(TCB_APPLIED, sizeof(message), apply->header.id),
        .transaction = apply->transaction,
        .writes = writes,
        .pf = pf,
        .index = ACTION_WHOLE_PF};
    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

/* SR-PCIM may say what an action did while it is under way, or after its answer. */
static void what_we_do_ourselves_is_not_noted(void **state)
{
    struct world *world = *state;
    uint64_t first;

    for (unsigned late = 0; late < 2; late++) {
        world_readiness(world, NET0, PF_READY);
        world_propose(world, ACTION_PF_RESTART, NET0, ACTION_WHOLE_PF, 0);
        first = next(world);
        if (!late)
            world_readiness(world, NET0, PF_DRIVER_UNBOUND);
        assert_int_equal(next(world), first);
        applied(world, NET0, 2);
        first = next(world);
        if (late)
            world_readiness(world, NET0, PF_VFS_MISSING);
        world_readiness(world, NET0, PF_LINK_DOWN);
        world_readiness(world, NET0, PF_READY);
        assert_int_equal(next(world), first);
    }
    world_readiness(world, NET0, PF_LINK_DOWN); /* that was somebody else */
    assert_int_equal(next(world), first + 1);
}

/* One that found all as it was to be took nothing. */
static void an_action_without_a_write_is_no_excuse(void **state)
{
    struct world *world = *state;

    world_readiness(world, NET0, PF_READY);
    world_propose(world, ACTION_PF_RESTART, NET0, ACTION_WHOLE_PF, 0);
    applied(world, NET0, 0);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    is_entry(world, AUDIT_BEGUN, 0, "0000:01:00.0");
}

static void what_is_wanted_is_not_noted(void **state)
{
    static const enum pf_readiness wanted[] = {PF_DISABLED, PF_ASLEEP, PF_BUSY, PF_UNKNOWN};
    struct world *world = *state;
    uint64_t first = next(world);

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        world_readiness(world, NET0, PF_READY);
        world_readiness(world, NET0, wanted[i]);
        world_readiness(world, NET0, PF_READY);
    }
    assert_int_equal(next(world), first);
}

/* Its partition's outage says it; and one that only waits has no outage. */
static void a_pf_that_a_guest_runs_with_is_told_of_once(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET0, PF_LINK_DOWN);
    is_entry(world, AUDIT_BEGUN, 0, "0000:01:00.0");
    world_run(world, "web");
    uint64_t first = next(world);
    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_int_equal(next(world), first + 1);
    assert_int_equal(world->control->entry->kind, AUDIT_OUTAGE);
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(next(world), first + 2);
    assert_int_equal(world->control->entry->kind, AUDIT_OUTAGE);
}

static void one_that_flaps_does_not_fill_the_log(void **state)
{
    struct world *world = *state;
    uint64_t first = next(world);

    for (int i = 0; i < 200; i++) {
        world_readiness(world, NET0, PF_READY);
        world_readiness(world, NET0, PF_LINK_DOWN);
    }
    assert_int_equal(next(world), first + NEWS_MOST);
    assert_non_null(strstr(world->control->entry->text, "not noted"));
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, NET1, PF_LINK_DOWN); /* another one has its own */
    assert_int_equal(next(world), first + NEWS_MOST + 1);
    world_wait(world, 60 * SECOND);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET0, PF_LINK_DOWN);
    is_entry(world, AUDIT_BEGUN, 0, "0000:01:00.0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_loss_and_its_end_are_an_entry_each),
        TEST(nothing_waits_for_it),
        TEST(what_happens_while_nobody_judges_is_noted_too),
        TEST(what_we_do_ourselves_is_not_noted),
        TEST(an_action_without_a_write_is_no_excuse),
        TEST(what_is_wanted_is_not_noted),
        TEST(a_pf_that_a_guest_runs_with_is_told_of_once),
        TEST(one_that_flaps_does_not_fill_the_log),
    };
    return cmocka_run_group_tests_name("control-news", tests, NULL, NULL);
}
