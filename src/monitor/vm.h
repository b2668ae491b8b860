/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KVM files of the partition. Made by the spawner (KVM wants one address space for all users
 * and ties workers to the first caller of KVM_RUN); used by main and the vCPU processes.
 *
 * The interrupt controllers are the kernel's own, I/O APIC included ("full" irqchip): the serial
 * line, the power button and each VF vector are then one eventfd each, and no interrupt path runs
 * through main. There is no PIT: stock kernels do without (TSC deadline timer, kvmclock).
 */
#pragma once

#include <linux/kvm.h>

#include "parclose/ids.h"

struct vm {
    int kvm; /* /dev/kvm, as handed over */
    int fd;
    uint32_t vcpus_count;
    int vcpus[PARCLOSE_MAX_VCPUS];
    int stats[PARCLOSE_MAX_VCPUS]; /* binary statistics; -1: the kernel has none */
    struct kvm_run *runs[PARCLOSE_MAX_VCPUS];
};

/* Spawner only. Set kvm and vcpus_count before. Negative errno. */
int vm_create(struct vm *vm, bool irqchip);

/*
 * Spawner only: one KVM_RUN that leaves at once, before the spawner is sealed. It is that of a vCPU
 * which the guest is not told of: when a vCPU's caller changes, KVM waits until each processor has
 * been through the scheduler (virt/kvm/kvm_main.c, KVM_RUN, synchronize_rcu).
 */
int vm_prime(const struct vm *vm);

/* How often the vCPU left the guest since it was made; -1 when not known. */
int64_t vm_exits(const struct vm *vm, uint32_t vcpu);
