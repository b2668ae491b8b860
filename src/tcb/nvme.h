/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondary controllers of an NVMe PF: Virtualization Management command and Secondary Controller
 * List (NVM Express Base Specification 1.4, 5.22 and 5.15.2, CNS 15h). A VF's controller id is
 * taken to be its index + 1, as QEMU's is: where it is not, the VF has none here. `controller`: the
 * character device, "/dev/nvme0".
 */
#pragma once

#include "parclose/device.h"

#define NVME_ACTION_OFFLINE 7
#define NVME_ACTION_ASSIGN  8
#define NVME_ACTION_ONLINE  9
#define NVME_RESOURCE_VQ    0
#define NVME_RESOURCE_VI    1

struct nvme_secondary {
    bool online;
    uint32_t queues;  /* VQ flexible resources it has */
    uint32_t vectors; /* VI flexible resources it has */
};

/* What the VF's controller is and has. Reads only. -ENOENT: the PF knows no such controller,
 * or it is another VF's. The list is asked for from it on: one has 127 entries at most. */
int nvme_read(const char *controller, uint32_t vf, struct nvme_secondary *secondary);

/* One management command. Only device_write() calls it. */
int nvme_manage(const char *controller, uint32_t vf, uint32_t action, uint32_t resource,
                uint32_t count);
