/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"

#include <errno.h>
#include <string.h>

#include "monitor.h"
#include "paging.h"
#include "sys.h"

#define PAGE           4096u
#define KERNEL_GS_BASE 0xc0000102u

void inspect_info(const struct monitor *m, struct session_info *info)
{
    *info = (struct session_info){.vcpus_count = m->vm.vcpus_count};
    for (unsigned i = 0; i < 2; i++) {
        struct memory_extent extent = memory_extent(&m->memory, i);

        info->extents[i] = (struct session_extent){extent.gpa.value, extent.size};
    }
}

static uint64_t read_kernel_gs(int vcpu)
{
    union {
        struct kvm_msrs list;
        uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
    } msrs = {.list = {.nmsrs = 1}};

    msrs.list.entries[0] = (struct kvm_msr_entry){.index = KERNEL_GS_BASE};
    return sys_ioctl_ptr(vcpu, KVM_GET_MSRS, &msrs) == 1 ? msrs.list.entries[0].data : 0;
}

int inspect_registers(const struct monitor *m, uint32_t vcpu, struct session_registers *registers)
{
    int fd = m->vm.vcpus[vcpu];
    long rc = sys_ioctl_ptr(fd, KVM_GET_REGS, &registers->regs);

    if (rc >= 0)
        rc = sys_ioctl_ptr(fd, KVM_GET_SREGS, &registers->sregs);
    registers->kernel_gs_base = read_kernel_gs(fd);
    return (int)rc;
}

int inspect_registers_set(const struct monitor *m, uint32_t vcpu, const struct kvm_regs *regs)
{
    struct kvm_regs copy = *regs;

    return (int)sys_ioctl_ptr(m->vm.vcpus[vcpu], KVM_SET_REGS, &copy);
}

int inspect_translate(const struct monitor *m, uint32_t vcpu, uint64_t address, struct gpa *gpa)
{
    struct kvm_sregs sregs;
    long rc = sys_ioctl_ptr(m->vm.vcpus[vcpu], KVM_GET_SREGS, &sregs);

    return rc < 0 ? (int)rc : paging_translate(&m->memory, &sregs, address, gpa);
}

/* Of [address, address + size) the part in one piece of RAM, and where that is in the file. */
static size_t piece(const struct monitor *m, uint64_t gpa, size_t size, uint64_t *offset)
{
    for (unsigned i = 0; i < 2; i++) {
        struct memory_extent extent = memory_extent(&m->memory, i);
        uint64_t skip = gpa - extent.gpa.value;

        if (gpa < extent.gpa.value || skip >= extent.size)
            continue;
        *offset = extent.offset + skip;
        return size < extent.size - skip ? size : (size_t)(extent.size - skip);
    }
    return 0;
}

/* Through the file, not the mapping: a page that is not there reads as zeros and stays away. */
static long read_physical(const struct monitor *m, uint64_t gpa, uint8_t *bytes, size_t size)
{
    uint64_t offset;

    size = piece(m, gpa, size, &offset);
    return size ? sys_pread(m->memory.fd, bytes, size, offset) : -EFAULT;
}

static size_t to_page_end(uint64_t address, size_t size)
{
    size_t rest = PAGE - address % PAGE;

    return size < rest ? size : rest;
}

static long read_virtual(const struct monitor *m, const struct session_request *r, uint8_t *bytes,
                         size_t size)
{
    size_t done = 0;

    while (done < size) {
        size_t part = to_page_end(r->address + done, size - done);
        struct gpa gpa;
        long rc = inspect_translate(m, r->vcpu, r->address + done, &gpa);

        if (rc >= 0)
            rc = read_physical(m, gpa.value, bytes + done, part);
        if (rc != (long)part)
            break;
        done += part;
    }
    return done || !size ? (long)done : -EFAULT;
}

static bool all_zero(const uint8_t *bytes, long size)
{
    return size > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, (size_t)size - 1) == 0;
}

static long read_sparse(const struct monitor *m, const struct session_request *r, uint8_t *bytes,
                        size_t size, uint64_t *zeros)
{
    long rc = read_physical(m, r->address, bytes, size);

    while (all_zero(bytes, rc)) {
        *zeros += (uint64_t)rc;
        if (*zeros >= SESSION_SKIP_MAX)
            return 0;
        rc = read_physical(m, r->address + *zeros, bytes, size);
    }
    return rc == -EFAULT && *zeros ? 0 : rc;
}

long inspect_read(const struct monitor *m, const struct session_request *r, uint8_t *bytes,
                  uint64_t *zeros)
{
    size_t size = r->size < SESSION_DATA_MAX ? (size_t)r->size : SESSION_DATA_MAX;

    *zeros = 0;
    if (r->flags & SESSION_VIRTUAL)
        return read_virtual(m, r, bytes, size);
    if (r->flags & SESSION_SPARSE)
        return read_sparse(m, r, bytes, size, zeros);
    return read_physical(m, r->address, bytes, size);
}

int inspect_write(const struct monitor *m, const struct session_request *r, const uint8_t *bytes,
                  size_t size)
{
    for (size_t done = 0, part; done < size; done += part) {
        struct gpa gpa = {r->address + done};
        int rc = 0;

        part = to_page_end(gpa.value, size - done);
        if (r->flags & SESSION_VIRTUAL)
            rc = inspect_translate(m, r->vcpu, r->address + done, &gpa);
        uint8_t *to = rc < 0 ? NULL : memory_at(&m->memory, gpa, part);
        if (!to)
            return -EFAULT;
        memcpy(to, bytes + done, part);
    }
    return 0;
}
