/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configured data, as plain bounded structures: host.xml and partitions/NAME.xml after parsing.
 * Command parses and validates the XML; every receiver validates these structures again
 * (config_check.h in lib/config). All strings are NUL-terminated within their array.
 */
#pragma once

#include "parclose/channel.h"
#include "parclose/device.h"

#define HOST_MAX_CARDS  PARCLOSE_MAX_PFS
#define CARD_DRIVER_MAX 16 /* NUL included: all cards fit into one message */

/* What a network card's link must have before its PF is ready. */
enum card_link {
    CARD_LINK_UP = 0,      /* its interface is up */
    CARD_LINK_CARRIER = 1, /* and has a carrier */
    CARD_LINKS
};

/* How host.xml names a card. */
struct card_config {
    char name[PARCLOSE_NAME_MAX]; /* [a-z][a-z0-9-]* */
    struct bdf bdf;               /* of the PF */
    uint32_t vfs;                 /* to create: 1..PARCLOSE_MAX_VFS_PER_PF */
    char driver[CARD_DRIVER_MAX]; /* the PF's driver, e.g. "igb" */
    uint32_t link;                /* enum card_link; an NVMe card's is CARD_LINK_UP */
};
_Static_assert(sizeof(struct card_config) == 60, "wire size");

/* Gate time-outs and recovery budgets. Times in milliseconds. */
struct gate_config {
    uint32_t wait_ms[4]; /* before rung 1, 2, 3, 4: each 100..3600000 */
    uint32_t
        budget[4]; /* how often each of rungs 1..3 may be taken for one wait: 0..100; [3] unused */
};
_Static_assert(sizeof(struct gate_config) == 32, "wire size");

/* How the audit log is kept. */
struct audit_config {
    uint32_t segment_mib; /* a segment of more is followed by a new one: 1..4096 */
    uint32_t keep;        /* so many segments are kept: 2..1000 */
};
_Static_assert(sizeof(struct audit_config) == 8, "wire size");

struct host_config {
    uint32_t cards_count;
    uint32_t reserved_memory_mib; /* kept for the host: never given to guests */
    uint32_t reserved_pcpus; /* the first N pCPUs are kept for the host: at least 1, default 1 */
    uint32_t shared_pcpus;   /* the next N are shared by partitions, by weight; 0: none */
    uint32_t watchdog_ms;    /* a process that says nothing so long is restarted: 1000..600000 */
    uint32_t reserved;       /* 0 */
    struct gate_config gate;
    struct audit_config audit;
    struct card_config cards[HOST_MAX_CARDS];
};
_Static_assert(sizeof(struct host_config) == 24 + 32 + 8 + 60 * HOST_MAX_CARDS, "wire size");

/* A VF that a partition wants. */
struct partition_vf {
    char card[PARCLOSE_NAME_MAX]; /* a card of host.xml */
    uint32_t index;               /* VF index on it */
    struct vf_attributes attributes;
};
_Static_assert(sizeof(struct partition_vf) == 64, "wire size");

/* What the memory of a partition is made of. */
enum memory_pages {
    PAGES_ORDINARY = 0, /* the host's page size */
    PAGES_2MIB = 1,     /* from the host's pool of huge pages of that size, on its node */
    PAGES_1GIB = 2,
    MEMORY_PAGES
};

/* What runs first in a guest of the monitor "qemu". */
enum guest_firmware {
    FIRMWARE_BIOS = 0, /* QEMU's own; it starts the kernel at once */
    FIRMWARE_UEFI = 1, /* the distribution's OVMF */
    GUEST_FIRMWARES
};

/* What becomes of the processors of a partition that runs while a PF behind one of its VFs is lost
 * and being recovered. */
enum outage_policy {
    OUTAGE_CONTINUE = 0, /* nothing: the guest goes on as far as the hardware lets it */
    OUTAGE_FREEZE = 1,   /* frozen until the PF is ready again or given up; native monitor only */
    OUTAGE_POLICIES
};

struct partition_config {
    char name[PARCLOSE_NAME_MAX]; /* [a-z][a-z0-9-]*, unique */
    uint32_t vcpus;               /* 1..PARCLOSE_MAX_VCPUS */
    uint32_t memory_mib;          /* 64.. ; a multiple of 2 */
    uint32_t autostart;           /* 0, 1 */
    uint32_t vfs_count;
    uint32_t pages;  /* enum memory_pages */
    uint32_t weight; /* 0: pCPUs of its own; 1..CONFIG_WEIGHT_MAX: its share of the shared ones */
    uint32_t channels_count;
    uint32_t firmware;  /* enum guest_firmware */
    uint32_t on_outage; /* enum outage_policy */
    uint32_t reserved;  /* 0 */
    /* beside vfs: n: that VF stands by for vfs[n - 1], and has its attributes; 0: for none */
    uint8_t standby_of[PARCLOSE_MAX_PARTITION_VFS];
    char monitor[PARCLOSE_NAME_MAX]; /* "native" or "qemu" */
    char kernel[PARCLOSE_PATH_MAX];  /* absolute; "" where a firmware finds what to start */
    char initrd[PARCLOSE_PATH_MAX];  /* absolute, or "" */
    char cmdline[PARCLOSE_CMDLINE_MAX];
    char variables[PARCLOSE_PATH_MAX]; /* the firmware's, written by the guest: absolute, or "" */
    char disk[PARCLOSE_PATH_MAX];      /* raw image or block device: absolute, or "" */
    struct partition_vf vfs[PARCLOSE_MAX_PARTITION_VFS];
    struct partition_channel channels[PARCLOSE_MAX_CHANNELS];
};
_Static_assert(sizeof(struct partition_config) == 48 + 32 + 32 + 512 + 1024 + 512 + 512 + 1280,
               "wire size");
