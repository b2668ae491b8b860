/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile processes: for each message to boot, what is out of place ends the sender's session. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "boot.h"
#include "parclose/device.h"

static const struct kind kinds[] = {
    {.kind = PROCESS_CONTROL, .name = "control", .cgroup = "control", .rank = 0},
    {.kind = PROCESS_TCB, .name = "tcb", .cgroup = "tcb", .rank = 1},
    {.kind = PROCESS_SR_PCIM, .name = "sr-pcim", .cgroup = "interconnect", .rank = 4},
};
static const struct kind_link links[] = {{{PROCESS_CONTROL, PROCESS_TCB}}};
static const struct layout layout = {.libexec = "/nonexistent",
                                     .run = "/nonexistent",
                                     .config = "/nonexistent",
                                     .kinds = kinds,
                                     .kinds_count = 3,
                                     .links = links,
                                     .links_count = 1};
static struct boot boot;
static struct kept kept;

/* Nobody is alive: what boot does to a process ends at child_kill(), which notes the reason. */
static int setup(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    kept = (struct kept){.magic = KEPT_MAGIC, .watchdog_ms = 30000, .shutting_down = 0};
    boot = (struct boot){.layout = &layout, .kept = &kept, .cgroup = -ENOENT, .listener = -1};
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        boot.children[i] = (struct child){.boot = &boot, .kept = &kept.processes[i], .pidfd = -1};
    for (size_t i = 0; i < 3; i++)
        boot.children[kinds[i].kind].kind = &kinds[i];
    return sd_event_new(&boot.event) < 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < boot.stored_count; i++)
        close(boot.stored[i].file);
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        sd_event_source_disable_unref(boot.children[i].timer);
    sd_event_unref(boot.event);
    return 0;
}

static struct child *child(enum process_kind kind)
{
    return &boot.children[kind];
}

/* As if it came on the link; `file` -1: none, else the message's. */
static int said(enum process_kind kind, const void *message, int file)
{
    struct frame frame = {.files_count = file < 0 ? 0 : 1, .files = {file}};
    const struct wire_header *header = message;

    memcpy(frame.bytes, message, header->size);
    frame.size = header->size;
    int error = frame_dispatch(message_rows, message_rows_count, 0, child(kind), &frame);
    frame_clear(&frame);
    return error;
}

static int plain(enum process_kind kind, uint16_t type)
{
    const struct boot_empty message = {.header = frame_header(type, sizeof(message), 0)};
    return said(kind, &message, -1);
}

static int hello(enum process_kind kind, uint32_t said_kind, uint32_t pid)
{
    const struct boot_hello message = {
        .header = frame_header(BOOT_HELLO, sizeof(message), 0), .kind = said_kind, .pid = pid};
    return said(kind, &message, -1);
}

static void hello_must_be_its_own(void **state)
{
    (void)state;
    kept.processes[PROCESS_TCB].pid = 77;
    assert_int_equal(hello(PROCESS_TCB, PROCESS_CONTROL, 77), -EBADMSG);
    assert_int_equal(hello(PROCESS_TCB, UINT32_MAX, 77), -EBADMSG);
    assert_int_equal(hello(PROCESS_TCB, PROCESS_TCB, 78), -EBADMSG);
    child(PROCESS_TCB)->hello = true;
    assert_int_equal(hello(PROCESS_TCB, PROCESS_TCB, 77), -EBADMSG);
}

static void nothing_comes_before_hello(void **state)
{
    const struct boot_store store = {.header = frame_header(BOOT_STORE, sizeof(store), 0),
                                     .name = "a"};
    const struct boot_store drop = {.header = frame_header(BOOT_STORE_DROP, sizeof(drop), 0),
                                    .name = "a"};
    (void)state;

    assert_int_equal(plain(PROCESS_TCB, BOOT_READY), -EBADMSG);
    assert_int_equal(plain(PROCESS_TCB, BOOT_ALIVE), -EBADMSG);
    assert_int_equal(said(PROCESS_TCB, &store, dup(0)), -EBADMSG);
    assert_int_equal(said(PROCESS_TCB, &drop, -1), -EBADMSG);
    assert_int_equal(boot.stored_count, 0);
}

static void ready_is_said_once(void **state)
{
    (void)state;
    child(PROCESS_TCB)->hello = true;
    kept.processes[PROCESS_TCB].health = PROCESS_UP;
    assert_int_equal(plain(PROCESS_TCB, BOOT_READY), -EBADMSG);
}

static int store(enum process_kind kind, const char *name, size_t size, int file)
{
    struct boot_store message = {.header = frame_header(BOOT_STORE, sizeof(message), 0)};

    memcpy(message.name, name, size);
    return said(kind, &message, file);
}

static void stored_names_are_plain(void **state)
{
    static const char *const names[] = {"", "A", "a b", "a:b", "a/b", "a\nb", "\xc3\xa4"};
    char endless[BOOT_STORE_NAME_MAX];
    (void)state;

    child(PROCESS_TCB)->hello = true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(store(PROCESS_TCB, names[i], strlen(names[i]), dup(0)), -EBADMSG);
    memset(endless, 'a', sizeof(endless));
    assert_int_equal(store(PROCESS_TCB, endless, sizeof(endless), dup(0)), -EBADMSG);
    assert_int_equal(store(PROCESS_TCB, "a", 1, -1), -EBADMSG);
    assert_int_equal(boot.stored_count, 0);
    assert_int_equal(store(PROCESS_TCB, "web.link-2", 10, dup(0)), 0);
    assert_int_equal(boot.stored_count, 1);
}

static void the_store_has_a_bound(void **state)
{
    char name[BOOT_STORE_NAME_MAX];
    (void)state;

    child(PROCESS_CONTROL)->hello = child(PROCESS_TCB)->hello = true;
    for (unsigned i = 0; i < STORE_MAX; i++) {
        int length = snprintf(name, sizeof(name), "n%u", i);
        if (boot.stored_count == 900) /* a test has fewer files than boot */
            break;
        assert_int_equal(
            store(PROCESS_CONTROL, name, (size_t)length, memfd_create("n", MFD_CLOEXEC)), 0);
    }
    size_t there = boot.stored_count;
    assert_int_equal(store(PROCESS_CONTROL, "n5", 2, memfd_create("n", MFD_CLOEXEC)), 0);
    assert_int_equal(boot.stored_count, there); /* replaced, not added */
    boot.stored_count = STORE_MAX - STORE_TCB;
    for (size_t i = there; i < boot.stored_count; i++)
        boot.stored[i] = (struct stored){.kind = PROCESS_CONTROL, .file = -1};
    assert_int_equal(store(PROCESS_CONTROL, "more", 4, dup(0)), -ENOSPC);
    assert_int_equal(store(PROCESS_TCB, "child", 5, memfd_create("n", MFD_CLOEXEC)), 0);
    for (size_t i = boot.stored_count; i < STORE_MAX; i++)
        boot.stored[i] = (struct stored){.kind = PROCESS_TCB, .file = -1};
    boot.stored_count = STORE_MAX;
    assert_int_equal(store(PROCESS_TCB, "more", 4, dup(0)), -ENOSPC);
    boot.stored_count = there;
}

static int restart(enum process_kind kind, uint32_t rung, char fill)
{
    struct boot_restart message = {.header = frame_header(BOOT_RESTART, sizeof(message), 0),
                                   .rung = rung};
    memset(message.reason, fill, sizeof(message.reason));
    return said(kind, &message, -1);
}

static void only_control_orders(void **state)
{
    struct boot_settings settings = {.header = frame_header(BOOT_SETTINGS, sizeof(settings), 0),
                                     .watchdog_ms = 5000};
    (void)state;

    for (int kind = PROCESS_TCB; kind <= PROCESS_SR_PCIM; kind++) {
        child((enum process_kind)kind)->hello = true;
        assert_int_equal(restart((enum process_kind)kind, RUNG_RESTART_SR_PCIM, 0), -EBADMSG);
        assert_int_equal(plain((enum process_kind)kind, BOOT_SHUTDOWN), -EBADMSG);
        assert_int_equal(said((enum process_kind)kind, &settings, -1), -EBADMSG);
    }
    assert_int_equal(kept.shutting_down, 0);
    assert_int_equal(kept.watchdog_ms, 30000);
    assert_int_equal(said(PROCESS_CONTROL, &settings, -1), 0);
    assert_int_equal(kept.watchdog_ms, 5000);
}

static void orders_are_within_their_range(void **state)
{
    static const uint32_t rungs[] = {RUNG_WAIT, RUNG_RESTART_PF, RUNG_ERROR, 5, UINT32_MAX};
    static const uint32_t periods[] = {0, 999, 600001, UINT32_MAX};
    (void)state;

    for (size_t i = 0; i < 5; i++)
        assert_int_equal(restart(PROCESS_CONTROL, rungs[i], 0), -EBADMSG);
    assert_int_equal(restart(PROCESS_CONTROL, RUNG_RESTART_ISP, 'a'), -EBADMSG);
    for (size_t i = 0; i < 4; i++) {
        struct boot_settings message = {.header = frame_header(BOOT_SETTINGS, sizeof(message), 0),
                                        .watchdog_ms = periods[i]};
        assert_int_equal(said(PROCESS_CONTROL, &message, -1), -EBADMSG);
    }
}

static int complain(enum process_kind kind, uint32_t peer, uint32_t generation, int32_t error)
{
    const struct boot_complaint message = {.header =
                                               frame_header(BOOT_COMPLAINT, sizeof(message), 0),
                                           .peer = peer,
                                           .generation = generation,
                                           .error = error};
    return said(kind, &message, -1);
}

static void complaints_name_another_process_and_an_error(void **state)
{
    static const uint32_t peers[] = {PROCESS_NONE,    PROCESS_BOOT,  PROCESS_TCB, PROCESS_LEAD,
                                     PROCESS_MONITOR, PROCESS_KINDS, UINT32_MAX};
    static const int32_t errors[] = {0, 1, INT32_MAX, INT32_MIN, -4096};
    (void)state;

    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
        assert_int_equal(complain(PROCESS_TCB, peers[i], 0, -EBADMSG), -EBADMSG);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(complain(PROCESS_TCB, PROCESS_CONTROL, 0, errors[i]), -EBADMSG);
}

/* A process of our own to be killed. */
static pid_t victim(struct child *of)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    of->pidfd = pidfd_open(pid, 0);
    assert_true(of->pidfd >= 0);
    return pid;
}

static bool killed(struct child *of)
{
    bool yes = of->reason[0] != 0;

    pidfd_send_signal(of->pidfd, SIGKILL, NULL, 0);
    waitid((idtype_t)P_PIDFD, (id_t)of->pidfd, &(siginfo_t){0}, WEXITED);
    close(of->pidfd);
    of->pidfd = -1;
    of->reason[0] = 0;
    return yes;
}

static void of_two_the_lower_in_rank_goes(void **state)
{
    struct child *control = child(PROCESS_CONTROL), *pcim = child(PROCESS_SR_PCIM);
    (void)state;

    link_between(&boot, PROCESS_CONTROL, PROCESS_SR_PCIM)->generation = 3;
    for (int who = 0; who < 2; who++) {
        struct child *one = who ? control : pcim, *other = who ? pcim : control;
        victim(control);
        victim(pcim);
        assert_int_equal(complain(one->kind->kind, other->kind->kind, 3, -EBADMSG), 0);
        assert_false(killed(control));
        assert_true(killed(pcim));
    }
    victim(pcim);
    assert_int_equal(complain(PROCESS_CONTROL, PROCESS_SR_PCIM, 2, -EBADMSG), 0);
    assert_false(killed(pcim)); /* that link is replaced already */
}

/* Its end is not wanted twice: the next one is watched, and counts when it dies. */
static void one_that_is_down_is_not_ended(void **state)
{
    struct child *pcim = child(PROCESS_SR_PCIM);
    (void)state;

    assert_int_equal(restart(PROCESS_CONTROL, RUNG_RESTART_SR_PCIM, 0), 0);
    assert_false(pcim->ordered);
    assert_int_equal(restart(PROCESS_CONTROL, RUNG_RESTART_ISP, 0), 0);
    assert_false(pcim->ordered);
    victim(pcim);
    assert_int_equal(restart(PROCESS_CONTROL, RUNG_RESTART_SR_PCIM, 0), 0);
    assert_true(pcim->ordered);
    killed(pcim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hello_must_be_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_comes_before_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(ready_is_said_once, setup, teardown),
        cmocka_unit_test_setup_teardown(stored_names_are_plain, setup, teardown),
        cmocka_unit_test_setup_teardown(the_store_has_a_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(only_control_orders, setup, teardown),
        cmocka_unit_test_setup_teardown(orders_are_within_their_range, setup, teardown),
        cmocka_unit_test_setup_teardown(complaints_name_another_process_and_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(of_two_the_lower_in_rank_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_down_is_not_ended, setup, teardown),
    };
    return cmocka_run_group_tests_name("messages to boot", tests, NULL, NULL);
}
