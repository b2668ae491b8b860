/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real parclose-control, seccomp filter and all, with this test as boot and every peer: a
 * partition is defined, started, waits, is attached; control is killed and comes back. Prints how
 * long readiness takes to become the order to attach. argv[1]: the executable.
 */
#include <dirent.h>
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
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config_check.h"
#include "parclose/msg_boot.h"
#include "parclose/msg_control_command.h"
#include "parclose/msg_control_lead.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_control_tcb.h"
#include "store/audit_reader.h"
#include "wire/frame.h"

#define DEADLINE_MS 10000
#define PF          ((struct bdf){0x0100})
#define VF          ((struct bdf){0x0180})

static const char *executable;

struct stage {
    char directory[64];
    pid_t pid;
    int ends[PROCESS_KINDS]; /* this test's; [PROCESS_BOOT]: boot's own */
    uint32_t generation;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void say(struct stage *stage, enum process_kind as, const void *message, int file)
{
    assert_int_equal(frame_send(stage->ends[as], message, &file, file >= 0 ? 1 : 0), 0);
}

/* The next message of this type to this peer; others are skipped. */
static void hear(struct stage *stage, enum process_kind as, uint16_t type, struct frame *frame)
{
    struct pollfd wait = {.fd = stage->ends[as], .events = POLLIN};

    for (;;) {
        assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
        assert_int_equal(frame_receive(stage->ends[as], frame), 1);
        if (frame->header.type == type)
            return;
        frame_clear(frame);
    }
}

static int inventory_file(void)
{
    static struct inventory inventory = {.magic = INVENTORY_MAGIC,
                                         .nodes_count = 1,
                                         .pcpus_count = 4,
                                         .boot_id = {9},
                                         .nodes = {{0, 0, UINT64_C(4) << 30}}};
    for (uint32_t i = 0; i < 4; i++)
        inventory.pcpus[i].pcpu = i;
    int file = memfd_create("inventory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(write(file, &inventory, sizeof(inventory)), sizeof(inventory));
    assert_int_equal(
        fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
    return file;
}

static void give(struct stage *stage, const char *name, int file)
{
    struct boot_file message = {.header = frame_header(BOOT_FILE, sizeof(message), 0)};

    snprintf(message.name, sizeof(message.name), "%s", name);
    say(stage, PROCESS_BOOT, &message, file);
    close(file);
}

static void give_link(struct stage *stage, enum process_kind peer)
{
    struct boot_link message = {.header = frame_header(BOOT_LINK, sizeof(message), 0),
                                .peer = peer,
                                .generation = stage->generation};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    say(stage, PROCESS_BOOT, &message, pair[0]);
    close(pair[0]);
    if (stage->ends[peer] >= 0)
        close(stage->ends[peer]);
    stage->ends[peer] = pair[1];
}

static void spawn(struct stage *stage)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    stage->pid = fork();
    assert_true(stage->pid >= 0);
    if (stage->pid == 0) {
        dup2(pair[0], BOOT_FD);
        fcntl(BOOT_FD, F_SETFD, 0);
        execl(executable, executable, (char *)NULL);
        _exit(127);
    }
    close(pair[0]);
    stage->ends[PROCESS_BOOT] = pair[1];
}

static void start(struct stage *stage)
{
    static const enum process_kind peers[] = {PROCESS_COMMAND, PROCESS_TCB, PROCESS_SR_PCIM,
                                              PROCESS_LEAD};
    struct boot_start go = {.header = frame_header(BOOT_START, sizeof(go), 0),
                            .generation = ++stage->generation,
                            .watchdog_ms = 10000};
    struct frame frame;

    spawn(stage);
    hear(stage, PROCESS_BOOT, BOOT_HELLO, &frame);
    give(stage, "inventory", inventory_file());
    give(stage, "state", open(stage->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (size_t i = 0; i < 4; i++)
        give_link(stage, peers[i]);
    say(stage, PROCESS_BOOT, &go, -1);
    hear(stage, PROCESS_BOOT, BOOT_READY, &frame);
}

static void lead_syncs(struct stage *stage)
{
    const struct lead_sync sync = {.header = frame_header(LEAD_SYNC, sizeof(sync), 0)};
    say(stage, PROCESS_LEAD, &sync, -1);
}

static int setup(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));

    *state = stage;
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        stage->ends[i] = -1;
    strcpy(stage->directory, "/tmp/parclose-process-XXXXXX");
    assert_non_null(mkdtemp(stage->directory));
    start(stage);
    lead_syncs(stage);
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;
    char path[512];

    kill(stage->pid, SIGKILL);
    waitpid(stage->pid, NULL, 0);
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        if (stage->ends[i] >= 0)
            close(stage->ends[i]);
    DIR *files = opendir(stage->directory);
    assert_non_null(files);
    for (struct dirent *entry; (entry = readdir(files));) {
        snprintf(path, sizeof(path), "%s/%s", stage->directory, entry->d_name);
        unlink(path);
    }
    closedir(files);
    rmdir(stage->directory);
    free(stage);
    return 0;
}

static void asked(struct stage *stage, const void *message)
{
    struct frame frame;

    say(stage, PROCESS_COMMAND, message, -1);
    hear(stage, PROCESS_COMMAND, CONTROL_RESULT, &frame);
    const struct control_result *result = (const void *)frame.bytes;
    if (result->error)
        fail_msg("%s", result->text);
}

static void ask_host_and_definition(struct stage *stage)
{
    struct control_host_set host = {.header = frame_header(CONTROL_HOST_SET, sizeof(host), 1)};
    struct control_partition_define define = {
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(define), 2),
        .config = {.name = "web",
                   .vcpus = 1,
                   .memory_mib = 256,
                   .vfs_count = 1,
                   .monitor = "native",
                   .kernel = "/k",
                   .vfs = {{.card = "net0"}}}};

    host_config_defaults(&host.host);
    host.host.cards_count = 1;
    host.host.cards[0] = (struct card_config){"net0", PF, 7, "igb"};
    asked(stage, &host);
    asked(stage, &define);
}

static void ask_start(struct stage *stage, uint64_t id)
{
    struct control_partition_start message = {
        .header = frame_header(CONTROL_PARTITION_START, sizeof(message), id),
        .name = "web",
        .pcpus_count = 1,
        .pcpus = {1}};
    asked(stage, &message);
}

static void say_vf(struct stage *stage)
{
    struct tcb_pf pf = {.header = frame_header(TCB_PF, sizeof(pf), 0),
                        .pf = {.bdf = PF, .answers = 1}};
    struct tcb_vf vf = {.header = frame_header(TCB_VF, sizeof(vf), 0),
                        .vf = {.bdf = VF,
                               .pf = PF,
                               .status = FUNCTION_ACTIVE,
                               .answers = 1,
                               .attributes_set = 1,
                               .driver = "vfio-pci"}};
    say(stage, PROCESS_TCB, &pf, -1);
    say(stage, PROCESS_TCB, &vf, -1);
}

static void say_monitor(struct stage *stage, uint32_t states, bool present, bool frozen)
{
    struct lead_monitor message = {.header = frame_header(LEAD_MONITOR, sizeof(message), 0),
                                   .partition = {1},
                                   .present = present,
                                   .states = states,
                                   .frozen = frozen,
                                   .exit = present ? EXIT_NONE : EXIT_POWER_OFF};
    if (states & STATE_BIT(STATE_CHANNEL_IMAGE))
        message.vfs[0] = (struct vf_seat){VF, VF_PRESENT};
    say(stage, PROCESS_LEAD, &message, -1);
}

static void say_readiness(struct stage *stage, enum pf_readiness readiness)
{
    struct pcim_readiness message = {.header = frame_header(PCIM_READINESS, sizeof(message), 0),
                                     .pf = PF,
                                     .readiness = readiness,
                                     .event_ns = now_ns()};
    say(stage, PROCESS_SR_PCIM, &message, -1);
}

static void acknowledge(struct stage *stage, const struct frame *order)
{
    struct lead_result message = {.header =
                                      frame_header(LEAD_RESULT, sizeof(message), order->header.id),
                                  .partition = {1},
                                  .done_ns = now_ns()};
    say(stage, PROCESS_LEAD, &message, -1);
}

static void to_the_gate(struct stage *stage, uint64_t id)
{
    struct frame frame;

    say_readiness(stage, PF_DRIVER_UNBOUND);
    ask_start(stage, id);
    hear(stage, PROCESS_LEAD, LEAD_CREATE, &frame);
    assert_int_equal(frame.files_count, 1);
    frame_clear(&frame);
    say_monitor(stage, STATES_BEFORE_GATE & ~STATE_BIT(STATE_CHANNEL_IMAGE), true, true);
    say_vf(stage);
    hear(stage, PROCESS_LEAD, LEAD_CHANNELS, &frame);
    acknowledge(stage, &frame);
    frame_clear(&frame);
    say_monitor(stage, STATES_BEFORE_GATE, true, true);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void readiness_becomes_an_attach_soon(void **state)
{
    struct stage *stage = *state;
    uint64_t took[20];
    struct frame frame;

    ask_host_and_definition(stage);
    for (uint64_t i = 0; i < 20; i++) {
        to_the_gate(stage, 100 + i);
        usleep(20000); /* control is idle, as it is while it waits */
        uint64_t began = now_ns();
        say_readiness(stage, PF_READY);
        hear(stage, PROCESS_LEAD, LEAD_ATTACH, &frame);
        took[i] = now_ns() - began;
        acknowledge(stage, &frame);
        say_monitor(stage, 0, false, true);
        do /* its VF is taken back: it is released */
            hear(stage, PROCESS_TCB, TCB_ASSIGN, &frame);
        while (((const struct tcb_assign *)(const void *)frame.bytes)->owner.kind == OWNER_GUEST);
    }
    qsort(took, 20, sizeof(took[0]), by_value);
    print_message("readiness to LEAD_ATTACH: median %llu us, worst %llu us\n",
                  (unsigned long long)took[10] / 1000, (unsigned long long)took[19] / 1000);
}

static void killed_control_comes_back_and_attaches(void **state)
{
    struct stage *stage = *state;
    struct frame frame;

    ask_host_and_definition(stage);
    to_the_gate(stage, 100);
    usleep(20000);
    kill(stage->pid, SIGKILL);
    waitpid(stage->pid, NULL, 0);
    close(stage->ends[PROCESS_BOOT]);
    start(stage);
    say_monitor(stage, STATES_BEFORE_GATE, true, true);
    lead_syncs(stage);
    say_vf(stage);
    say_readiness(stage, PF_READY);
    hear(stage, PROCESS_LEAD, LEAD_ATTACH, &frame);
    acknowledge(stage, &frame);
    hear(stage, PROCESS_COMMAND, CONTROL_SNAPSHOT, &frame);
    frame_clear(&frame);
}

static void define_numbered(struct stage *stage, uint64_t id)
{
    const struct control_partition_define define = {
        .header = frame_header(CONTROL_PARTITION_DEFINE, sizeof(define), id),
        .config = {.name = "many",
                   .vcpus = 1,
                   .memory_mib = 64 + 2 * (uint32_t)(id % 2),
                   .monitor = "native",
                   .kernel = "/k"}};
    say(stage, PROCESS_COMMAND, &define, -1);
}

static void hear_results(struct stage *stage, unsigned count)
{
    struct frame frame;

    while (count--) {
        hear(stage, PROCESS_COMMAND, CONTROL_RESULT, &frame);
        assert_int_equal(((const struct control_result *)(const void *)frame.bytes)->error, 0);
    }
}

/* How many groups the last `count` entries were in: each entry names the first that was not known
 * to be durable when it was written, so all of a group name the same one. */
static unsigned groups_of_last(struct stage *stage, unsigned count)
{
    int directory = open(stage->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t *firsts = calloc(count, sizeof(*firsts)), entries = 0;
    const struct audit_entry *entry;
    struct audit_reader *reader;
    struct audit_place place;
    unsigned groups = 1;

    assert_int_equal(audit_reader_open_directory(&reader, directory, &place), 0);
    while (audit_reader_next(reader, &entry) == 1)
        firsts[entries++ % count] = entry->unsynced_from;
    assert_true(entries >= count);
    for (unsigned i = 1; i < count; i++)
        groups += firsts[(entries + i) % count] != firsts[(entries + i - 1) % count];
    audit_reader_close(reader);
    free(firsts);
    close(directory);
    return groups;
}

#define TOGETHER 20 /* so many fit into the socket */

/* What comes while control is busy with a disk shares the next fdatasync; a lone one has its own.
 */
static void requests_that_come_together_share_a_sync(void **state)
{
    struct stage *stage = *state;

    ask_host_and_definition(stage);
    for (uint64_t id = 1000; id < 1000 + TOGETHER; id++) {
        define_numbered(stage, id);
        hear_results(stage, 1);
    }
    unsigned alone = groups_of_last(stage, TOGETHER);
    kill(stage->pid, SIGSTOP);
    for (uint64_t id = 2000; id < 2000 + TOGETHER; id++)
        define_numbered(stage, id);
    kill(stage->pid, SIGCONT);
    hear_results(stage, TOGETHER);
    unsigned together = groups_of_last(stage, TOGETHER);
    print_message("%d requests: %u syncs one by one, %u when they came at once\n", TOGETHER, alone,
                  together);
    assert_int_equal(alone, TOGETHER);
    assert_true(together <= TOGETHER / 4);
}

static void stops_in_order(void **state)
{
    struct stage *stage = *state;
    const struct boot_empty stop = {.header = frame_header(BOOT_STOP, sizeof(stop), 0)};
    int status;

    say(stage, PROCESS_BOOT, &stop, -1);
    assert_int_equal(waitpid(stage->pid, &status, 0), stage->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    spawn(stage); /* something for the teardown to end */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(readiness_becomes_an_attach_soon, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_control_comes_back_and_attaches, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_that_come_together_share_a_sync, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_in_order, setup, teardown),
    };
    if (argc != 2)
        return EXIT_FAILURE;
    executable = argv[1];
    return cmocka_run_group_tests_name("control-process", tests, NULL, NULL);
}
