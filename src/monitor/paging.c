/* SPDX-License-Identifier: Apache-2.0 */
#include "paging.h"

#include <errno.h>
#include <stdbool.h>

#include "memory.h"

#define CR0_PG   (UINT64_C(1) << 31)
#define CR4_PSE  (UINT64_C(1) << 4)
#define CR4_PAE  (UINT64_C(1) << 5)
#define CR4_LA57 (UINT64_C(1) << 12)
#define EFER_LMA (UINT64_C(1) << 10)

#define PRESENT   1u
#define LARGE     0x80u
#define FRAME     UINT64_C(0x000ffffffffff000)
#define PAGE_BITS 12

struct mode {
    unsigned levels; /* of tables; 0: no paging */
    unsigned bits;   /* of the address that each takes: 9 or 10 */
    unsigned size;   /* of an entry */
    unsigned large;  /* the highest level, from 0, that may map a page itself */
    unsigned width;  /* of a linear address; the bits above are copies of the highest */
};

static struct mode mode_of(const struct kvm_sregs *s)
{
    if (!(s->cr0 & CR0_PG))
        return (struct mode){.width = 32};
    if (s->efer & EFER_LMA)
        return s->cr4 & CR4_LA57 ? (struct mode){5, 9, 8, 2, 57} : (struct mode){4, 9, 8, 2, 48};
    if (s->cr4 & CR4_PAE)
        return (struct mode){3, 9, 8, 1, 32};
    return (struct mode){2, 10, 4, s->cr4 & CR4_PSE ? 1 : 0, 32};
}

static bool is_canonical(const struct mode *mode, uint64_t address)
{
    uint64_t above = address >> (mode->width - 1);

    return above == 0 || above == UINT64_MAX >> (mode->width - 1);
}

static uint64_t low_bits(unsigned count)
{
    return (UINT64_C(1) << count) - 1;
}

/* 0, which is not present: not in RAM. */
static uint64_t read_entry(const struct guest_memory *memory, uint64_t address, unsigned size)
{
    struct gpa gpa = {address};
    const void *at = memory_at(memory, gpa, size);

    if (!at)
        return 0;
    return size == 8 ? __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED)
                     : __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
}

/* PAE's first table has four entries and needs not begin at a page. */
static uint64_t first_table(const struct mode *mode, uint64_t cr3)
{
    return mode->levels == 3 ? cr3 & UINT64_C(0xffffffe0) : cr3 & FRAME;
}

int paging_translate(const struct guest_memory *memory, const struct kvm_sregs *sregs,
                     uint64_t address, struct gpa *gpa)
{
    const struct mode mode = mode_of(sregs);
    uint64_t table = first_table(&mode, sregs->cr3);

    if (mode.width == 32)
        address &= UINT32_MAX;
    else if (!is_canonical(&mode, address))
        return -EFAULT;
    *gpa = (struct gpa){address};
    address &= low_bits(mode.width);
    for (unsigned level = mode.levels; level-- > 0;) {
        unsigned shift = PAGE_BITS + level * mode.bits;
        uint64_t index = address >> shift & low_bits(mode.bits);
        uint64_t entry = read_entry(memory, table + index * mode.size, mode.size);

        if (!(entry & PRESENT))
            return -EFAULT;
        table = entry & FRAME;
        if (level && !(level <= mode.large && (entry & LARGE)))
            continue;
        *gpa = (struct gpa){(table & ~low_bits(shift)) | (address & low_bits(shift))};
        break;
    }
    return 0;
}
