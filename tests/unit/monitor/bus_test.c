/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main's half of the exits (slot.h, bus.h) on a made-up kvm_run: ports, unknown addresses, and
 * mains that die while they carry one out: a character goes out once.
 */
#include "bus.h"
#include "console.h"
#include "layout.h"
#include "monitor.h"
#include "test.h"

static struct monitor m;
static struct console_ring ring;
static union {
    struct kvm_run run;
    uint8_t bytes[8192];
} page;

#define DATA 4096

static int setup(void **state)
{
    (void)state;
    memset(&m, 0, sizeof(m));
    memset(&ring, 0, sizeof(ring));
    m.ring = &ring;
    m.vm.vcpus_count = 1;
    m.vm.runs[0] = &page.run;
    m.router.uart = m.router.event = m.work = -1;
    for (int i = 0; i < MONITOR_FILE_KINDS; i++)
        m.files.single[i] = -1;
    pci_config_host_bridge(&m.pci.bridge);
    m.pci.channels = &m.channels;
    return 0;
}

static void post(void)
{
    m.slots[0].exits++;
    atomic_store(&m.slots[0].state, SLOT_POSTED);
}

static void post_io(uint16_t port, uint8_t direction, uint8_t size, uint32_t count, uint32_t value)
{
    memset(&page, 0, sizeof(page));
    page.run.exit_reason = KVM_EXIT_IO;
    page.run.io.port = port;
    page.run.io.direction = direction;
    page.run.io.size = size;
    page.run.io.count = count;
    page.run.io.data_offset = DATA;
    memcpy(page.bytes + DATA, &value, 4);
    post();
}

static uint32_t answer(void)
{
    uint32_t value;

    assert_int_equal(atomic_load(&m.slots[0].state), SLOT_DONE);
    memcpy(&value, page.bytes + DATA, 4);
    return value;
}

static void post_mmio(uint64_t address, uint32_t size, bool write)
{
    memset(&page, 0, sizeof(page));
    page.run.exit_reason = KVM_EXIT_MMIO;
    page.run.mmio.phys_addr = address;
    page.run.mmio.len = size;
    page.run.mmio.is_write = write;
    post();
}

static void output_reaches_the_ring(void **state)
{
    (void)state;
    post_io(LAYOUT_UART, KVM_EXIT_IO_OUT, 1, 3, 0x00636261);
    bus_serve(&m);
    console_flush(&m);
    (void)answer();
    assert_int_equal(ring.out_head, 3);
    assert_memory_equal(ring.out, "abc", 3);
}

/* The last main did the work but died before it said so; the next does it again. */
static void a_character_goes_out_once(void **state)
{
    (void)state;
    post_io(LAYOUT_UART, KVM_EXIT_IO_OUT, 1, 1, 'x');
    bus_serve(&m);
    atomic_store(&m.slots[0].state, SLOT_POSTED);
    m.journal.vcpu = 1;
    bus_begin(&m);
    bus_serve(&m);
    (void)answer();
    assert_int_equal(m.console.out_head, 1);
    assert_int_equal(ring.out[0], 'x');
    assert_int_equal(m.journal.vcpu, 0);
}

/* It died after its answer, and the vCPU has posted its next exit already. */
static void the_next_exit_is_another_one(void **state)
{
    (void)state;
    post_io(LAYOUT_UART, KVM_EXIT_IO_OUT, 1, 1, 'x');
    bus_serve(&m);
    m.journal.vcpu = 1;
    post_io(LAYOUT_UART, KVM_EXIT_IO_OUT, 1, 1, 'y');
    bus_serve(&m);
    assert_int_equal(m.console.out_head, 2);
    assert_memory_equal(ring.out, "xy", 2);
}

static void an_exit_that_kills_twice_is_answered_with_ones(void **state)
{
    (void)state;
    post_io(LAYOUT_UART + 7, KVM_EXIT_IO_IN, 1, 1, 0);
    m.journal = (struct exit_journal){.vcpu = 1, .exit = m.slots[0].exits, .attempts = 1};
    bus_serve(&m);
    assert_int_equal(answer() & 0xff, 0xff);
    assert_int_equal(m.end.reason, EXIT_NONE);
}

static void nothing_there_reads_ones(void **state)
{
    (void)state;
    post_io(0x1234, KVM_EXIT_IO_IN, 4, 1, 0);
    bus_serve(&m);
    assert_int_equal(answer(), UINT32_MAX);
    post_mmio(0xd0000000, 8, false);
    bus_serve(&m);
    for (int i = 0; i < 8; i++)
        assert_int_equal(page.run.mmio.data[i], 0xff);
}

static void host_bridge_by_ecam_and_by_port(void **state)
{
    (void)state;
    post_mmio(LAYOUT_ECAM, 4, false);
    bus_serve(&m);
    assert_memory_equal(page.run.mmio.data, "\x36\x1b\x08\x00", 4);
    post_io(0xcf8, KVM_EXIT_IO_OUT, 4, 1, 0x80000008);
    bus_serve(&m);
    post_io(0xcfe, KVM_EXIT_IO_IN, 2, 1, 0);
    bus_serve(&m);
    assert_int_equal(answer() & 0xffff, 0x0600);
    post_io(0xcf8, KVM_EXIT_IO_OUT, 4, 1, 0x80010000); /* bus 1: nothing */
    bus_serve(&m);
    post_io(0xcfc, KVM_EXIT_IO_IN, 4, 1, 0);
    bus_serve(&m);
    assert_int_equal(answer(), UINT32_MAX);
}

static void odd_accesses_do_nothing(void **state)
{
    static const uint8_t sizes[] = {0, 3, 5, 8, 255};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes); i++) {
        post_io(LAYOUT_UART, KVM_EXIT_IO_OUT, sizes[i], 1, 'x');
        bus_serve(&m);
        assert_int_equal(m.console.out_head, 0);
        post_mmio(LAYOUT_ECAM, sizes[i] == 8 ? 0 : 9 + (uint32_t)sizes[i], true);
        bus_serve(&m);
        (void)answer();
    }
    post_mmio(LAYOUT_ECAM + LAYOUT_ECAM_SIZE - 2, 4, false); /* over its end */
    bus_serve(&m);
    assert_int_equal(page.run.mmio.data[0], 0xff);
}

static uint32_t end_by(uint16_t port, uint8_t value)
{
    m.end.reason = EXIT_NONE;
    m.journal.vcpu = 0;
    post_io(port, KVM_EXIT_IO_OUT, 1, 1, value);
    bus_serve(&m);
    return m.end.reason;
}

static void ways_to_end(void **state)
{
    (void)state;
    assert_int_equal(end_by(LAYOUT_SLEEP, 0x34), EXIT_POWER_OFF);
    assert_int_equal(end_by(LAYOUT_SLEEP, 0x14), EXIT_NONE); /* type without "go" */
    assert_int_equal(end_by(LAYOUT_SLEEP + 2, 1), EXIT_REBOOT);
    assert_int_equal(end_by(0xcf9, 6), EXIT_REBOOT);
    assert_int_equal(end_by(0x64, 0xfe), EXIT_REBOOT);
    assert_int_equal(end_by(LAYOUT_PANIC, 1), EXIT_PANIC);
    assert_int_equal(end_by(0x80, 1), EXIT_NONE);
}

static void the_watchdog_by_its_ports(void **state)
{
    (void)state;
    post_io(LAYOUT_WATCHDOG + WATCHDOG_COUNT, KVM_EXIT_IO_OUT, 2, 1, 600);
    bus_serve(&m);
    post_io(LAYOUT_WATCHDOG + WATCHDOG_CONTROL, KVM_EXIT_IO_OUT, 1, 1, 1);
    bus_serve(&m);
    assert_true(m.watchdog.deadline_ns != 0);
    post_io(LAYOUT_WATCHDOG + WATCHDOG_LEFT, KVM_EXIT_IO_IN, 2, 1, 0);
    bus_serve(&m);
    assert_in_range(answer(), 1, 600);
    post_io(LAYOUT_WATCHDOG + WATCHDOG_COUNT, KVM_EXIT_IO_OUT, 4, 1, 1); /* over two registers */
    bus_serve(&m);
    assert_int_equal(m.watchdog.count, 600);
    post_io(LAYOUT_WATCHDOG + 2, KVM_EXIT_IO_IN, 1, 1, 0); /* nothing is there */
    bus_serve(&m);
    assert_int_equal(answer() & 0xff, 0xff);
}

static void bad_exits_end_the_partition(void **state)
{
    (void)state;
    memset(&page, 0, sizeof(page));
    page.run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
    post();
    bus_serve(&m);
    assert_int_equal(m.end.reason, EXIT_MONITOR_ERROR);
    assert_int_equal(atomic_load(&m.slots[0].state), SLOT_POSTED); /* the vCPU stays where it is */
}

/* Its writer says more than the ring holds: nothing is taken, nothing is read out of bounds. */
static void a_lying_console_writer(void **state)
{
    (void)state;
    ring.in_head = UINT64_MAX / 2;
    console_pump(&m);
    assert_int_equal(m.console.uart.received, 0);
    assert_true(m.console.in_tail == ring.in_head);
    ring.in[(UINT64_MAX / 2) % CONSOLE_RING] = 'q';
    ring.in_head++;
    console_pump(&m);
    assert_int_equal(m.console.uart.received, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(output_reaches_the_ring, setup),
        cmocka_unit_test_setup(a_character_goes_out_once, setup),
        cmocka_unit_test_setup(the_next_exit_is_another_one, setup),
        cmocka_unit_test_setup(an_exit_that_kills_twice_is_answered_with_ones, setup),
        cmocka_unit_test_setup(nothing_there_reads_ones, setup),
        cmocka_unit_test_setup(host_bridge_by_ecam_and_by_port, setup),
        cmocka_unit_test_setup(odd_accesses_do_nothing, setup),
        cmocka_unit_test_setup(ways_to_end, setup),
        cmocka_unit_test_setup(the_watchdog_by_its_ports, setup),
        cmocka_unit_test_setup(bad_exits_end_the_partition, setup),
        cmocka_unit_test_setup(a_lying_console_writer, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
