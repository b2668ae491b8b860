/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>

#include "layout.h"
#include "sys.h"

#define GIB (UINT64_C(1) << 30)

static int bind_node(const struct guest_memory *memory, uint32_t node)
{
    uint64_t nodes = node < 64 ? UINT64_C(1) << node : 0;

    if (node == UINT32_MAX)
        return 0;
    return (int)sys_call6(SYS_mbind, (long)memory->base, (long)memory->size, MPOL_BIND,
                          (long)&nodes, 64, 0);
}

static int make_file(uint64_t size, uint32_t pages)
{
    static const unsigned flags[MEMORY_PAGES] = {
        [PAGES_2MIB] = MFD_HUGETLB | MFD_HUGE_2MB,
        [PAGES_1GIB] = MFD_HUGETLB | MFD_HUGE_1GB,
    };
    long fd = sys_call3(SYS_memfd_create, (long)"guest",
                        (long)(MFD_CLOEXEC | MFD_ALLOW_SEALING | flags[pages]), 0);
    if (fd < 0)
        return (int)fd;
    long rc = sys_call3(SYS_ftruncate, fd, (long)size, 0);
    if (rc >= 0)
        rc = sys_fcntl((int)fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return rc < 0 ? (int)rc : (int)fd;
}

/* A huge page that is missing would be a SIGBUS later: all are taken now, from the bound node. */
static int take_pages(const struct guest_memory *memory, uint32_t pages)
{
    if (pages == PAGES_ORDINARY)
        return 0;
    return (int)sys_call3(SYS_madvise, (long)memory->base, (long)memory->size, MADV_POPULATE_WRITE);
}

/*
 * Mapped so that a huge page of the file is one of the address space too: KVM maps it as one, and
 * so does the IOMMU, whose addresses are the guest's. What is left of the reservation stays unused.
 */
static long map_file(int fd, uint64_t size)
{
    uint64_t align = size < GIB ? UINT64_C(2) << 20 : GIB;
    long place =
        sys_mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (sys_is_error(place))
        return place;
    place = (long)(((uint64_t)place + align - 1) & ~(align - 1));
    return sys_mmap((void *)place, size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
}

int memory_make(struct guest_memory *memory, uint64_t size, uint32_t node, uint32_t pages)
{
    if (size < MEMORY_MIN || size > MEMORY_MAX || size % (2 << 20) || pages >= MEMORY_PAGES)
        return -EINVAL;
    int fd = make_file(size, pages);
    if (fd < 0)
        return fd;
    long base = map_file(fd, size);
    if (sys_is_error(base))
        return (int)base;
    *memory = (struct guest_memory){fd, (uint8_t *)base, size};
    if (pages == PAGES_ORDINARY) /* no shmem huge pages: fine */
        (void)sys_call3(SYS_madvise, base, (long)size, MADV_HUGEPAGE);
    int rc = (int)sys_call3(SYS_madvise, base, (long)size, MADV_DONTDUMP);
    if (rc == 0)
        rc = bind_node(memory, node);
    return rc < 0 ? rc : take_pages(memory, pages);
}

struct memory_extent memory_extent(const struct guest_memory *memory, unsigned index)
{
    uint64_t low = memory->size < LAYOUT_LOW_MAX ? memory->size : LAYOUT_LOW_MAX;

    if (index == 0)
        return (struct memory_extent){{0}, 0, low};
    return (struct memory_extent){{LAYOUT_4G}, low, memory->size - low};
}

void *memory_at(const struct guest_memory *memory, struct gpa gpa, uint64_t size)
{
    for (unsigned i = 0; i < 2; i++) {
        struct memory_extent extent = memory_extent(memory, i);
        uint64_t skip = gpa.value - extent.gpa.value;

        if (gpa.value >= extent.gpa.value && skip < extent.size && size <= extent.size - skip)
            return memory->base + extent.offset + skip;
    }
    return NULL;
}

uint64_t memory_pci64(const struct guest_memory *memory)
{
    struct memory_extent high = memory_extent(memory, 1);
    uint64_t gib = UINT64_C(1) << 30;

    return (LAYOUT_4G + high.size + gib - 1) / gib * gib;
}
