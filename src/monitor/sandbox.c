/* SPDX-License-Identifier: Apache-2.0 */
/* The tables. Read by the generator and by the tests; no part of the monitor. */
#include "sandbox_lists.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ANY(nr)                                                                                    \
    {                                                                                              \
        .number = (nr), .argument = -1                                                             \
    }
#define ONE_OF(nr, index, list)                                                                    \
    {                                                                                              \
        .number = (nr), .argument = (index), .values = (list), .values_count = sizeof(list) / 4    \
    }
#define CLEAR(nr, index, mask)                                                                     \
    {                                                                                              \
        .number = (nr), .argument = (index), .values = (mask), .values_count = 1, .bits = true     \
    }
#define LIST(name, rows)                                                                           \
    const struct sandbox_list name = {(rows), sizeof(rows) / sizeof(struct sandbox_rule)}

static const uint32_t exec[] = {PROT_EXEC};

/* ---- a vCPU process ---- */
static const uint32_t vcpu_ioctls[] = {KVM_RUN, KVM_KVMCLOCK_CTRL};
static const uint32_t vcpu_futexes[] = {0 /* FUTEX_WAIT */};
static const struct sandbox_rule vcpu_rules[] = {
    ONE_OF(SYS_ioctl, 1, vcpu_ioctls),
    ONE_OF(SYS_futex, 1, vcpu_futexes),
    ANY(SYS_write),
    ANY(SYS_exit_group),
};
LIST(sandbox_vcpu, vcpu_rules);

/* ---- main, once the guest may run ---- */
static const uint32_t sealed_ioctls[] = {
    KVM_IRQFD,
    KVM_IOEVENTFD,
    KVM_SET_GSI_ROUTING,
    KVM_SET_USER_MEMORY_REGION,
    KVM_GET_REGS, /* for sessions */
    KVM_SET_REGS,
    KVM_GET_SREGS,
    KVM_GET_MSRS,
    KVM_SET_GUEST_DEBUG,
    KVM_SET_DEVICE_ATTR, /* from here on: VFs come and go */
    VFIO_GET_API_VERSION,
    VFIO_SET_IOMMU,
    VFIO_IOMMU_MAP_DMA,
    VFIO_GROUP_GET_STATUS,
    VFIO_GROUP_SET_CONTAINER,
    VFIO_GROUP_UNSET_CONTAINER,
    VFIO_GROUP_GET_DEVICE_FD,
    VFIO_DEVICE_GET_INFO,
    VFIO_DEVICE_GET_REGION_INFO,
    VFIO_DEVICE_GET_IRQ_INFO,
    VFIO_DEVICE_SET_IRQS,
};
static const uint32_t sealed_futexes[] = {0 /* FUTEX_WAIT */, 1 /* FUTEX_WAKE */};
static const struct sandbox_rule sealed_rules[] = {
    ONE_OF(SYS_ioctl, 1, sealed_ioctls),
    ONE_OF(SYS_futex, 1, sealed_futexes),
    ANY(SYS_ppoll),
    ANY(SYS_preadv2),
    ANY(SYS_write),
    ANY(SYS_pread64),
    ANY(SYS_pwrite64),
    ANY(SYS_recvmsg),
    ANY(SYS_sendmsg),
    ANY(SYS_close),
    ANY(SYS_eventfd2),
    CLEAR(SYS_mmap, 2, exec),
    ANY(SYS_munmap),
    ANY(SYS_clock_gettime),
    ANY(SYS_exit_group),
};
LIST(sandbox_main_sealed, sealed_rules);

/* ---- main, while it builds the partition and takes the VFs ---- */
static const uint32_t build_ioctls[] = {
    KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2, KVM_GET_SREGS,
    KVM_SET_SREGS,           KVM_SET_REGS,   KVM_SET_MSRS,
    KVM_CREATE_DEVICE,
};
static const uint32_t build_fcntls[] = {F_GET_SEALS, F_ADD_SEALS};
static const struct sandbox_rule build_rules[] = {
    ONE_OF(SYS_ioctl, 1, build_ioctls),
    ONE_OF(SYS_fcntl, 1, build_fcntls),
    ANY(SYS_memfd_create),
    ANY(SYS_socketpair),
    ANY(SYS_ftruncate),
    ANY(SYS_fstat),
    ANY(SYS_lseek),
    ANY(SYS_sendfile),
    ANY(SYS_madvise),
    ANY(SYS_mbind),
};
LIST(sandbox_main_build, build_rules);

/* ---- the spawner ---- */
static const struct sandbox_rule spawner_rules[] = {
    ANY(SYS_ppoll), ANY(SYS_waitid),  ANY(SYS_clone3), ANY(SYS_kill),
    ANY(SYS_close), ANY(SYS_preadv2), ANY(SYS_write),  ANY(SYS_exit_group),
};
LIST(sandbox_spawner_own, spawner_rules);

static const uint32_t create_ioctls[] = {
    KVM_CREATE_VM,   KVM_SET_TSS_ADDR,       KVM_SET_IDENTITY_MAP_ADDR, KVM_CREATE_IRQCHIP,
    KVM_CREATE_VCPU, KVM_GET_VCPU_MMAP_SIZE, KVM_GET_STATS_FD,
};
static const struct sandbox_rule create_rules[] = {ONE_OF(SYS_ioctl, 1, create_ioctls)};
LIST(sandbox_spawner_build, create_rules);

static const uint32_t prctls[] = {PR_SET_PDEATHSIG};
static const uint32_t seccomps[] = {SECCOMP_SET_MODE_FILTER};
static const struct sandbox_rule birth_rules[] = {
    ONE_OF(SYS_prctl, 0, prctls),
    ONE_OF(SYS_seccomp, 0, seccomps),
    ANY(SYS_getppid),
};
LIST(sandbox_birth, birth_rules);

/* ---- filters: the lists of each ---- */
#define FILTER(...)                                                                                \
    {                                                                                              \
        .lists = { __VA_ARGS__ }                                                                   \
    }
const struct sandbox_union sandbox_unions[SANDBOX_FILTERS] = {
    [SANDBOX_VCPU] = FILTER(&sandbox_vcpu),
    [SANDBOX_MAIN] = FILTER(&sandbox_main_sealed),
    [SANDBOX_MAIN_BUILD] = FILTER(&sandbox_main_sealed, &sandbox_birth, &sandbox_main_build),
    [SANDBOX_SPAWNER] =
        FILTER(&sandbox_vcpu, &sandbox_spawner_own, &sandbox_birth, &sandbox_main_sealed),
    [SANDBOX_SPAWNER_BUILD] =
        FILTER(&sandbox_vcpu, &sandbox_spawner_own, &sandbox_birth, &sandbox_main_sealed,
               &sandbox_spawner_build, &sandbox_main_build),
};
