/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MSI-X table and pending bits of every function: all widths, any message, storms of masks,
 * beyond the table's end. An igb VF is made to send what was written.
 */
#include "pci.h"

#define CONTROL    2 /* in the capability */
#define TABLE      4
#define PENDING    8
#define ENABLE     0x8000u
#define MASK_ALL   0x4000u
#define PAGE       UINT64_C(0x1000)
#define VF_CAUSE   0x1520 /* 82576, 8.26: extended interrupt cause set, mask set */
#define VF_MASK    0x1524
#define VF_ASSIGN  0x1700
#define MODE       0x700u /* of a message: SMI and INIT are `wild`'s */
#define MODE_NMI   0x400u
#define ONES(size) ((size) == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * (size)) - 1)

struct msix {
    unsigned device, at, vectors;
    uint64_t table, pending, registers;
};

static bool find(unsigned device, struct msix *m)
{
    struct pci_bar_place bar, pending;

    *m = (struct msix){.device = device, .at = pci_capability(device, CAP_MSIX)};
    if (!m->at)
        return false;
    m->vectors = (config_read(device, m->at + CONTROL, 2) & 0x7ff) + 1;
    bar = pci_bar(device, config_read(device, m->at + TABLE, 4) & 7);
    pending = pci_bar(device, config_read(device, m->at + PENDING, 4) & 7);
    m->table = bar.address + (config_read(device, m->at + TABLE, 4) & ~7u);
    m->pending = pending.address + (config_read(device, m->at + PENDING, 4) & ~7u);
    m->registers = pci_bar(device, 0).address;
    return bar.size && pending.size;
}

static void write_entry(const struct msix *m)
{
    uint64_t entry = m->table + 16 * random_below(m->vectors);
    uint32_t data = (uint32_t)random_value();

    if ((data & MODE) != 0 && (data & MODE) != MODE_NMI)
        data &= ~MODE;
    write_mem(entry, 4, random_below(2) ? LAPIC | random_below(0x100000) : random_value());
    write_mem(entry + 4, 4, random_below(4) ? 0 : random_value());
    write_mem(entry + 8, 4, data);
    write_mem(entry + 12, 4, random_below(2) ? 0 : random_value());
}

/* Any width, anywhere in the table but a message's data, whose mode matters. */
static void write_oddly(const struct msix *m)
{
    uint64_t offset = random_below(m->vectors * UINT64_C(16));
    unsigned size = 1u << random_below(3);

    if (offset % 16 + size <= 8 || offset % 16 >= 12)
        (void)try_write(m->table + offset, size, random_value());
    (void)try_write(m->pending + random_below(16), 1u << random_below(4), random_value());
}

/* Beyond the table there is nothing, or what the device has: nothing of the monitor's. */
static void look_beyond(const struct msix *m)
{
    uint64_t end = m->table + m->vectors * UINT64_C(16), page_end = (end + PAGE - 1) & ~(PAGE - 1);

    for (unsigned i = 0; i < 16 && end < page_end; i++) {
        uint64_t at = end + random_below((page_end - end) / 8) * 8;
        unsigned size = random_below(2) ? 4 : 8;
        uint64_t value = read_mem(at, size);

        if (value != 0 && value != ONES(size))
            broken("something is beyond the MSI-X table", value);
    }
}

static void storm(const struct msix *m)
{
    static const uint32_t bits[] = {0, ENABLE, ENABLE | MASK_ALL, MASK_ALL, 0xffff, 0x07ff};

    config_write(m->device, m->at + CONTROL, 2, bits[random_below(6)]);
    if (config_read(m->device, 0, 4) == UINT32_C(0x10ca8086)) {
        write_mem(m->registers + VF_ASSIGN, 4, 0x00828180);
        write_mem(m->registers + VF_MASK, 4, 7);
        write_mem(m->registers + VF_CAUSE, 4, random_below(8));
    }
    config_write(m->device, m->at + CONTROL, 2, ENABLE);
    for (unsigned i = 0; i < m->vectors; i++) {
        write_mem(m->table + 16 * (uint64_t)i + 12, 4, 1);
        write_mem(m->table + 16 * (uint64_t)i + 12, 4, 0);
    }
    if ((config_read(m->device, m->at + CONTROL, 2) & 0x7ff) != m->vectors - 1)
        broken("the MSI-X table has another size", config_read(m->device, m->at + CONTROL, 2));
    (void)read_mem(m->pending, 8);
}

static void attack_function(const struct msix *m, uint64_t steps)
{
    pci_enable(m->device, true);
    for (uint64_t i = 0; i < steps; i++) {
        write_entry(m);
        write_oddly(m);
        look_beyond(m);
        storm(m);
    }
    config_write(m->device, m->at + CONTROL, 2, 0);
}

void attack_msix(uint64_t steps)
{
    struct msix m;

    pci_save();
    for (unsigned device = 1; device < PCI_DEVICES; device++)
        if (pci_present(device) && find(device, &m))
            attack_function(&m, steps / 4 + 1);
    pci_restore();
}
