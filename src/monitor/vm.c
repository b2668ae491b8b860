/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include <errno.h>
#include <sys/mman.h>

#include "layout.h"
#include "sys.h"
#include "vm_stats.h"

static int create_irqchip(struct vm *vm)
{
    uint64_t identity = LAYOUT_IDENTITY_MAP;
    long rc = sys_ioctl(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_TSS);

    if (rc >= 0)
        rc = sys_ioctl_ptr(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
    if (rc >= 0)
        rc = sys_ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0);
    return rc < 0 ? (int)rc : 0;
}

static int create_vcpu(struct vm *vm, uint32_t index, size_t run_size)
{
    long fd = sys_ioctl(vm->fd, KVM_CREATE_VCPU, index);
    long run;

    if (fd < 0)
        return (int)fd;
    vm->vcpus[index] = (int)fd;
    run = sys_mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    if (sys_is_error(run))
        return (int)run;
    vm->runs[index] = (struct kvm_run *)run;
    vm->stats[index] = (int)sys_ioctl(vm->vcpus[index], KVM_GET_STATS_FD, 0);
    return 0;
}

int vm_create(struct vm *vm, bool irqchip)
{
    long size = sys_ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    long fd = sys_ioctl(vm->kvm, KVM_CREATE_VM, 0);
    int rc = 0;

    if (fd < 0 || size < (long)sizeof(struct kvm_run))
        return fd < 0 ? (int)fd : -ENODEV;
    vm->fd = (int)fd;
    if (irqchip)
        rc = create_irqchip(vm);
    for (uint32_t i = 0; i < vm->vcpus_count && rc == 0; i++)
        rc = create_vcpu(vm, i, (size_t)size);
    return rc;
}

static int run_once(int vcpu)
{
    long run = sys_mmap(NULL, sizeof(struct kvm_run), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    long rc;

    if (sys_is_error(run))
        return (int)run;
    ((struct kvm_run *)run)->immediate_exit = 1;
    rc = sys_ioctl(vcpu, KVM_RUN, 0);
    (void)sys_call3(SYS_munmap, run, sizeof(struct kvm_run), 0);
    if (rc == -EINTR || rc == -EAGAIN)
        return 0;
    return rc < 0 ? (int)rc : -EPROTO; /* it must not have entered the guest */
}

int vm_prime(const struct vm *vm)
{
    long vcpu = sys_ioctl(vm->fd, KVM_CREATE_VCPU, vm->vcpus_count);
    int rc = vcpu < 0 ? (int)vcpu : run_once((int)vcpu);

    if (vcpu >= 0)
        (void)sys_close((int)vcpu);
    return rc;
}

int64_t vm_exits(const struct vm *vm, uint32_t vcpu)
{
    int64_t value = -1;

    if (vm->stats[vcpu] < 0)
        return -1;
    uint64_t offset = vm_stats_offset(vm->stats[vcpu], "exits");
    if (offset == 0 || sys_pread(vm->stats[vcpu], &value, sizeof(value), offset) != sizeof(value))
        return -1;
    return value;
}
