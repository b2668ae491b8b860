/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_check.h"
#include "kinds.h"
#include "wire/frame.h"

#define SEALS      (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define UID_BASE   0x70000000u
#define MEMORY_MAX (UINT64_C(1) << 44)

static bool sealed(int file)
{
    struct stat status;

    return fcntl(file, F_GET_SEALS) == SEALS && fstat(file, &status) == 0 &&
           status.st_size == (off_t)sizeof(struct partition_descriptor);
}

static bool path_ok(const char path[PARCLOSE_PATH_MAX], bool may_lack)
{
    return frame_string_ok(path, PARCLOSE_PATH_MAX) && (path[0] == '/' || (may_lack && !path[0]));
}

/* Each vCPU has a pCPU of its own or runs on the shared ones; with a weight all do that. */
static bool vcpus_ok(const struct partition_descriptor *d)
{
    static const struct pcpu_set none;
    bool shared = false;

    if (d->vcpus_count < 1 || d->vcpus_count > PARCLOSE_MAX_VCPUS || d->weight > CONFIG_WEIGHT_MAX)
        return false;
    for (uint32_t i = 0; i < d->vcpus_count; i++) {
        bool own = d->vcpus[i].pcpu != DESCRIPTOR_SHARED;
        if (own && (d->weight || d->vcpus[i].pcpu >= 1u << 16))
            return false;
        shared |= !own;
    }
    return shared == (memcmp(&d->shared_pcpus, &none, sizeof(none)) != 0);
}

/* Its server is a socket at an absolute path. */
static bool channels_ok(const struct partition_descriptor *d)
{
    if (d->channels_count > PARCLOSE_MAX_CHANNELS)
        return false;
    for (uint32_t i = 0; i < d->channels_count; i++) {
        const struct partition_channel *c = &d->channels[i];

        if (c->kind >= CHANNEL_DEVICES || c->mode >= CHANNEL_MODES || c->reserved ||
            !config_name_ok(c->name) || !frame_string_ok(c->server, sizeof(c->server)) ||
            c->server[0] != '/')
            return false;
    }
    return true;
}

static bool numbers_ok(const struct partition_descriptor *d)
{
    if (d->partition.value < 1 || d->partition.value > PARCLOSE_MAX_PARTITIONS ||
        d->uid != UID_BASE + d->partition.value)
        return false;
    return vcpus_ok(d) && channels_ok(d) && d->vfs_count <= PARCLOSE_MAX_PARTITION_VFS &&
           d->memory_bytes && d->memory_bytes <= MEMORY_MAX;
}

/* A kind with a program of its own may have a firmware, which needs no kernel. */
static bool images_ok(const struct partition_descriptor *d)
{
    int kind = frame_string_ok(d->monitor, sizeof(d->monitor)) ? kind_find(d->monitor) : -EINVAL;

    if (kind < 0 || d->firmware >= GUEST_FIRMWARES)
        return false;
    bool more = monitor_kinds[kind].program.path, uefi = d->firmware == FIRMWARE_UEFI;
    return path_ok(d->kernel, uefi) && path_ok(d->initrd, true) && path_ok(d->variables, true) &&
           path_ok(d->disk, true) && frame_string_ok(d->cmdline, sizeof(d->cmdline)) &&
           (more ? !d->channels_count : !uefi && !d->variables[0] && !d->disk[0]) &&
           (uefi || !d->variables[0]);
}

int descriptor_take(int file, struct partition_descriptor *d)
{
    if (!sealed(file) || pread(file, d, sizeof(*d), 0) != (ssize_t)sizeof(*d))
        return -EINVAL;
    if (d->magic != DESCRIPTOR_MAGIC || d->version != DESCRIPTOR_VERSION || d->size != sizeof(*d) ||
        !numbers_ok(d))
        return -EINVAL;
    return config_name_ok(d->name) && images_ok(d) ? 0 : -EINVAL;
}

bool descriptor_follows(const struct partition_descriptor *old,
                        const struct partition_descriptor *now)
{
    return !strcmp(old->name, now->name) && !strcmp(old->monitor, now->monitor) &&
           old->vcpus_count == now->vcpus_count && old->memory_bytes == now->memory_bytes;
}
