/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor as a process, between a lead that is this test and a QEMU that is fake_qemu.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "parclose/console.h"
#include "parclose/descriptor.h"
#include "parclose/msg_lead_monitor.h"
#include "wire/frame.h"

#define VCPUS    2
#define SEALS    (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define COMPLETE STATE_BIT(STATE_CHANNEL_IMAGE)
#define RUNS     STATE_BIT(STATE_PROCESSORS_OPERATING)

static struct world {
    pid_t pid;
    int link, ring_file, out, in;
    struct console_ring *ring;
    char cgroups[VCPUS][64];
    uint32_t states;
    struct monitor_exit exit; /* header.type 0: not said */
    struct monitor_vf_result result;
    bool closed;
} w;

static int memory_file(const void *bytes, size_t size, int seals)
{
    int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, size), size);
    assert_int_equal(fcntl(file, F_ADD_SEALS, seals), 0);
    return file;
}

/* ---- lead */

static void say(uint16_t type)
{
    struct monitor_plain message = {.header = frame_header(type, sizeof(message), 0)};
    assert_int_equal(frame_send(w.link, &message, NULL, 0), 0);
}

/* The file is closed. */
static void give(enum monitor_file_kind kind, uint32_t index, int file)
{
    struct monitor_file message = {
        .header = frame_header(MONITOR_FILE, sizeof(message), 0), .kind = kind, .index = index};

    assert_true(file >= 0);
    assert_int_equal(frame_send(w.link, &message, &file, 1), 0);
    close(file);
}

static struct partition_descriptor describe(const char *name)
{
    struct partition_descriptor d = {.magic = DESCRIPTOR_MAGIC,
                                     .version = DESCRIPTOR_VERSION,
                                     .size = sizeof(d),
                                     .generation = 1,
                                     .partition = {1},
                                     .vcpus_count = VCPUS,
                                     .memory_bytes = UINT64_C(64) << 20,
                                     .memory_node = UINT32_MAX,
                                     .monitor = "qemu",
                                     .kernel = "/k",
                                     .cmdline = "quiet"};
    snprintf(d.name, sizeof(d.name), "%s", name);
    return d;
}

/* In the place of a cgroup: the file that the monitor writes a thread's number into. */
static int make_cgroup(uint32_t vcpu)
{
    char path[96];

    snprintf(w.cgroups[vcpu], sizeof(w.cgroups[vcpu]), "/tmp/parclose-qemu-XXXXXX");
    assert_non_null(mkdtemp(w.cgroups[vcpu]));
    snprintf(path, sizeof(path), "%s/cgroup.threads", w.cgroups[vcpu]);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    return open(w.cgroups[vcpu], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void make_console(void)
{
    w.ring_file = memfd_create("console", MFD_CLOEXEC);
    assert_int_equal(ftruncate(w.ring_file, CONSOLE_SIZE), 0);
    w.ring = mmap(NULL, CONSOLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, w.ring_file, 0);
    assert_true(w.ring != MAP_FAILED);
    w.out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w.in = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void spawn(void)
{
    int ends[2];

    w = (struct world){.pid = 0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    w.pid = fork();
    if (w.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], MONITOR_FD) == MONITOR_FD ? fcntl(MONITOR_FD, F_SETFD, 0) : 0;
        execl(MONITOR_QEMU, MONITOR_QEMU, NULL);
        _exit(127);
    }
    close(ends[1]);
    w.link = ends[0];
    assert_int_equal(fcntl(w.link, F_SETFL, O_NONBLOCK), 0);
}

static void give_all(const struct partition_descriptor *d)
{
    spawn();
    make_console();
    give(FILE_DESCRIPTOR, 0, memory_file(d, sizeof(*d), SEALS));
    give(FILE_KVM, 0, open("/dev/null", O_RDWR | O_CLOEXEC));
    give(FILE_KERNEL, 0, memory_file("kernel!", 7, 0));
    give(FILE_CONSOLE, 0, dup(w.ring_file));
    give(FILE_CONSOLE_OUT, 0, dup(w.out));
    give(FILE_CONSOLE_IN, 0, dup(w.in));
    give(FILE_PROGRAM, 0, open(FAKE_QEMU, O_RDONLY | O_CLOEXEC));
    for (uint32_t i = 0; i < VCPUS; i++)
        give(FILE_VCPU_CGROUP, i, make_cgroup(i));
}

static void start(const char *name)
{
    const struct partition_descriptor d = describe(name);

    give_all(&d);
    say(MONITOR_CREATE);
}

static void hear(struct frame *frame)
{
    if (frame->header.type == MONITOR_STATE) {
        assert_int_equal(frame->size, sizeof(struct monitor_state));
        w.states = ((const struct monitor_state *)frame->bytes)->states;
    } else if (frame->header.type == MONITOR_VF_RESULT) {
        assert_int_equal(frame->size, sizeof(w.result));
        memcpy(&w.result, frame->bytes, sizeof(w.result));
    } else {
        assert_int_equal(frame->header.type, MONITOR_EXIT);
        assert_int_equal(frame->size, sizeof(struct monitor_exit));
        memcpy(&w.exit, frame->bytes, sizeof(w.exit));
    }
    frame_clear(frame);
}

/* Until these states are entered, or the monitor has closed its link. */
static void wait_for(uint32_t states)
{
    struct frame frame;

    for (int tries = 0; tries < 200 && !w.closed && (w.states & states) != states; tries++) {
        struct pollfd wait = {w.link, POLLIN, 0};
        int got = poll(&wait, 1, 100) > 0 ? frame_receive(w.link, &frame) : -EAGAIN;
        if (got == 1)
            hear(&frame);
        else if (got != -EAGAIN)
            w.closed = true;
    }
}

/* It ends for this reason, and says so. */
static void ends(enum exit_reason reason, const char *text)
{
    int status = -1;

    wait_for(UINT32_MAX);
    assert_true(w.closed);
    assert_int_equal(w.exit.header.type, MONITOR_EXIT);
    if (w.exit.reason != reason || !strstr(w.exit.text, text))
        fail_msg("reason %u, \"%s\"; expected %d, \"%s\"", w.exit.reason, w.exit.text, reason,
                 text);
    assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), reason == EXIT_MONITOR_ERROR);
    w.pid = 0;
}

static int clear(void **state)
{
    char path[96];
    (void)state;

    if (w.pid) {
        kill(w.pid, SIGKILL);
        waitpid(w.pid, NULL, 0);
    }
    for (int i = 0; i < VCPUS; i++) {
        snprintf(path, sizeof(path), "%s/cgroup.threads", w.cgroups[i]);
        if (w.cgroups[i][0]) {
            unlink(path);
            rmdir(w.cgroups[i]);
        }
    }
    if (w.ring)
        munmap(w.ring, CONSOLE_SIZE);
    close(w.ring_file);
    close(w.out);
    close(w.in);
    close(w.link);
    return 0;
}

/* What came on the console so far; waits until it has `text`. */
static const char *console_has(const char *text)
{
    static char all[CONSOLE_RING + 1];

    for (int tries = 0; tries < 200; tries++) {
        uint64_t head = atomic_load_explicit(&w.ring->out_head, memory_order_acquire);
        memcpy(all, w.ring->out, head < CONSOLE_RING ? head : CONSOLE_RING);
        all[head < CONSOLE_RING ? head : CONSOLE_RING] = 0;
        if (strstr(all, text))
            return all;
        usleep(50000);
    }
    fail_msg("\"%s\" did not come: %s", text, all);
    return all;
}

static void thread_is_in(uint32_t vcpu, const char *expected)
{
    char path[96], text[32] = "";

    snprintf(path, sizeof(path), "%s/cgroup.threads", w.cgroups[vcpu]);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(file, text, sizeof(text) - 1);
    close(file);
    assert_true(got >= 0);
    assert_string_equal(text, expected);
}

/* ---- its life */

static void it_stands_before_the_gate(void **state)
{
    (void)state;
    start("good");
    wait_for(COMPLETE);
    assert_true(w.states & COMPLETE);
    assert_true(w.states & STATE_BIT(STATE_PROCESSOR_IMAGE));
    assert_false(w.states & STATE_BIT(STATE_CHANNELS_ATTACHED));
    thread_is_in(0, "100");
    thread_is_in(1, "101");
    usleep(300000);
    assert_int_equal(w.ring->out_head, 0); /* nobody said "cont" */
    say(MONITOR_STOP);
    ends(EXIT_STOPPED, "stopped on order");
    assert_int_equal(w.ring->out_head, 0);
}

static void it_runs_after_the_gate(void **state)
{
    (void)state;
    start("good");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    wait_for(RUNS);
    assert_true(w.states & RUNS);
    assert_true(w.states & STATE_BIT(STATE_CHANNELS_SCHEDULED));
    say(MONITOR_STOP);
    ends(EXIT_STOPPED, "stopped on order");
}

/* Its opens are answered with what lead gave; it has no file but its own, and no way to get one. */
static void qemu_is_confined(void **state)
{
    (void)state;
    start("good");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    const char *all = console_has("ptrace");
    const char *first = strstr(all, "/parclose/kernel=kernel!\n");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "/parclose/kernel=kernel!\n"));
    assert_non_null(strstr(all, "/parclose/initrd=No such file or directory\n"));
    assert_non_null(strstr(all, "file 64 socket 1 ptrace 1\n"));
}

/* Nor does it fill a file system of the host's. */
static void its_disk_does_not_grow(void **state)
{
    struct partition_descriptor d = describe("good");
    int disk = memory_file("disk", 4, 0);
    struct stat status;
    char first;
    (void)state;

    strcpy(d.disk, "/disk");
    give_all(&d);
    give(FILE_DISK, 0, dup(disk));
    say(MONITOR_CREATE);
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    console_has("disk in 0 out 27\n"); /* EFBIG */
    assert_int_equal(pread(disk, &first, 1, 0), 1);
    assert_int_equal(first, 'x');
    assert_int_equal(fstat(disk, &status), 0);
    assert_int_equal(status.st_size, 4);
    close(disk);
}

static void typed_bytes_reach_it(void **state)
{
    const uint64_t one = 1;
    (void)state;

    start("good");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    console_has("ptrace");
    memcpy(w.ring->in, "typed", 5);
    atomic_store_explicit(&w.ring->in_head, 5, memory_order_release);
    assert_int_equal(write(w.in, &one, sizeof(one)), sizeof(one));
    console_has("typed");
}

static void the_power_button(void **state)
{
    (void)state;
    start("good");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    wait_for(RUNS);
    say(MONITOR_POWER_BUTTON);
    ends(EXIT_POWER_OFF, "powered off");
}

static void the_power_button_before_the_gate(void **state)
{
    (void)state;
    start("good");
    wait_for(COMPLETE);
    say(MONITOR_POWER_BUTTON);
    ends(EXIT_STOPPED, "before it began");
}

static void one_that_does_not_hear_quit_is_killed(void **state)
{
    (void)state;
    start("deaf");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    wait_for(RUNS);
    say(MONITOR_STOP);
    ends(EXIT_STOPPED, "stopped on order");
}

/* A question that it cannot answer is none that ends it. */
static void one_without_statistics_runs(void **state)
{
    (void)state;
    start("still");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    wait_for(STATE_BIT(STATE_CHANNELS_SCHEDULED));
    usleep(700000);
    say(MONITOR_STOP);
    ends(EXIT_STOPPED, "stopped on order");
    assert_false(w.states & RUNS);
}

static void how_a_guest_ends(void **state)
{
    (void)state;
    start("panics");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    ends(EXIT_PANIC, "panicked");
    clear(NULL);
    start("reboots");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    ends(EXIT_REBOOT, "rebooted");
    clear(NULL);
    start("hangs");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    ends(EXIT_WATCHDOG, "watchdog");
}

static void the_link_may_be_lost(void **state)
{
    struct frame frame;
    (void)state;

    start("good");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    console_has("ptrace");
    while (frame_receive(w.link, &frame) == 1)
        frame_clear(&frame);
    close(w.link);
    w.link = -1;
    usleep(300000);
    assert_int_equal(waitpid(w.pid, NULL, WNOHANG), 0);
}

/* The answer to an order about VF 5, which it does not have. */
static void order_vf(uint16_t type, uint64_t id, int expected)
{
    const struct monitor_vf_order order = {.header = frame_header(type, sizeof(order), id),
                                           .vf = {5}};
    int files[2] = {open("/dev/null", O_RDWR | O_CLOEXEC), open("/dev/null", O_RDWR | O_CLOEXEC)};

    assert_int_equal(frame_send(w.link, &order, files, type == MONITOR_VF_ADD ? 2 : 0), 0);
    close(files[0]);
    close(files[1]);
    for (int tries = 0; tries < 50 && w.result.header.id != id; tries++) {
        struct frame frame;
        struct pollfd wait = {w.link, POLLIN, 0};
        if (poll(&wait, 1, 100) > 0 && frame_receive(w.link, &frame) == 1)
            hear(&frame);
    }
    assert_int_equal(w.result.header.id, id);
    assert_int_equal(w.result.vf.value, 5);
    assert_int_equal(w.result.error, expected);
}

static void a_vf_does_not_come_while_it_runs(void **state)
{
    (void)state;
    start("good");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    wait_for(RUNS);
    order_vf(MONITOR_VF_ADD, 7, -EOPNOTSUPP);
    assert_non_null(strstr(w.result.text, "stop the partition first"));
    order_vf(MONITOR_VF_REMOVE, 8, 0);
    assert_string_equal(w.result.text, "");
    order_vf(MONITOR_VF_MEND, 9, -EOPNOTSUPP);
    assert_non_null(strstr(w.result.text, "qemu"));
    say(MONITOR_STOP);
    ends(EXIT_STOPPED, "stopped on order");
}

/* ---- a QEMU that is none, or somebody else's */

static void one_that_dies(void **state)
{
    (void)state;
    start("dies");
    ends(EXIT_MONITOR_ERROR, "QEMU ended with status 3: no such ?machine");
    clear(NULL);
    start("killed");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    ends(EXIT_MONITOR_ERROR, "QEMU was killed by signal 9");
}

/* Nobody could stop its guest in order any more. */
static void one_that_closes_qmp_is_ended(void **state)
{
    (void)state;
    start("shut");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    ends(EXIT_MONITOR_ERROR, "has closed QMP");
}

/* Lead is heard meanwhile, and what it says is bounded in the log. */
static void one_that_floods_is_stopped(void **state)
{
    (void)state;
    start("floods");
    wait_for(COMPLETE);
    say(MONITOR_ATTACHED);
    wait_for(STATE_BIT(STATE_CHANNELS_SCHEDULED));
    usleep(300000);
    say(MONITOR_STOP);
    ends(EXIT_STOPPED, "stopped on order");
}

static void one_that_runs_already_is_refused(void **state)
{
    (void)state;
    start("runs");
    ends(EXIT_MONITOR_ERROR, "its state before the gate");
    assert_false(w.states & COMPLETE);
}

static void one_that_breaks_qmp_is_ended(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {{"garbage", "no QMP"},
                 {"long", "no QMP"},
                 {"twice", "no QMP"},
                 {"both", "no QMP"},
                 {"id", "no QMP"},
                 {"threads", "its vCPU threads"},
                 {"same", "its vCPU threads"},
                 {"nobody", "its vCPU threads"},
                 {"refuses", "I will?not"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].name);
        ends(EXIT_MONITOR_ERROR, cases[i].text);
        assert_false(w.states & COMPLETE);
        clear(NULL);
    }
}

/* ---- a lead that breaks the protocol */

static void refuses(struct partition_descriptor d, enum monitor_file_kind more)
{
    give_all(&d);
    if (more != FILE_DESCRIPTOR)
        give(more, 0, memory_file("x", 1, 0));
    say(MONITOR_CREATE);
    ends(EXIT_MONITOR_ERROR, "");
    clear(NULL);
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct partition_descriptor d = describe("good");                                          \
        change;                                                                                    \
        refuses(d, FILE_DESCRIPTOR);                                                               \
    } while (0)

static void a_bad_descriptor_is_refused(void **state)
{
    (void)state;
    REFUSED(d.magic++);
    REFUSED(d.version++);
    REFUSED(d.size--);
    REFUSED(d.vcpus_count = 0);
    REFUSED(d.vcpus_count = PARCLOSE_MAX_VCPUS + 1);
    REFUSED(d.vcpus_count = VCPUS + 1); /* there is no cgroup for it */
    REFUSED(d.vcpus_count = VCPUS - 1); /* there is one too many */
    REFUSED(d.vfs_count = PARCLOSE_MAX_PARTITION_VFS + 1);
    REFUSED(d.memory_bytes = 0);
    REFUSED(d.memory_bytes = UINT64_C(1) << 45);
    REFUSED(d.memory_bytes += 4096);
    REFUSED(d.pages = MEMORY_PAGES);
    REFUSED(d.memory_node = PARCLOSE_MAX_NODES);
    REFUSED(d.firmware = GUEST_FIRMWARES);
    REFUSED(d.firmware = FIRMWARE_UEFI); /* not given */
    REFUSED(strcpy(d.initrd, "/i"));
    REFUSED(strcpy(d.disk, "/d"));
    REFUSED(memset(d.name, 'a', sizeof(d.name)));
    REFUSED(memset(d.cmdline, 'a', sizeof(d.cmdline)));
}

static void files_that_nobody_asked_for_are_refused(void **state)
{
    (void)state;
    refuses(describe("good"), FILE_INITRD);
    refuses(describe("good"), FILE_FIRMWARE);
    refuses(describe("good"), FILE_VARIABLES);
    refuses(describe("good"), FILE_DISK);
    refuses(describe("good"), FILE_KERNEL);        /* twice */
    refuses(describe("good"), MONITOR_FILE_KINDS); /* none */
}

static void a_message_out_of_turn_is_refused(void **state)
{
    const struct partition_descriptor d = describe("good");
    (void)state;

    give_all(&d);
    say(MONITOR_ATTACHED);
    ends(EXIT_MONITOR_ERROR, "refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(it_stands_before_the_gate, clear),
        cmocka_unit_test_teardown(it_runs_after_the_gate, clear),
        cmocka_unit_test_teardown(qemu_is_confined, clear),
        cmocka_unit_test_teardown(its_disk_does_not_grow, clear),
        cmocka_unit_test_teardown(typed_bytes_reach_it, clear),
        cmocka_unit_test_teardown(the_power_button, clear),
        cmocka_unit_test_teardown(the_power_button_before_the_gate, clear),
        cmocka_unit_test_teardown(one_that_does_not_hear_quit_is_killed, clear),
        cmocka_unit_test_teardown(one_without_statistics_runs, clear),
        cmocka_unit_test_teardown(how_a_guest_ends, clear),
        cmocka_unit_test_teardown(the_link_may_be_lost, clear),
        cmocka_unit_test_teardown(a_vf_does_not_come_while_it_runs, clear),
        cmocka_unit_test_teardown(one_that_dies, clear),
        cmocka_unit_test_teardown(one_that_closes_qmp_is_ended, clear),
        cmocka_unit_test_teardown(one_that_floods_is_stopped, clear),
        cmocka_unit_test_teardown(one_that_runs_already_is_refused, clear),
        cmocka_unit_test_teardown(one_that_breaks_qmp_is_ended, clear),
        cmocka_unit_test_teardown(a_bad_descriptor_is_refused, clear),
        cmocka_unit_test_teardown(files_that_nobody_asked_for_are_refused, clear),
        cmocka_unit_test_teardown(a_message_out_of_turn_is_refused, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
