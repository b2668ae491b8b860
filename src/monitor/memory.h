/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's RAM: one memfd named "guest", mapped shared once; below and above the PCI hole.
 * File offset = offset in this mapping; RAM above 4 GiB follows that below LAYOUT_LOW_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parclose/config.h"

#define MEMORY_MIN (UINT64_C(64) << 20)
#define MEMORY_MAX (UINT64_C(16) << 40)

struct guest_memory {
    int fd;
    uint8_t *base;
    uint64_t size; /* bytes, a multiple of 2 MiB */
};

struct memory_extent {
    struct gpa gpa;
    uint64_t offset; /* in the mapping */
    uint64_t size;   /* 0: none */
};

/*
 * Makes and maps it, bound to a NUMA node (UINT32_MAX: any), of the pages said (enum memory_pages);
 * huge ones are all taken now. -EINVAL for a size outside MEMORY_MIN..MEMORY_MAX or an odd one;
 * -ENOMEM, -EFAULT: the pool has not enough huge pages.
 */
int memory_make(struct guest_memory *memory, uint64_t size, uint32_t node, uint32_t pages);

/* Extent 0 is below the hole, 1 above; an empty one has size 0. */
struct memory_extent memory_extent(const struct guest_memory *memory, unsigned index);

/* Where [gpa, gpa + size) is mapped; NULL unless all of it is RAM of one extent. */
void *memory_at(const struct guest_memory *memory, struct gpa gpa, uint64_t size);

/* First address of the 64-bit PCI window. */
uint64_t memory_pci64(const struct guest_memory *memory);
