/* SPDX-License-Identifier: Apache-2.0 */
/* pCPUs that go offline and come back (R-MON-2, R-IDLE-1, R-CTL-3). pCPUs 0-3 are of node 0. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "names/pcpu_set.h"
#include "world.h"

static void run(struct world *world, const char *name, uint32_t vcpus)
{
    const struct partition_config config = world_partition(name, vcpus, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, name), 0);
    world_run(world, name);
}

static void share(struct world *world, uint32_t pcpus)
{
    struct host_config host = world_host();

    host.shared_pcpus = pcpus;
    assert_int_equal(world_host_set(world, &host), 0);
}

static uint32_t owner(struct world *world, uint32_t pcpu)
{
    return db_pcpu(world->control->db, pcpu)->owner.kind;
}

static uint32_t pcpu_of(struct world *world, const char *name, uint32_t vcpu)
{
    return world_named(world, name)->run.pcpus[vcpu];
}

/* The order for other pCPUs, with its descriptor; its id. */
static uint64_t ordered(struct world *world, struct partition_descriptor *descriptor)
{
    struct frame *frame = world_take_frame(world, PROCESS_LEAD, LEAD_PROCESSORS);
    const struct lead_order *order;

    assert_non_null(frame);
    order = (const void *)frame->bytes;
    int file = frame_take(frame, 0);
    assert_int_equal(pread(file, descriptor, sizeof(*descriptor), 0), sizeof(*descriptor));
    close(file);
    assert_int_equal(descriptor->generation, order->transaction);
    return order->header.id;
}

static void assert_not_ordered(struct world *world)
{
    assert_null(world_take(world, PROCESS_LEAD, LEAD_PROCESSORS));
}

static const char *shared_of(const struct partition_descriptor *descriptor)
{
    static char text[PCPU_SET_TEXT_MAX];
    return pcpu_set_text(&descriptor->shared_pcpus, text);
}

static void an_idle_one_of_its_node_takes_its_place(void **state)
{
    struct world *world = *state;
    struct partition_descriptor descriptor;

    run(world, "web", 2);
    world_online(world, "0-1,3-7");
    assert_int_equal(owner(world, 2), OWNER_OFFLINE);
    assert_int_equal(owner(world, 3), OWNER_GUEST);
    assert_int_equal(pcpu_of(world, "web", 0), 1);
    assert_int_equal(pcpu_of(world, "web", 1), 3);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RUNNING);
    uint64_t id = ordered(world, &descriptor);
    assert_int_equal(descriptor.vcpus[0].pcpu, 1);
    assert_int_equal(descriptor.vcpus[1].pcpu, 3);
    assert_string_equal(shared_of(&descriptor), "");
    world_lead_result(world, "web", id, 0);
    world_wait(world, 10 * SECOND);
    assert_not_ordered(world);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_DETACH));
    world_check(world);
}

static void else_one_of_another_node(void **state)
{
    struct world *world = *state;

    run(world, "web", 3);
    world_online(world, "0-2,4-7");
    assert_int_equal(pcpu_of(world, "web", 2), 4);
    world_check(world);
}

static void said_again_changes_nothing(void **state)
{
    struct world *world = *state;

    run(world, "web", 2);
    world_online(world, "0-1,3-7");
    uint64_t next = audit_log_next(world->control->log);
    world_online(world, "0-1,3-7");
    assert_int_equal(audit_log_next(world->control->log), next);
}

static void without_an_idle_one_it_runs_beside_the_host(void **state)
{
    struct world *world = *state;
    struct partition_descriptor descriptor;

    run(world, "web", 7);
    world_online(world, "0-4,6-7");
    assert_int_equal(owner(world, 5), OWNER_OFFLINE);
    assert_int_equal(pcpu_of(world, "web", 4), PCPU_NONE);
    world_lead_result(world, "web", ordered(world, &descriptor), 0);
    assert_int_equal(descriptor.vcpus[4].pcpu, DESCRIPTOR_SHARED);
    assert_int_equal(descriptor.vcpus[5].pcpu, 6);
    assert_string_equal(shared_of(&descriptor), "0");
    world_check(world);
    world_online(world, "0-7");
    assert_int_equal(owner(world, 5), OWNER_GUEST);
    assert_int_equal(pcpu_of(world, "web", 4), 5);
    ordered(world, &descriptor);
    assert_int_equal(descriptor.vcpus[4].pcpu, 5);
    assert_string_equal(shared_of(&descriptor), "");
    world_check(world);
}

static void another_ones_end_mends_it(void **state)
{
    struct world *world = *state;
    struct partition_descriptor descriptor;

    run(world, "web", 6);
    run(world, "db", 1);
    world_online(world, "0,2-7");
    world_lead_result(world, "web", ordered(world, &descriptor), 0);
    assert_int_equal(pcpu_of(world, "web", 0), PCPU_NONE);
    world_monitor_gone(world, "db", EXIT_POWER_OFF);
    assert_int_equal(pcpu_of(world, "web", 0), 7);
    world_lead_result(world, "web", ordered(world, &descriptor), 0);
    assert_int_equal(descriptor.vcpus[0].pcpu, 7);
    world_online(world, "0-7");
    assert_int_equal(owner(world, 1), OWNER_IDLE);
    assert_not_ordered(world);
    world_check(world);
}

static void host_configuration_mends_it(void **state)
{
    struct world *world = *state;
    struct host_config host = world_host();

    share(world, 1);
    run(world, "web", 6);
    world_online(world, "0-6");
    assert_int_equal(pcpu_of(world, "web", 5), PCPU_NONE);
    assert_int_equal(world_host_set(world, &host), 0);
    assert_int_equal(pcpu_of(world, "web", 5), 1);
    world_check(world);
}

/* What lost its pCPU while it was ending, or between two lives. */
static void a_reboot_mends_it(void **state)
{
    struct world *world = *state;

    run(world, "web", 1);
    assert_int_equal(world_console(world, "web", 50), 0);
    world_monitor_gone(world, "web", EXIT_REBOOT);
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_RELEASING);
    world_online(world, "0,2-7");
    assert_int_equal(pcpu_of(world, "web", 0), PCPU_NONE);
    world_channel(world, CONTROL_CHANNEL_DETACHED, "web");
    assert_int_equal(world_named(world, "web")->run.phase, PHASE_STARTING);
    assert_int_equal(pcpu_of(world, "web", 0), 2);
    world_check(world);
}

static void an_end_leaves_the_offline_one_offline(void **state)
{
    struct world *world = *state;

    run(world, "web", 7);
    world_online(world, "0-6");
    assert_int_equal(world_stop(world, "web", true, 0), 0);
    world_monitor_gone(world, "web", EXIT_STOPPED);
    assert_int_equal(owner(world, 7), OWNER_OFFLINE);
    assert_int_equal(owner(world, 6), OWNER_IDLE);
    world_check(world);
}

static void an_offline_one_is_nobodys(void **state)
{
    struct world *world = *state;
    const struct partition_config config = world_partition("web", 1, NULL);
    struct control_partition_start request;

    world_online(world, "0-2,4-7");
    assert_int_equal(owner(world, 3), OWNER_OFFLINE);
    assert_int_equal(world_define(world, &config), 0);
    request = world_start_request(world, "web");
    request.header.id = 900;
    request.pcpus[0] = 3;
    assert_int_equal(world_say(world, PROCESS_COMMAND, &request), 0);
    assert_true(world_result(world, 900) < 0);
    assert_non_null(strstr(world_result_text, "offline"));
    world_online(world, "0-7");
    assert_int_equal(owner(world, 3), OWNER_IDLE);
}

static void shared_ones_are_what_is_left_of_them(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 1, NULL);
    struct partition_descriptor descriptor;

    share(world, 2);
    config.weight = 100;
    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, "web"), 0);
    world_run(world, "web");
    world_online(world, "0,2-7");
    assert_int_equal(owner(world, 1), OWNER_OFFLINE);
    world_lead_result(world, "web", ordered(world, &descriptor), 0);
    assert_string_equal(shared_of(&descriptor), "2");
    world_online(world, "0,3-7");
    world_lead_result(world, "web", ordered(world, &descriptor), 0);
    assert_string_equal(shared_of(&descriptor), "0");
    world_online(world, "0-7");
    world_lead_result(world, "web", ordered(world, &descriptor), 0);
    assert_string_equal(shared_of(&descriptor), "1-2");
    assert_int_equal(owner(world, 1), OWNER_SHARED);
    world_check(world);
}

static void more_vcpus_than_shared_ones_are_online_wait(void **state)
{
    struct world *world = *state;
    struct partition_config config = world_partition("web", 2, NULL);

    share(world, 2);
    config.weight = 100;
    assert_int_equal(world_define(world, &config), 0);
    world_online(world, "0-1,3-7");
    assert_int_equal(world_start(world, "web"), -EBUSY);
    world_online(world, "0-7");
    assert_int_equal(world_start(world, "web"), 0);
}

static void cpusets_that_could_not_be_written_are_tried_again(void **state)
{
    struct world *world = *state;
    struct partition_descriptor descriptor;

    run(world, "web", 2);
    world_online(world, "0-1,3-7");
    world_lead_result(world, "web", ordered(world, &descriptor), -EINVAL);
    assert_not_ordered(world);
    world_wait(world, 2 * SECOND);
    world_lead_result(world, "web", ordered(world, &descriptor), 0);
    world_wait(world, 2 * SECOND);
    assert_not_ordered(world);
}

/* The answer to the first is not taken for one to the second. */
static void two_in_a_row_are_two_orders(void **state)
{
    struct world *world = *state;
    struct partition_descriptor descriptor;

    run(world, "web", 2);
    world_online(world, "0,2-7");
    uint64_t first = ordered(world, &descriptor);
    world_online(world, "0,3-7");
    uint64_t second = ordered(world, &descriptor);
    assert_true(first != second);
    assert_int_equal(descriptor.vcpus[0].pcpu, 3);
    assert_int_equal(descriptor.vcpus[1].pcpu, 4);
    world_lead_result(world, "web", first, 0);
    world_lead_result(world, "web", second, -EINVAL);
    world_wait(world, 2 * SECOND);
    ordered(world, &descriptor);
    world_check(world);
}

static void nothing_online_is_no_word(void **state)
{
    struct world *world = *state;
    const struct lead_online message = {.header = frame_header(LEAD_ONLINE, sizeof(message), 0)};

    assert_int_equal(world_say(world, PROCESS_LEAD, &message), -EBADMSG);
    assert_int_equal(owner(world, 0), OWNER_BOOT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_one_of_its_node_takes_its_place),
        TEST(else_one_of_another_node),
        TEST(said_again_changes_nothing),
        TEST(without_an_idle_one_it_runs_beside_the_host),
        TEST(another_ones_end_mends_it),
        TEST(host_configuration_mends_it),
        TEST(a_reboot_mends_it),
        TEST(an_end_leaves_the_offline_one_offline),
        TEST(an_offline_one_is_nobodys),
        TEST(shared_ones_are_what_is_left_of_them),
        TEST(more_vcpus_than_shared_ones_are_online_wait),
        TEST(cpusets_that_could_not_be_written_are_tried_again),
        TEST(two_in_a_row_are_two_orders),
        TEST(nothing_online_is_no_word),
    };
    return cmocka_run_group_tests_name("control-processors", tests, NULL, NULL);
}
