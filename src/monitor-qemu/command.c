/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/frame.h"

#define MEMORY_MIN (UINT64_C(64) << 20)
#define MEMORY_MAX (UINT64_C(1) << 44)

int command_check(const struct partition_descriptor *d)
{
    if (d->magic != DESCRIPTOR_MAGIC || d->version != DESCRIPTOR_VERSION || d->size != sizeof(*d) ||
        !d->vcpus_count || d->vcpus_count > PARCLOSE_MAX_VCPUS ||
        d->vfs_count > PARCLOSE_MAX_PARTITION_VFS)
        return -EINVAL;
    if (d->memory_bytes < MEMORY_MIN || d->memory_bytes > MEMORY_MAX ||
        d->memory_bytes % (2 << 20) || d->pages >= MEMORY_PAGES ||
        (d->memory_node != UINT32_MAX && d->memory_node >= PARCLOSE_MAX_NODES) ||
        d->firmware >= GUEST_FIRMWARES)
        return -EINVAL;
    return frame_string_ok(d->name, sizeof(d->name)) &&
                   frame_string_ok(d->cmdline, sizeof(d->cmdline))
               ? 0
               : -EINVAL;
}

/* ---- one argument after the other */

__attribute__((format(printf, 2, 3))) static void add(struct command *c, const char *format, ...)
{
    size_t room = sizeof(c->text) - c->used;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(c->text + c->used, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= room || c->count + 1 >= COMMAND_ARGUMENTS) {
        c->full = true;
        return;
    }
    c->arguments[c->count++] = c->text + c->used;
    c->used += (size_t)length + 1;
}

static void add_option(struct command *c, const char *option, const char *value)
{
    add(c, "%s", option);
    add(c, "%s", value);
}

/* ---- parts */

/* Nothing that was not asked for, nothing that listens, and what of QEMU's own sandbox fits. */
static void add_confinement(struct command *c)
{
    add(c, "-no-user-config");
    add(c, "-nodefaults");
    add_option(c, "-display", "none");
    add_option(c, "-sandbox",
               "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

/* Stopped before its first instruction; whatever ends the guest ends QEMU. */
static void add_life(struct command *c)
{
    add(c, "-S");
    add_option(c, "-action", "reboot=shutdown,shutdown=poweroff,panic=shutdown,watchdog=reset");
    add_option(c, "-device", "pvpanic");
}

static void add_machine(struct command *c, const struct partition_descriptor *d,
                        const struct command_images *images)
{
    add_option(c, "-accel", "kvm");
    add(c, "-machine");
    add(c, "q35,usb=off,dump-guest-core=off,memory-backend=ram%s%s",
        images->firmware ? ",pflash0=firmware" : "", images->variables ? ",pflash1=variables" : "");
    /* no guest of the guest, as with the native monitor */
    add_option(c, "-cpu", "host,svm=off,vmx=off");
    add(c, "-smp");
    add(c, "%u", d->vcpus_count);
    add(c, "-m");
    add(c, "%lluM", (unsigned long long)(d->memory_bytes >> 20));
    add(c, "-object");
    add(c, "memory-backend-file,id=ram,size=%llu,mem-path=" COMMAND_MEMORY ",share=on",
        (unsigned long long)d->memory_bytes);
}

static void add_channels(struct command *c, const struct partition_descriptor *d)
{
    char port[16];

    add(c, "-chardev");
    add(c, "socket,id=qmp,fd=%d", COMMAND_QMP);
    add_option(c, "-mon", "chardev=qmp,mode=control");
    add(c, "-chardev");
    add(c, "socket,id=console,fd=%d", COMMAND_CONSOLE);
    add_option(c, "-device", "isa-serial,chardev=console");
    for (uint32_t i = 0; i < d->vfs_count; i++) {
        command_port(port, i);
        add(c, "-device");
        /* without a switch for its power: firmware finds there what was plugged before it began */
        add(c, "pcie-root-port,id=%s,bus=pcie.0,chassis=%u,slot=%u,power_controller_present=off",
            port, i + 1, i + 1);
    }
}

static void add_file(struct command *c, const char *node, const char *path, bool read_only)
{
    add(c, "-blockdev");
    add(c,
        "driver=raw,node-name=%s,read-only=%s,file.driver=file,file.locking=off,"
        "file.filename=%s",
        node, read_only ? "on" : "off", path);
}

static void add_images(struct command *c, const struct partition_descriptor *d,
                       const struct command_images *images)
{
    if (images->kernel)
        add_option(c, "-kernel", COMMAND_KERNEL);
    if (images->kernel && d->cmdline[0])
        add_option(c, "-append", d->cmdline);
    if (images->initrd)
        add_option(c, "-initrd", COMMAND_INITRD);
    if (images->firmware)
        add_file(c, "firmware", COMMAND_FIRMWARE, true);
    if (images->variables)
        add_file(c, "variables", COMMAND_VARIABLES, false);
    if (images->disk) {
        add_file(c, "disk", COMMAND_DISK, false);
        add_option(c, "-device", "ide-hd,drive=disk,bus=ide.0,bootindex=1");
    }
}

int command_build(struct command *c, const struct partition_descriptor *d,
                  const struct command_images *images)
{
    c->count = c->used = 0;
    c->full = false;
    add(c, "qemu-system-x86_64");
    add(c, "-name");
    add(c, "%s,debug-threads=on", d->name);
    add_confinement(c);
    add_life(c);
    add_machine(c, d, images);
    add_channels(c, d);
    add_images(c, d, images);
    c->arguments[c->count] = NULL;
    return c->full ? -E2BIG : 0;
}

/* ---- VFs */

void command_port(char port[16], uint32_t vf)
{
    snprintf(port, 16, "port%u", vf);
}

void command_vf_folder(char path[BROKER_PATH_MAX], struct bdf vf)
{
    snprintf(path, BROKER_PATH_MAX, COMMAND_VFS "/%04x:%02x:%02x.%x", vf.value >> 16,
             vf.value >> 8 & 0xff, vf.value >> 3 & 0x1f, vf.value & 7);
}

void command_group(char path[BROKER_PATH_MAX], uint32_t vf)
{
    snprintf(path, BROKER_PATH_MAX, "/dev/vfio/%u", vf);
}

int command_make_vf_folder(struct bdf vf, uint32_t index)
{
    char folder[BROKER_PATH_MAX], link[BROKER_PATH_MAX + 16], target[BROKER_PATH_MAX];

    command_vf_folder(folder, vf);
    command_group(target, index);
    snprintf(link, sizeof(link), "%s/iommu_group", folder);
    if (mkdir(folder, 0755) < 0 || symlink(target, link) < 0)
        return -errno;
    return 0;
}
