/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partition descriptor (R-MON-5): what one monitor may see of the resource database, one
 * sealed memfd per partition and generation. Control writes and seals it (F_SEAL_WRITE, SHRINK,
 * GROW, SEAL) before anybody else gets it; the receiver checks seals, size, magic and every field,
 * and maps it privately and read-only.
 */
#pragma once

#include "parclose/channel.h"
#include "parclose/config.h"

#define DESCRIPTOR_MAGIC   UINT64_C(0x50434c5344455343) /* "PCLSDESC" */
#define DESCRIPTOR_VERSION 4
/* A vCPU that runs on any of shared_pcpus: by its weight, or because its own went offline. */
#define DESCRIPTOR_SHARED UINT32_MAX

struct descriptor_vcpu {
    uint32_t pcpu; /* the pCPU that this vCPU runs on; DESCRIPTOR_SHARED */
    uint32_t node; /* its NUMA node */
};

struct descriptor_vf {
    struct bdf bdf; /* 0 while the VF does not exist yet */
    struct bdf pf;
    uint32_t index;
    uint32_t class; /* enum function_class */
};

struct partition_descriptor {
    uint64_t magic;
    uint32_t version;
    uint32_t size; /* sizeof(struct partition_descriptor) */
    uint64_t generation;
    struct partition_id partition;
    uint32_t uid; /* the user that the monitor runs as */
    uint32_t vcpus_count;
    uint32_t vfs_count;
    uint64_t memory_bytes;
    uint32_t memory_node; /* UINT32_MAX: any */
    uint32_t pages;       /* enum memory_pages */
    uint32_t weight;      /* its share of the shared pCPUs, as in cpu.weight; 0: it has its own */
    uint32_t channels_count;
    uint32_t firmware; /* enum guest_firmware */
    uint32_t reserved;
    struct pcpu_set shared_pcpus; /* empty when no vCPU is DESCRIPTOR_SHARED */
    char name[PARCLOSE_NAME_MAX];
    char monitor[PARCLOSE_NAME_MAX];
    char kernel[PARCLOSE_PATH_MAX];
    char initrd[PARCLOSE_PATH_MAX];
    char cmdline[PARCLOSE_CMDLINE_MAX];
    char variables[PARCLOSE_PATH_MAX];
    char disk[PARCLOSE_PATH_MAX];
    struct descriptor_vcpu vcpus[PARCLOSE_MAX_VCPUS];
    struct descriptor_vf vfs[PARCLOSE_MAX_PARTITION_VFS];
    struct partition_channel channels[PARCLOSE_MAX_CHANNELS];
};
_Static_assert(sizeof(struct partition_descriptor) ==
                   72 + 128 + 64 + 512 + 1024 + 512 + 256 + 128 + 1280,
               "wire size");
