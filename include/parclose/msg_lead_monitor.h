/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lead <-> monitor. The monitor finds its end at file 3 (MONITOR_FD) and nothing else open but
 * standard error. Lead hands over every file; the monitor opens nothing.
 *
 * Order: FILE (one per kind and index), CREATE → STATE … ; CHANNELS (VFIO files, at any time after
 * CREATE) → STATE with CHANNEL_IMAGE; lead thaws; ATTACHED → STATE ….
 *
 * From CHANNEL_IMAGE on VFs come and go: VF_ADD → VF_RESULT, once the VF is on the guest's bus or
 * the monitor holds nothing of it; the guest is asked to look. VF_REMOVE → VF_RESULT, once the
 * monitor holds nothing of it. Without `force` the guest is asked to give it up and may take any
 * time; repeated, it is asked again; with `force` the VF disappears at once, whatever the guest
 * does with it, and the guest is told. Both may be repeated: what is so already is answered with 0.
 *
 * A VF that is reset behind the monitor's back (by a reset of its PF) is marked VF_RESET in STATE
 * within a second. VF_MEND → VF_RESULT, once its Command register and its vectors are as before,
 * and STATE without the mark; the rest is its driver's in the guest, which finds out by itself. May
 * be repeated, and does a VF that was not reset no harm.
 *
 * A guest that has run may be frozen and thawed again: DETACHED, ATTACHED. In between its watchdog
 * does not count. A lead that finds `frozen` of STATE to be wrong says the one that is right.
 *
 * Everything the monitor says but VF_RESULT can be asked for again by QUERY: lead does so on its
 * own restart, on the same link, which boot keeps for it. STATE has the VFs that are on the bus;
 * one that has the outcome comes before VF_RESULT.
 */
#pragma once

#include "parclose/channel.h"
#include "parclose/session.h"
#include "parclose/state.h"
#include "parclose/wire.h"

#define MONITOR_FD 3

enum message_lead_monitor {
    MONITOR_FILE = MSG_BASE_LEAD_MONITOR, /* lead -> monitor, 1 file */
    MONITOR_CREATE,       /* lead -> monitor: all files are said, build the partition */
    MONITOR_CHANNELS,     /* lead -> monitor: container, then one group file a VF */
    MONITOR_ATTACHED,     /* lead -> monitor: your vCPUs were thawed */
    MONITOR_POWER_BUTTON, /* lead -> monitor */
    MONITOR_STOP,         /* lead -> monitor: end now */
    MONITOR_QUERY,        /* lead -> monitor: say STATE again */
    MONITOR_CHANNEL,      /* lead -> monitor: a connected socket to the channel's server */
    MONITOR_STATE,        /* monitor -> lead: at each change */
    MONITOR_EXIT,         /* monitor -> lead: the last word before it ends */
    MONITOR_VF_ADD,       /* lead -> monitor: container (used when there is none yet), group file */
    MONITOR_VF_REMOVE,    /* lead -> monitor */
    MONITOR_VF_RESULT,    /* monitor -> lead: the answer to the three, with their id */
    MONITOR_SESSION,      /* lead -> monitor, 1 file: the end of a session, session.h */
    MONITOR_VF_MEND,      /* lead -> monitor: it was reset behind its back */
    MONITOR_DETACHED,     /* lead -> monitor: your vCPUs were frozen; ATTACHED ends that */
};

enum monitor_file_kind {
    FILE_DESCRIPTOR = 0,  /* sealed memfd, descriptor.h */
    FILE_KVM = 1,         /* /dev/kvm, read-write */
    FILE_KERNEL = 2,      /* bzImage or ELF with PVH, read-only */
    FILE_INITRD = 3,      /* read-only; absent when the definition has none */
    FILE_CONSOLE = 4,     /* memfd, console.h */
    FILE_CONSOLE_OUT = 5, /* eventfd: the monitor wrote output */
    FILE_CONSOLE_IN = 6,  /* eventfd: command wrote input */
    FILE_VCPU_CGROUP =
        7, /* index: vCPU; the leaf cgroup's directory, for clone3 CLONE_INTO_CGROUP */
    /* kind "qemu" alone */
    FILE_PROGRAM = 8,    /* QEMU's executable, read-only */
    FILE_FIRMWARE = 9,   /* UEFI image, read-only; absent when the definition has none */
    FILE_VARIABLES = 10, /* its variables, read-write */
    FILE_DISK = 11,      /* read-write; absent when the definition has none */
    MONITOR_FILE_KINDS
};

struct monitor_file {
    struct wire_header header;
    uint32_t kind; /* enum monitor_file_kind */
    uint32_t index;
};
_Static_assert(sizeof(struct monitor_file) == 24, "wire size");

struct monitor_plain { /* CREATE, ATTACHED, DETACHED, POWER_BUTTON, STOP, QUERY */
    struct wire_header header;
};

struct monitor_channels {
    struct wire_header header;
    uint32_t vfs_count; /* files: container, then vfs_count groups */
    uint32_t reserved;
    struct bdf vfs[PARCLOSE_MAX_PARTITION_VFS]; /* for VFIO_GROUP_GET_DEVICE_FD */
};
_Static_assert(sizeof(struct monitor_channels) == 56, "wire size");

struct monitor_vf_order { /* VF_ADD, VF_REMOVE, VF_MEND */
    struct wire_header header;
    struct bdf vf;  /* for VFIO_GROUP_GET_DEVICE_FD */
    uint32_t force; /* VF_REMOVE: 1: now; else 0 */
};
_Static_assert(sizeof(struct monitor_vf_order) == 24, "wire size");

struct monitor_vf_result {
    struct wire_header header;
    struct bdf vf;
    int32_t error;
    char text[PARCLOSE_REASON_MAX]; /* the step that failed; that a VF was taken by force; or "" */
};
_Static_assert(sizeof(struct monitor_vf_result) == 184, "wire size");

struct monitor_channel { /* as STATE says that one is wanted; what is too much is closed */
    struct wire_header header;
    uint32_t index; /* in the descriptor */
    uint32_t reserved;
};
_Static_assert(sizeof(struct monitor_channel) == 24, "wire size");

struct monitor_state {
    struct wire_header header;
    uint32_t states; /* STATE_BIT()s reached */
    uint32_t vcpus_count;
    uint32_t vcpu_restarts;
    uint32_t main_restarts;
    uint32_t session;  /* enum session_kind of the one that stops or debugs it */
    uint32_t stopped;  /* 1: for that session all its vCPUs are out of the guest */
    uint64_t event_ns; /* CLOCK_MONOTONIC of the latest of them */
    struct state_time times[PARTITION_STATES];
    uint32_t vcpu_pids[PARCLOSE_MAX_VCPUS];
    struct vf_seat vfs[PARCLOSE_MAX_PARTITION_VFS]; /* place n: device n + 1 of the guest's bus 0 */
    uint32_t channels_count;
    uint32_t frozen; /* 1: DETACHED was the last that lead said of its vCPUs */
    struct channel_status channels[PARCLOSE_MAX_CHANNELS];
};
_Static_assert(sizeof(struct monitor_state) <= WIRE_MAX, "wire size");

struct monitor_session {
    struct wire_header header;
    uint32_t kind; /* enum session_kind */
    uint32_t reserved;
};
_Static_assert(sizeof(struct monitor_session) == 24, "wire size");

struct monitor_exit {
    struct wire_header header;
    uint32_t reason; /* enum exit_reason */
    uint32_t reserved;
    char text[PARCLOSE_REASON_MAX];
};
_Static_assert(sizeof(struct monitor_exit) == 184, "wire size");
