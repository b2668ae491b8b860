/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VF's BARs over a made-up kernel, which aborts when it is asked for a memory slot that no guest
 * may have (fake_kernel.h): where the guest lays them, and devices that contradict themselves. Its
 * vectors, where it has MSI alone.
 */
#include <errno.h>
#include <linux/pci_regs.h>

#include "create.h"
#include "fake_kernel.h"
#include "hotplug.h"
#include "layout.h"
#include "monitor.h"
#include "test.h"

#define BAR_SIZE UINT64_C(0x4000)
#define MSIX_AT  0xb0
#define MSI_AT   0x50

static struct monitor m;
static struct fake_device devices[2];
static struct guest_memory memory = {.size = UINT64_C(64) << 20};

static void put(uint8_t *config, unsigned at, unsigned size, uint64_t value)
{
    memcpy(config + at, &value, size);
}

/* One BAR of 16 KiB with a table of three vectors at an offset of it. */
static void make_device(struct fake_device *d, uint64_t table)
{
    memset(d, 0, sizeof(*d));
    d->bar_size[0] = BAR_SIZE;
    d->bar_maps[0] = true;
    d->vectors = 3;
    d->table_start = table;
    d->table_end = table + 48;
    put(d->config, PCI_VENDOR_ID, 4, 0x12348086);
    put(d->config, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    d->config[PCI_CAPABILITY_LIST] = MSIX_AT;
    d->config[MSIX_AT] = PCI_CAP_ID_MSIX;
    put(d->config, MSIX_AT + PCI_MSIX_FLAGS, 2, 2);
    put(d->config, MSIX_AT + PCI_MSIX_TABLE, 4, table);
    put(d->config, MSIX_AT + PCI_MSIX_PBA, 4, table + 0x800);
}

static void attach(unsigned count)
{
    const char *what;

    fake_begin();
    memset(&m, 0, sizeof(m));
    assert_true(irq_begin(&m.router, FAKE_VM) >= 0);
    pci_begin(&m.pci, &m.router, &memory, &m.channels, FAKE_VM, FAKE_GROUPS);
    fake.devices = devices;
    fake.devices_count = count;
    fake.window64 = m.pci.context.pci64;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(
            pci_add(&m.pci, FAKE_CONTAINER, FAKE_GROUP + (int)i, (struct bdf){0x100 + i}, &what),
            i);
}

static void config_write(unsigned vf, unsigned offset, unsigned size, uint64_t value)
{
    pci_ecam_write(&m.pci, UINT64_C(0x8000) * (vf + 1) + offset, size, value);
}

static uint64_t bar_address(unsigned vf)
{
    return pci_ecam_read(&m.pci, UINT64_C(0x8000) * (vf + 1) + PCI_BASE_ADDRESS_0, 4) &
           ~UINT64_C(15);
}

static void the_table_is_not_mapped(void **state)
{
    (void)state;
    make_device(&devices[0], 0x1000);
    attach(1);
    assert_true(fake_mapped(bar_address(0)));
    assert_false(fake_mapped(bar_address(0) + 0x1000));
    assert_true(fake_mapped(bar_address(0) + 0x2000));
    assert_false(fake_mapped(bar_address(0) + BAR_SIZE));
}

/* Its table is said to be beyond its BAR: what lies there in the monitor is no guest's. */
static void a_table_beyond_its_bar(void **state)
{
    static const uint64_t tables[] = {0x4000, 0x8000, 0x10000, 0xfffff000};

    (void)state;
    for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        make_device(&devices[0], tables[i]);
        attach(1);
        assert_true(fake_mapped(bar_address(0) + BAR_SIZE - 0x1000));
        assert_false(fake_mapped(bar_address(0) + BAR_SIZE));
    }
}

/* Over RAM, ECAM, interrupt controllers, beyond the windows, half out of one: nowhere. */
static void a_bar_stays_in_the_windows(void **state)
{
    static const uint32_t places[] = {0,
                                      0x100000,
                                      0xbfffc000,
                                      (uint32_t)LAYOUT_ECAM,
                                      (uint32_t)LAYOUT_ECAM + 0xfc000,
                                      (uint32_t)LAYOUT_IOAPIC,
                                      (uint32_t)LAYOUT_LAPIC,
                                      0xffffc000,
                                      (uint32_t)LAYOUT_IDENTITY_MAP};

    (void)state;
    make_device(&devices[0], 0x1000);
    attach(1);
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        config_write(0, PCI_BASE_ADDRESS_0, 4, places[i]);
        assert_false(fake_mapped(places[i]));
        assert_int_equal(vf_find_bar(&m.pci.vfs[0], places[i]), -1);
    }
    config_write(0, PCI_BASE_ADDRESS_0, 4, LAYOUT_ECAM - BAR_SIZE);
    assert_true(fake_mapped(LAYOUT_ECAM - BAR_SIZE));
}

/* One BAR over another: the kernel has one of them, the log a bounded number of lines. */
static void a_storm_of_bars_over_another(void **state)
{
    uint64_t first, second;

    (void)state;
    make_device(&devices[0], 0x1000);
    make_device(&devices[1], 0x1000);
    attach(2);
    first = bar_address(0);
    second = bar_address(1);
    for (unsigned i = 0; i < 1000; i++) {
        config_write(1, PCI_BASE_ADDRESS_0, 4, first);
        config_write(1, PCI_BASE_ADDRESS_0, 4, second);
    }
    assert_true(fake_mapped(second));
    assert_in_range(fake_log_lines(), 1, 100);
}

static uint16_t command_of(const struct fake_device *d)
{
    return (uint16_t)(d->config[PCI_COMMAND] | d->config[PCI_COMMAND + 1] << 8);
}

/* A reset of its PF from outside: registers and vectors are gone, and the kernel does not know. */
static void reset_behind_its_back(struct fake_device *d)
{
    put(d->config, PCI_COMMAND, 2, 0);
    put(d->config, MSIX_AT + PCI_MSIX_FLAGS, 2, 2);
    d->armed = 0;
}

static void what_was_reset_behind_its_back_is_mended(void **state)
{
    (void)state;
    make_device(&devices[0], 0x1000);
    attach(1);
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(devices[0].armed, 3);
    reset_behind_its_back(&devices[0]);
    for (int i = 0; i < 2; i++) { /* once more does no harm */
        assert_int_equal(vf_mend(&m.pci.vfs[0], &m.pci.context), 0);
        assert_int_equal(command_of(&devices[0]), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        assert_int_equal(devices[0].armed, 3);
    }
    assert_true(fake_mapped(bar_address(0)));
}

/* What its guest had not switched on stays off: DMA above all. */
static void mending_gives_the_guest_nothing_new(void **state)
{
    (void)state;
    make_device(&devices[0], 0x1000);
    attach(1);
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    reset_behind_its_back(&devices[0]);
    assert_int_equal(vf_mend(&m.pci.vfs[0], &m.pci.context), 0);
    assert_int_equal(command_of(&devices[0]), PCI_COMMAND_MEMORY);
}

#define MS UINT64_C(1000000)

static void a_reset_is_noticed_within_a_second(void **state)
{
    uint64_t now = 1000 * MS, reset_at, found_at = 0;

    (void)state;
    make_device(&devices[0], 0x1000);
    make_device(&devices[1], 0x1000);
    attach(2);
    for (; now < 3000 * MS; now += 10 * MS)
        assert_false(pci_look(&m.pci, now));
    config_write(1, PCI_COMMAND, 2, 0); /* a guest's doing is not taken for it */
    config_write(1, MSIX_AT + PCI_MSIX_FLAGS, 2, 0);
    for (; now < 5000 * MS; now += 10 * MS)
        assert_false(pci_look(&m.pci, now));
    reset_behind_its_back(&devices[0]);
    for (reset_at = now; !found_at && now < reset_at + 1000 * MS; now += 10 * MS)
        found_at = pci_look(&m.pci, now) ? now : 0;
    assert_in_range(found_at, reset_at + 100 * MS, reset_at + 600 * MS);
    assert_int_equal(m.pci.vfs[0].marks, VF_RESET);
    assert_int_equal(m.pci.vfs[1].marks, 0);
    for (; now < reset_at + 3000 * MS; now += 10 * MS)
        assert_false(pci_look(&m.pci, now)); /* said once */
    assert_int_equal(vf_mend(&m.pci.vfs[0], &m.pci.context), 0);
    assert_int_equal(m.pci.vfs[0].marks, 0);
    for (; now < reset_at + 5000 * MS; now += 10 * MS)
        assert_false(pci_look(&m.pci, now));
}

/* The kernel's own reset of a function takes 100 ms, and it puts the registers back. */
static void a_moment_without_vectors_is_no_reset(void **state)
{
    uint64_t now = 1000 * MS;

    (void)state;
    make_device(&devices[0], 0x1000);
    attach(1);
    for (int i = 0; i < 100; i++, now += 150 * MS) {
        put(devices[0].config, MSIX_AT + PCI_MSIX_FLAGS, 2, i % 2 ? 2 : PCI_MSIX_FLAGS_ENABLE | 2);
        assert_false(pci_look(&m.pci, now));
    }
}

static void waits_no_longer_than_to_the_next_look(void **state)
{
    (void)state;
    make_device(&devices[0], 0x1000);
    attach(1);
    assert_true(pci_looks(&m.pci));
    pci_look(&m.pci, 1000 * MS);
    assert_in_range(pci_wait_ms(&m.pci, 1100 * MS), 100, 151);
    assert_int_equal(pci_wait_ms(&m.pci, 9000 * MS), 0);
    pci_remove(&m.pci, 0);
    assert_false(pci_looks(&m.pci));
}

/* ---- MSI alone ---- */

/* Eight vectors, address of 64 bits, masks that nobody is shown. */
static void attach_msi(uint32_t room)
{
    struct fake_device *d = &devices[0];

    make_device(d, 0x1000);
    d->vectors = 0;
    d->table_end = d->table_start;
    d->msi = 8;
    d->msi_room = room;
    d->config[PCI_CAPABILITY_LIST] = MSI_AT;
    d->config[MSI_AT] = PCI_CAP_ID_MSI;
    put(d->config, MSI_AT + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 3 << 1);
    attach(1);
}

static void write_msi(uint64_t address, uint16_t data, unsigned enable, bool on)
{
    config_write(0, MSI_AT + PCI_MSI_ADDRESS_LO, 4, (uint32_t)address);
    config_write(0, MSI_AT + PCI_MSI_ADDRESS_HI, 4, address >> 32);
    config_write(0, MSI_AT + PCI_MSI_DATA_64, 2, data);
    config_write(0, MSI_AT + PCI_MSI_FLAGS, 2, enable << 4 | on);
}

/* The first `count` vectors are delivered, each with its number; no other. */
static void assert_delivers(unsigned count, uint64_t address, uint32_t data)
{
    uint64_t at;
    uint32_t with;

    for (unsigned i = 0; i < MSIX_VECTORS; i++) {
        assert_int_equal(fake_delivers(0, i, &at, &with), i < count);
        if (i >= count)
            continue;
        assert_true(at == address);
        assert_int_equal(with, data | i);
    }
}

static void msi_is_delivered_while_it_is_on(void **state)
{
    (void)state;
    attach_msi(0);
    assert_int_equal(devices[0].armed, 8);
    assert_delivers(0, 0, 0);
    write_msi(0xfee01000, 0x4040, 2, true);
    assert_delivers(4, 0xfee01000, 0x4040);
    assert_int_equal(devices[0].armed, 4); /* the device is to know: it has no others to use */
    write_msi(0xfee01000, 0x4040, 0, true);
    assert_delivers(1, 0xfee01000, 0x4040);
    assert_int_equal(devices[0].armed, 1);
    for (int i = 0; i < 100; i++) {
        write_msi(0xfee01000, 0x4040, 3, false);
        assert_delivers(0, 0, 0);
        write_msi(0xfee01000, 0x4040, 3, true);
        assert_delivers(8, 0xfee01000, 0x4040);
        assert_int_equal(devices[0].armed, 8);
    }
}

/* Without masks a guest can only write over what is on. */
static void msi_is_moved_while_it_is_on(void **state)
{
    (void)state;
    attach_msi(0);
    write_msi(0xfee01000, 0x4040, 1, true);
    config_write(0, MSI_AT + PCI_MSI_ADDRESS_LO, 4, 0xfee02003);
    assert_delivers(2, 0xfee02000, 0x4040);
    config_write(0, MSI_AT + PCI_MSI_DATA_64, 2, 0x5051);
    assert_delivers(2, 0xfee02000, 0x5050);
    config_write(0, MSI_AT + PCI_MSI_ADDRESS_HI, 4, 1);
    assert_delivers(2, UINT64_C(0x1fee02000), 0x5050);
    config_write(0, MSI_AT + PCI_MSI_DATA_64, 1, 0xff);
    assert_delivers(2, UINT64_C(0x1fee02000), 0x50fe);
}

static void msi_that_asks_for_more_than_there_is(void **state)
{
    (void)state;
    attach_msi(0);
    for (unsigned enable = 3; enable < 8; enable++) {
        write_msi(0xfee01000, 0xfff8, enable, true);
        assert_delivers(8, 0xfee01000, 0xfff8);
    }
    for (unsigned at = MSI_AT; at < MSI_AT + 24; at++) /* all of it, in bytes */
        config_write(0, at, 1, 0xff);
    assert_delivers(8, UINT64_C(0xfffffffffffffffc), 0xfff8);
    assert_int_equal(devices[0].armed, 8);
}

/* Five: four, which MSI can say. */
static void the_kernel_gives_fewer_vectors(void **state)
{
    (void)state;
    attach_msi(5);
    assert_int_equal(devices[0].armed, 4);
    assert_int_equal(pci_ecam_read(&m.pci, UINT64_C(0x8000) + MSI_AT + PCI_MSI_FLAGS, 2) &
                         PCI_MSI_FLAGS_QMASK,
                     2 << 1);
    write_msi(0xfee01000, 0x4040, 3, true);
    assert_delivers(4, 0xfee01000, 0x4040);
}

static void msi_is_mended_too(void **state)
{
    (void)state;
    attach_msi(0);
    write_msi(0xfee01000, 0x4040, 1, true);
    reset_behind_its_back(&devices[0]);
    assert_false(pci_looks(&m.pci)); /* VFIO does not show whether MSI is on */
    for (uint64_t now = MS; now < 2000 * MS; now += 100 * MS)
        assert_false(pci_look(&m.pci, now));
    assert_int_equal(vf_mend(&m.pci.vfs[0], &m.pci.context), 0);
    assert_int_equal(devices[0].armed, 2);
    assert_delivers(2, 0xfee01000, 0x4040);
}

/* One that has both is used with MSI-X. */
static void msix_goes_before_msi(void **state)
{
    (void)state;
    make_device(&devices[0], 0x1000);
    devices[0].msi = 8;
    devices[0].config[MSIX_AT + 1] = MSI_AT;
    devices[0].config[MSI_AT] = PCI_CAP_ID_MSI;
    attach(1);
    assert_int_equal(devices[0].armed, 3);
    assert_int_equal(pci_ecam_read(&m.pci, UINT64_C(0x8000) + MSI_AT, 4), 0);
    write_msi(0xfee01000, 0x4040, 3, true);
    assert_delivers(0, 0, 0);
}

/* ---- VFs at a start: what the partition is given of them */

static int channels(unsigned count)
{
    struct monitor_channels message = {{WIRE_VERSION, MONITOR_CHANNELS, sizeof(message), 0},
                                       .vfs_count = count};

    attach(0);
    fake.devices_count = count;
    m.phase = PHASE_BUILT;
    for (unsigned i = 0; i < count; i++) {
        message.vfs[i].value = 0x100 + i;
        m.inbox.files[1 + i] = FAKE_GROUP + (int)i;
    }
    m.inbox.files[0] = FAKE_CONTAINER;
    m.inbox.files_count = 1 + count;
    memcpy(m.inbox.bytes, &message, sizeof(message));
    m.descriptor.vfs_count = count;
    m.channels.count = 1; /* whose server is not there yet: nothing is sealed here */
    return create_channels(&m, &m.inbox);
}

static void one_that_is_gone_at_the_start_is_left_out(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 2; lost++) {
        make_device(&devices[0], 0x1000);
        make_device(&devices[1], 0x1000);
        devices[lost].refusal = -ENODEV;
        assert_int_equal(channels(2), 0);
        assert_int_equal(m.end.reason, EXIT_NONE);
        assert_true(m.vfs_attached);
        assert_int_equal(pci_find(&m.pci, (struct bdf){0x100 + lost}), -1);
        assert_true(pci_find(&m.pci, (struct bdf){0x100 + (1 - lost)}) >= 0);
        assert_int_equal(m.inbox.files[1 + lost], FAKE_GROUP + (int)lost); /* to be closed */
        assert_int_equal(m.inbox.files[0], -1);
        assert_int_equal(m.inbox.files[2 - lost], -1);
    }
    make_device(&devices[0], 0x1000);
    devices[0].refusal = -ENODEV;
    assert_int_equal(channels(1), 0);
    assert_int_equal(m.end.reason, EXIT_NONE);
    assert_int_equal(m.inbox.files[0], FAKE_CONTAINER);
}

static void one_that_cannot_be_had_ends_the_start(void **state)
{
    (void)state;
    make_device(&devices[0], 0x1000);
    make_device(&devices[1], 0x1000);
    devices[0].refusal = -EPERM;
    assert_int_equal(channels(2), 0);
    assert_int_equal(m.end.reason, EXIT_MONITOR_ERROR);
}

/* It could have what its last owner has left in it. */
static void one_that_was_not_reset_ends_the_start(void **state)
{
    (void)state;
    make_device(&devices[0], 0x1000);
    make_device(&devices[1], 0x1000);
    devices[1].no_reset = true;
    assert_int_equal(channels(2), 0);
    assert_int_equal(m.end.reason, EXIT_MONITOR_ERROR);
}

/* The first driver of it sets Bus Master Enable; firmware that only sizes BARs does not. */
static void a_guest_begins_with_one(void **state)
{
    struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS];

    (void)state;
    make_device(&devices[0], 0x1000);
    make_device(&devices[1], 0x1000);
    attach(2);
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_false(m.pci.dirty);
    hotplug_seats(&m, seats);
    assert_int_equal(seats[0].marks, VF_PRESENT | VF_IDLE);
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_true(m.pci.dirty); /* lead is to be told */
    hotplug_seats(&m, seats);
    assert_int_equal(seats[0].marks, VF_PRESENT);
    assert_int_equal(seats[1].marks, VF_PRESENT | VF_IDLE);
    m.pci.dirty = false;
    config_write(0, PCI_COMMAND, 2, 0);
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    assert_false(m.pci.dirty);
    hotplug_seats(&m, seats);
    assert_int_equal(seats[0].marks, VF_PRESENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_begins_with_one),
        cmocka_unit_test(the_table_is_not_mapped),
        cmocka_unit_test(a_table_beyond_its_bar),
        cmocka_unit_test(a_bar_stays_in_the_windows),
        cmocka_unit_test(a_storm_of_bars_over_another),
        cmocka_unit_test(what_was_reset_behind_its_back_is_mended),
        cmocka_unit_test(mending_gives_the_guest_nothing_new),
        cmocka_unit_test(a_reset_is_noticed_within_a_second),
        cmocka_unit_test(a_moment_without_vectors_is_no_reset),
        cmocka_unit_test(waits_no_longer_than_to_the_next_look),
        cmocka_unit_test(msi_is_delivered_while_it_is_on),
        cmocka_unit_test(msi_is_moved_while_it_is_on),
        cmocka_unit_test(msi_that_asks_for_more_than_there_is),
        cmocka_unit_test(the_kernel_gives_fewer_vectors),
        cmocka_unit_test(msi_is_mended_too),
        cmocka_unit_test(msix_goes_before_msi),
        cmocka_unit_test(one_that_is_gone_at_the_start_is_left_out),
        cmocka_unit_test(one_that_cannot_be_had_ends_the_start),
        cmocka_unit_test(one_that_was_not_reset_ends_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
