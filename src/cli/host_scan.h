/* SPDX-License-Identifier: Apache-2.0 */
/* What `host init` finds: PFs with SR-IOV in sysfs, and what the host should keep. Reads only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parclose/config.h"

/* Of NVMe's up to 127 VFs hardly anybody wants all; more is one number in host.xml. */
#define SCAN_VFS_MAX 32

struct found_card {
    char name[PARCLOSE_NAME_MAX]; /* net0, nvme0, pf0 … in order of address */
    char address[16];
    char driver[DRIVER_NAME_MAX]; /* "": none is bound */
    char description[64];
    uint32_t offered; /* sriov_totalvfs: what the driver offers, at most what the card can */
    uint32_t vfs;     /* proposed */
};

struct host_scan {
    uint32_t reserved_pcpus;
    uint32_t reserved_memory_mib;
    size_t count;
    struct found_card cards[HOST_MAX_CARDS];
};

/* `root`: "/sys", or a test's own tree. 0 or a negative errno. */
int host_scan(struct host_scan *scan, const char *root);
