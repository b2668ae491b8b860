/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels: the map knows who has a console attached, over restarts of control and of command; and
 * what a partition had is nobody else's before its console is let go of.
 */
#include <errno.h>
#include <string.h>

#include "rotate.h"
#include "world.h"

static const struct channel_image *console_of(struct world *world, const char *name)
{
    return &world_named(world, name)->console;
}

static void sync_command(struct world *world)
{
    const struct control_channel_sync message = {
        .header = frame_header(CONTROL_CHANNEL_SYNC, sizeof(message), 0)};
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
}

static void start(struct world *world, const char *name)
{
    const struct partition_config config = world_partition(name, 1, NULL, 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, name), 0);
    world_monitor(world, name, OWN_STATES, true);
}

static void a_channel_has_an_owner_and_a_server(void **state)
{
    struct world *world = *state;

    start(world, "web");
    assert_true(
        owner_equal(console_of(world, "web")->owner, owner_guest(world_named(world, "web")->id)));
    assert_int_equal(console_of(world, "web")->server, PROCESS_COMMAND);
    assert_int_equal(console_of(world, "web")->attached, 0);
    assert_int_equal(world_console(world, "web", 50), 0);
    assert_int_equal(console_of(world, "web")->attached, 1);
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web");
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web"); /* one too many */
    assert_int_equal(console_of(world, "web")->attached, 0);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    assert_int_equal(console_of(world, "web")->owner.kind, OWNER_AVAILABLE);
    world_check(world);
}

static void memory_stays_until_the_server_has_let_go(void **state)
{
    struct world *world = *state;
    struct owner guest;

    start(world, "web");
    guest = owner_guest(world_named(world, "web")->id);
    assert_int_equal(world_console(world, "web", 50), 0);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    assert_true(db_memory_of(world->control->db, UINT32_MAX, guest) > 0);
    world_check(world);
    world_monitor_gone(world, "web", EXIT_POWER_OFF); /* said again */
    assert_int_equal(world_start(world, "web"), -EALREADY);
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web");
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    assert_int_equal(world_named(world, "web")->run.exit, EXIT_POWER_OFF);
    assert_int_equal(db_memory_of(world->control->db, UINT32_MAX, guest), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_check(world);
}

/* A failure is one after the wait, too. */
static void a_monitor_that_died_is_still_a_failure(void **state)
{
    struct world *world = *state;

    start(world, "web");
    assert_int_equal(world_console(world, "web", 50), 0);
    world_monitor_gone(world, "web", EXIT_MONITOR_DIED);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web");
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_FAILED);
    assert_int_equal(world_named(world, "web")->run.exit, EXIT_MONITOR_DIED);
}

/* Control's links as after a restart of it, but for command's word. */
static void links_up(struct world *world)
{
    const struct tcb_sync sync = {.header = frame_header(TCB_SYNC, sizeof(sync), 0)};

    tcb_up(world->control);
    pcim_up(world->control);
    lead_up(world->control);
    command_up(world->control);
    assert_int_equal(world_say(world, PROCESS_TCB, &sync), 0);
}

static void a_new_control_believes_its_log_until_command_speaks(void **state)
{
    struct world *world = *state;

    start(world, "web");
    start(world, "mail");
    assert_int_equal(world_console(world, "web", 50), 0);
    assert_int_equal(world_console(world, "mail", 51), 0);
    assert_int_equal(world_restart(world, 2), 0);
    links_up(world);
    world_monitor(world, "web", OWN_STATES, true);
    world_lead_sync(world); /* mail's monitor ended meanwhile */
    assert_int_equal(console_of(world, "web")->attached, 1);
    assert_int_equal(world_named(world, "mail")->run.phase, PHASE_RELEASING);
    world_check(world);
    world_channel(world, CONTROL_CHANNEL_HELD, "web");
    assert_int_equal(world_named(world, "mail")->run.phase, PHASE_RELEASING);
    sync_command(world);
    assert_int_equal(console_of(world, "web")->attached, 1);
    assert_false(partition_started(world_named(world, "mail")));
    world_check(world);
}

static void a_new_command_holds_nothing(void **state)
{
    struct world *world = *state;

    start(world, "web");
    assert_int_equal(world_console(world, "web", 50), 0);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    command_down(world->control);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    command_up(world->control);
    sync_command(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
}

/* It waits through a restart of control, and a rotation of its log. */
static void a_release_that_waits_survives_control(void **state)
{
    struct world *world = *state;

    start(world, "web");
    assert_int_equal(world_console(world, "web", 50), 0);
    world_monitor_gone(world, "web", EXIT_PANIC);
    assert_int_equal(rotate(world->control), 0);
    assert_int_equal(world_restart(world, 2), 0);
    links_up(world);
    world_lead_sync(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    world_channel(world, CONTROL_CHANNEL_HELD, "web");
    sync_command(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web");
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_FAILED);
    assert_int_equal(world_named(world, "web")->run.exit, EXIT_PANIC);
    world_check(world);
}

/* Lead's word of a monitor that is gone, some of whose channels servers still have. */
static void gone_but(struct world *world, const char *name, enum exit_reason exit,
                     uint32_t attached)
{
    const struct lead_monitor message = {.header = frame_header(LEAD_MONITOR, sizeof(message), 0),
                                         .partition = world_named(world, name)->id,
                                         .exit = exit,
                                         .attached = attached};
    assert_int_equal(world_say(world, PROCESS_LEAD, &message), 0);
}

static void memory_stays_until_the_last_server_has_let_go(void **state)
{
    struct world *world = *state;
    struct owner guest;

    start(world, "web");
    guest = owner_guest(world_named(world, "web")->id);
    assert_int_equal(world_console(world, "web", 50), 0);
    gone_but(world, "web", EXIT_POWER_OFF, 5);
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web");
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    gone_but(world, "web", EXIT_POWER_OFF, 4);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    assert_true(db_memory_of(world->control->db, UINT32_MAX, guest) > 0);
    assert_int_equal(world_start(world, "web"), -EALREADY);
    world_check(world);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    assert_int_equal(db_memory_of(world->control->db, UINT32_MAX, guest), 0);
    world_check(world);
}

/* The console's server may be the last one. */
static void servers_let_go_in_any_order(void **state)
{
    struct world *world = *state;

    start(world, "web");
    assert_int_equal(world_console(world, "web", 50), 0);
    gone_but(world, "web", EXIT_PANIC, 1);
    world_monitor_gone(world, "web", EXIT_PANIC);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web");
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_FAILED);
}

/* Who has a channel is lead's to say: nothing is released before it has. */
static void a_new_control_waits_for_leads_word(void **state)
{
    struct world *world = *state;

    start(world, "web");
    start(world, "mail");
    gone_but(world, "web", EXIT_POWER_OFF, 1);
    gone_but(world, "mail", EXIT_POWER_OFF, 1);
    assert_int_equal(world_restart(world, 2), 0);
    links_up(world);
    sync_command(world);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    gone_but(world, "web", EXIT_POWER_OFF, 1);
    world_lead_sync(world); /* mail's let go meanwhile */
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    assert_int_equal(world_named(world, "mail")->run.phase, PHASE_DEFINED);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    world_check(world);
}

/* A guest that reboots gets its new monitor when the last one's memory is nobody else's. */
static void a_reboot_waits_as_well(void **state)
{
    struct world *world = *state;

    start(world, "web");
    gone_but(world, "web", EXIT_REBOOT, 1);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    world_monitor_gone(world, "web", EXIT_REBOOT);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_STARTING);
}

/* Nothing that holds the attach leaves before it is in the log. */
static void the_log_says_who_looked(void **state)
{
    struct world *world = *state;
    uint64_t before;

    start(world, "web");
    before = audit_log_next(world->control->log);
    assert_int_equal(world_console(world, "web", 50), 0);
    assert_int_equal(audit_log_next(world->control->log), before + 1);
    assert_int_equal(world->control->entry->kind, AUDIT_CHANNEL);
    assert_int_equal(world->control->entry->who.uid, 1000);
    assert_int_equal(world->control->entry->who.pid, 77);
}

/* Asked for while its monitor ended: refused, and not attached. */
static void a_console_that_comes_too_late_is_not_handed_out(void **state)
{
    struct world *world = *state;
    struct control_partition_name request = {
        .header = frame_header(CONTROL_CONSOLE_OPEN, sizeof(request), 50), .name = "web"};

    start(world, "web");
    assert_int_equal(world_say(world, PROCESS_COMMAND, &request), 0);
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    world_lead_console(world, "web");
    assert_int_equal(world_result(world, 50), -ESRCH);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    world_check(world);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_channel_has_an_owner_and_a_server),
        TEST(memory_stays_until_the_server_has_let_go),
        TEST(a_monitor_that_died_is_still_a_failure),
        TEST(a_new_control_believes_its_log_until_command_speaks),
        TEST(a_new_command_holds_nothing),
        TEST(a_release_that_waits_survives_control),
        TEST(memory_stays_until_the_last_server_has_let_go),
        TEST(servers_let_go_in_any_order),
        TEST(a_new_control_waits_for_leads_word),
        TEST(a_reboot_waits_as_well),
        TEST(the_log_says_who_looked),
        TEST(a_console_that_comes_too_late_is_not_handed_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
