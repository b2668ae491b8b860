/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child that does not come back from its write: a pipe in the place of sriov_numvfs, in a TCB
 * that sends no signal at the deadline (DEADLINE_SIGNAL), as one in an uninterruptible sleep hears
 * none.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage.h"
#include "tree.h"

#define VFS       2
#define BUSY_TEXT "an earlier write has not come back from the kernel"

/* Control's round and lead's, with VF 0 of partition 1 or without. */
static void say_all(struct stage *stage, bool with_vf)
{
    const struct tcb_card card = {
        .header = frame_header(TCB_CARD, sizeof(card), 0),
        .card = {.name = "net0", .bdf = TREE_PF, .vfs = VFS, .driver = "igb"}};
    const struct tcb_assign assign = {.header = frame_header(TCB_ASSIGN, sizeof(assign), 0),
                                      .pf = TREE_PF,
                                      .owner = {.kind = OWNER_GUEST, .partition = {1}}};
    const struct tcb_sync control = {.header = frame_header(TCB_SYNC, sizeof(control), 0)};
    const struct vfio_sync lead = {.header = frame_header(VFIO_SYNC, sizeof(lead), 0)};

    stage_say(stage, PROCESS_CONTROL, &card);
    if (with_vf)
        stage_say(stage, PROCESS_CONTROL, &assign);
    stage_say(stage, PROCESS_CONTROL, &control);
    stage_say(stage, PROCESS_LEAD, &lead);
}

static const char *usual, *patient; /* one with a deadline that no test waits for */

static void begin(struct stage *stage)
{
    say_all(stage, false);
}

static void synced(struct stage *stage)
{
    struct frame frame;

    stage_hear(stage, PROCESS_CONTROL, TCB_SYNC, &frame);
}

static void apply_action(struct stage *stage, uint64_t id, uint32_t action)
{
    const struct tcb_apply message = {.header = frame_header(TCB_APPLY, sizeof(message), id),
                                      .transaction = id,
                                      .action = action,
                                      .pf = TREE_PF,
                                      .vfs = VFS};
    stage_say(stage, PROCESS_CONTROL, &message);
}

static void apply(struct stage *stage, uint64_t id)
{
    apply_action(stage, id, ACTION_PF_CREATE_VFS);
}

static struct tcb_applied applied(struct stage *stage, uint64_t id)
{
    struct tcb_applied result;
    struct frame frame;

    stage_hear(stage, PROCESS_CONTROL, TCB_APPLIED, &frame);
    memcpy(&result, frame.bytes, sizeof(result));
    assert_int_equal(result.header.id, id);
    return result;
}

static void refused(struct stage *stage, uint64_t id)
{
    apply(stage, id);
    const struct tcb_applied result = applied(stage, id);
    assert_int_equal(result.error, -EBUSY);
    assert_string_equal(result.text, BUSY_TEXT);
}

/* What control hears of the PF next. */
static uint32_t stuck_pid(struct stage *stage)
{
    struct frame frame;

    stage_hear(stage, PROCESS_CONTROL, TCB_PF, &frame);
    return ((const struct tcb_pf *)(const void *)frame.bytes)->pf.stuck_pid;
}

static uint32_t hear_stuck(struct stage *stage)
{
    uint32_t pid;

    do
        pid = stuck_pid(stage);
    while (!pid);
    return pid;
}

static void hear_free(struct stage *stage)
{
    while (stuck_pid(stage))
        ;
}

static void block(struct stage *stage)
{
    char root[80], path[160];

    stage_root(stage, root);
    tree_unlink(root, TREE_PF, "sriov_numvfs");
    snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:01:00.0/sriov_numvfs", root);
    assert_int_equal(mkfifo(path, 0600), 0);
}

/* What comes after a child that has ended does not block. */
static void unblock(struct stage *stage)
{
    char root[80];

    stage_root(stage, root);
    tree_unlink(root, TREE_PF, "sriov_numvfs");
    tree_text(root, TREE_PF, "sriov_numvfs", "");
}

static bool lives(uint32_t pid)
{
    return kill((pid_t)pid, 0) == 0;
}

static void end(uint32_t pid)
{
    assert_true(pid && lives(pid));
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    waitpid((pid_t)pid, NULL, 0); /* ours, when its TCB is dead */
}

/* The process of a pidfd that is kept. */
static uint32_t pid_of(int pidfd)
{
    char path[64], text[512] = "";

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = 0;
    const char *pid = strstr(text, "\nPid:");
    assert_non_null(pid);
    return (uint32_t)strtoul(pid + 5, NULL, 10);
}

/* The child, once it is kept. */
static uint32_t kept_child(struct stage *stage)
{
    for (int i = 0; i < 500 && !stage_kept(stage); i++)
        usleep(10000);
    assert_int_equal(stage->kept_count, 1);
    return pid_of(stage->kept[0].file);
}

static void hear_kept(struct stage *stage, size_t count)
{
    for (int i = 0; i < 500 && stage_kept(stage) != count; i++)
        usleep(10000);
    assert_int_equal(stage->kept_count, count);
}

/* Action 7 is answered for at its deadline; its child is there. */
static uint32_t leave_behind(struct stage *stage)
{
    block(stage);
    begin(stage);
    synced(stage);
    apply(stage, 7);
    uint32_t pid = hear_stuck(stage); /* before the answer, which goes by what is said */
    assert_int_equal(applied(stage, 7).error, -ETIMEDOUT);
    assert_true(lives(pid));
    return pid;
}

static void ended_and_all_is_well(struct stage *stage, uint32_t pid, uint64_t id)
{
    unblock(stage);
    end(pid);
    hear_free(stage);
    apply(stage, id);
    assert_int_equal(applied(stage, id).error, 0);
    hear_kept(stage, 0);
}

static void restart(struct stage *stage)
{
    stage_die(stage);
    stage_start(stage);
}

/* ---- one TCB */

static void another_action_is_refused_until_it_ends(void **state)
{
    struct stage *stage = *state;
    uint32_t pid = leave_behind(stage);

    refused(stage, 8);
    refused(stage, 9);
    assert_true(lives(pid));
    ended_and_all_is_well(stage, pid, 10);
}

/* Control, which may have died before it had the answer, asks again. */
static void the_same_action_is_answered_again(void **state)
{
    struct stage *stage = *state;
    uint32_t pid = leave_behind(stage);

    refused(stage, 7);
    ended_and_all_is_well(stage, pid, 8);
}

static void devices_xml_names_it(void **state)
{
    struct stage *stage = *state;
    char path[128], wanted[64], text[16384];
    size_t size = 0;
    uint32_t pid = leave_behind(stage);

    snprintf(path, sizeof(path), "%s/devices.xml", stage->folder);
    snprintf(wanted, sizeof(wanted), " stuck=\"yes\" stuck-pid=\"%u\"", pid);
    text[0] = 0;
    for (int i = 0; i < 100 && !strstr(text, wanted); i++) {
        usleep(50000);
        FILE *file = fopen(path, "re");
        size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
        text[size] = 0;
        if (file)
            fclose(file);
    }
    assert_non_null(strstr(text, wanted));
    end(pid);
}

static void nothing_is_kept_of_one_that_is_done(void **state)
{
    struct stage *stage = *state;
    struct frame frame;

    begin(stage);
    synced(stage);
    apply(stage, 7);
    assert_int_equal(applied(stage, 7).error, 0);
    stage_hear(stage, PROCESS_BOOT, BOOT_STORE, &frame);
    frame_clear(&frame);
    stage_hear(stage, PROCESS_BOOT, BOOT_STORE_DROP, &frame);
}

/* ---- the next one */

static void the_next_tcb_knows_of_it(void **state)
{
    struct stage *stage = *state;
    uint32_t pid = leave_behind(stage);

    for (uint64_t id = 8; id < 12; id += 2) {
        restart(stage);
        assert_int_equal(stage->kept_count, 1);
        begin(stage);
        assert_int_equal(stuck_pid(stage), pid); /* its first word */
        synced(stage);
        refused(stage, id);
        refused(stage, id + 1);
        assert_true(lives(pid));
    }
    ended_and_all_is_well(stage, pid, 20);
}

static void nor_is_one_that_ended_meanwhile_in_the_way(void **state)
{
    struct stage *stage = *state;
    uint32_t pid = leave_behind(stage);

    stage_die(stage);
    unblock(stage);
    end(pid);
    struct pollfd gone = {.fd = stage->kept[0].file, .events = POLLIN};
    assert_int_equal(poll(&gone, 1, 10000), 1);
    stage_start(stage);
    begin(stage);
    apply(stage, 8);
    assert_int_equal(applied(stage, 8).error, 0);
    hear_kept(stage, 0);
}

/* Its deadline is not over: what comes next waits for it, and no second child is made. */
static void one_under_way_is_waited_for(void **state)
{
    struct stage *stage = *state;

    block(stage);
    begin(stage);
    synced(stage);
    apply(stage, 7);
    uint32_t pid = kept_child(stage);
    restart(stage);
    begin(stage);
    assert_int_equal(stuck_pid(stage), 0);
    synced(stage);
    apply(stage, 7);
    assert_true(stage_silent(stage, PROCESS_CONTROL, 100));
    assert_int_equal(kept_child(stage), pid);
    unblock(stage);
    end(pid);
    assert_int_equal(applied(stage, 7).error, 0);
    hear_kept(stage, 0);
}

/* The deadline is the same, whoever lives. */
static void one_under_way_is_left_behind_at_its_deadline(void **state)
{
    struct stage *stage = *state;
    struct timespec before, after;

    block(stage);
    begin(stage);
    synced(stage);
    apply(stage, 7);
    uint32_t pid = kept_child(stage);
    clock_gettime(CLOCK_MONOTONIC, &before);
    restart(stage);
    begin(stage);
    apply(stage, 7);
    assert_int_equal(hear_stuck(stage), pid);
    const struct tcb_applied result = applied(stage, 7);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_int_equal(result.error, -EBUSY);
    assert_string_equal(result.text, BUSY_TEXT);
    assert_true(after.tv_sec - before.tv_sec <= 10);
    ended_and_all_is_well(stage, pid, 8);
}

/* Of VF 0, that its attributes are as desired. */
static void hear_verified(struct stage *stage)
{
    const struct tcb_vf *message;
    struct frame frame;

    do {
        stage_hear(stage, PROCESS_CONTROL, TCB_VF, &frame);
        message = (const void *)frame.bytes;
    } while (message->vf.index || !message->vf.attributes_set);
}

/* A partition's VF is not read while a child is in the way: it is when that has ended. */
static void what_could_not_be_verified_is_later(void **state)
{
    struct stage *stage = *state;
    char root[80], path[160];

    stage_root(stage, root);
    tree_text(root, TREE_PF, "class", "0xff0000"); /* so that there are no attributes */
    tree_create_vfs(root, VFS);
    tree_link(root, tree_vf(0), "driver", "/drivers/vfio-pci");
    tree_text(root, TREE_PF, "../../drivers/igb/unbind", "");
    tree_text(root, TREE_PF, "../../drivers/igb/bind", "");
    tree_unlink(root, TREE_PF, "../../drivers/igb/unbind");
    snprintf(path, sizeof(path), "%s/bus/pci/drivers/igb/unbind", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    say_all(stage, true);
    hear_verified(stage);
    apply_action(stage, 7, ACTION_PF_RESTART);
    uint32_t pid = hear_stuck(stage);
    assert_int_equal(applied(stage, 7).error, -ETIMEDOUT);
    restart(stage);
    say_all(stage, true);
    synced(stage);
    refused(stage, 8);
    end(pid);
    hear_verified(stage);
}

/* ---- what boot keeps may be of no use */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void what_is_no_child_is_dropped(void **state)
{
    static const char *const names[] = {
        "child",
        "child.",
        "child.0000-01-00.0",
        "child.0000-01-00.0.2.0",
        "child.0000-01-00.0.2.0.",
        "child.0000-01-00.0.2.0.1.",
        "child.0000-01-00.0.2.0.01",
        "child.0000-01-00.0.2.0.-1",
        "child.0000-01-00.0.255.0.1",   /* no action */
        "child.0000-01-00.0.2.65536.1", /* no VF */
        "child.0000-01-20.0.2.0.1",     /* no device */
        "child.10000-01-00.0.2.0.1",
        "child.0000-01-00.0.2.0.18446744073709551616",
        "child.0000-01-00.0.2.0.18446744073709551615", /* no deadline of ours */
        "chill.0000-01-00.0.2.0.1",
    };
    struct stage *stage = *state;

    stage_die(stage);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        stage_keep(stage, names[i], pidfd_open(getpid(), 0));
    stage_keep(stage, "child.0000-01-00.0.2.0.1", open("/dev/null", O_RDONLY | O_CLOEXEC));
    stage_start(stage);
    hear_kept(stage, 0);
    begin(stage);
    assert_int_equal(stuck_pid(stage), 0);
    synced(stage);
    apply(stage, 8);
    assert_int_equal(applied(stage, 8).error, 0);
}

/* There is one for a PF at most. */
static void of_two_of_a_pf_one_counts(void **state)
{
    struct stage *stage = *state;
    char name[BOOT_STORE_NAME_MAX];
    pid_t pids[2];

    stage_die(stage);
    for (size_t i = 0; i < 2; i++) {
        pids[i] = fork();
        if (!pids[i]) {
            pause();
            _exit(0);
        }
        snprintf(name, sizeof(name), "child.0000-01-00.0.2.0.%llu",
                 (unsigned long long)now_us() - i);
        stage_keep(stage, name, pidfd_open(pids[i], 0));
    }
    stage_start(stage);
    hear_kept(stage, 1);
    begin(stage);
    assert_int_equal(stuck_pid(stage), pids[0]);
    synced(stage);
    refused(stage, 8);
    kill(pids[1], SIGKILL);
    ended_and_all_is_well(stage, (uint32_t)pids[0], 9);
    for (size_t i = 0; i < 2; i++)
        waitpid(pids[i], NULL, 0);
}

/* A test that failed leaves nobody behind: who has lost its TCB is ours. */
static int teardown(void **state)
{
    char path[64];
    int pid;

    stage_teardown(state);
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(path, "re");
    while (children && fscanf(children, "%d", &pid) == 1)
        kill(pid, SIGKILL);
    if (children)
        fclose(children);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return 0;
}

static int setup(void **state)
{
    stage_executable = usual;
    return stage_setup(state);
}

static int setup_patient(void **state)
{
    stage_executable = patient;
    return stage_setup(state);
}

#define on_stage(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        on_stage(another_action_is_refused_until_it_ends),
        on_stage(the_same_action_is_answered_again),
        on_stage(devices_xml_names_it),
        on_stage(nothing_is_kept_of_one_that_is_done),
        on_stage(the_next_tcb_knows_of_it),
        on_stage(nor_is_one_that_ended_meanwhile_in_the_way),
        cmocka_unit_test_setup_teardown(one_under_way_is_waited_for, setup_patient, teardown),
        on_stage(one_under_way_is_left_behind_at_its_deadline),
        on_stage(what_could_not_be_verified_is_later),
        on_stage(what_is_no_child_is_dropped),
        on_stage(of_two_of_a_pf_one_counts),
    };

    if (argc != 3 && argc != 4)
        return 2;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    usual = argv[1];
    patient = argv[2];
    if (argc == 4) /* of a mutant: the test that must find it */
        cmocka_set_test_filter(argv[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
