/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's whole history on the monitor's real bus: ports, configuration space, BARs, MSI-X, on
 * one or two devices that are random as well, over a made-up kernel (fake_kernel.h) that checks
 * what is asked of it. The input: the devices, then accesses of STEP bytes each.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "bus.h"
#include "fake_kernel.h"
#include "layout.h"
#include "monitor.h"

#define DEVICES      2
#define DEVICE_BYTES 96 /* of input for one */
#define STEP         14
#define STEPS_MOST   400
#define MSIX_AT      0xb0
#define DATA         2048 /* offset of an I/O exit's data in its page */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct monitor m;
static struct console_ring ring;
static struct fake_device devices[DEVICES];
static struct guest_memory memory = {.size = UINT64_C(64) << 20};
static union {
    struct kvm_run run;
    uint8_t bytes[8192];
} page;

void monitor_end(struct monitor *monitor, enum exit_reason reason, const char *text, int64_t error)
{
    (void)text;
    (void)error;
    monitor->end.reason = reason;
}

/* ---- devices ---- */

static void put(uint8_t *config, unsigned at, unsigned size, uint64_t value)
{
    memcpy(config + at, &value, size);
}

/* A table and pending bits somewhere in BARs, perhaps in none, perhaps over one another. */
static void make_msix(struct fake_device *d, const uint8_t *in)
{
    uint32_t table = in[0] % 7 | (uint32_t)(in[1] & 0x1f) << 11;
    uint32_t pending = in[2] % 7 | (uint32_t)(in[3] & 0x1f) << 11;

    d->vectors = in[4];
    put(d->config, MSIX_AT, 2, PCI_CAP_ID_MSIX | (unsigned)in[5] << 8);
    put(d->config, MSIX_AT + PCI_MSIX_FLAGS, 2, d->vectors ? d->vectors - 1u : 0);
    put(d->config, MSIX_AT + PCI_MSIX_TABLE, 4, table);
    put(d->config, MSIX_AT + PCI_MSIX_PBA, 4, pending);
    d->table_bar = table & PCI_MSIX_TABLE_BIR;
    d->table_start = table & PCI_MSIX_TABLE_OFFSET;
    d->table_end = d->table_start + (d->vectors < MSIX_VECTORS ? d->vectors : MSIX_VECTORS) * 16u;
    if (!d->vectors || d->config[PCI_CAPABILITY_LIST] != MSIX_AT)
        d->table_end = d->table_start; /* perhaps not shown: no promise */
}

static void make_device(struct fake_device *d, const uint8_t *in)
{
    memset(d, 0, sizeof(*d));
    put(d->config, PCI_VENDOR_ID, 4, 0x12348086);
    put(d->config, PCI_COMMAND, 2, in[6]);
    for (unsigned i = 0; i < FAKE_BARS; i++) {
        unsigned power = in[8 + i] % 17; /* none, or 16 bytes to 64 KiB */

        d->bar_size[i] = power < 4 ? 0 : UINT64_C(1) << power;
        d->bar_maps[i] = in[8 + i] & 0x80;
        put(d->config, PCI_BASE_ADDRESS_0 + 4 * i, 4, in[14 + i] & 15);
    }
    d->config[PCI_CAPABILITY_LIST] = in[7] & 1 ? MSIX_AT : in[7];
    memcpy(d->config + 0x40, in + 32, 64);
    memcpy(d->config + 0x100, in + 32, 64);
    make_msix(d, in + 20);
    d->msi = in[26] % (PCI_MSI_VECTORS + 1);
    d->msi_room = in[27] % (PCI_MSI_VECTORS + 1);
}

static void attach(unsigned count)
{
    const char *what;

    pci_begin(&m.pci, &m.router, &memory, &m.channels, FAKE_VM, FAKE_GROUPS);
    fake.devices = devices;
    fake.devices_count = count;
    fake.window64 = m.pci.context.pci64;
    for (unsigned i = 0; i < count; i++)
        if (pci_add(&m.pci, FAKE_CONTAINER, FAKE_GROUP + (int)i, (struct bdf){0x100 + i}, &what) <
            0)
            return;
}

static void begin(const uint8_t *in)
{
    unsigned count = 1 + in[0] % DEVICES;

    fake_begin();
    memset(&m, 0, sizeof(m));
    for (int i = 0; i < MONITOR_FILE_KINDS; i++)
        m.files.single[i] = -1;
    m.ring = &ring;
    m.vm.vcpus_count = 1;
    m.vm.runs[0] = &page.run;
    for (unsigned i = 0; i < count; i++)
        make_device(&devices[i], in + 1 + i * DEVICE_BYTES);
    fake_check(irq_begin(&m.router, FAKE_VM) >= 0);
    attach(count);
}

/* ---- the guest ---- */

static uint64_t number(const uint8_t *in, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, in, size);
    return value;
}

/* Where a BAR is now by its registers. */
static uint64_t bar_address(unsigned device, unsigned bar)
{
    uint64_t value = 0;
    const uint8_t *image = m.pci.vfs[device % DEVICES].config.image;

    memcpy(&value, image + PCI_BASE_ADDRESS_0 + 4 * (bar % FAKE_BARS), 4);
    return value & ~UINT64_C(15);
}

static uint64_t choose_address(const uint8_t *in)
{
    uint64_t offset = number(in + 2, 4);

    switch (in[0] >> 4 & 3) {
    case 0: /* configuration space of one of the first functions */
        return LAYOUT_ECAM + (offset >> 16 & 3) * 0x8000 + (offset & 0xfff);
    case 1:
        return bar_address(in[0], in[1]) + (offset & 0xffff);
    case 2:
        return LAYOUT_ECAM + offset % LAYOUT_ECAM_SIZE;
    default:
        return number(in + 2, 8);
    }
}

static void post_io(const uint8_t *in)
{
    static const uint16_t ports[] = {0xcf8, 0xcfc, LAYOUT_UART, LAYOUT_SLEEP};

    page.run.exit_reason = KVM_EXIT_IO;
    page.run.io.port = in[1] & 0x80 ? (uint16_t)number(in + 2, 2) : ports[in[1] & 3] + (in[2] & 7);
    page.run.io.direction = in[0] & 1 ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
    page.run.io.size = (uint8_t)(1u << (in[0] >> 2 & 3));
    page.run.io.count = 1 + (in[3] & 0x80 ? in[3] & 0x7f : 0);
    page.run.io.data_offset = DATA;
    for (unsigned i = 0; i < page.run.io.count; i++)
        memcpy(page.bytes + DATA + (size_t)i * page.run.io.size, in + 6, page.run.io.size);
}

static void post_mmio(const uint8_t *in)
{
    page.run.exit_reason = KVM_EXIT_MMIO;
    page.run.mmio.phys_addr = choose_address(in);
    page.run.mmio.is_write = in[0] & 1;
    page.run.mmio.len = in[1] & 0x40 ? in[1] & 15 : 1u << (in[0] >> 2 & 3);
    memcpy(page.run.mmio.data, in + 6, 8);
}

static void step(const uint8_t *in)
{
    if (in[0] & 0x80)
        post_io(in);
    else
        post_mmio(in);
    if (in[13] & 1)
        fake_signal(in[13] >> 1);
    atomic_fetch_add(&m.slots[0].exits, 1);
    atomic_store(&m.slots[0].state, SLOT_POSTED);
    bus_serve(&m);
    fake_check(m.end.reason != EXIT_NONE || atomic_load(&m.slots[0].state) == SLOT_DONE);
    m.end = (struct monitor_end){.reason = EXIT_NONE}; /* the history goes on */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 1 + DEVICES * DEVICE_BYTES;

    if (size < at)
        return 0;
    begin(data);
    for (unsigned i = 0; i < STEPS_MOST && at + STEP <= size; i++, at += STEP)
        step(data + at);
    return 0;
}
