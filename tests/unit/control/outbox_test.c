/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody hears of a transaction that is not durable, everybody hears all in order, and many share
 * one fdatasync. The disk is watched: at each fdatasync the folder is copied, and a power cut puts
 * the last copy back. Linked with an outbox that does not wait, as a mutant, it must fail.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

#define FILES_MAX 8

/* ---- the disk */

struct saved {
    char name[256];
    size_t size;
    uint8_t *bytes;
};

static struct {
    int directory;
    unsigned syncs;
    int error; /* what fdatasync answers from now on */
    size_t count;
    struct saved files[FILES_MAX];
} disk;

int __real_fdatasync(int file);
int __wrap_fdatasync(int file);

static void disk_forget(void)
{
    for (size_t i = 0; i < disk.count; i++)
        free(disk.files[i].bytes);
    disk.count = 0;
}

static void save_file(const char *name)
{
    struct saved *saved = &disk.files[disk.count++];
    struct stat status = {0};
    int file = openat(disk.directory, name, O_RDONLY | O_CLOEXEC);

    assert_true(file >= 0 && disk.count <= FILES_MAX && fstat(file, &status) == 0);
    snprintf(saved->name, sizeof(saved->name), "%s", name);
    saved->size = (size_t)status.st_size;
    saved->bytes = malloc(saved->size);
    assert_int_equal(pread(file, saved->bytes, saved->size, 0), status.st_size);
    close(file);
}

static void save_all(void)
{
    DIR *folder = fdopendir(openat(disk.directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    disk_forget();
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            save_file(entry->d_name);
    closedir(folder);
}

int __wrap_fdatasync(int file)
{
    int error = disk.error ? -1 : __real_fdatasync(file);

    disk.syncs++;
    errno = disk.error;
    if (!error && disk.directory > 0)
        save_all();
    return error;
}

/* All that was not synced is lost. */
static void power_cut(struct world *world)
{
    for (size_t i = 0; i < disk.count; i++) {
        const struct saved *saved = &disk.files[i];
        int file =
            openat(world->state, saved->name, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(file, saved->bytes, saved->size), saved->size);
        close(file);
    }
    world_reboot(world);
    world->busy = false;
    assert_int_equal(world_restart(world, 1), 0);
    world_links_up(world);
    world_lead_sync(world);
}

static int setup(void **state)
{
    int error = world_setup(state);
    struct world *world = *state;
    const struct partition_config one = world_partition("one", 1, "net0", 0, NULL);
    const struct partition_config two = world_partition("two", 1, "net0", 0, NULL);

    disk.directory = world->state;
    assert_int_equal(world_define(world, &one), 0);
    assert_int_equal(world_define(world, &two), 0);
    world_forget_sent(world);
    disk.syncs = 0;
    world->busy = true;
    return error;
}

static int teardown(void **state)
{
    disk.directory = 0;
    disk.error = 0;
    disk_forget();
    return world_teardown(state);
}

/* ---- what is asked */

static uint64_t ask_start(struct world *world, const char *name)
{
    struct control_partition_start message = world_start_request(world, name);

    message.header.id = ++world->next_id;
    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    return message.header.id;
}

static uint64_t ask_define(struct world *world, const char *name, uint32_t vcpus)
{
    struct control_partition_define message = {
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(message), ++world->next_id),
        .config = world_partition(name, vcpus, NULL)};

    assert_int_equal(world_say(world, PROCESS_COMMAND, &message), 0);
    return message.header.id;
}

/* ---- tests */

static void nothing_leaves_before_the_sync(void **state)
{
    struct world *world = *state;

    uint64_t id = ask_start(world, "one");
    assert_true(world->group);
    assert_int_equal(world->sent_count, 0);
    assert_int_equal(disk.syncs, 0);
    world_settle(world);
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(world_result(world, id), 0);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    assert_non_null(world_take(world, PROCESS_TCB, TCB_ASSIGN));
    assert_non_null(world_take(world, PROCESS_SR_PCIM, PCIM_WANT));
}

static void many_share_one_sync_in_order(void **state)
{
    struct world *world = *state;
    uint64_t first = world->next_id + 1;

    for (uint32_t i = 0; i < 200; i++)
        ask_define(world, "three", 1 + i % 2);
    world_settle(world);
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(world->sent_count, 200);
    for (uint64_t i = 0; i < 200; i++) {
        const struct control_result *result = (const void *)world->sent[i].frame.bytes;
        assert_int_equal(result->header.id, first + i);
        assert_int_equal(result->error, 0);
    }
}

/* A refusal tells of what refused it. */
static void refusals_wait_too(void **state)
{
    struct world *world = *state;

    uint64_t first = ask_start(world, "one"), second = ask_start(world, "two");
    assert_int_equal(world->sent_count, 0);
    world_settle(world);
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(world_result(world, first), 0);
    assert_int_not_equal(world_result(world, second), 0);
}

static void what_changes_nothing_is_answered_at_once(void **state)
{
    struct world *world = *state;

    uint64_t id = ask_start(world, "nobody");
    assert_int_equal(world_result(world, id), -ENOENT);
    assert_int_equal(disk.syncs, 0);
}

static void power_cut_before_the_sync_and_nobody_was_told(void **state)
{
    struct world *world = *state;

    ask_define(world, "before", 1);
    world_settle(world);
    world_forget_sent(world);
    uint64_t id = ask_define(world, "three", 1);
    ask_start(world, "one");
    assert_int_equal(world->sent_count, 0);
    power_cut(world);
    assert_non_null(db_partition_named(world->control->db, "before"));
    assert_null(db_partition_named(world->control->db, "three"));
    assert_int_equal(world_named(world, "one")->run.phase, PHASE_DEFINED);
    world->next_id = id - 1;
    ask_define(world, "three", 1); /* it asks again */
    assert_int_equal(world_result(world, id), 0);
    assert_non_null(db_partition_named(world->control->db, "three"));
}

static void power_cut_after_the_sync_and_all_is_there(void **state)
{
    struct world *world = *state;

    ask_define(world, "three", 1);
    ask_define(world, "four", 2);
    world_settle(world);
    assert_int_equal(world->sent_count, 2);
    power_cut(world);
    assert_non_null(db_partition_named(world->control->db, "three"));
    assert_int_equal(world_named(world, "four")->config.vcpus, 2);
}

static void kill_before_the_sync_loses_nothing(void **state)
{
    struct world *world = *state;

    uint64_t id = ask_start(world, "one");
    assert_int_equal(world->sent_count, 0);
    world->busy = false;
    assert_int_equal(world_restart(world, 2), 0);
    assert_int_equal(world_named(world, "one")->run.phase, PHASE_STARTING);
    world_links_up(world);
    world_lead_sync(world);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    assert_non_null(world_take(world, PROCESS_TCB, TCB_ASSIGN));
    (void)id;
}

static void the_outbox_is_bounded(void **state)
{
    struct world *world = *state;
    size_t most = 0;

    for (uint32_t i = 0; i < 2 * OUTBOX_MAX + 10; i++) {
        ask_define(world, "three", 1 + i % 2);
        most = world->control->outbox.count > most ? world->control->outbox.count : most;
    }
    assert_int_equal(most, OUTBOX_MAX);
    assert_int_equal(disk.syncs, 2);
    assert_int_equal(world->sent_count, 2 * (OUTBOX_MAX + 1)); /* with the one that did not fit */
    world_settle(world);
    assert_int_equal(disk.syncs, 3);
    assert_int_equal(world->sent_count, 2 * OUTBOX_MAX + 10);
}

/* What waits for a link that is gone must not come out of the next one, which is told anew. */
static void what_waits_for_a_lost_link_is_dropped(void **state)
{
    struct world *world = *state;

    ask_start(world, "one");
    lead_down(world->control);
    lead_up(world->control);
    world_settle(world);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    assert_non_null(world_take(world, PROCESS_TCB, TCB_ASSIGN));
    world_lead_sync(world);
    assert_non_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
    assert_null(world_take(world, PROCESS_LEAD, LEAD_CREATE));
}

static void a_disk_that_fails_lets_nothing_out(void **state)
{
    struct world *world = *state;

    ask_start(world, "one");
    disk.error = EIO;
    world_settle(world);
    assert_true(world->fatal);
    assert_int_equal(world->sent_count, 0);
    world_settle(world);
    assert_int_equal(world->sent_count, 0);
}

/* An order that the gate gave, and a loss behind it in the same group: in this order. */
static void attach_and_its_undoing_go_in_order(void **state)
{
    struct world *world = *state;

    world->busy = false;
    uint64_t id = ask_start(world, "one");
    assert_int_equal(world_result(world, id), 0);
    world_to_gate(world, "one");
    world_forget_sent(world);
    world->busy = true;
    world_readiness(world, NET0, PF_READY);
    assert_int_equal(world_named(world, "one")->run.attach, ATTACH_COMMITTED);
    world_readiness(world, NET0, PF_NO_ANSWER);
    assert_null(world_take(world, PROCESS_LEAD, LEAD_ATTACH));
    world_settle(world);
    assert_int_equal(world->sent[0].frame.header.type, LEAD_ATTACH);
    assert_int_equal(world->sent[1].frame.header.type, LEAD_DETACH);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_leaves_before_the_sync),
        TEST(many_share_one_sync_in_order),
        TEST(refusals_wait_too),
        TEST(what_changes_nothing_is_answered_at_once),
        TEST(power_cut_before_the_sync_and_nobody_was_told),
        TEST(power_cut_after_the_sync_and_all_is_there),
        TEST(kill_before_the_sync_loses_nothing),
        TEST(the_outbox_is_bounded),
        TEST(what_waits_for_a_lost_link_is_dropped),
        TEST(a_disk_that_fails_lets_nothing_out),
        TEST(attach_and_its_undoing_go_in_order),
    };
    return cmocka_run_group_tests_name("control-outbox", tests, NULL, NULL);
}
