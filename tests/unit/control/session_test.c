/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions (session.h): control only finds the way, and writes down who took it. */
#include "world.h"

#include <errno.h>
#include <string.h>

#include "drive.h"

static void start(struct world *world)
{
    const struct partition_config config = world_partition("web", 1, NULL, 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_monitor(world, "web", OWN_STATES, true);
}

static void a_dump_and_a_debugger_are_in_the_log(void **state)
{
    struct world *world = *state;

    start(world);
    for (uint32_t kind = SESSION_DUMP; kind <= SESSION_DEBUG; kind++) {
        uint64_t before = audit_log_next(world->control->log);
        assert_int_equal(world_session(world, "web", kind, 50 + kind), 0);
        assert_int_equal(audit_log_next(world->control->log), before + 1);
        assert_int_equal(world->control->entry->kind, AUDIT_SESSION);
        assert_int_equal(world->control->entry->who.uid, 0);
        assert_string_equal(world->control->entry->who.reason, "to look");
        assert_string_equal(world->control->entry->text, kind == SESSION_DUMP
                                                             ? "dump of partition web"
                                                             : "debugger of partition web");
    }
    world_check(world);
}

static void counts_alone_are_not(void **state)
{
    struct world *world = *state;

    start(world);
    uint64_t before = audit_log_next(world->control->log);
    assert_int_equal(world_session(world, "web", SESSION_LOOK, 50), 0);
    assert_int_equal(audit_log_next(world->control->log), before);
}

static int ask_as(struct world *world, uint32_t uid, const char *name, uint32_t kind, uint64_t id)
{
    struct control_session request = {.header =
                                          frame_header(CONTROL_SESSION_OPEN, sizeof(request), id),
                                      .requester.uid = uid,
                                      .kind = kind};

    strcpy(request.name, name);
    return world_say(world, PROCESS_COMMAND, &request);
}

static int ask(struct world *world, const char *name, uint32_t kind, uint64_t id)
{
    return ask_as(world, 0, name, kind, id);
}

/* The group parclose may start and stop a guest, and read its counts; not its memory. */
static void only_root_looks_into_a_guest(void **state)
{
    struct world *world = *state;

    start(world);
    for (uint32_t kind = SESSION_DUMP; kind <= SESSION_DEBUG; kind++) {
        uint64_t before = audit_log_next(world->control->log);
        assert_int_equal(ask_as(world, 1000, "web", kind, 50 + kind), 0);
        assert_null(world_take(world, PROCESS_LEAD, LEAD_SESSION));
        assert_int_equal(world_result(world, 50 + kind), -EPERM);
        assert_int_equal(audit_log_next(world->control->log), before);
    }
    world_check(world);
}

static void without_a_monitor_there_is_none(void **state)
{
    struct world *world = *state;

    const struct partition_config config = world_partition("web", 1, NULL, 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(ask(world, "web", SESSION_DEBUG, 50), 0);
    assert_int_equal(world_result(world, 50), -ESRCH);
    assert_int_equal(ask(world, "nobody", SESSION_DEBUG, 51), 0);
    assert_int_equal(world_result(world, 51), -ENOENT);
}

/* Asked for while its monitor ended: refused, and nothing is in the log. */
static void one_that_comes_too_late_is_not_handed_out(void **state)
{
    struct world *world = *state;

    start(world);
    assert_int_equal(ask(world, "web", SESSION_DUMP, 50), 0);
    const struct lead_session *order = world_take(world, PROCESS_LEAD, LEAD_SESSION);
    assert_non_null(order);
    uint64_t id = order->header.id;
    world_monitor_gone(world, "web", EXIT_POWER_OFF);
    world_lead_session(world, "web", id);
    assert_int_equal(world_result(world, 50), -ESRCH);
    assert_int_not_equal(world->control->entry->kind, AUDIT_SESSION);
    world_check(world);
}

/* Lead restarts: who waits is told. */
static void lead_that_dies_is_no_end_of_waiting(void **state)
{
    struct world *world = *state;

    start(world);
    assert_int_equal(ask(world, "web", SESSION_DUMP, 50), 0);
    lead_down(world->control);
    world_settle(world);
    assert_int_equal(world_result(world, 50), -EAGAIN);
}

static void a_kind_that_is_none_ends_the_link(void **state)
{
    struct world *world = *state;

    start(world);
    assert_int_equal(ask(world, "web", SESSION_NONE, 50), -EBADMSG);
    assert_int_equal(ask(world, "web", SESSION_KINDS, 50), -EBADMSG);
    assert_int_equal(ask(world, "web", SESSION_LOOK, 0), -EBADMSG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_dump_and_a_debugger_are_in_the_log), TEST(counts_alone_are_not),
        TEST(without_a_monitor_there_is_none),      TEST(one_that_comes_too_late_is_not_handed_out),
        TEST(only_root_looks_into_a_guest),         TEST(lead_that_dies_is_no_end_of_waiting),
        TEST(a_kind_that_is_none_ends_the_link),
    };

    return cmocka_run_group_tests_name("control-session", tests, NULL, NULL);
}
