/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_kernel.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "layout.h"
#include "msix.h"
#include "parclose/ids.h"
#include "sys.h"

#define SLOTS       512
#define EVENTS      1024
#define REGION      (UINT64_C(1) << 40) /* between regions in a device's file, as VFIO has it */
#define ROUTES_MOST 4096                /* KVM_MAX_IRQ_ROUTES */
#define GSIS        (LAYOUT_GSIS + PARCLOSE_MAX_PARTITION_VFS * MSIX_VECTORS)

struct slot {
    uint64_t gpa, size;
};

struct fake_kernel fake;
static struct slot slots[SLOTS];
static struct {
    bool ready;
    int gsi; /* -1: not tied */
} events[EVENTS];
static unsigned events_count, log_lines;
static struct {
    uint64_t address;
    uint32_t data;
} messages[GSIS]; /* as routed; address 0: not */
static struct bar {
    uint8_t *at; /* where the monitor mapped it; else where its registers are */
    size_t size;
} bars[PARCLOSE_MAX_PARTITION_VFS][FAKE_BARS];

void fake_check_at(bool good, const char *file, int line)
{
    if (good)
        return;
    fprintf(stderr, "ERROR: not as promised: %s:%d\n", file, line);
    abort();
}

static void free_bar(struct bar *bar)
{
    if (bar->at)
        munmap(bar->at, bar->size);
    *bar = (struct bar){.at = NULL};
}

void fake_begin(void)
{
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        for (unsigned bar = 0; bar < FAKE_BARS; bar++)
            free_bar(&bars[i][bar]);
    memset(slots, 0, sizeof(slots));
    memset(messages, 0, sizeof(messages));
    events_count = log_lines = 0;
}

unsigned fake_log_lines(void)
{
    return log_lines;
}

bool fake_mapped(uint64_t gpa)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (gpa - slots[i].gpa < slots[i].size)
            return true;
    return false;
}

bool fake_delivers(unsigned vf, unsigned vector, uint64_t *address, uint32_t *data)
{
    int gsi = (int)(LAYOUT_GSIS + vf * MSIX_VECTORS + vector);

    *address = messages[gsi].address;
    *data = messages[gsi].data;
    for (unsigned i = 0; i < events_count; i++)
        if (events[i].gsi == gsi)
            return *address;
    return false;
}

void fake_signal(unsigned nth)
{
    if (events_count)
        events[nth % events_count].ready = true;
}

uint8_t *fake_memory(uint64_t size)
{
    uint8_t *at =
        mmap(NULL, size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED || mprotect(at + 4096, size, PROT_READ | PROT_WRITE) < 0)
        abort();
    return at + 4096;
}

/* ---- KVM ---- */

static bool within(uint64_t start, uint64_t size, uint64_t low, uint64_t length)
{
    return start >= low && size <= length && start - low <= length - size;
}

static bool meets_table(const struct fake_device *device, unsigned bar, uint64_t at, uint64_t size)
{
    return bar == device->table_bar && device->table_start < device->table_end &&
           device->table_start < at + size && at < device->table_end;
}

/* The bytes are those of one BAR, and not the pages of its MSI-X table. */
static bool is_bar(uint64_t address, uint64_t size)
{
    for (unsigned i = 0; i < fake.devices_count; i++)
        for (unsigned bar = 0; bar < FAKE_BARS; bar++)
            if (bars[i][bar].at &&
                within(address, size, (uint64_t)bars[i][bar].at, fake.devices[i].bar_size[bar]))
                return !meets_table(&fake.devices[i], bar, address - (uint64_t)bars[i][bar].at,
                                    size);
    return false;
}

static long set_slot(const struct kvm_userspace_memory_region *region)
{
    struct slot *slot = &slots[region->slot];
    uint64_t gpa = region->guest_phys_addr, size = region->memory_size;

    fake_check(region->slot < SLOTS);
    if (size == 0) {
        slot->size = 0;
        return 0;
    }
    fake_check(gpa % 4096 == 0 && size % 4096 == 0 && region->userspace_addr % 4096 == 0);
    fake_check(within(gpa, size, LAYOUT_PCI_WINDOW, LAYOUT_PCI_SIZE) ||
               within(gpa, size, fake.window64, LAYOUT_PCI64_SIZE));
    fake_check(is_bar(region->userspace_addr, size));
    for (unsigned i = 0; i < SLOTS; i++)
        if (i != region->slot && slots[i].size && gpa < slots[i].gpa + slots[i].size &&
            slots[i].gpa < gpa + size)
            return -EEXIST;
    if (slot->size && slot->size != size)
        return -EINVAL;
    *slot = (struct slot){gpa, size};
    return 0;
}

static long set_routes(const struct kvm_irq_routing *table)
{
    fake_check(table->nr <= ROUTES_MOST);
    memset(messages, 0, sizeof(messages));
    for (uint32_t i = 0; i < table->nr; i++) {
        const struct kvm_irq_routing_entry *entry = &table->entries[i];

        fake_check(entry->gsi < GSIS);
        fake_check(entry->type == KVM_IRQ_ROUTING_IRQCHIP || entry->gsi >= LAYOUT_GSIS);
        if (entry->type != KVM_IRQ_ROUTING_MSI)
            continue;
        messages[entry->gsi].address =
            (uint64_t)entry->u.msi.address_hi << 32 | entry->u.msi.address_lo;
        messages[entry->gsi].data = entry->u.msi.data;
    }
    return 0;
}

static long tie(const struct kvm_irqfd *irqfd)
{
    unsigned event = irqfd->fd - FAKE_EVENT;

    fake_check(event < events_count && irqfd->gsi < GSIS);
    if (irqfd->flags & KVM_IRQFD_FLAG_DEASSIGN) {
        events[event].gsi = -1;
        return 0;
    }
    if (events[event].gsi >= 0)
        return -EBUSY;
    events[event] = (typeof(events[0])){.gsi = (int)irqfd->gsi};
    return 0;
}

/* ---- VFIO ---- */

static struct fake_device *device_of(long fd)
{
    return fd >= FAKE_DEVICE && fd < FAKE_DEVICE + (long)fake.devices_count
               ? &fake.devices[fd - FAKE_DEVICE]
               : NULL;
}

static uint64_t region_size(const struct fake_device *device, uint64_t index)
{
    if (index < FAKE_BARS)
        return device->bar_size[index];
    return index == VFIO_PCI_CONFIG_REGION_INDEX ? sizeof(device->config) : 0;
}

static long get_region(const struct fake_device *device, struct vfio_region_info *info)
{
    info->size = region_size(device, info->index);
    info->offset = info->index * REGION;
    info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    if (info->index < FAKE_BARS && device->bar_maps[info->index] && info->size >= 4096)
        info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
    return 0;
}

/* Arming is seen in the device's own register. */
static void set_msix_enable(struct fake_device *device, bool on)
{
    uint8_t at = device->config[PCI_CAPABILITY_LIST];

    if (device->config[at] != PCI_CAP_ID_MSIX) /* a fuzzer's device: whatever it says */
        return;
    uint8_t *high = &device->config[at + PCI_MSIX_FLAGS + 1];
    *high =
        (uint8_t)((*high & ~(PCI_MSIX_FLAGS_ENABLE >> 8)) | (on ? PCI_MSIX_FLAGS_ENABLE >> 8 : 0));
}

static long get_irqs(const struct fake_device *device, struct vfio_irq_info *info)
{
    info->count = info->index == VFIO_PCI_MSIX_IRQ_INDEX  ? device->vectors
                  : info->index == VFIO_PCI_MSI_IRQ_INDEX ? device->msi
                                                          : 0;
    return 0;
}

static long set_irqs(struct fake_device *device, const struct vfio_irq_set *set)
{
    const int32_t *fds = (const int32_t *)set->data;
    bool msi = set->index == VFIO_PCI_MSI_IRQ_INDEX;

    if (!msi && set->index != VFIO_PCI_MSIX_IRQ_INDEX)
        return 0;
    fake_check(set->start + set->count <= (msi ? device->msi : device->vectors));
    if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
        for (uint32_t i = 0; i < set->count; i++)
            fake_check(fds[i] == -1 || (unsigned)fds[i] - FAKE_EVENT < events_count);
    if (msi && device->msi_room && set->count > device->msi_room)
        return device->msi_room;
    /* as the kernel: what is on already gets other eventfds, and the device is not asked */
    if (!set->count)
        device->kernel_armed = device->armed = 0;
    else if (!device->kernel_armed)
        device->kernel_armed = device->armed = set->count;
    set_msix_enable(device, device->armed);
    return 0;
}

static uint8_t *bar_memory(unsigned device, unsigned index)
{
    struct bar *bar = &bars[device][index];

    if (!bar->at) {
        bar->size = FAKE_BAR_MOST;
        bar->at = mmap(NULL, bar->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (bar->at == MAP_FAILED)
            abort();
    }
    return bar->at;
}

/* What the device has at a place of its file; NULL: nothing. */
static uint8_t *device_bytes(long fd, long size, uint64_t offset)
{
    struct fake_device *device = device_of(fd);
    uint64_t region = offset / REGION;

    if (!device)
        return NULL;
    offset %= REGION;
    fake_check(within(offset, (uint64_t)size, 0, region_size(device, region)));
    if (region == VFIO_PCI_CONFIG_REGION_INDEX)
        return device->config + offset;
    fake_check(size >= 1 && size <= 8);
    return bar_memory((unsigned)(fd - FAKE_DEVICE), (unsigned)region) + offset;
}

static long device_ioctl(long fd, unsigned long request, void *argument)
{
    struct fake_device *device = device_of(fd);

    switch (request) {
    case VFIO_DEVICE_GET_INFO:
        ((struct vfio_device_info *)argument)->flags =
            VFIO_DEVICE_FLAGS_PCI | (device->no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET);
        return 0;
    case VFIO_DEVICE_GET_REGION_INFO:
        return get_region(device, argument);
    case VFIO_DEVICE_GET_IRQ_INFO:
        return get_irqs(device, argument);
    case VFIO_DEVICE_SET_IRQS:
        return set_irqs(device, argument);
    case VFIO_DEVICE_RESET:
        return 0;
    default:
        return -ENOTTY;
    }
}

static long group_ioctl(long fd, unsigned long request, void *argument)
{
    if (request == VFIO_GROUP_SET_CONTAINER)
        return fake.devices[fd - FAKE_GROUP].refusal;
    if (request == VFIO_GROUP_GET_DEVICE_FD)
        return FAKE_DEVICE + (fd - FAKE_GROUP);
    if (request != VFIO_GROUP_GET_STATUS)
        return 0;
    ((struct vfio_group_status *)argument)->flags = VFIO_GROUP_FLAGS_VIABLE;
    return 0;
}

static long fake_ioctl(long fd, unsigned long request, void *argument)
{
    if (device_of(fd))
        return device_ioctl(fd, request, argument);
    if (fd >= FAKE_GROUP && fd < FAKE_GROUP + (long)fake.devices_count)
        return group_ioctl(fd, request, argument);
    switch (request) {
    case KVM_SET_USER_MEMORY_REGION:
        return set_slot(argument);
    case KVM_SET_GSI_ROUTING:
        return set_routes(argument);
    case KVM_IRQFD:
        return tie(argument);
    default:
        return 0;
    }
}

/* ---- files ---- */

static long fake_pread(long fd, void *to, size_t size, uint64_t offset)
{
    if (fd == FAKE_FILE) {
        size_t there = offset < fake.file_bytes ? fake.file_bytes - offset : 0;
        size_t rest = offset < fake.file_size ? fake.file_size - offset : 0;

        size = size < rest ? size : rest;
        memset(to, 0, size);
        memcpy(to, fake.file + (there ? offset : 0), there < size ? there : size);
        return (long)size;
    }
    const uint8_t *bytes = device_bytes(fd, (long)size, offset);
    if (!bytes)
        return -EBADF;
    memcpy(to, bytes, size);
    return (long)size;
}

static long fake_pwrite(long fd, const void *from, size_t size, uint64_t offset)
{
    uint8_t *bytes = device_bytes(fd, (long)size, offset);

    if (!bytes)
        return -EBADF;
    memcpy(bytes, from, size);
    return (long)size;
}

/* A BAR comes to the addresses that were reserved for it. */
static long map_bar(uint8_t *at, size_t size, long fd, uint64_t offset)
{
    struct bar *bar;

    if (!device_of(fd) || offset / REGION >= FAKE_BARS || size > FAKE_BAR_MOST)
        return -EINVAL;
    if (mprotect(at, size, PROT_READ | PROT_WRITE) < 0)
        abort();
    bar = &bars[fd - FAKE_DEVICE][offset / REGION];
    free_bar(bar);
    *bar = (struct bar){at, size};
    return (long)at;
}

static long fake_map(uint8_t *at, size_t size, int flags, long fd, uint64_t offset)
{
    if (flags & MAP_ANONYMOUS)
        return (long)mmap(NULL, size, PROT_NONE, flags, -1, 0);
    fake_check(flags & MAP_FIXED);
    return map_bar(at, size, fd, offset);
}

static long fake_event(void)
{
    if (events_count == EVENTS)
        return -EMFILE;
    events[events_count] = (typeof(events[0])){.gsi = -1};
    return FAKE_EVENT + events_count++;
}

static long fake_poll(struct pollfd *fds, unsigned count)
{
    long ready = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned event = (unsigned)fds[i].fd - FAKE_EVENT;

        fds[i].revents = event < events_count && events[event].ready ? POLLIN : 0;
        ready += fds[i].revents != 0;
    }
    return ready;
}

static long fake_fstat(long fd, struct stat *st)
{
    if (fd != FAKE_FILE)
        return -EBADF;
    st->st_mode = S_IFREG;
    st->st_size = (off_t)fake.file_size;
    return 0;
}

long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
    switch (nr) {
    case SYS_ioctl:
        return fake_ioctl(a, (unsigned long)b, (void *)c);
    case SYS_pread64:
        return fake_pread(a, (void *)b, (size_t)c, (uint64_t)d);
    case SYS_pwrite64:
        return fake_pwrite(a, (const void *)b, (size_t)c, (uint64_t)d);
    case SYS_mmap:
        return fake_map((uint8_t *)a, (size_t)b, (int)d, e, (uint64_t)f);
    case SYS_lseek:
        return -EINVAL; /* a kernel's file is read */
    case SYS_eventfd2:
        return fake_event();
    case SYS_ppoll:
        return fake_poll((struct pollfd *)a, (unsigned)b);
    case SYS_fstat:
        return fake_fstat(a, (struct stat *)b);
    case SYS_read:
        return -EAGAIN;
    case SYS_write:
        log_lines += a == 2;
        return c;
    default:
        return 0; /* clock, futex, close, munmap, madvise: nothing to see */
    }
}
