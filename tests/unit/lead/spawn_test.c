/* SPDX-License-Identifier: Apache-2.0 */
/* The spawning helper: what a monitor is when it begins, and that it outlives the helper. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_monitor.h"
#include "spawn.h"

#define UID 0x70000007u

/* Less than this process may have: without CAP_SYS_RESOURCE more is not to be had. */
static const uint64_t memory_lock = 1 << 20;

static const struct monitor_kind kinds[] = {
    {.name = "native", .executable = FAKE_MONITOR},
    {.name = "qemu", .executable = FAKE_MONITOR, .libraries = true, .threads = true},
};

static char folder[128]; /* a cgroup of our own; "": none can be made here */

static void find_cgroup2(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs status;

    for (size_t i = 0; i < 2 && !folder[0]; i++)
        if (statfs(places[i], &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC)
            snprintf(folder, sizeof(folder), "%s/parclose-spawn-test-%d", places[i], getpid());
    if (folder[0] && mkdir(folder, 0755) < 0)
        folder[0] = 0;
}

static void skip_without_cgroup(void)
{
    if (folder[0])
        return;
    print_message("SKIP: needs root and a cgroup2 to write in\n");
    skip();
}

static int setup(void **state)
{
    (void)state;
    if (geteuid() == 0)
        find_cgroup2();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; folder[0] && rmdir(folder) < 0 && errno == EBUSY && i < 100; i++)
        usleep(20000);
    return 0;
}

static bool wait_for(int file)
{
    struct pollfd wait = {file, POLLIN, 0};
    return poll(&wait, 1, 10000) == 1;
}

static void receive(int socket, struct frame *frame)
{
    assert_true(wait_for(socket));
    assert_int_equal(frame_receive(socket, frame), 1);
}

/* A new monitor; *link is lead's end, *pidfd tells its death. */
static void spawn_kind(int helper, uint32_t kind, int *link, int *pidfd, uint32_t *pid)
{
    struct spawn_request request = {.header = frame_header(SPAWN_REQUEST, sizeof(request), 5),
                                    .partition = {7},
                                    .uid = UID,
                                    .kind = kind,
                                    .memory_lock = memory_lock};
    struct frame frame;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    int files[2] = {ends[1], open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    assert_int_equal(frame_send(helper, &request, files, 2), 0);
    close(files[0]);
    close(files[1]);
    receive(helper, &frame);
    const struct spawn_answer *answer = (const void *)frame.bytes;
    assert_int_equal(frame.header.type, SPAWN_ANSWER);
    assert_int_equal(answer->error, 0);
    assert_int_equal(answer->partition.value, 7);
    assert_int_equal(frame.files_count, 1);
    *pid = answer->pid;
    *pidfd = frame_take(&frame, 0);
    *link = ends[0];
}

static void spawn_one(int helper, int *link, int *pidfd, uint32_t *pid)
{
    spawn_kind(helper, 0, link, pidfd, pid);
}

static bool in_cgroup(uint32_t pid)
{
    char path[64], line[512];
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        found |= strstr(line, strrchr(folder, '/')) != NULL;
    if (file)
        fclose(file);
    return found;
}

static void check_report(const struct report *report)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(report->uids[i], UID);
        assert_int_equal(report->gids[i], UID);
    }
    assert_int_equal(report->groups, 0);
    assert_int_equal(report->effective, 0);
    assert_int_equal(report->bounding, 0);
    assert_int_equal(report->no_new_privileges, 1);
    assert_int_equal(report->open_files, 0xf);
    assert_int_equal(report->more_files, 0);
    assert_int_equal(report->child_signal, 1);
    assert_int_equal(report->memory_lock, memory_lock);
}

/* As boot starts lead: what lead has can be inherited. */
static void make_inheritable(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    data[0].inheritable = data[0].permitted;
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static void a_monitor_begins_with_nothing_but_its_link(void **state)
{
    struct frame frame;
    int link, pidfd;
    uint32_t pid;
    (void)state;

    skip_without_cgroup();
    make_inheritable();
    int helper = spawn_helper_start(kinds, 2);
    assert_true(helper >= 0);
    spawn_one(helper, &link, &pidfd, &pid);
    assert_true(in_cgroup(pid));
    receive(link, &frame);
    const struct report *report = (const void *)frame.bytes;
    assert_int_equal(frame.size, sizeof(*report));
    check_report(report);
    assert_int_equal(report->sees, 0);
    assert_int_equal(report->opens, 0);
    close(link);
    assert_true(wait_for(pidfd));
    close(pidfd);
    close(helper);
}

/* Kind "qemu": to read, libraries and firmware; to write, one small folder; nothing else. */
static void a_monitor_with_libraries_sees_no_more_than_those(void **state)
{
    struct frame frame;
    int link, pidfd;
    uint32_t pid;
    (void)state;

    skip_without_cgroup();
    int helper = spawn_helper_start(kinds, 2);
    spawn_kind(helper, 1, &link, &pidfd, &pid);
    receive(link, &frame);
    const struct report *report = (const void *)frame.bytes;
    assert_int_equal(frame.size, sizeof(*report));
    check_report(report);
    assert_int_equal(report->sees, 3 * 4); /* usr, lib, lib64, vfs */
    assert_int_equal(report->opens, 1 << 2 | 1 << 3);
    close(link);
    assert_true(wait_for(pidfd));
    close(pidfd);
    close(helper);
}

static void an_unknown_kind_ends_the_helper(void **state)
{
    struct spawn_request request = {.header = frame_header(SPAWN_REQUEST, sizeof(request), 5),
                                    .partition = {7},
                                    .uid = UID,
                                    .kind = 2};
    struct frame frame;
    (void)state;

    int helper = spawn_helper_start(kinds, 2);
    int files[2] = {STDIN_FILENO, STDIN_FILENO};
    assert_int_equal(frame_send(helper, &request, files, 2), 0);
    assert_true(wait_for(helper));
    assert_int_equal(frame_receive(helper, &frame), 0);
    close(helper);
}

static void a_monitor_outlives_the_helper(void **state)
{
    struct pollfd still = {.events = POLLIN};
    struct frame frame;
    int link, pidfd;
    uint32_t pid;
    (void)state;

    skip_without_cgroup();
    int helper = spawn_helper_start(kinds, 2);
    spawn_one(helper, &link, &pidfd, &pid);
    receive(link, &frame);
    close(helper);
    still.fd = pidfd;
    assert_int_equal(poll(&still, 1, 200), 0);
    close(link);
    assert_true(wait_for(pidfd));
    close(pidfd);
}

static int oom_score(const char *process, int *score)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%s/oom_score_adj", process);
    FILE *file = fopen(path, "re");
    int error = file && fscanf(file, "%d", score) == 1 ? 0 : -EIO;
    if (file)
        fclose(file);
    return error;
}

static int set_own_oom_score(int score)
{
    char text[16];
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int length = snprintf(text, sizeof(text), "%d", score);
    int error = file < 0 || write(file, text, (size_t)length) != length ? -EACCES : 0;

    if (file >= 0)
        close(file);
    return error;
}

/* The infrastructure's score is not a monitor's: it ends first. */
static void a_monitor_is_killed_before_the_infrastructure(void **state)
{
    struct frame frame;
    int link, pidfd, before, score = 0;
    uint32_t pid;
    char process[16];
    (void)state;

    skip_without_cgroup();
    assert_int_equal(oom_score("self", &before), 0);
    if (set_own_oom_score(-900)) {
        print_message("SKIP: this user may not lower its OOM score\n");
        skip();
    }
    int helper = spawn_helper_start(kinds, 2);
    set_own_oom_score(before);
    spawn_one(helper, &link, &pidfd, &pid);
    receive(link, &frame);
    snprintf(process, sizeof(process), "%u", pid);
    assert_int_equal(oom_score(process, &score), 0);
    assert_int_equal(score, -500);
    close(link);
    assert_true(wait_for(pidfd));
    close(pidfd);
    close(helper);
}

static void rubbish_ends_the_helper(void **state)
{
    struct spawn_answer rubbish = {.header = frame_header(SPAWN_ANSWER, sizeof(rubbish), 0)};
    struct frame frame;
    (void)state;

    int helper = spawn_helper_start(kinds, 2);
    assert_true(helper >= 0);
    assert_int_equal(frame_send(helper, &rubbish, NULL, 0), 0);
    assert_true(wait_for(helper));
    assert_int_equal(frame_receive(helper, &frame), 0);
    close(helper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_monitor_begins_with_nothing_but_its_link),
        cmocka_unit_test(a_monitor_with_libraries_sees_no_more_than_those),
        cmocka_unit_test(an_unknown_kind_ends_the_helper),
        cmocka_unit_test(a_monitor_outlives_the_helper),
        cmocka_unit_test(a_monitor_is_killed_before_the_infrastructure),
        cmocka_unit_test(rubbish_ends_the_helper),
    };
    return cmocka_run_group_tests_name("spawn", tests, setup, teardown);
}
