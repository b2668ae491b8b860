/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monitor's view of its partition (R-MON-5): a sealed file that nobody can change by any means,
 * another one for each generation, and none of another partition's within reach of its user.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* The file that goes to a partition's monitor with CREATE; the caller's. */
static int view_of(struct world *world, const char *name, const char *card)
{
    const struct partition_config config = world_partition(name, 1, card, 0, NULL);

    assert_int_equal(world_define(world, &config), 0);
    assert_int_equal(world_start(world, name), 0);
    struct frame *frame = world_take_frame(world, PROCESS_LEAD, LEAD_CREATE);
    assert_non_null(frame);
    return frame_take(frame, 0);
}

static struct partition_descriptor read_view(int file)
{
    struct partition_descriptor descriptor = {0};

    assert_int_equal(pread(file, &descriptor, sizeof(descriptor), 0), sizeof(descriptor));
    return descriptor;
}

static void assert_unwritable(int file)
{
    const size_t size = sizeof(struct partition_descriptor);
    char byte = 'x';

    assert_int_equal(pwrite(file, &byte, 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(pwrite(file, &byte, 1, (off_t)size), -1);
    assert_int_equal(ftruncate(file, 0), -1);
    assert_int_equal(ftruncate(file, (off_t)size * 2), -1);
    assert_int_equal(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    assert_ptr_equal(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), MAP_FAILED);
    assert_int_equal(fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
    assert_int_equal(fcntl(file, F_GET_SEALS),
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/* A map for reading cannot become one for writing. */
static void assert_map_stays_read_only(int file)
{
    const size_t size = sizeof(struct partition_descriptor);
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);

    if (map == MAP_FAILED)
        return; /* kernels before 6.7 refuse even this of a sealed file */
    assert_int_equal(mprotect(map, size, PROT_READ | PROT_WRITE), -1);
    munmap(map, size);
}

/* Nor by opening it anew, nor in a private map: that changes a copy. */
static void nobody_can_change_a_view(void **state)
{
    struct world *world = *state;
    int file = view_of(world, "web", "net0"), again;
    const struct partition_descriptor before = read_view(file);
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    again = open(path, O_RDWR | O_CLOEXEC);
    assert_unwritable(file);
    assert_map_stays_read_only(file);
    if (again >= 0) {
        assert_unwritable(again);
        close(again);
    }
    struct partition_descriptor *map =
        mmap(NULL, sizeof(before), PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    map->generation = 4711;
    munmap(map, sizeof(before));
    const struct partition_descriptor after = read_view(file);
    assert_memory_equal(&before, &after, sizeof(before));
    close(file);
}

/* A view tells of its own partition; a change makes another file, and the old one stays. */
static void each_generation_is_a_file_of_its_own(void **state)
{
    struct world *world = *state;
    int one = view_of(world, "one", "net0"), two = view_of(world, "two", "net1");
    const struct partition_descriptor first = read_view(one), second = read_view(two);
    struct stat a, b;

    assert_string_equal(first.name, "one");
    assert_string_equal(second.name, "two");
    assert_int_not_equal(first.uid, second.uid);
    assert_int_equal(fstat(one, &a) | fstat(two, &b), 0);
    assert_int_not_equal(a.st_ino, b.st_ino);
    world_monitor(world, "one", OWN_STATES, true);
    world_vf(world, NET0, 0, true, false);
    struct frame *frame = world_take_frame(world, PROCESS_LEAD, LEAD_CHANNELS);
    const struct partition_descriptor next = read_view(frame->files[0]);
    assert_int_equal(fstat(frame->files[0], &b), 0);
    assert_int_not_equal(a.st_ino, b.st_ino);
    assert_int_equal(next.generation, first.generation + 1);
    assert_int_equal(read_view(one).generation, first.generation);
    frame_clear(frame);
    close(one);
    close(two);
}

/* 0: the user of another monitor cannot reach the file through /proc. */
static int reach(uid_t uid, pid_t holder, int file)
{
    char path[64];

    if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
        return 2;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)holder, file);
    return open(path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES;
}

static void another_user_cannot_reach_it(void **state)
{
    struct world *world = *state;
    int one = view_of(world, "one", "net0"), two = view_of(world, "two", "net1");
    uid_t uid = read_view(two).uid;
    int status;

    if (geteuid() != 0) {
        close(one);
        close(two);
        print_message("only root can be another user: the lab's gate scenario does it\n");
        skip();
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(reach(uid, getppid(), one));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(one);
    close(two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_can_change_a_view),
        TEST(each_generation_is_a_file_of_its_own),
        TEST(another_user_cannot_reach_it),
    };
    return cmocka_run_group_tests_name("control-view", tests, NULL, NULL);
}
