/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's command line, from the partition's descriptor; and the paths on it, which are names for
 * files that lead handed over (broker.h), not places in a file system.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "broker.h"
#include "parclose/descriptor.h"

#define COMMAND_MEMORY    "/parclose/memory"
#define COMMAND_KERNEL    "/parclose/kernel"
#define COMMAND_INITRD    "/parclose/initrd"
#define COMMAND_FIRMWARE  "/parclose/firmware"
#define COMMAND_VARIABLES "/parclose/variables"
#define COMMAND_DISK      "/parclose/disk"
#define COMMAND_CONTAINER "/dev/vfio/vfio"

/* The one folder that the monitor's user may write, by lead: links for QEMU to read, a VF each. */
#define COMMAND_VFS "/vfs"

#define COMMAND_ARGUMENTS 96
#define COMMAND_TEXT      8192

/* Files of the child, by number. */
enum command_file { COMMAND_QMP = 3, COMMAND_CONSOLE = 4 };

/* What is there beside the descriptor's numbers. */
struct command_images {
    bool kernel, initrd, firmware, variables, disk;
};

struct command {
    char *arguments[COMMAND_ARGUMENTS]; /* into text; NULL after the last */
    char text[COMMAND_TEXT];
    size_t count, used;
    bool full;
};

/* 0, or -EINVAL: a field is out of its range. */
int command_check(const struct partition_descriptor *descriptor);

/* 0, or -E2BIG. */
int command_build(struct command *command, const struct partition_descriptor *descriptor,
                  const struct command_images *images);

/* The name of the port of a VF. */
void command_port(char port[16], uint32_t vf);

/*
 * QEMU looks into a VF's folder of sysfs for two things: the folder's name is the address that it
 * asks the group for, and the link iommu_group ends in the number of the group's node. Ours is
 * named by the VF's place in the partition; command_group() is that node's path.
 */
void command_vf_folder(char path[BROKER_PATH_MAX], struct bdf vf);
void command_group(char path[BROKER_PATH_MAX], uint32_t vf);
int command_make_vf_folder(struct bdf vf, uint32_t index);
