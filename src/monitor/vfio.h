/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFIO as the monitor uses it: container and groups come as files; one device file a VF is taken
 * from its group. Linux Documentation/driver-api/vfio.rst, <linux/vfio.h>.
 */
#pragma once

#include "memory.h"
#include "msix.h"
#include "parclose/ids.h"
#include "pci_config.h"

struct vfio_region {
    uint64_t size;   /* 0: none */
    uint64_t offset; /* in the device file */
    uint8_t *place;  /* addresses reserved for `map`; NULL: none */
    uint8_t *map;    /* NULL: only by read and write */
};

/* What the host's kernel tells of a device besides its interrupts. */
enum vfio_note {
    NOTE_ERROR = 0,   /* an uncorrectable error of the device or of the link above it */
    NOTE_REQUEST = 1, /* it wants the device back; said again until it has it */
    VFIO_NOTES
};

struct vfio_device {
    int fd; /* -1: closed */
    struct vfio_region bars[PCI_BARS];
    struct vfio_region config;
    uint32_t msix_vectors;
    uint32_t msi_vectors; /* used without MSI-X alone */
};

/* Puts a group into the container; the first one also chooses the IOMMU type. */
int vfio_join(int container, int group, bool first);

/* All of the guest's RAM becomes reachable for the container's devices, at its own addresses. */
int vfio_map_memory(int container, const struct guest_memory *memory);

/*
 * Opens and reads the device: regions mapped, number of vectors. The kernel resets a function
 * whenever it is opened by this ioctl, and again when the last file of it is closed. -EIO: it could
 * not reset it; what its last owner left may be in it.
 */
int vfio_open(struct vfio_device *device, int group, struct bdf bdf);

/* Gives back all that open took, as far as it got. */
void vfio_close(struct vfio_device *device);

/* An eventfd that says when there is such news; -ENOENT: the device has none of that kind. */
int vfio_set_note(const struct vfio_device *device, enum vfio_note note, int event);

/* Is it a device, a group or a container? */
bool vfio_is_file(int fd);

/*
 * Switches MSI-X on, or MSI where there is no MSI-X, with one eventfd a vector, all at once. More
 * than 0: nothing is on, and so many vectors the kernel could give.
 */
int vfio_set_vectors(const struct vfio_device *device, const int *eventfds, uint32_t count);

/* Switches it off. */
int vfio_clear_vectors(const struct vfio_device *device);

/* Region access of 1 to 8 bytes (an access over a page's end comes in odd parts); reads of what is
 * not there give all ones. */
uint64_t vfio_read(const struct vfio_device *device, const struct vfio_region *region,
                   uint64_t offset, unsigned size);
void vfio_write(const struct vfio_device *device, const struct vfio_region *region, uint64_t offset,
                unsigned size, uint64_t value);
