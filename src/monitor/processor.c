/* SPDX-License-Identifier: Apache-2.0 */
/* The vCPUs' first registers: boot_processors() of boot.h. */
#include "boot.h"

#include <errno.h>

#include "cpuid.h"
#include "layout.h"
#include "sys.h"

#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18
#define TASK_SELECTOR 0x20
#define TASK_LIMIT    0x67 /* a TSS of 32 bits */
#define CR0_PE_ET     (UINT64_C(1) | UINT64_C(1) << 4)
#define CR0_PE_ET_PG  (UINT64_C(1) | UINT64_C(1) << 4 | UINT64_C(1) << 31)
#define CR4_PAE       (UINT64_C(1) << 5)
#define EFER_LONG     (UINT64_C(1) << 8 | UINT64_C(1) << 10) /* LME, LMA */
#define MSR_MTRR_DEF  0x2ff
#define MTRR_WB       (UINT64_C(1) << 11 | 6) /* on, write-back: without them Linux turns PAT off */

static int set_cpuid(const struct vm *vm, uint32_t vcpu)
{
    static union cpuid_table table; /* main only */
    long rc;

    table.list.nent = CPUID_ENTRIES;
    rc = sys_ioctl_ptr(vm->kvm, KVM_GET_SUPPORTED_CPUID, &table);
    if (rc < 0)
        return (int)rc;
    cpuid_adjust(&table, vcpu, vm->vcpus_count);
    return (int)sys_ioctl_ptr(vm->vcpus[vcpu], KVM_SET_CPUID2, &table);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, uint8_t is_64)
{
    return (struct kvm_segment){.selector = selector,
                                .limit = 0xffffffff,
                                .type = type,
                                .present = 1,
                                .s = 1,
                                .l = is_64,
                                .db = !is_64,
                                .g = 1};
}

static void set_long_mode(struct kvm_sregs *sregs)
{
    sregs->cs = segment(CODE_SELECTOR, 11, 1);
    sregs->cr0 = CR0_PE_ET_PG;
    sregs->cr3 = LAYOUT_PAGE_TABLES;
    sregs->cr4 = CR4_PAE;
    sregs->efer = EFER_LONG;
}

static void set_protected_mode(struct kvm_sregs *sregs)
{
    sregs->cs = segment(CODE_SELECTOR, 11, 0);
    sregs->tr = (struct kvm_segment){
        .selector = TASK_SELECTOR, .limit = TASK_LIMIT, .type = 11, .present = 1};
    sregs->cr0 = CR0_PE_ET;
    sregs->cr4 = 0;
    sregs->efer = 0;
}

static int set_special_registers(int vcpu, enum boot_mode mode)
{
    struct kvm_sregs sregs;
    long rc = sys_ioctl_ptr(vcpu, KVM_GET_SREGS, &sregs);

    if (rc < 0)
        return (int)rc;
    if (mode == BOOT_LONG)
        set_long_mode(&sregs);
    else
        set_protected_mode(&sregs);
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(DATA_SELECTOR, 3, 0);
    sregs.gdt.base = LAYOUT_GDT;
    sregs.gdt.limit = 31;
    return (int)sys_ioctl_ptr(vcpu, KVM_SET_SREGS, &sregs);
}

static int set_memory_types(int vcpu)
{
    union {
        struct kvm_msrs list;
        uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
    } msrs = {.list = {.nmsrs = 1}};
    long rc;

    msrs.list.entries[0] = (struct kvm_msr_entry){.index = MSR_MTRR_DEF, .data = MTRR_WB};
    rc = sys_ioctl_ptr(vcpu, KVM_SET_MSRS, &msrs);
    if (rc < 0)
        return (int)rc;
    return rc == 1 ? 0 : -EIO;
}

int boot_processors(const struct vm *vm, const struct boot_entry *entry)
{
    struct kvm_regs regs = {.rip = entry->rip, .rflags = 2};
    int rc = 0;

    *(entry->mode == BOOT_LONG ? &regs.rsi : &regs.rbx) = entry->info;
    for (uint32_t i = 0; i < vm->vcpus_count && rc == 0; i++) {
        rc = set_cpuid(vm, i);
        if (rc == 0)
            rc = set_memory_types(vm->vcpus[i]);
    }
    if (rc == 0)
        rc = set_special_registers(vm->vcpus[0], entry->mode);
    if (rc == 0)
        rc = (int)sys_ioctl_ptr(vm->vcpus[0], KVM_SET_REGS, &regs);
    return rc;
}
