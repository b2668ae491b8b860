/* SPDX-License-Identifier: Apache-2.0 */
#include "create.h"

#include <errno.h>

#include "boot.h"
#include "console.h"
#include "descriptor.h"
#include "monitor.h"
#include "sandbox.h"
#include "sys.h"
#include "text.h"

static int *file_place(struct monitor *m, uint32_t kind, uint32_t index)
{
    if (kind > FILE_VCPU_CGROUP)
        return NULL;
    if (kind == FILE_VCPU_CGROUP)
        return index < PARCLOSE_MAX_VCPUS ? &m->files.cgroups[index] : NULL;
    return index == 0 ? &m->files.single[kind] : NULL;
}

int create_file(struct monitor *m, struct inbox *inbox)
{
    const struct monitor_file *message = (const struct monitor_file *)inbox->bytes;
    int *place = file_place(m, message->kind, message->index);

    if (!place)
        return -EINVAL;
    if (*place >= 0)
        return -EEXIST;
    *place = inbox_take(inbox, 0);
    return 0;
}

/* ---- steps of CREATE; each returns a negative errno ---- */

static int step_files(struct monitor *m)
{
    for (int kind = 0; kind < FILE_VCPU_CGROUP; kind++)
        if (m->files.single[kind] < 0 && kind != FILE_INITRD)
            return -ENOENT;
    return descriptor_read(m->files.single[FILE_DESCRIPTOR], &m->descriptor);
}

/* Without its frozen cgroup a vCPU would run at once: there is no way around it. */
static int step_cgroups(struct monitor *m)
{
    for (uint32_t i = 0; i < PARCLOSE_MAX_VCPUS; i++)
        if ((m->files.cgroups[i] >= 0) != (i < m->descriptor.vcpus_count))
            return -ENOENT;
    state_enter(&m->states, STATE_CHANNELS_ASSIGNED);
    state_enter(&m->states, STATE_PROCESSOR_ASSIGNED);
    return 0;
}

static int step_memory(struct monitor *m)
{
    int rc = memory_make(&m->memory, m->descriptor.memory_bytes, m->descriptor.memory_node,
                         m->descriptor.pages);

    if (rc == 0)
        state_enter(&m->states, STATE_MEMORY_ASSIGNED);
    return rc;
}

/* While KVM waits, and it does so often, guest memory is filled. */
static int step_vm(struct monitor *m)
{
    m->vm.kvm = m->files.single[FILE_KVM];
    m->vm.vcpus_count = m->descriptor.vcpus_count;
    spawner_ask(&m->desk, ORDER_CREATE_VM);
    return 0;
}

static int step_vm_is_there(struct monitor *m)
{
    return spawner_wait(&m->desk);
}

static int step_slots(struct monitor *m)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct memory_extent extent = memory_extent(&m->memory, i);
        struct kvm_userspace_memory_region region = {
            .slot = i,
            .guest_phys_addr = extent.gpa.value,
            .memory_size = extent.size,
            .userspace_addr = (uint64_t)m->memory.base + extent.offset,
        };
        long rc = extent.size ? sys_ioctl_ptr(m->vm.fd, KVM_SET_USER_MEMORY_REGION, &region) : 0;

        if (rc < 0)
            return (int)rc;
    }
    return 0;
}

/* KVM has one VFIO device a VM: made now, so that no VF that comes later needs to. */
static int step_devices(struct monitor *m)
{
    struct kvm_create_device device = {.type = KVM_DEV_TYPE_VFIO};
    int rc = irq_begin(&m->router, m->vm.fd);
    long groups = sys_ioctl_ptr(m->vm.fd, KVM_CREATE_DEVICE, &device);

    if (rc >= 0)
        pci_begin(&m->pci, &m->router, &m->memory, &m->channels, m->vm.fd,
                  groups < 0 ? (int)groups : (int)device.fd);
    return rc;
}

static int step_channels(struct monitor *m)
{
    return channel_make(&m->channels, m->descriptor.channels, m->descriptor.channels_count,
                        &m->memory, &m->router, m->vm.fd);
}

static int step_processors(struct monitor *m, const struct boot_entry *entry)
{
    int rc = boot_processors(&m->vm, entry);

    if (rc >= 0)
        rc = spawner_order(&m->desk, ORDER_VCPUS);
    if (rc >= 0)
        state_enter(&m->states, STATE_PROCESSOR_IMAGE);
    return rc;
}

/* Loaded once: nobody needs it any more. */
static void drop_file(struct monitor *m, enum monitor_file_kind kind)
{
    if (m->files.single[kind] >= 0)
        (void)sys_close(m->files.single[kind]);
    m->files.single[kind] = -1;
}

static int step_image(struct monitor *m, struct boot_entry *entry, const char **what)
{
    struct boot_config config = {
        .kernel = m->files.single[FILE_KERNEL],
        .initrd = m->files.single[FILE_INITRD],
        .cmdline = m->descriptor.cmdline,
        .vcpus = m->descriptor.vcpus_count,
    };
    int rc = boot_load(&config, &m->memory, entry, what);

    drop_file(m, FILE_KERNEL);
    drop_file(m, FILE_INITRD);
    if (rc >= 0)
        state_enter(&m->states, STATE_MEMORY_IMAGE);
    return rc;
}

struct build_step {
    const char *what;
    int (*step)(struct monitor *);
};

static int take_steps(struct monitor *m, const struct build_step *steps, const char **what)
{
    int rc = 0;

    for (; steps->step && rc >= 0; steps++) {
        *what = steps->what;
        if (steps->step == step_memory && m->descriptor.pages != PAGES_ORDINARY)
            *what = "guest memory: not enough free huge pages on its node";
        rc = steps->step(m);
    }
    return rc;
}

static int build(struct monitor *m, const char **what)
{
    static const struct build_step before[] = {
        {"descriptor and files", step_files}, {"vCPU cgroups", step_cgroups},
        {"virtual machine", step_vm},         {"guest memory", step_memory},
        {"console ring", console_begin},      {NULL, NULL},
    };
    static const struct build_step behind[] = {
        {"virtual machine", step_vm_is_there},
        {"memory slots", step_slots},
        {"interrupts", step_devices},
        {"channels", step_channels},
        {NULL, NULL},
    };
    struct boot_entry entry;
    int rc = take_steps(m, before, what);

    if (rc >= 0)
        rc = step_image(m, &entry, what);
    if (rc >= 0)
        rc = take_steps(m, behind, what);
    if (rc < 0)
        return rc;
    *what = "processors";
    return step_processors(m, &entry);
}

void create_seal(struct monitor *m)
{
    int rc = spawner_order(&m->desk, ORDER_SEAL);

    if (rc == 0)
        rc = sandbox_enter(SANDBOX_MAIN);
    if (rc < 0)
        monitor_end(m, EXIT_MONITOR_ERROR, "sandbox", rc);
}

/* What remains then is the thaw, which is lead's. */
void create_complete(struct monitor *m)
{
    if (m->vfs_attached != (m->descriptor.vfs_count > 0) || !channel_known(&m->channels))
        return;
    m->phase = PHASE_COMPLETE;
    create_seal(m);
    state_enter(&m->states, STATE_CHANNEL_IMAGE);
}

int create_partition(struct monitor *m, struct inbox *inbox)
{
    const char *what;
    int rc;

    (void)inbox;
    m->phase = PHASE_BUILD;
    rc = build(m, &what);
    if (rc < 0) {
        monitor_end(m, EXIT_MONITOR_ERROR, what, rc);
        return 0;
    }
    m->phase = PHASE_BUILT;
    create_complete(m);
    return 0;
}

/* One that its PF has lost meanwhile is not there: who looks finds it missing, and gives it anew.
 */
static int add_vfs(struct monitor *m, struct inbox *inbox, const char **what)
{
    const struct monitor_channels *message = (const struct monitor_channels *)inbox->bytes;
    const int container = inbox->files[0];
    int rc = 0;

    for (uint32_t i = 0; i < message->vfs_count && (rc >= 0 || rc == -ENODEV); i++) {
        rc = pci_add(&m->pci, container, inbox->files[1 + i], message->vfs[i], what);
        if (rc == -ENODEV)
            text_log("a VF is gone before it was opened", 0);
        if (rc < 0)
            continue;
        (void)inbox_take(inbox, 0); /* the VFs have them */
        (void)inbox_take(inbox, 1 + i);
    }
    return rc == -ENODEV ? 0 : rc;
}

int create_channels(struct monitor *m, struct inbox *inbox)
{
    const struct monitor_channels *message = (const struct monitor_channels *)inbox->bytes;
    const char *what = "";
    int rc;

    if (message->vfs_count != m->descriptor.vfs_count ||
        inbox->files_count != 1 + message->vfs_count || m->vfs_attached)
        return -EINVAL;
    m->phase = PHASE_BUILD;
    rc = add_vfs(m, inbox, &what);
    if (rc < 0) {
        monitor_end(m, EXIT_MONITOR_ERROR, what, rc);
        return 0;
    }
    m->vfs_attached = true;
    m->phase = PHASE_BUILT;
    create_complete(m);
    return 0;
}
