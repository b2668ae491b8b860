/* SPDX-License-Identifier: Apache-2.0 */
/* The gate: every PF must be ready, none may be overlooked, and what is lost in time is undone. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gate.h"
#include "states.h"
#include "world.h"

static void define_and_start(struct world *world, const char *name)
{
    struct partition_config config =
        world_partition(name, 2, "net0", 0, "net1", 3, "disk0", 1, NULL);
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, name), 0);
}

static const struct lead_order *taken(struct world *world, uint16_t type)
{
    return world_take(world, PROCESS_LEAD, type);
}

static void waits_for_each_pf(void **state)
{
    static const struct bdf pfs[] = {NET0, NET1, DISK0};
    struct world *world = *state;

    for (size_t missing = 0; missing < 3; missing++) {
        define_and_start(world, "web");
        world_to_gate(world, "web");
        for (size_t i = 0; i < 3; i++)
            if (i != missing)
                world_readiness(world, pfs[i], PF_READY);
        assert_null(taken(world, LEAD_ATTACH));
        world_readiness(world, pfs[missing], PF_READY);
        assert_non_null(taken(world, LEAD_ATTACH));
        assert_int_equal(world_stop(world, "web", true, 0), 0);
        world_monitor_gone(world, "web", EXIT_STOPPED);
        for (size_t i = 0; i < 3; i++)
            world_readiness(world, pfs[i], PF_UNKNOWN);
        assert_int_equal(world_undefine(world, "web"), 0);
    }
}

static void start_on(struct world *world, const char *name, const char *card)
{
    struct partition_config config = world_partition(name, 2, card, 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, name), 0);
    world_to_gate(world, name);
}

/* What it does not need may still be coming up. */
static void waits_for_its_own_pf_alone(void **state)
{
    struct world *world = *state;
    const struct partition_run *web, *db;

    start_on(world, "web", "net0");
    start_on(world, "db", "net1");
    web = &world_named(world, "web")->run;
    db = &world_named(world, "db")->run;
    world_readiness(world, NET1, PF_VFS_MISSING);
    world_readiness(world, DISK0, PF_DRIVER_UNBOUND);
    assert_null(taken(world, LEAD_ATTACH));
    world_readiness(world, NET0, PF_READY);
    const struct lead_order *attach = taken(world, LEAD_ATTACH);
    assert_non_null(attach);
    assert_int_equal(attach->partition.value, world_named(world, "web")->id.value);
    assert_null(taken(world, LEAD_ATTACH));
    world_lead_result(world, "web", attach->header.id, 0);
    assert_int_equal(web->phase, PHASE_RUNNING);
    assert_int_equal(db->phase, PHASE_WAITING);
    assert_int_equal(db->attach, ATTACH_NONE);
    world_readiness(world, NET1, PF_READY);
    attach = taken(world, LEAD_ATTACH);
    assert_non_null(attach);
    assert_int_equal(attach->partition.value, world_named(world, "db")->id.value);
}

static void no_readiness_but_ready_opens(void **state)
{
    struct world *world = *state;

    define_and_start(world, "web");
    world_to_gate(world, "web");
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, DISK0, PF_READY);
    for (uint32_t readiness = 0; readiness < PF_READINESS_KINDS; readiness++)
        if (readiness != PF_READY)
            world_readiness(world, NET0, (enum pf_readiness)readiness);
    assert_null(taken(world, LEAD_ATTACH));
    world_readiness(world, NET0, PF_READY);
    assert_non_null(taken(world, LEAD_ATTACH));
}

/* As the TCB says it, of a VF that the monitor has. */
static void say_vf(struct world *world, struct bdf pf, bool set, bool unread)
{
    struct tcb_vf message = {.header = frame_header(TCB_VF, sizeof(message), 0),
                             .vf = {.bdf = {pf.value + 0x80},
                                    .pf = pf,
                                    .status = FUNCTION_ACTIVE,
                                    .answers = 1,
                                    .attributes_set = set,
                                    .unread = unread,
                                    .open = 1,
                                    .driver = "vfio-pci"}};

    assert_int_equal(world_say(world, PROCESS_TCB, &message), 0);
}

/* Its PF is ready again, but may have forgotten what the VF was given. */
static void waits_until_a_vf_is_read_again(void **state)
{
    struct world *world = *state;

    define_and_start(world, "web");
    world_to_gate(world, "web");
    say_vf(world, NET0, true, true);
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, DISK0, PF_READY);
    assert_null(taken(world, LEAD_ATTACH));
    say_vf(world, NET0, false, false);
    assert_null(taken(world, LEAD_ATTACH));
    say_vf(world, NET0, true, false);
    assert_non_null(taken(world, LEAD_ATTACH));
}

static void waits_for_each_state(void **state)
{
    struct world *world = *state;

    define_and_start(world, "web");
    world_to_gate(world, "web");
    for (unsigned bit = STATE_ALIVE; bit <= STATE_CHANNEL_IMAGE; bit++) {
        world_monitor(world, "web", STATES_BEFORE_GATE & ~STATE_BIT(bit), true);
        world_readiness(world, NET0, PF_READY);
        world_readiness(world, NET1, PF_READY);
        world_readiness(world, DISK0, PF_READY);
        assert_null(taken(world, LEAD_ATTACH));
    }
    world_monitor(world, "web", STATES_BEFORE_GATE, true);
    assert_non_null(taken(world, LEAD_ATTACH));
}

static void monitor_cannot_claim_what_is_behind_the_gate(void **state)
{
    struct world *world = *state;

    define_and_start(world, "web");
    world_to_gate(world, "web");
    world_monitor(world, "web", STATE_BIT(PARTITION_STATES) - 1, true);
    assert_int_equal(partition_states(world_named(world, "web")), STATES_BEFORE_GATE);
    assert_int_not_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
}

static void loss_before_the_attach_shuts(void **state)
{
    struct world *world = *state;

    define_and_start(world, "web");
    world_to_gate(world, "web");
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, NET0, PF_LINK_DOWN);
    world_readiness(world, DISK0, PF_READY);
    assert_null(taken(world, LEAD_ATTACH));
    world_readiness(world, NET0, PF_READY);
    assert_non_null(taken(world, LEAD_ATTACH));
}

static const struct lead_order *at_the_commit(struct world *world)
{
    define_and_start(world, "web");
    world_to_gate(world, "web");
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    world_readiness(world, DISK0, PF_READY);
    return taken(world, LEAD_ATTACH);
}

static void loss_between_commit_and_acknowledgement_freezes(void **state)
{
    static const struct bdf pfs[] = {NET0, NET1, DISK0};
    struct world *world = *state;
    uint64_t attach = at_the_commit(world)->header.id;

    for (size_t i = 0; i < 3; i++) {
        struct partition *partition = world_named(world, "web");
        world_readiness(world, pfs[i], PF_DRIVER_UNBOUND);
        const struct lead_order *detach = taken(world, LEAD_DETACH);
        assert_non_null(detach);
        assert_int_equal(partition->run.phase, PHASE_FROZEN);
        world_lead_result(world, "web", attach, 0); /* of the attach: too late */
        assert_int_equal(partition->run.phase, PHASE_FROZEN);
        assert_int_equal(partition->run.attach, ATTACH_UNDOING);
        world_readiness(world, pfs[i], PF_READY); /* not before the freeze is acknowledged */
        assert_null(taken(world, LEAD_ATTACH));
        world_lead_result(world, "web", detach->header.id, 0);
        const struct lead_order *again = taken(world, LEAD_ATTACH);
        assert_non_null(again);
        assert_int_not_equal(again->header.id, attach);
        attach = again->header.id;
    }
    world_lead_result(world, "web", attach, 0);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
}

/* Lead answers no ATTACH that a DETACH overtook before the thaw: the next one is ordered all the
 * same. */
static void attach_without_an_answer_keeps_no_later_one_back(void **state)
{
    struct world *world = *state;
    uint64_t attach = at_the_commit(world)->header.id;

    world_readiness(world, NET0, PF_LINK_DOWN);
    const struct lead_order *detach = taken(world, LEAD_DETACH);
    assert_non_null(detach);
    world_lead_result(world, "web", detach->header.id, 0);
    world_readiness(world, NET0, PF_READY);
    const struct lead_order *again = taken(world, LEAD_ATTACH);
    assert_non_null(again);
    assert_int_not_equal(again->header.id, attach);
    world_lead_result(world, "web", again->header.id, 0);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
}

/* A second CREATE could make a second monitor when the first has died meanwhile. */
static void monitor_that_was_made_is_ordered_once(void **state)
{
    struct world *world = *state;

    define_and_start(world, "web");
    const struct lead_order *create = taken(world, LEAD_CREATE);
    assert_non_null(create);
    world_lead_result(world, "web", create->header.id, 0);
    world_readiness(world, NET0, PF_READY);
    assert_null(taken(world, LEAD_CREATE));
    world_monitor(world, "web", 0, true);
    world_monitor_gone(world, "web", EXIT_MONITOR_DIED);
    assert_null(taken(world, LEAD_CREATE));
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_FAILED);
}

static void loss_while_running_touches_nothing(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, "net0", 0, NULL);

    world_define(world, &config);
    world_start(world, "web");
    world_run(world, "web");
    world_forget_sent(world);
    world_readiness(world, NET0, PF_DRIVER_UNBOUND);
    pcim_down(world->control);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
    for (size_t i = 0; i < world->sent_count; i++)
        assert_int_not_equal(world->sent[i].peer, PROCESS_LEAD);
    assert_int_equal(db_pf(world->control->db, NET0)->readiness, PF_UNKNOWN);
}

static void death_of_sr_pcim_shuts_until_judged_anew(void **state)
{
    struct world *world = *state;

    define_and_start(world, "web");
    world_to_gate(world, "web");
    world_readiness(world, NET0, PF_READY);
    world_readiness(world, NET1, PF_READY);
    pcim_down(world->control);
    world_readiness(world, DISK0, PF_READY);
    assert_null(taken(world, LEAD_ATTACH));
    world_forget_sent(world);
    pcim_up(world->control);
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_CARD));
    const struct pcim_want *want = world_take(world, PROCESS_SR_PCIM, PCIM_WANT);
    assert_int_equal(want->wanted, 1);
    assert_int_equal(want->in_use, 1);
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_SYNC));
    world_readiness(world, NET1, PF_READY);
    assert_null(taken(world, LEAD_ATTACH));
    world_readiness(world, NET0, PF_READY);
    assert_non_null(taken(world, LEAD_ATTACH));
}

static void death_of_sr_pcim_after_the_commit_changes_nothing(void **state)
{
    struct world *world = *state;
    uint64_t attach = at_the_commit(world)->header.id;

    pcim_down(world->control);
    assert_null(taken(world, LEAD_DETACH));
    world_lead_result(world, "web", attach, 0);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
}

static void failed_attach_is_undone_and_tried_again(void **state)
{
    struct world *world = *state;
    uint64_t attach = at_the_commit(world)->header.id;

    world_lead_result(world, "web", attach, -EIO);
    const struct lead_order *detach = taken(world, LEAD_DETACH);
    if (!detach) {
        world_wait(world, SECOND);
        detach = taken(world, LEAD_DETACH);
    }
    assert_non_null(detach);
    world_lead_result(world, "web", detach->header.id, 0);
    world_wait(world, 2 * SECOND);
    assert_non_null(taken(world, LEAD_ATTACH));
}

/* Whatever arrives late: an end that was ordered stays ordered. */
static void stop_between_commit_and_acknowledgement_stays_a_stop(void **state)
{
    struct world *world = *state;
    uint64_t attach = at_the_commit(world)->header.id;
    const struct partition_run *run = &world_named(world, "web")->run;

    assert_int_equal(world_stop(world, "web", false, 1000), 0);
    world_readiness(world, NET0, PF_LINK_DOWN);
    assert_int_equal(run->phase, PHASE_STOPPING);
    assert_null(taken(world, LEAD_DETACH));
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_result(world, "web", attach, 0);
    assert_int_equal(run->phase, PHASE_STOPPING);
    assert_int_not_equal(run->deadline_boottime_ns, 0);
    lead_down(world->control);
    lead_up(world->control);
    world_monitor(world, "web", STATES_BEFORE_GATE, false);
    world_lead_sync(world);
    assert_int_equal(run->phase, PHASE_STOPPING);
    assert_non_null(taken(world, LEAD_STOP));
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(run->phase, PHASE_DEFINED);
}

static void says_which_pf_and_how_long(void **state)
{
    struct world *world = *state;
    struct pcim_readiness message = {.header = frame_header(PCIM_READINESS, sizeof(message), 0),
                                     .pf = NET0,
                                     .readiness = PF_DRIVER_UNBOUND,
                                     .reason = "driver igb is not bound"};

    define_and_start(world, "web");
    world_to_gate(world, "web");
    world_say(world, PROCESS_SR_PCIM, &message);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_WAITING);
    world_forget_sent(world);
    control_idle(world->control);
    struct frame *frame = world_take_frame(world, PROCESS_COMMAND, CONTROL_SNAPSHOT);
    assert_non_null(frame);
    const struct control_snapshot *snapshot = (const void *)frame->bytes;
    static _Alignas(8) uint8_t bytes[1 << 20];
    assert_int_equal(pread(frame->files[0], bytes, sizeof(bytes), 0), snapshot->size);
    const struct snapshot_partition *first = (const void *)(bytes + sizeof(struct snapshot));
    assert_string_equal(first->waiting_for, "PF 0000:01:00.0 (card net0): driver igb is not bound");
    assert_int_equal(first->next_rung, RUNG_RESTART_PF);
    assert_int_equal(first->next_rung_boottime_ns, world->now_ns + SECOND);
    frame_clear(frame);
}

static void no_vfs_no_pfs_to_wait_for(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("plain", 1, NULL);

    world_define(world, &config);
    world_start(world, "plain");
    world_to_gate(world, "plain");
    assert_non_null(taken(world, LEAD_ATTACH));
}

static void times_are_the_sources(void **state)
{
    struct world *world = *state;
    uint64_t attach = at_the_commit(world)->header.id;
    uint64_t ready = world->now_ns;

    world->now_ns += 3000000;
    world_lead_result(world, "web", attach, 0);
    const struct partition_run *run = &world_named(world, "web")->run;
    assert_int_equal(run->last_ready_ns, ready);
    assert_int_equal(run->thawed_ns, ready + 3000000);
    assert_int_equal(run->attached.boottime_ns, ready + 3000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(waits_for_each_pf),
        TEST(waits_for_its_own_pf_alone),
        TEST(no_readiness_but_ready_opens),
        TEST(waits_until_a_vf_is_read_again),
        TEST(waits_for_each_state),
        TEST(monitor_cannot_claim_what_is_behind_the_gate),
        TEST(loss_before_the_attach_shuts),
        TEST(loss_between_commit_and_acknowledgement_freezes),
        TEST(attach_without_an_answer_keeps_no_later_one_back),
        TEST(monitor_that_was_made_is_ordered_once),
        TEST(loss_while_running_touches_nothing),
        TEST(death_of_sr_pcim_shuts_until_judged_anew),
        TEST(death_of_sr_pcim_after_the_commit_changes_nothing),
        TEST(failed_attach_is_undone_and_tried_again),
        TEST(stop_between_commit_and_acknowledgement_stays_a_stop),
        TEST(says_which_pf_and_how_long),
        TEST(no_vfs_no_pfs_to_wait_for),
        TEST(times_are_the_sources),
    };
    return cmocka_run_group_tests_name("control-gate", tests, NULL, NULL);
}
