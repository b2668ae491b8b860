/* SPDX-License-Identifier: Apache-2.0 */
/* Memory files: the one that comes in (the inventory), and the sealed ones that go out. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

int sealed_file(const char *name, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (file < 0)
        return -errno;
    while (size) {
        ssize_t done = write(file, bytes, size);
        if (done <= 0 && errno != EINTR)
            goto failed;
        if (done > 0) {
            bytes += done;
            size -= (size_t)done;
        }
    }
    if (fcntl(file, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == 0)
        return file;
failed:;
    int error = -errno;
    close(file);
    return error;
}

static bool node_known(const struct inventory *inventory, uint32_t node)
{
    for (uint32_t i = 0; i < inventory->nodes_count; i++)
        if (inventory->nodes[i].node == node)
            return true;
    return false;
}

static bool nodes_ok(const struct inventory *inventory)
{
    for (uint32_t i = 0; i < inventory->nodes_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (inventory->nodes[i].node == inventory->nodes[j].node)
                return false;
    return true;
}

static bool pcpus_ok(const struct inventory *inventory)
{
    for (uint32_t i = 0; i < inventory->pcpus_count; i++) {
        if (!node_known(inventory, inventory->pcpus[i].node))
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (inventory->pcpus[i].pcpu == inventory->pcpus[j].pcpu)
                return false;
    }
    return true;
}

static bool inventory_ok(const struct inventory *inventory)
{
    return inventory->magic == INVENTORY_MAGIC && inventory->nodes_count >= 1 &&
           inventory->nodes_count <= PARCLOSE_MAX_NODES && inventory->pcpus_count >= 1 &&
           inventory->pcpus_count <= PARCLOSE_MAX_PCPUS && nodes_ok(inventory) &&
           pcpus_ok(inventory);
}

static int inventory_load(int file, struct inventory *inventory)
{
    struct stat status;
    int seals = fcntl(file, F_GET_SEALS);

    if (seals < 0)
        return -errno;
    if ((seals & SEALS) != SEALS)
        return -EPERM;
    if (fstat(file, &status) < 0)
        return -errno;
    if (status.st_size != sizeof(*inventory))
        return -EBADMSG;
    ssize_t got = pread(file, inventory, sizeof(*inventory), 0);
    if (got < 0)
        return -errno;
    return got == sizeof(*inventory) && inventory_ok(inventory) ? 0 : -EBADMSG;
}

int inventory_read(int file, struct inventory *inventory)
{
    int error = inventory_load(file, inventory);
    close(file);
    return error;
}
