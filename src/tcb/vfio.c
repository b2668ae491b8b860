/* SPDX-License-Identifier: Apache-2.0 */
/* VFIO groups (Documentation/driver-api/vfio.rst): the kernel lets one file of a group be open. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tcb.h"

int vfio_open_group(uint32_t group)
{
    char path[32];

    snprintf(path, sizeof(path), "/dev/vfio/%u", group);
    int file = open(path, O_RDWR | O_CLOEXEC);
    return file < 0 ? -errno : file;
}

bool vfio_group_held(uint32_t group)
{
    if (group == UINT32_MAX)
        return false;
    int file = vfio_open_group(group);
    if (file >= 0)
        close(file);
    return file == -EBUSY;
}
