/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities and limits that every process shares.
 *
 * Ids are one-member structs, so that the compiler keeps a partition number from being used as an
 * address. All limits bound what a peer, a file or a user may ask for; nothing is sized from input.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PARCLOSE_NAME_MAX          32   /* partition and card names, NUL included */
#define PARCLOSE_PATH_MAX          256  /* kernel, initrd paths, NUL included */
#define PARCLOSE_CMDLINE_MAX       1024 /* guest kernel command line, NUL included */
#define PARCLOSE_REASON_MAX        160  /* one line for a person, NUL included */
#define PARCLOSE_MAX_PARTITIONS    4096
#define PARCLOSE_MAX_VCPUS         32
#define PARCLOSE_MAX_PCPUS         1024
#define PARCLOSE_MAX_NODES         16
#define PARCLOSE_MAX_PFS           64
#define PARCLOSE_MAX_VFS_PER_PF    256  /* PCI SR-IOV: NumVFs is 16 bits; 256 is what we manage */
#define PARCLOSE_MAX_FUNCTIONS     4096 /* PCI functions besides managed PFs and their VFs */
#define PARCLOSE_MAX_PARTITION_VFS 8

/* A partition's number: 1..PARCLOSE_MAX_PARTITIONS; 0 is "none". Stable while it is defined. */
struct partition_id {
    uint32_t value;
};

/* PCI address of a function: domain << 16 | bus << 8 | device << 3 | function. */
struct bdf {
    uint32_t value;
};

/* Address spaces. A guest-physical address, an address in this process, a device's DMA address. */
struct gpa {
    uint64_t value;
};
struct hva {
    uint64_t value;
};
struct iova {
    uint64_t value;
};

/* In place of a pCPU's number: a vCPU that has lost its own, and there was no idle one. */
#define PCPU_NONE UINT32_MAX

/* pCPUs by number: bit N % 64 of word N / 64. */
struct pcpu_set {
    uint64_t words[PARCLOSE_MAX_PCPUS / 64];
};

/* Who owns a resource. Every resource has exactly one owner at all times (R-CTL-3). */
enum owner_kind {
    OWNER_AVAILABLE = 0, /* the pseudo-partition of all that is free */
    OWNER_IDLE = 1,      /* unassigned pCPUs */
    OWNER_BOOT = 2,
    OWNER_CONTROL = 3,
    OWNER_COMMAND = 4,
    OWNER_INTERCONNECT = 5, /* PFs, and VFs not given to anybody */
    OWNER_SHARED = 6,       /* pCPUs that partitions with shared processors run on, by weight */
    OWNER_GUEST = 7,        /* see the partition id beside it */
    OWNER_OFFLINE = 8,      /* pCPUs that the kernel does not run: nobody can be given them */
    OWNER_KINDS
};

struct owner {
    uint32_t kind;                 /* enum owner_kind */
    struct partition_id partition; /* only for OWNER_GUEST, else 0 */
};

/* The processes of Parclose; also the names of link ends. */
enum process_kind {
    PROCESS_NONE = 0,
    PROCESS_BOOT = 1,
    PROCESS_CONTROL = 2,
    PROCESS_COMMAND = 3,
    PROCESS_TCB = 4,
    PROCESS_SR_PCIM = 5,
    PROCESS_LEAD = 6,
    PROCESS_MONITOR = 7,
    PROCESS_KINDS
};
