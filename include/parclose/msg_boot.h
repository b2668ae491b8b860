/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot <-> every process it starts (all but monitors). The end is file 3 of the new process.
 *
 * Order at start:
 *   process -> HELLO
 *   boot    -> FILE* (what the kind needs), STORED* (what its predecessor kept), LINK* (its peers),
 *              START
 *   process -> READY once it serves; boot then starts the next in its list.
 * Later boot sends LINK again for each peer that was restarted; the receiver drops the old end; and
 * START again when the watchdog's period changes.
 */
#pragma once

#include "parclose/ids.h"
#include "parclose/wire.h"

#define BOOT_STORE_NAME_MAX 64
#define BOOT_FD             3 /* the number at which each process finds its end */

enum message_boot {
    BOOT_HELLO = MSG_BASE_BOOT, /* process -> boot */
    BOOT_FILE,                  /* boot -> process, 1 file */
    BOOT_STORED,                /* boot -> process, 1 file */
    BOOT_LINK,                  /* boot -> process, 1 file */
    BOOT_START,                 /* boot -> process */
    BOOT_READY,                 /* process -> boot */
    BOOT_ALIVE,                 /* process -> boot: the watchdog's food */
    BOOT_STOP,                  /* boot -> process: end in order, exit 0 */
    BOOT_STORE,                 /* process -> boot, 1 file: keep it for my successor */
    BOOT_STORE_DROP,            /* process -> boot */
    BOOT_RESTART,               /* control -> boot only: a rung of the ladder */
    BOOT_SHUTDOWN,              /* control -> boot only: stop everything, then end */
    BOOT_STATUS,                /* boot -> control only: one process's state, at each change */
    BOOT_SETTINGS,              /* control -> boot only: from host.xml */
    BOOT_COMPLAINT,             /* process -> boot: a peer broke the protocol or does not read */
};

struct boot_hello {
    struct wire_header header;
    uint32_t kind; /* enum process_kind */
    uint32_t pid;
};
_Static_assert(sizeof(struct boot_hello) == 24, "wire size");

/* FILE names: "inventory" (control), "state" (control, tcb: a directory to write in), "listen"
 * (command: the CLI's listening socket), "config" (command: /etc/parclose, O_PATH directory). */
struct boot_file {
    struct wire_header header;
    char name[BOOT_STORE_NAME_MAX];
};
_Static_assert(sizeof(struct boot_file) == 80, "wire size");

struct boot_link {
    struct wire_header header;
    uint32_t peer; /* enum process_kind */
    uint32_t generation;
};
_Static_assert(sizeof(struct boot_link) == 24, "wire size");

struct boot_start {
    struct wire_header header;
    uint32_t generation; /* 1 at first, one more at each restart of this kind */
    uint32_t watchdog_ms;
};
_Static_assert(sizeof(struct boot_start) == 24, "wire size");

struct boot_empty {
    struct wire_header header;
};

struct boot_store {
    struct wire_header header;
    char name[BOOT_STORE_NAME_MAX]; /* [a-z0-9.-]+; replaces one of the same name */
};
_Static_assert(sizeof(struct boot_store) == 80, "wire size");

struct boot_restart {
    struct wire_header header;
    uint32_t rung; /* RUNG_RESTART_SR_PCIM or RUNG_RESTART_ISP */
    uint32_t reserved;
    char reason[PARCLOSE_REASON_MAX];
};
_Static_assert(sizeof(struct boot_restart) == 184, "wire size");

struct boot_settings {
    struct wire_header header;
    uint32_t watchdog_ms;
    uint32_t reserved;
};

/* Of two processes that fell out, boot restarts the one of lower rank: control, tcb, lead, command,
 * sr-pcim in this order; so that a hostile process cannot have a better one ended. */
struct boot_complaint {
    struct wire_header header;
    uint32_t peer;       /* enum process_kind */
    uint32_t generation; /* of the link */
    int32_t error;       /* -EBADMSG, -EPERM, -ENOBUFS or the handler's */
    uint32_t reserved;
};
_Static_assert(sizeof(struct boot_complaint) == 32, "wire size");

enum process_health {
    PROCESS_DOWN = 0,
    PROCESS_STARTING = 1,
    PROCESS_UP = 2,
    PROCESS_BACKING_OFF = 3,
};

struct boot_status {
    struct wire_header header;
    uint32_t kind;
    uint32_t health; /* enum process_health */
    uint32_t pid;
    uint32_t restarts;
    uint64_t started_realtime_ns;
    uint32_t silent; /* 1: this is the news that it was ended as it gave no sign of life */
    uint32_t reserved;
    char reason[PARCLOSE_REASON_MAX]; /* why it was restarted last; "" at first */
};
_Static_assert(sizeof(struct boot_status) == 208, "wire size");

/* The sealed memfd "inventory": what boot found at its first start, owned by boot, control or
 * available (R-BOOT-1). pCPUs are in it whether they are online or not. */
#define INVENTORY_MAGIC UINT64_C(0x50434c53494e5654)

struct inventory_node {
    uint32_t node;
    uint32_t reserved;
    uint64_t memory_bytes;
};
struct inventory_pcpu {
    uint32_t pcpu;
    uint32_t node;
};
struct inventory {
    uint64_t magic;
    uint32_t nodes_count;
    uint32_t pcpus_count;
    uint8_t boot_id[16]; /* of this boot of the host: /proc/sys/kernel/random/boot_id */
    struct inventory_node nodes[PARCLOSE_MAX_NODES];
    struct inventory_pcpu pcpus[PARCLOSE_MAX_PCPUS];
};
