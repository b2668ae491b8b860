/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>

#include "layout.h"
#include "sys.h"

static int bind_node(const struct guest_memory *memory, uint32_t node)
{
    uint64_t nodes = node < 64 ? UINT64_C(1) << node : 0;

    if (node == UINT32_MAX)
        return 0;
    return (int)sys_call6(SYS_mbind, (long)memory->base, (long)memory->size, MPOL_BIND,
                          (long)&nodes, 64, 0);
}

int memory_make(struct guest_memory *memory, uint64_t size, uint32_t node)
{
    long fd, base, rc;

    if (size < MEMORY_MIN || size > MEMORY_MAX || size % (2 << 20))
        return -EINVAL;
    fd = sys_call3(SYS_memfd_create, (long)"guest", MFD_CLOEXEC | MFD_ALLOW_SEALING, 0);
    if (fd < 0)
        return (int)fd;
    rc = sys_call3(SYS_ftruncate, fd, (long)size, 0);
    if (rc < 0)
        return (int)rc;
    rc = sys_fcntl((int)fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    if (rc < 0)
        return (int)rc;
    base = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, (int)fd, 0);
    if (sys_is_error(base))
        return (int)base;
    (void)sys_call3(SYS_madvise, base, (long)size, MADV_HUGEPAGE); /* no shmem huge pages: fine */
    rc = sys_call3(SYS_madvise, base, (long)size, MADV_DONTDUMP);
    *memory = (struct guest_memory){(int)fd, (uint8_t *)base, size};
    return rc < 0 ? (int)rc : bind_node(memory, node);
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
