/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "sys.h"
#include "text.h"

int vfio_join(int container, int group, bool first)
{
    struct vfio_group_status status = {.argsz = sizeof(status)};
    long rc = sys_ioctl_ptr(group, VFIO_GROUP_GET_STATUS, &status);

    if (rc < 0)
        return (int)rc;
    if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
        return -EPERM; /* another member of the group has a host driver */
    if (!(status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET)) /* two VFs may share a group */
        rc = sys_ioctl_ptr(group, VFIO_GROUP_SET_CONTAINER, &container);
    if (rc >= 0 && first)
        rc = sys_ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
    return rc < 0 ? (int)rc : 0;
}

int vfio_map_memory(int container, const struct guest_memory *memory)
{
    for (unsigned i = 0; i < 2; i++) {
        struct memory_extent extent = memory_extent(memory, i);
        struct vfio_iommu_type1_dma_map map = {
            .argsz = sizeof(map),
            .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
            .vaddr = (uint64_t)memory->base + extent.offset,
            .iova = extent.gpa.value,
            .size = extent.size,
        };
        long rc = extent.size ? sys_ioctl_ptr(container, VFIO_IOMMU_MAP_DMA, &map) : 0;

        if (rc < 0)
            return (int)rc;
    }
    return 0;
}

static int read_region(const struct vfio_device *device, uint32_t index, struct vfio_region *region)
{
    struct vfio_region_info info = {.argsz = sizeof(info), .index = index};
    long rc = sys_ioctl_ptr(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info);
    long map;

    if (rc < 0)
        return (int)rc;
    *region = (struct vfio_region){.size = info.size, .offset = info.offset};
    if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || info.size < 4096)
        return 0;
    map = sys_mmap(NULL, info.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (sys_is_error(map))
        return 0; /* it works by read and write, only slower */
    region->place = (uint8_t *)map;
    atomic_signal_fence(memory_order_seq_cst); /* known before the device is behind it */
    map = sys_mmap(region->place, info.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                   device->fd, info.offset);
    if (!sys_is_error(map))
        region->map = (uint8_t *)map;
    return 0;
}

/* A successor that does it again before it maps anything hits nobody else's addresses. */
static void unmap_region(struct vfio_region *region)
{
    if (region->place)
        (void)sys_call3(SYS_munmap, (long)region->place, (long)region->size, 0);
    *region = (struct vfio_region){.size = 0};
}

static int read_vectors(const struct vfio_device *device, uint32_t index, uint32_t *count)
{
    struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = index};
    int rc = (int)sys_ioctl_ptr(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq);

    *count = rc < 0 ? 0 : irq.count;
    return rc;
}

static uint32_t vectors_index(const struct vfio_device *device)
{
    return device->msix_vectors ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_MSI_IRQ_INDEX;
}

static int read_device(struct vfio_device *device)
{
    int rc = read_region(device, VFIO_PCI_CONFIG_REGION_INDEX, &device->config);

    for (uint32_t i = 0; i < PCI_BARS && rc == 0; i++)
        rc = read_region(device, i, &device->bars[i]);
    if (rc == 0)
        rc = read_vectors(device, VFIO_PCI_MSIX_IRQ_INDEX, &device->msix_vectors);
    if (rc == 0)
        rc = read_vectors(device, VFIO_PCI_MSI_IRQ_INDEX, &device->msi_vectors);
    return rc;
}

/* Of a reset that failed as it was opened the kernel says only this. */
static int check_reset(const struct vfio_device *device)
{
    struct vfio_device_info info = {.argsz = sizeof(info)};
    int rc = (int)sys_ioctl_ptr(device->fd, VFIO_DEVICE_GET_INFO, &info);

    return rc < 0 ? rc : info.flags & VFIO_DEVICE_FLAGS_RESET ? 0 : -EIO;
}

int vfio_open(struct vfio_device *device, int group, struct bdf bdf)
{
    struct text name = {.length = 0};
    long fd;

    text_add(text_hex(&name, bdf.value >> 16, 4), ":");
    text_add(text_hex(&name, bdf.value >> 8 & 0xff, 2), ":");
    text_add(text_hex(&name, bdf.value >> 3 & 0x1f, 2), ".");
    text_hex(&name, bdf.value & 7, 1);
    fd = sys_ioctl_ptr(group, VFIO_GROUP_GET_DEVICE_FD, name.line);
    if (fd < 0)
        return (int)fd;
    *device = (struct vfio_device){.fd = (int)fd};
    int rc = check_reset(device);
    return rc < 0 ? rc : read_device(device);
}

void vfio_close(struct vfio_device *device)
{
    int fd = device->fd;

    for (uint32_t i = 0; i < PCI_BARS; i++)
        unmap_region(&device->bars[i]);
    device->fd = -1;
    atomic_signal_fence(memory_order_seq_cst); /* forgotten before its number is free */
    if (fd >= 0)
        (void)sys_close(fd);
}

int vfio_set_note(const struct vfio_device *device, enum vfio_note note, int event)
{
    static const uint32_t indexes[VFIO_NOTES] = {VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX};
    struct vfio_irq_info info = {.argsz = sizeof(info), .index = indexes[note]};
    union {
        struct vfio_irq_set set;
        uint8_t bytes[sizeof(struct vfio_irq_set) + sizeof(int)];
    } request = {.set = {.argsz = sizeof(request),
                         .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                         .index = indexes[note],
                         .count = 1}};

    if (sys_ioctl_ptr(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 || info.count == 0)
        return -ENOENT;
    memcpy(request.bytes + sizeof(struct vfio_irq_set), &event, sizeof(int));
    return (int)sys_ioctl_ptr(device->fd, VFIO_DEVICE_SET_IRQS, &request);
}

bool vfio_is_file(int fd)
{
    struct vfio_device_info device = {.argsz = sizeof(device)};
    struct vfio_group_status group = {.argsz = sizeof(group)};

    return sys_ioctl_ptr(fd, VFIO_DEVICE_GET_INFO, &device) == 0 ||
           sys_ioctl_ptr(fd, VFIO_GROUP_GET_STATUS, &group) == 0 ||
           sys_ioctl(fd, VFIO_GET_API_VERSION, 0) == VFIO_API_VERSION;
}

int vfio_set_vectors(const struct vfio_device *device, const int *eventfds, uint32_t count)
{
    union {
        struct vfio_irq_set set;
        uint8_t bytes[sizeof(struct vfio_irq_set) + MSIX_VECTORS * sizeof(int)];
    } request;

    if (count == 0 || count > MSIX_VECTORS)
        return count ? -EINVAL : 0;
    request.set = (struct vfio_irq_set){
        .argsz = (uint32_t)(sizeof(struct vfio_irq_set) + count * sizeof(int)),
        .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        .index = vectors_index(device),
        .count = count,
    };
    memcpy(request.bytes + sizeof(struct vfio_irq_set), eventfds, count * sizeof(int));
    return (int)sys_ioctl_ptr(device->fd, VFIO_DEVICE_SET_IRQS, &request);
}

int vfio_clear_vectors(const struct vfio_device *device)
{
    struct vfio_irq_set set = {.argsz = sizeof(set),
                               .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
                               .index = vectors_index(device)};

    return (int)sys_ioctl_ptr(device->fd, VFIO_DEVICE_SET_IRQS, &set);
}

uint64_t vfio_read(const struct vfio_device *device, const struct vfio_region *region,
                   uint64_t offset, unsigned size)
{
    uint64_t value = UINT64_MAX;

    if (offset < region->size && size <= region->size - offset)
        (void)sys_pread(device->fd, &value, size, region->offset + offset);
    return value;
}

void vfio_write(const struct vfio_device *device, const struct vfio_region *region, uint64_t offset,
                unsigned size, uint64_t value)
{
    if (offset < region->size && size <= region->size - offset)
        (void)sys_pwrite(device->fd, &value, size, region->offset + offset);
}
