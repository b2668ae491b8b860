/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a vCPU's linear address is in guest-physical memory, by its own page tables (AMD64 APM 2,
 * chapter 5): 4- and 5-level, PAE, 32-bit, or no paging. As a debugger wants it: whatever is
 * mapped, be it the kernel's or a process's; KVM_TRANSLATE tells only what the kernel itself may
 * touch, and with SMAP that is no process's page.
 *
 * The tables are the guest's, and hostile: at most five entries are read, each once, and only in
 * RAM.
 */
#pragma once

#include <linux/kvm.h>
#include <stdint.h>

#include "parclose/ids.h"

struct guest_memory;

/* -EFAULT: it is not mapped, or a table is not in RAM. The gpa need not be in RAM. */
int paging_translate(const struct guest_memory *memory, const struct kvm_sregs *sregs,
                     uint64_t address, struct gpa *gpa);
