/* SPDX-License-Identifier: Apache-2.0 */
/* The map checked on files, and at command's request. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "rotate.h"
#include "world.h"

static void some_history(struct world *world)
{
    struct partition_config web = world_partition("web", 2, "net0", 0, NULL);
    struct partition_config db = world_partition("db", 1, "net1", 0, NULL);

    assert_int_equal(world_define(world, &web), 0);
    assert_int_equal(world_define(world, &db), 0);
    assert_int_equal(world_start(world, "web"), 0);
}

static void files_of_a_good_map_are_good(void **state)
{
    struct world *world = *state;

    some_history(world);
    assert_int_equal(check_files(world->directory), EXIT_SUCCESS);
    assert_int_equal(rotate(world->control), 0);
    assert_int_equal(check_files(world->directory), EXIT_SUCCESS);
    assert_int_equal(world_start(world, "db"), 0);
    assert_int_equal(check_files(world->directory), EXIT_SUCCESS);
    world_reboot(world);
    assert_int_equal(world_restart(world, 1), 0);
    assert_int_equal(check_files(world->directory), EXIT_SUCCESS);
}

/* An entry that gives a pCPU to a partition that is not there: whole by itself, wrong as a map. */
static void files_of_a_wrong_map_are_not(void **state)
{
    const struct owner idle = {.kind = OWNER_IDLE}, nobody = {OWNER_GUEST, {9}};
    struct world *world = *state;
    struct audit_entry *entry = calloc(1, AUDIT_ENTRY_MAX);

    some_history(world);
    audit_entry_begin(entry, AUDIT_START, AUDIT_BEGUN);
    assert_int_equal(audit_entry_add(entry, RESOURCE_PCPU, 7, 0, &idle, &nobody), 0);
    assert_int_equal(audit_log_append(world->control->log, entry), 0);
    assert_int_equal(audit_log_sync(world->control->log), 0);
    assert_int_equal(check_files(world->directory), EXIT_FAILURE);
    free(entry);
}

static void damaged_files_are_not(void **state)
{
    struct world *world = *state;
    char path[128];

    some_history(world);
    snprintf(path, sizeof(path), "%s/audit.00000000000000000001", world->directory);
    int file = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(file, "x", 1, AUDIT_SEGMENT_HEADER + 100), 1);
    close(file);
    assert_int_equal(check_files(world->directory), EXIT_FAILURE);
    assert_int_equal(check_files("/nowhere"), EXIT_FAILURE);
}

static int ask(struct world *world)
{
    const struct control_plain request = {
        .header = frame_header(CONTROL_CHECK, sizeof(request), ++world->next_id)};

    assert_int_equal(world_say(world, PROCESS_COMMAND, &request), 0);
    return world_result(world, world->next_id);
}

static void command_may_ask(void **state)
{
    struct world *world = *state;

    some_history(world);
    assert_int_equal(ask(world), 0);
    struct owner was = world->control->db->pcpus[3].owner;
    world->control->db->pcpus[3].owner = (struct owner){OWNER_GUEST, {9}};
    assert_int_equal(ask(world), -EUCLEAN);
    world->control->db->pcpus[3].owner = was;
    assert_int_equal(ask(world), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(files_of_a_good_map_are_good),
        TEST(files_of_a_wrong_map_are_not),
        TEST(damaged_files_are_not),
        TEST(command_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
