/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of several clients: asked again they are answered alike and do nothing, however many
 * answers were lost; made from an old snapshot they are refused with what changed, if it matters.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "since.h"
#include "world.h"

static void define(struct world *world, struct partition_config config)
{
    if (world_define(world, &config))
        fail_msg("%s", world_result_text);
}

/* Says a request and takes its answer. */
static struct control_result answer(struct world *world, const void *request)
{
    world_forget_sent(world);
    assert_int_equal(world_say(world, PROCESS_COMMAND, request), 0);
    const struct control_result *result = world_take(world, PROCESS_COMMAND, CONTROL_RESULT);
    assert_non_null(result);
    assert_int_equal(result->header.id, ((const struct wire_header *)request)->id);
    return *result;
}

/* ---- asked again */

/* Right away, after control's death, and after command's (which is a new link). */
static void is_answered_alike(struct world *world, const void *request)
{
    const struct control_result first = answer(world, request);
    uint64_t next = audit_log_next(world->control->log);

    assert_int_equal(first.error, 0);
    assert_int_equal(first.transaction, next - 1);
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            assert_int_equal(world_restart(world, 2), 0);
            world_links_up(world);
        }
        if (i == 2) {
            command_down(world->control);
            command_up(world->control);
        }
        const struct control_result again = answer(world, request);
        assert_int_equal(again.error, 0);
        assert_int_equal(again.transaction, first.transaction);
        assert_int_equal(audit_log_next(world->control->log), next);
    }
    world_lead_sync(world);
}

#define HEADER(type, message, id) .header = frame_header(type, sizeof(struct message), id)

static void every_kind_is_done_once(void **state)
{
    struct world *world = *state;
    struct control_host_set host = {HEADER(CONTROL_HOST_SET, control_host_set, 1001),
                                    .host = world_host()};
    const struct control_partition_define definition = {
        HEADER(CONTROL_PARTITION_DEFINE, control_partition_define, 1002),
        .config = world_partition("web", 1, "net0", 0, NULL)};
    const struct control_partition_stop stop = {
        HEADER(CONTROL_PARTITION_STOP, control_partition_stop, 1004), .name = "web", .force = 1};
    const struct control_partition_name undefine = {
        HEADER(CONTROL_PARTITION_UNDEFINE, control_partition_name, 1005), .name = "web"};
    const struct control_plain down = {HEADER(CONTROL_SHUTDOWN, control_plain, 1006)};

    host.host.watchdog_ms++;
    is_answered_alike(world, &host);
    is_answered_alike(world, &definition);
    struct control_partition_start start = world_start_request(world, "web");
    start.header.id = 1003;
    is_answered_alike(world, &start);
    world_monitor(world, "web", OWN_STATES, true);
    is_answered_alike(world, &stop);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_DEFINED);
    is_answered_alike(world, &undefine);
    is_answered_alike(world, &down);
}

/* A client that asks for its start again has a new selection made. */
static void start_with_another_selection_is_the_same(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    struct control_partition_start start = world_start_request(world, "web");
    start.header.id = 77;
    const struct control_result first = answer(world, &start);
    start.generation += 5;
    start.pcpus[0]++;
    start.memory_node = 1;
    const struct control_result again = answer(world, &start);
    assert_int_equal(again.error, 0);
    assert_int_equal(again.transaction, first.transaction);
    assert_int_equal(world_named(world, "web")->run.pcpus[0], 1);
}

static void same_id_of_another_is_another_request(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    struct control_partition_start start = world_start_request(world, "web");
    start.header.id = 77;
    assert_int_equal(answer(world, &start).error, 0);
    start.requester.pid = 4711;
    assert_int_equal(answer(world, &start).error, -EALREADY);
}

static struct control_partition_define numbered(uint64_t id)
{
    return (struct control_partition_define){
        HEADER(CONTROL_PARTITION_DEFINE, control_partition_define, id),
        .config = world_partition("web", 1 + (uint32_t)id % 2, NULL)};
}

/* The most that a link can lose: all that command may have unanswered. */
static void no_answer_of_a_link_is_lost(void **state)
{
    struct world *world = *state;
    uint64_t transactions[CONTROL_UNANSWERED_MAX];

    for (uint64_t i = 0; i < CONTROL_REQUESTS_MAX; i++) { /* the ring is full of others */
        const struct control_partition_define other = numbered(100000 + i);
        answer(world, &other);
    }
    for (uint64_t i = 0; i < CONTROL_UNANSWERED_MAX; i++) {
        const struct control_partition_define request = numbered(1000 + i);
        transactions[i] = answer(world, &request).transaction;
        assert_true(transactions[i] > 0);
    }
    uint64_t next = audit_log_next(world->control->log);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    for (uint64_t i = 0; i < CONTROL_UNANSWERED_MAX; i++) {
        const struct control_partition_define request = numbered(1000 + i);
        assert_int_equal(answer(world, &request).transaction, transactions[i]);
    }
    assert_int_equal(audit_log_next(world->control->log), next);
}

/* ---- stale */

static struct control_partition_start selected(struct world *world, const char *name, uint64_t id,
                                               uint32_t pcpu)
{
    struct control_partition_start start = world_start_request(world, name);

    start.header.id = id;
    start.pcpus[0] = pcpu;
    return start;
}

static void assert_refused(struct world *world, const struct control_partition_start *start,
                           int error, const char *text)
{
    uint64_t next = audit_log_next(world->control->log);
    const struct control_result result = answer(world, start);

    assert_string_equal(result.text, text);
    assert_int_equal(result.error, error);
    assert_int_equal(audit_log_next(world->control->log), next);
}

/* Two clients select the same pCPU from one snapshot; a third another one. */
static void the_second_is_told_what_changed(void **state)
{
    struct world *world = *state;
    char text[PARCLOSE_REASON_MAX];

    define(world, world_partition("web", 1, NULL));
    define(world, world_partition("db", 1, NULL));
    define(world, world_partition("mail", 1, NULL));
    control_idle(world->control);
    struct control_partition_start web = selected(world, "web", 901, 3);
    const struct control_partition_start db = selected(world, "db", 902, 3);
    const struct control_partition_start mail = selected(world, "mail", 903, 5);
    const struct control_result taken = answer(world, &db);
    assert_int_equal(taken.error, 0);
    snprintf(text, sizeof(text),
             "pCPU 3 now belongs to partition db since transaction %llu: select again",
             (unsigned long long)taken.transaction);
    assert_refused(world, &web, -ESTALE, text);
    assert_int_equal(answer(world, &mail).error, 0); /* what it depends on is as it was */
    control_idle(world->control);
    assert_refused(world, &web, -ESTALE, text); /* the request is as old as before */
    web.generation = world->control->snapshot_generation;
    assert_refused(world, &web, -EBUSY,
                   "pCPU 3 belongs to partition db: stop another partition or ask for fewer vCPUs");
    web.pcpus[0] = 4;
    assert_int_equal(answer(world, &web).error, 0);
}

static void memory_that_went_is_told(void **state)
{
    struct world *world = *state;
    struct partition_config big = world_partition("big", 1, NULL);
    char text[PARCLOSE_REASON_MAX];

    big.memory_mib = 2816; /* of the 3072 of node 0 */
    define(world, big);
    define(world, world_partition("web", 1, NULL));
    control_idle(world->control);
    struct control_partition_start start = selected(world, "big", 901, 3);
    const struct control_partition_start web = selected(world, "web", 902, 5);
    const struct control_result taken = answer(world, &web);
    assert_int_equal(taken.error, 0);
    snprintf(text, sizeof(text),
             "node 0 has only 2560 MiB available since transaction %llu: select again",
             (unsigned long long)taken.transaction);
    assert_refused(world, &start, -ESTALE, text);
    control_idle(world->control);
    start.generation = world->control->snapshot_generation;
    assert_refused(world, &start, -ENOMEM,
                   "node 0 has 2560 MiB available, 2816 are needed: stop another partition or ask "
                   "for less");
    start.memory_node = 1;
    assert_int_equal(answer(world, &start).error, 0);
}

static void definition_that_changed_is_told(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, NULL);

    define(world, config);
    control_idle(world->control);
    struct control_partition_start start = selected(world, "web", 901, 3);
    config.memory_mib = 1024;
    define(world, config);
    assert_refused(world, &start, -ESTALE,
                   "partition web was defined anew in transaction 3: select again");
    control_idle(world->control);
    start.generation = world->control->snapshot_generation;
    assert_int_equal(answer(world, &start).error, 0);
}

/* Of another control nothing is known: what is taken is stale, what is free is right. */
static void snapshot_of_a_dead_control_is_old(void **state)
{
    struct world *world = *state;

    define(world, world_partition("web", 1, NULL));
    define(world, world_partition("db", 1, NULL));
    control_idle(world->control);
    const struct control_partition_start web = selected(world, "web", 901, 3);
    const struct control_partition_start db = selected(world, "db", 902, 3);
    assert_int_equal(answer(world, &db).error, 0);
    assert_int_equal(world_restart(world, 2), 0);
    world_links_up(world);
    assert_refused(world, &web, -ESTALE,
                   "pCPU 3 now belongs to partition db since transaction 4: select again");
    const struct control_partition_start other = selected(world, "web", 903, 4);
    assert_int_equal(answer(world, &other).error, 0);
}

/* Snapshots that were published too long ago are as good as unknown. */
static void old_snapshots_are_forgotten(void **state)
{
    struct world *world = *state;

    control_idle(world->control);
    uint64_t generation = world->control->snapshot_generation;
    assert_true(since_known(world->control, generation));
    assert_false(since_stale(world->control, generation, 1));
    command_down(world->control); /* nothing is published to nobody */
    world_propose(world, ACTION_PF_LINK_UP, NET0, 0, 0);
    control_idle(world->control);
    assert_true(since_stale(world->control, generation, 2));
    command_up(world->control);
    for (int i = 0; i < SINCE_SNAPSHOTS; i++)
        control_idle(world->control);
    assert_false(since_known(world->control, generation));
    assert_true(since_stale(world->control, generation, 1));
    assert_false(since_known(world->control, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_is_done_once),
        TEST(start_with_another_selection_is_the_same),
        TEST(same_id_of_another_is_another_request),
        TEST(no_answer_of_a_link_is_lost),
        TEST(the_second_is_told_what_changed),
        TEST(memory_that_went_is_told),
        TEST(definition_that_changed_is_told),
        TEST(snapshot_of_a_dead_control_is_old),
        TEST(old_snapshots_are_forgotten),
    };
    return cmocka_run_group_tests_name("control-request", tests, NULL, NULL);
}
