/* SPDX-License-Identifier: Apache-2.0 */
#include "pci.h"

#include <errno.h>

#include "layout.h"
#include "sys.h"

#define CHANNEL_FIRST 16 /* device */
#define LATCH_ENABLE  UINT32_C(0x80000000)
#define NS_PER_MS     UINT64_C(1000000)
#define LOOK_NS       (250 * NS_PER_MS)
#define FILES_MOST    1024 /* a new file has the lowest free number: we never have as many */

void pci_begin(struct pci_bus *bus, struct irq_router *router, const struct guest_memory *memory,
               struct channel_set *channels, int vm, int groups)
{
    bus->channels = channels;
    bus->context = (struct vf_context){.router = router,
                                       .memory = memory,
                                       .vm = vm,
                                       .groups = groups,
                                       .pci64 = memory_pci64(memory),
                                       .vfs = bus->vfs};
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        bus->vfs[i] = (struct vf){.stage = VF_NONE, .index = i};
    pci_config_host_bridge(&bus->bridge);
}

/* ---- VFs come and go ---- */

int pci_find(const struct pci_bus *bus, struct bdf bdf)
{
    for (int i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (bus->vfs[i].stage == VF_ON && bus->vfs[i].bdf.value == bdf.value)
            return i;
    return -1;
}

/* Any VF but the one at `place` that is on the bus; NULL: none. */
static const struct vf *other(const struct pci_bus *bus, unsigned place)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (i != place && bus->vfs[i].stage == VF_ON)
            return &bus->vfs[i];
    return NULL;
}

int pci_add(struct pci_bus *bus, int container, int group, struct bdf bdf, const char **what)
{
    const struct vf *before = other(bus, PARCLOSE_MAX_PARTITION_VFS);
    struct vf_files files = {before ? before->container : container, group, !before};
    unsigned place = 0;
    int rc;

    *what = "the guest's bus has no free place";
    while (place < PARCLOSE_MAX_PARTITION_VFS && bus->vfs[place].stage != VF_NONE)
        place++;
    if (place == PARCLOSE_MAX_PARTITION_VFS)
        return -ENOSPC;
    rc = vf_attach(&bus->vfs[place], &bus->context, &files, bdf, what);
    return rc < 0 ? rc : (int)place;
}

void pci_remove(struct pci_bus *bus, unsigned place)
{
    vf_detach(&bus->vfs[place], &bus->context, !other(bus, place));
}

static bool has_file(const struct pci_bus *bus, int fd)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        const struct vf *vf = &bus->vfs[i];

        if (vf->stage != VF_NONE && (vf->device.fd == fd || vf->group == fd || vf->container == fd))
            return true;
    }
    return false;
}

static void close_strays(const struct pci_bus *bus, const int *files, unsigned count)
{
    for (int fd = 0; fd < FILES_MOST; fd++) {
        bool known = has_file(bus, fd);

        for (unsigned i = 0; i < count; i++)
            known |= files[i] == fd;
        if (!known && vfio_is_file(fd))
            (void)sys_close(fd);
    }
}

bool pci_recover(struct pci_bus *bus, const int *files, unsigned count)
{
    bool half[PARCLOSE_MAX_PARTITION_VFS], found = false;

    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        half[i] = bus->vfs[i].stage == VF_MAKING || bus->vfs[i].stage == VF_UNMAKING;
        found |= half[i];
    }
    if (found || count)
        close_strays(bus, files, count); /* a group with an open device stays in its container */
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (half[i])
            pci_remove(bus, i);
    return found;
}

/* ---- reset behind its back ---- */

bool pci_looks(const struct pci_bus *bus)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (bus->vfs[i].stage == VF_ON && bus->vfs[i].config.msix)
            return true;
    return false;
}

bool pci_look(struct pci_bus *bus, uint64_t now_ns)
{
    bool found = false;

    if (now_ns < bus->look_ns)
        return false;
    bus->look_ns = now_ns + LOOK_NS;
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        found |= vf_was_reset(&bus->vfs[i]);
    return found;
}

int64_t pci_wait_ms(const struct pci_bus *bus, uint64_t now_ns)
{
    return sys_ms_until(now_ns, bus->look_ns);
}

bool pci_operating(const struct pci_bus *bus)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (bus->vfs[i].stage == VF_ON && !bus->vfs[i].mastered)
            return false;
    return channel_operating(bus->channels);
}

/* ---- accesses ---- */

/* The VF that answers at a function; -1: none. */
static int vf_index(const struct pci_bus *bus, uint32_t function)
{
    uint32_t device = function >> 3;

    if ((function & 7) || device == 0 || device > PARCLOSE_MAX_PARTITION_VFS ||
        bus->vfs[device - 1].stage != VF_ON)
        return -1;
    return (int)device - 1;
}

/* The channel at a function; -1: none. */
static int channel_index(const struct pci_bus *bus, uint32_t function)
{
    uint32_t device = function >> 3;

    if ((function & 7) || device < CHANNEL_FIRST || device - CHANNEL_FIRST >= bus->channels->count)
        return -1;
    return (int)(device - CHANNEL_FIRST);
}

static uint32_t config_read(const struct pci_bus *bus, uint32_t function, uint32_t offset,
                            unsigned size)
{
    int index = vf_index(bus, function), channel = channel_index(bus, function);

    if (channel >= 0)
        return channel_config_read(bus->channels, (unsigned)channel, offset, size);
    if (function == 0)
        return pci_config_read(&bus->bridge, offset, size, 0);
    return index < 0 ? UINT32_MAX : vf_config_read(&bus->vfs[index], offset, size);
}

static void vf_write(struct pci_bus *bus, struct vf *vf, uint32_t offset, unsigned size,
                     uint32_t value)
{
    bool before = vf->mastered;

    vf_config_write(vf, &bus->context, offset, size, value);
    if (vf->mastered != before)
        bus->dirty = true;
}

static void config_write(struct pci_bus *bus, uint32_t function, uint32_t offset, unsigned size,
                         uint32_t value)
{
    int index = vf_index(bus, function), channel = channel_index(bus, function);

    if (channel >= 0)
        channel_config_write(bus->channels, (unsigned)channel, offset, size, value);
    else if (index >= 0)
        vf_write(bus, &bus->vfs[index], offset, size, value);
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
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        if (bus->vfs[i].stage != VF_ON)
            continue;
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
        return channel_memory_read(bus->channels, address, size, value);
    *value = vf_bar_read(vf, &bus->context, (unsigned)bar, address - vf->bars[bar].address, size);
    return true;
}

bool pci_memory_write(struct pci_bus *bus, uint64_t address, unsigned size, uint64_t value)
{
    int bar, index = find_vf(bus, address, &bar);
    struct vf *vf = &bus->vfs[index < 0 ? 0 : index];

    if (index < 0)
        return channel_memory_write(bus->channels, address, size, value);
    vf_bar_write(vf, &bus->context, (unsigned)bar, address - vf->bars[bar].address, size, value);
    return true;
}
