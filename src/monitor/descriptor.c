/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "memory.h"
#include "sys.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static bool string_ok(const char *string, size_t size)
{
    return memchr(string, 0, size) != NULL;
}

static bool channels_ok(const struct partition_descriptor *d)
{
    for (uint32_t i = 0; i < d->channels_count; i++) {
        const struct partition_channel *c = &d->channels[i];

        if (c->kind >= CHANNEL_DEVICES || c->mode >= CHANNEL_MODES ||
            !string_ok(c->name, sizeof(c->name)) || !string_ok(c->server, sizeof(c->server)))
            return false;
    }
    return true;
}

int descriptor_check(const struct partition_descriptor *d)
{
    if (d->magic != DESCRIPTOR_MAGIC || d->version != DESCRIPTOR_VERSION || d->size != sizeof(*d))
        return -EINVAL;
    if (d->vcpus_count == 0 || d->vcpus_count > PARCLOSE_MAX_VCPUS ||
        d->vfs_count > PARCLOSE_MAX_PARTITION_VFS || d->channels_count > PARCLOSE_MAX_CHANNELS)
        return -EINVAL;
    if (d->memory_bytes < MEMORY_MIN || d->memory_bytes > MEMORY_MAX || d->pages >= MEMORY_PAGES)
        return -EINVAL;
    if (d->memory_node != UINT32_MAX && d->memory_node >= PARCLOSE_MAX_NODES)
        return -EINVAL;
    if (!string_ok(d->name, sizeof(d->name)) || !string_ok(d->monitor, sizeof(d->monitor)) ||
        !string_ok(d->kernel, sizeof(d->kernel)) || !string_ok(d->initrd, sizeof(d->initrd)) ||
        !string_ok(d->cmdline, sizeof(d->cmdline)) || !channels_ok(d))
        return -EINVAL;
    return 0;
}

int descriptor_read(int fd, struct partition_descriptor *out)
{
    struct stat st = {.st_size = 0};
    long seals = sys_fcntl(fd, F_GET_SEALS, 0);
    long rc = sys_fstat(fd, &st);

    if (seals < 0 || (seals & SEALS) != SEALS)
        return -EPERM;
    if (rc < 0)
        return (int)rc;
    if (st.st_size != sizeof(*out))
        return -EINVAL;
    rc = sys_pread(fd, out, sizeof(*out), 0);
    if (rc != sizeof(*out))
        return rc < 0 ? (int)rc : -EIO;
    return descriptor_check(out);
}
