/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block channel whole (channel.h), without KVM: the test plays the guest's driver, on its
 * registers and its ring; the server is a process (vhost_server.c), which is killed with requests
 * in its hands. In both modes.
 */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "layout.h"
#include "sys.h"
#include "test.h"

#define MEMORY   (UINT64_C(64) << 20)
#define RINGS    UINT64_C(0x100000)
#define BUFFERS  UINT64_C(0x200000)
#define SIZE     32
#define REQUESTS 10 /* of three descriptors each */
#define BYTES    6000
#define NONE     RING_SIZE_MAX
#define DISK_MIB 1
#define TRIES    200 /* of 50 ms */
#define LINE     64u

static struct channel_set set;
static struct irq_router router;
static struct guest_memory memory;
static struct partition_channel config;
static struct ring ring, transmit; /* the first queue's, the second's */
static uint16_t put, seen, sent;
static char folder[] = "/tmp/channel-test-XXXXXX", disk[64];
static pid_t server;

/* ---- the server ---- */

static void start_server(const char *delay)
{
    char port[256];
    struct stat st;

    if (config.kind == CHANNEL_DEVICE_CONSOLE)
        snprintf(port, sizeof(port), "console:%s", config.server);
    else
        snprintf(port, sizeof(port), "block:%s:%s", config.server, disk);
    unlink(config.server);
    server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it outlives no failed test */
        if (!freopen("/dev/null", "w", stderr))
            _exit(126);
        execl(VHOST_SERVER, "vhost-server", "--delay", delay, port, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; stat(config.server, &st) < 0 && i < TRIES; i++)
        usleep(50000);
}

static void kill_server(void)
{
    kill(server, SIGKILL);
    assert_int_equal(waitpid(server, NULL, 0), server);
    server = 0;
}

static void connect_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), rc = -1;

    memcpy(address.sun_path, config.server, sizeof(config.server));
    for (int i = 0; rc < 0 && i < TRIES; i++) {
        rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
        if (rc < 0)
            usleep(50000);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(channel_connect(&set, 0, fd), 0);
}

/* ---- main's loop ---- */

static void turn(void)
{
    struct pollfd fds[CHANNEL_FILES];
    unsigned count = channel_files(&set, fds);

    assert_true(count <= CHANNEL_FILES);
    (void)poll(fds, count, 50);
    channel_serve(&set, fds, count);
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        for (int tries = 0; !(condition) && tries < TRIES; tries++)                                \
            turn();                                                                                \
        assert_true(condition);                                                                    \
    } while (0)

static enum channel_state state_now(void)
{
    struct channel_status status[PARCLOSE_MAX_CHANNELS];

    channel_status(&set, status);
    return (enum channel_state)status[0].state;
}

/* ---- the guest's driver ---- */

static void write_register(uint32_t offset, unsigned size, uint64_t value)
{
    assert_true(channel_memory_write(&set, LAYOUT_CHANNELS + offset, size, value));
}

static uint64_t read_register(uint32_t offset, unsigned size)
{
    uint64_t value = 0;

    assert_true(channel_memory_read(&set, LAYOUT_CHANNELS + offset, size, &value));
    return value;
}

static void begin_queue(uint16_t index, struct ring *opened)
{
    const uint64_t at = RINGS + index * UINT64_C(0x10000);
    const struct ring_place place = {at, at + 0x1000, at + 0x2000, SIZE};
    const uint64_t addresses[] = {place.descriptors, place.available, place.used};

    write_register(VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
    write_register(VIRTIO_PCI_COMMON_Q_SIZE, 2, SIZE);
    for (uint32_t i = 0; i < 3; i++) {
        write_register(VIRTIO_PCI_COMMON_Q_DESCLO + 8 * i, 4, addresses[i]);
        write_register(VIRTIO_PCI_COMMON_Q_DESCHI + 8 * i, 4, 0);
    }
    assert_int_equal(ring_open(opened, &set.memory, &place), 0);
    ring_clear(opened);
    write_register(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void begin_driver(void)
{
    channel_config_write(&set, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    write_register(VIRTIO_PCI_COMMON_STATUS, 1, 3);
    write_register(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
    write_register(VIRTIO_PCI_COMMON_GF, 4, 1);
    write_register(VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_FEATURES_OK);
    assert_int_equal(read_register(VIRTIO_PCI_COMMON_STATUS, 1), 3 | VIRTIO_FEATURES_OK);
    begin_queue(0, &ring);
    if (channel_queues(&set.channels[0]) > 1)
        begin_queue(1, &transmit);
    put = seen = sent = 0;
    write_register(VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
}

static uint8_t *buffer(uint32_t n)
{
    return memory.base + BUFFERS + n * 0x4000u;
}

/* Header, data, status: request n has descriptors 3n to 3n + 2 and 12 sectors of the disk. */
static void put_request(uint32_t n, bool write)
{
    const uint64_t at = BUFFERS + n * 0x4000u;
    const struct ring_part parts[] = {
        {at, 16, false}, {at + 0x1000, BYTES / 512 * 512, !write}, {at + 0x3000, 1, true}};
    const uint64_t header[2] = {write, n * 12u};
    uint16_t head = (uint16_t)(3 * n);

    memcpy(buffer(n), header, sizeof(header));
    memset(buffer(n) + 0x1000, write ? (int)n + 1 : 0, BYTES);
    buffer(n)[0x3000] = 0xff;
    for (uint16_t i = 0; i < 3; i++)
        ring_describe(&ring, (uint16_t)(head + i), &parts[i], i < 2 ? head + i + 1u : NONE);
    ring_put(&ring, put++, head);
    (void)ring_publish_available(&ring, put);
    write_register(VIRTIO_NOTIFY, 2, 0);
}

/* Each is given back once, and good. */
static unsigned collect(bool given[REQUESTS])
{
    struct ring_used used;
    unsigned count = 0;

    while (ring_collect(&ring, seen, REQUESTS, &used) == 1) {
        assert_true(used.id % 3 == 0 && used.id / 3 < REQUESTS);
        assert_false(given[used.id / 3]);
        assert_int_equal(buffer(used.id / 3)[0x3000], 0);
        given[used.id / 3] = true;
        seen++;
        count++;
    }
    return count;
}

static void all_come_back(void)
{
    bool given[REQUESTS] = {false};
    unsigned count = 0;

    TURN_UNTIL((count += collect(given)) == REQUESTS);
}

static void read_all_back(void)
{
    for (uint32_t n = 0; n < REQUESTS; n++)
        put_request(n, false);
    all_come_back();
    for (uint32_t n = 0; n < REQUESTS; n++)
        for (uint32_t i = 0; i < BYTES / 512 * 512; i++)
            assert_int_equal(buffer(n)[0x1000 + i], n + 1);
}

/* ---- the tests, each in both modes ---- */

static void begin(uint32_t mode, const char *delay)
{
    memset(&set, 0, sizeof(set));
    memset(&router, 0, sizeof(router));
    router.vm = -1;
    config.mode = mode;
    assert_int_equal(channel_make(&set, &config, 1, &memory, &router, -1), 0);
    channel_begin(&set);
    start_server(delay);
    connect_server();
    assert_false(channel_known(&set));
    TURN_UNTIL(channel_known(&set));
    begin_driver();
    TURN_UNTIL(state_now() == CHANNEL_OPERATING);
}

static void end(void)
{
    vhost_drop(&set.channels[0].vhost);
    if (server)
        kill_server();
}

static void what_is_written_is_read_back(uint32_t mode)
{
    begin(mode, "0");
    assert_int_equal(read_register(0x2000, 8), DISK_MIB * 2048);
    for (uint32_t n = 0; n < REQUESTS; n++)
        put_request(n, true);
    all_come_back();
    read_all_back();
    end();
}

/* Killed while it holds a batch, three times over; the guest uses its descriptors again. */
static void a_lost_server_loses_nothing(uint32_t mode)
{
    begin(mode, "200");
    for (int i = 0; i < 3; i++) {
        bool given[REQUESTS] = {false};
        unsigned count = 0;

        for (uint32_t n = 0; n < REQUESTS; n++)
            put_request(i % 2 ? REQUESTS - 1 - n : n, true);
        turn();
        count += collect(given);
        kill_server();
        TURN_UNTIL(state_now() == CHANNEL_LOST);
        start_server("200");
        connect_server();
        TURN_UNTIL((count += collect(given)) == REQUESTS);
    }
    read_all_back();
    end();
}

/* A new main finds the queues running, or their start under way. */
static void a_new_main_goes_on(uint32_t mode)
{
    begin(mode, "50");
    for (uint32_t n = 0; n < REQUESTS; n++) {
        put_request(n, true);
        channel_begin(&set);
    }
    all_come_back();
    set.channels[0].vhost.step = VHOST_STARTING;
    for (uint32_t n = 0; n < REQUESTS; n++)
        put_request(n, true);
    channel_begin(&set);
    assert_int_equal(state_now(), CHANNEL_LOST);
    connect_server();
    all_come_back();
    read_all_back();
    end();
}

/* The status reads as before until the server has let go. */
static void a_reset_waits_for_the_server(uint32_t mode)
{
    begin(mode, "0");
    put_request(0, true);
    write_register(VIRTIO_PCI_COMMON_STATUS, 1, 0);
    assert_int_not_equal(read_register(VIRTIO_PCI_COMMON_STATUS, 1), 0);
    TURN_UNTIL(read_register(VIRTIO_PCI_COMMON_STATUS, 1) == 0);
    assert_int_equal(state_now(), CHANNEL_READY);
    begin_driver();
    for (uint32_t n = 0; n < REQUESTS; n++)
        put_request(n, true);
    all_come_back();
    end();
}

#define IN_BOTH_MODES(test)                                                                        \
    static void test##_confined(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        test(CHANNEL_CONFINED);                                                                    \
    }                                                                                              \
    static void test##_direct(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        test(CHANNEL_DIRECT);                                                                      \
    }
IN_BOTH_MODES(what_is_written_is_read_back)
IN_BOTH_MODES(a_lost_server_loses_nothing)
IN_BOTH_MODES(a_new_main_goes_on)
IN_BOTH_MODES(a_reset_waits_for_the_server)

static void a_broken_ring_asks_for_a_reset(void **state)
{
    (void)state;
    begin(CHANNEL_CONFINED, "0");
    ring_put(&ring, 0, SIZE + 1);
    (void)ring_publish_available(&ring, 1);
    write_register(VIRTIO_NOTIFY, 2, 0);
    TURN_UNTIL(read_register(VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_NEEDS_RESET);
    write_register(VIRTIO_PCI_COMMON_STATUS, 1, 0);
    TURN_UNTIL(read_register(VIRTIO_PCI_COMMON_STATUS, 1) == 0);
    begin_driver();
    for (uint32_t n = 0; n < REQUESTS; n++)
        put_request(n, true);
    all_come_back();
    end();
}

/* It may change the flags of every file that it has, take what is in one, and never read. */
static void a_server_cannot_hang_main(void **state)
{
    const struct channel_events *events = &set.channels[0].events;

    (void)state;
    begin(CHANNEL_CONFINED, "0");
    assert_int_equal(fcntl(events->calls[0], F_SETFL, 0), 0);
    assert_int_equal(fcntl(events->bells[0][1], F_SETFL, 0), 0);
    kill(server, SIGSTOP);
    alarm(20);
    sys_event_clear(events->calls[0]);
    for (int i = 0; i < 2000; i++) {
        write_register(VIRTIO_NOTIFY, 2, 0);
        put_request(0, true);
        put--;
        channel_begin(&set);
    }
    alarm(0);
    kill(server, SIGCONT);
    end();
}

/* ---- a console: queue 0 hears, queue 1 says ---- */

static void put_buffers(void)
{
    for (uint16_t i = 0; i < SIZE; i++) {
        const struct ring_part part = {BUFFERS + i * LINE, LINE, true};

        ring_describe(&ring, i, &part, NONE);
        ring_put(&ring, put++, i);
    }
    (void)ring_publish_available(&ring, put);
    write_register(VIRTIO_NOTIFY, 2, 0);
}

static void line_of(unsigned n, char line[LINE])
{
    memset(line, 0, LINE);
    snprintf(line, LINE, "line %u", n);
}

static void say_line(void)
{
    const struct ring_part part = {BUFFERS + UINT64_C(0x100000) + sent % SIZE * LINE, LINE, false};

    line_of(sent, (char *)memory.base + part.address);
    ring_describe(&transmit, sent % SIZE, &part, NONE);
    ring_put(&transmit, sent, sent % SIZE);
    (void)ring_publish_available(&transmit, ++sent);
    write_register(VIRTIO_NOTIFY + 4, 2, 1);
}

/* Buffers are taken in their order. */
static void hear_line(void)
{
    struct ring_used used = {0};
    char line[LINE];

    line_of(seen, line);
    TURN_UNTIL(ring_collect(&ring, seen, SIZE, &used) == 1);
    assert_int_equal(used.id, seen);
    assert_int_equal(used.written, LINE);
    assert_memory_equal(memory.base + BUFFERS + seen * LINE, line, LINE);
    seen++;
}

static void a_console_is_heard(uint32_t mode)
{
    config.kind = CHANNEL_DEVICE_CONSOLE;
    begin(mode, "0");
    put_buffers();
    for (unsigned i = 0; i < SIZE / 2; i++) {
        say_line();
        hear_line();
    }
}

static void a_console_is_heard_direct(void **state)
{
    (void)state;
    a_console_is_heard(CHANNEL_DIRECT);
    end();
    config.kind = CHANNEL_DEVICE_BLOCK;
}

/* Buffers that the lost server had taken are the next one's, and none twice. */
static void a_console_is_heard_confined_by_the_next_server(void **state)
{
    (void)state;
    a_console_is_heard(CHANNEL_CONFINED);
    kill_server();
    TURN_UNTIL(state_now() == CHANNEL_LOST);
    start_server("0");
    connect_server();
    TURN_UNTIL(state_now() == CHANNEL_OPERATING);
    for (unsigned i = SIZE / 2; i < SIZE; i++) {
        say_line();
        hear_line();
    }
    end();
    config.kind = CHANNEL_DEVICE_BLOCK;
}

static int setup_all(void **state)
{
    FILE *file;

    (void)state;
    memory.fd = memfd_create("guest", MFD_CLOEXEC);
    memory.size = MEMORY;
    assert_int_equal(ftruncate(memory.fd, MEMORY), 0);
    memory.base = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
    assert_ptr_not_equal(memory.base, MAP_FAILED);
    assert_non_null(mkdtemp(folder));
    config = (struct partition_channel){.name = "data", .kind = CHANNEL_DEVICE_BLOCK};
    snprintf(config.server, sizeof(config.server), "%s/socket", folder);
    snprintf(disk, sizeof(disk), "%s/disk", folder);
    file = fopen(disk, "w");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), DISK_MIB << 20), 0);
    return fclose(file);
}

static int teardown_all(void **state)
{
    (void)state;
    if (server)
        kill(server, SIGKILL);
    unlink(config.server);
    unlink(disk);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back_confined),
        cmocka_unit_test(what_is_written_is_read_back_direct),
        cmocka_unit_test(a_lost_server_loses_nothing_confined),
        cmocka_unit_test(a_lost_server_loses_nothing_direct),
        cmocka_unit_test(a_new_main_goes_on_confined),
        cmocka_unit_test(a_new_main_goes_on_direct),
        cmocka_unit_test(a_reset_waits_for_the_server_confined),
        cmocka_unit_test(a_reset_waits_for_the_server_direct),
        cmocka_unit_test(a_broken_ring_asks_for_a_reset),
        cmocka_unit_test(a_server_cannot_hang_main),
        cmocka_unit_test(a_console_is_heard_direct),
        cmocka_unit_test(a_console_is_heard_confined_by_the_next_server),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
