/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "sys.h"

#define PROGRAM_MAX 400
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
static const uint32_t sealed_ioctls[] = {KVM_IRQFD, KVM_SET_GSI_ROUTING,
                                         KVM_SET_USER_MEMORY_REGION};
static const uint32_t sealed_futexes[] = {0 /* FUTEX_WAIT */, 1 /* FUTEX_WAKE */};
static const struct sandbox_rule sealed_rules[] = {
    ONE_OF(SYS_ioctl, 1, sealed_ioctls),
    ONE_OF(SYS_futex, 1, sealed_futexes),
    ANY(SYS_ppoll),
    ANY(SYS_read),
    ANY(SYS_write),
    ANY(SYS_pread64),
    ANY(SYS_pwrite64),
    ANY(SYS_recvmsg),
    ANY(SYS_sendmsg),
    ANY(SYS_close),
    ANY(SYS_clock_gettime),
    ANY(SYS_exit_group),
};
LIST(sandbox_main_sealed, sealed_rules);

/* ---- main, while it builds the partition and takes the VFs ---- */
static const uint32_t build_ioctls[] = {
    KVM_GET_SUPPORTED_CPUID,
    KVM_SET_CPUID2,
    KVM_GET_SREGS,
    KVM_SET_SREGS,
    KVM_SET_REGS,
    KVM_SET_MSRS,
    KVM_CREATE_DEVICE,
    KVM_SET_DEVICE_ATTR,
    VFIO_GET_API_VERSION,
    VFIO_GROUP_SET_CONTAINER,
    VFIO_SET_IOMMU,
    VFIO_GROUP_GET_DEVICE_FD,
    VFIO_GROUP_GET_STATUS,
    VFIO_IOMMU_MAP_DMA,
    VFIO_DEVICE_GET_INFO,
    VFIO_DEVICE_GET_IRQ_INFO,
    VFIO_DEVICE_SET_IRQS,
    VFIO_DEVICE_GET_REGION_INFO,
};
static const uint32_t build_fcntls[] = {F_GET_SEALS, F_ADD_SEALS};
static const struct sandbox_rule build_rules[] = {
    ONE_OF(SYS_ioctl, 1, build_ioctls),
    ONE_OF(SYS_fcntl, 1, build_fcntls),
    CLEAR(SYS_mmap, 2, exec),
    ANY(SYS_memfd_create),
    ANY(SYS_ftruncate),
    ANY(SYS_fstat),
    ANY(SYS_madvise),
    ANY(SYS_mbind),
    ANY(SYS_eventfd2),
};
LIST(sandbox_main_build, build_rules);

/* ---- the spawner ---- */
static const struct sandbox_rule spawner_rules[] = {
    ANY(SYS_ppoll), ANY(SYS_waitid), ANY(SYS_clone3), ANY(SYS_kill),
    ANY(SYS_close), ANY(SYS_read),   ANY(SYS_write),  ANY(SYS_exit_group),
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

/* ---- rules to BPF ---- */
struct program {
    struct sock_filter code[PROGRAM_MAX];
    uint16_t length;
    bool full;
};

static void emit(struct program *program, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    if (program->length == PROGRAM_MAX) {
        program->full = true;
        return;
    }
    program->code[program->length++] = (struct sock_filter){code, yes, no, k};
}

static void emit_load(struct program *program, uint32_t offset)
{
    emit(program, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

/* After it: the next rule, with the call's number in the accumulator again. */
static void emit_rule(struct program *program, const struct sandbox_rule *rule)
{
    uint8_t body = (uint8_t)(rule->argument < 0 ? 1 : 3 + rule->values_count);
    uint32_t argument =
        (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)rule->argument);

    emit(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->number, 0, body);
    if (rule->argument < 0) {
        emit(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
        return;
    }
    emit_load(program, argument);
    for (uint8_t i = 0; i < rule->values_count; i++) {
        uint8_t left = (uint8_t)(rule->values_count - 1 - i);

        if (rule->bits)
            emit(program, BPF_JMP | BPF_JSET | BPF_K, rule->values[i], (uint8_t)(left + 1), left);
        else
            emit(program, BPF_JMP | BPF_JEQ | BPF_K, rule->values[i], left, left ? 0 : 1);
    }
    emit(program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    emit_load(program, offsetof(struct seccomp_data, nr));
}

int sandbox_enter(const struct sandbox_list *const lists[], unsigned count)
{
    struct program program = {.length = 0};
    struct sock_fprog filter;

    emit_load(&program, offsetof(struct seccomp_data, arch));
    emit(&program, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    emit(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    emit_load(&program, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < count; i++)
        for (uint32_t j = 0; j < lists[i]->count; j++)
            emit_rule(&program, &lists[i]->rules[j]);
    emit(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    if (program.full)
        return -E2BIG;
    filter = (struct sock_fprog){program.length, program.code};
    return (int)sys_call3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&filter);
}

int sandbox_begin(void)
{
    long rc = sys_call6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);

    if (rc == 0)
        rc = sys_call6(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
    return (int)rc;
}
