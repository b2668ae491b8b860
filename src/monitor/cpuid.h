/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest's processors say of themselves: all that KVM supports, with this partition's
 * topology (one package, one thread a core, APIC id = vCPU index) and without nested
 * virtualization.
 */
#pragma once

#include <linux/kvm.h>
#include <stdint.h>

#define CPUID_ENTRIES 128

union cpuid_table {
    struct kvm_cpuid2 list; /* its entries go on to the end */
    uint8_t bytes[sizeof(struct kvm_cpuid2) + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2)];
};

/* Pure: turns KVM's supported table into that of one vCPU. */
void cpuid_adjust(union cpuid_table *table, uint32_t vcpu, uint32_t vcpus);
