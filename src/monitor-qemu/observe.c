/* SPDX-License-Identifier: Apache-2.0 */
#include "observe.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"

static int group_of(const struct monitor *m, uint32_t vf)
{
    char path[BROKER_PATH_MAX];

    command_group(path, vf);
    for (uint32_t i = 0; i < m->broker.count; i++)
        if (!strcmp(m->broker.files[i].path, path))
            return m->broker.files[i].file;
    return -1;
}

static int open_vf(struct monitor *m, uint32_t vf)
{
    struct vfio_region_info region = {.argsz = sizeof(region),
                                      .index = VFIO_PCI_CONFIG_REGION_INDEX};
    char path[BROKER_PATH_MAX];

    command_vf_folder(path, m->vfs[vf]);
    m->vf_devices[vf] =
        ioctl(group_of(m, vf), VFIO_GROUP_GET_DEVICE_FD, path + sizeof(COMMAND_VFS));
    if (m->vf_devices[vf] < 0 || ioctl(m->vf_devices[vf], VFIO_DEVICE_GET_REGION_INFO, &region) < 0)
        return -errno;
    m->vf_config[vf] = region.offset;
    return 0;
}

int observe_begin(struct monitor *m)
{
    int error = 0;

    for (uint32_t i = 0; i < m->descriptor.vfs_count && !error; i++)
        error = open_vf(m, i);
    return error;
}

bool observe_due(const struct monitor *m)
{
    return m->phase == PHASE_ATTACHED && monitor_is(m, STATE_CHANNELS_SCHEDULED) &&
           (!monitor_is(m, STATE_PROCESSORS_OPERATING) || !monitor_is(m, STATE_CHANNELS_OPERATING));
}

static bool all_masters(const struct monitor *m)
{
    for (uint32_t i = 0; i < m->descriptor.vfs_count; i++) {
        uint16_t command = 0;
        if (pread(m->vf_devices[i], &command, sizeof(command),
                  (off_t)m->vf_config[i] + PCI_COMMAND) != sizeof(command) ||
            !(command & PCI_COMMAND_MASTER))
            return false;
    }
    return true;
}

void observe_look(struct monitor *m)
{
    if (!monitor_is(m, STATE_PROCESSORS_OPERATING) && !m->talk.refused[TALK_STATS] &&
        !talk_has(&m->talk, TALK_STATS))
        talk_say(m, TALK_STATS, 0);
    if (!monitor_is(m, STATE_CHANNELS_OPERATING) && all_masters(m))
        monitor_enter(m, STATE_CHANNELS_OPERATING);
}

void observe_exits(struct monitor *m, size_t vcpus)
{
    if (vcpus >= m->descriptor.vcpus_count)
        monitor_enter(m, STATE_PROCESSORS_OPERATING);
}
