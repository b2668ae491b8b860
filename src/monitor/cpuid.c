/* SPDX-License-Identifier: Apache-2.0 */
#include "cpuid.h"

#define LEAF1_ECX_VMX          (1u << 5)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF1_EDX_HTT          (1u << 28)
#define AMD_ECX_CMP_LEGACY     (1u << 1)
#define AMD_ECX_SVM            (1u << 2)

static uint32_t bits_for(uint32_t count)
{
    uint32_t bits = 0;

    while ((1u << bits) < count)
        bits++;
    return bits;
}

static void set_bit(uint32_t *word, uint32_t bit, int on)
{
    *word = on ? *word | bit : *word & ~bit;
}

static void leaf_1(struct kvm_cpuid_entry2 *e, uint32_t vcpu, uint32_t vcpus)
{
    e->ebx = (e->ebx & 0xffff) | vcpus << 16 | vcpu << 24;
    e->ecx = (e->ecx | LEAF1_ECX_TSC_DEADLINE | LEAF1_ECX_HYPERVISOR) & ~LEAF1_ECX_VMX;
    set_bit(&e->edx, LEAF1_EDX_HTT, vcpus > 1);
}

/* Cache leaves (4, 0x8000001d): levels 1 and 2 are a core's own, level 3 is shared by all. */
static void leaf_cache(struct kvm_cpuid_entry2 *e, uint32_t vcpus)
{
    uint32_t level = e->eax >> 5 & 7;
    uint32_t sharing = level >= 3 ? vcpus - 1 : 0;

    if ((e->eax & 31) == 0)
        return;
    e->eax = (e->eax & ~(0xfffu << 14)) | sharing << 14;
    if (e->function == 4)
        e->eax = (e->eax & ~(0x3fu << 26)) | ((1u << bits_for(vcpus)) - 1) << 26;
}

/* Extended topology (0xb, 0x1f): level 0 one thread, level 1 all cores, then the end. */
static void leaf_topology(struct kvm_cpuid_entry2 *e, uint32_t vcpu, uint32_t vcpus)
{
    e->eax = e->index == 1 ? bits_for(vcpus) : 0;
    e->ebx = e->index == 0 ? 1 : e->index == 1 ? vcpus : 0;
    e->ecx = e->index | (e->index < 2 ? (e->index + 1) << 8 : 0);
    e->edx = vcpu;
}

static void adjust_entry(struct kvm_cpuid_entry2 *e, uint32_t vcpu, uint32_t vcpus)
{
    switch (e->function) {
    case 1:
        leaf_1(e, vcpu, vcpus);
        break;
    case 4:
    case 0x8000001d:
        leaf_cache(e, vcpus);
        break;
    case 0xb:
    case 0x1f:
        leaf_topology(e, vcpu, vcpus);
        break;
    case 0x80000001:
        set_bit(&e->ecx, AMD_ECX_SVM, 0);
        set_bit(&e->ecx, AMD_ECX_CMP_LEGACY, vcpus > 1);
        break;
    case 0x80000008:
        e->ecx = (e->ecx & ~0xffffu) | (vcpus - 1) | bits_for(vcpus) << 12;
        break;
    case 0x8000000a: /* SVM: not offered */
        e->eax = e->ebx = e->ecx = e->edx = 0;
        break;
    case 0x8000001e:
        e->eax = vcpu;
        e->ebx = vcpu;
        e->ecx = 0;
        break;
    default:
        break;
    }
}

/* KVM gives just the first level of an extended topology leaf: the second must be there as well. */
static void add_levels(union cpuid_table *table, uint32_t function)
{
    uint32_t levels = 0, flags = 0;

    for (uint32_t i = 0; i < table->list.nent; i++) {
        if (table->list.entries[i].function != function)
            continue;
        levels++;
        flags = table->list.entries[i].flags;
    }
    for (; levels > 0 && levels < 3 && table->list.nent < CPUID_ENTRIES; levels++)
        table->list.entries[table->list.nent++] =
            (struct kvm_cpuid_entry2){.function = function,
                                      .index = levels,
                                      .flags = flags | KVM_CPUID_FLAG_SIGNIFCANT_INDEX};
}

void cpuid_adjust(union cpuid_table *table, uint32_t vcpu, uint32_t vcpus)
{
    add_levels(table, 0xb);
    add_levels(table, 0x1f);
    for (uint32_t i = 0; i < table->list.nent && i < CPUID_ENTRIES; i++)
        adjust_entry(&table->list.entries[i], vcpu, vcpus);
}
