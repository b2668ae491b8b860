/* SPDX-License-Identifier: Apache-2.0 */
#include "pci.h"

#include "layout.h"

#define LATCH_ENABLE UINT32_C(0x80000000)

void pci_begin(struct pci_bus *bus, struct irq_router *router, const struct guest_memory *memory,
               int vm)
{
    bus->vfs_count = 0;
    bus->context = (struct vf_context){router, vm, memory_pci64(memory)};
    bus->windows = (struct vf_windows){LAYOUT_PCI_WINDOW, bus->context.pci64};
    pci_config_host_bridge(&bus->bridge);
}

int pci_add(struct pci_bus *bus, int group, struct bdf bdf)
{
    struct vf *vf = &bus->vfs[bus->vfs_count];
    int rc;

    vf->index = bus->vfs_count;
    rc = vfio_open(&vf->device, group, bdf);
    if (rc == 0)
        rc = vf_attach(vf, &bus->context, &bus->windows);
    if (rc == 0)
        bus->vfs_count++;
    return rc;
}

bool pci_operating(const struct pci_bus *bus)
{
    for (uint32_t i = 0; i < bus->vfs_count; i++)
        if (!bus->vfs[i].mastered)
            return false;
    return true;
}

/* Device n is VF n - 1, function 0; NULL: nothing there. */
static int vf_index(const struct pci_bus *bus, uint32_t function)
{
    uint32_t device = function >> 3;

    if ((function & 7) || device == 0 || device > bus->vfs_count)
        return -1;
    return (int)device - 1;
}

static uint32_t config_read(const struct pci_bus *bus, uint32_t function, uint32_t offset,
                            unsigned size)
{
    int index = vf_index(bus, function);

    if (function == 0)
        return pci_config_read(&bus->bridge, offset, size, 0);
    return index < 0 ? UINT32_MAX : vf_config_read(&bus->vfs[index], offset, size);
}

static void config_write(struct pci_bus *bus, uint32_t function, uint32_t offset, unsigned size,
                         uint32_t value)
{
    int index = vf_index(bus, function);

    if (index >= 0)
        vf_config_write(&bus->vfs[index], &bus->context, offset, size, value);
}

/* ECAM: function in bits 12 to 19, register below; what crosses a register's dword is not served.
 */
static bool ecam_ok(uint64_t offset, unsigned size)
{
    return size <= 4 && offset % 4 + size <= 4 && offset < LAYOUT_ECAM_SIZE;
}

uint64_t pci_ecam_read(const struct pci_bus *bus, uint64_t offset, unsigned size)
{
    if (!ecam_ok(offset, size))
        return UINT64_MAX;
    return config_read(bus, (uint32_t)(offset >> 12), offset & 0xfff, size);
}

void pci_ecam_write(struct pci_bus *bus, uint64_t offset, unsigned size, uint64_t value)
{
    if (ecam_ok(offset, size))
        config_write(bus, (uint32_t)(offset >> 12), offset & 0xfff, size, (uint32_t)value);
}

/* The latch selects: enable, bus in 16..23 (only 0 exists), function in 8..15, dword in 2..7. */
static bool latch_ok(const struct pci_bus *bus, unsigned offset, unsigned size)
{
    return offset >= 4 && offset + size <= 8 && (bus->latch & LATCH_ENABLE) &&
           !(bus->latch & 0xff0000);
}

uint32_t pci_port_read(const struct pci_bus *bus, unsigned offset, unsigned size)
{
    if (offset == 0 && size == 4)
        return bus->latch;
    if (!latch_ok(bus, offset, size))
        return UINT32_MAX;
    return config_read(bus, bus->latch >> 8 & 0xff, (bus->latch & 0xfc) + offset - 4, size);
}

void pci_port_write(struct pci_bus *bus, unsigned offset, unsigned size, uint32_t value)
{
    if (offset == 0 && size == 4)
        bus->latch = value;
    else if (latch_ok(bus, offset, size))
        config_write(bus, bus->latch >> 8 & 0xff, (bus->latch & 0xfc) + offset - 4, size, value);
}

static int find_vf(const struct pci_bus *bus, uint64_t address, int *bar)
{
    for (uint32_t i = 0; i < bus->vfs_count; i++) {
        *bar = vf_find_bar(&bus->vfs[i], address);
        if (*bar >= 0)
            return (int)i;
    }
    return -1;
}

bool pci_memory_read(const struct pci_bus *bus, uint64_t address, unsigned size, uint64_t *value)
{
    int bar, index = find_vf(bus, address, &bar);
    const struct vf *vf = &bus->vfs[index < 0 ? 0 : index];

    if (index < 0)
        return false;
    *value = vf_bar_read(vf, &bus->context, (unsigned)bar, address - vf->bars[bar].address, size);
    return true;
}

bool pci_memory_write(struct pci_bus *bus, uint64_t address, unsigned size, uint64_t value)
{
    int bar, index = find_vf(bus, address, &bar);
    struct vf *vf = &bus->vfs[index < 0 ? 0 : index];

    if (index < 0)
        return false;
    vf_bar_write(vf, &bus->context, (unsigned)bar, address - vf->bars[bar].address, size, value);
    return true;
}
