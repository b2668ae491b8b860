/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control <-> lead. Lead does what control orders and tells what is. On each new link lead sends
 * ONLINE, MONITOR for each monitor it has, then SYNC.
 */
#pragma once

#include "parclose/channel.h"
#include "parclose/session.h"
#include "parclose/state.h"
#include "parclose/wire.h"

enum message_control_lead {
    LEAD_CREATE = MSG_BASE_CONTROL_LEAD, /* control -> lead, 1 file: the descriptor */
    LEAD_CHANNELS,   /* control -> lead, 1 file: the descriptor, all bdfs known */
    LEAD_ATTACH,     /* control -> lead: thaw */
    LEAD_DETACH,     /* control -> lead: freeze */
    LEAD_STOP,       /* control -> lead */
    LEAD_CONSOLE,    /* control -> lead */
    LEAD_RESULT,     /* lead -> control: answer to any of these; CONSOLE: 3 files */
    LEAD_MONITOR,    /* lead -> control: what is, at each change */
    LEAD_SYNC,       /* lead -> control */
    LEAD_PROCESSORS, /* control -> lead, 1 file: the descriptor, with other pCPUs: cpusets */
    LEAD_ONLINE,     /* lead -> control: which pCPUs are online, at each change */
    LEAD_SESSION,    /* control -> lead; RESULT: 1 file, an end of a session (session.h) */
    LEAD_VF_MEND,    /* control -> lead: answered by a MONITOR without the VF's mark VF_RESET */
    LEAD_VF_ADD,     /* control -> lead, 1 file: the descriptor, which names the VF */
    LEAD_VF_REMOVE,  /* control -> lead, 1 file: the descriptor, which no longer does */
};

struct lead_order { /* CREATE, CHANNELS, ATTACH, DETACH, CONSOLE, PROCESSORS */
    struct wire_header header;
    struct partition_id partition;
    uint32_t reserved;
    uint64_t transaction;
};
_Static_assert(sizeof(struct lead_order) == 32, "wire size");

struct lead_stop {
    struct wire_header header;
    struct partition_id partition;
    uint32_t force;      /* 0: power button first, forced after timeout_ms */
    uint32_t timeout_ms; /* 0..600000 */
    uint32_t reserved;
};
_Static_assert(sizeof(struct lead_stop) == 32, "wire size");

struct lead_session {
    struct wire_header header;
    struct partition_id partition;
    uint32_t kind; /* enum session_kind */
};
_Static_assert(sizeof(struct lead_session) == 24, "wire size");

/* Of a partition that runs. The answer comes once the monitor has done it, and after the MONITOR
 * that says so; to VF_REMOVE when the guest has given the VF up, or it was taken from it. VF_MEND
 * has none. */
struct lead_vf { /* VF_ADD, VF_REMOVE, VF_MEND */
    struct wire_header header;
    struct partition_id partition;
    struct bdf vf;
    uint32_t timeout_ms; /* VF_REMOVE: for the guest to give it up, then forced; 1..600000 */
    uint32_t reserved;
};
_Static_assert(sizeof(struct lead_vf) == 32, "wire size");

struct lead_result {
    struct wire_header header;
    struct partition_id partition;
    int32_t error;
    uint64_t done_ns; /* CLOCK_MONOTONIC when it was done: ATTACH: cgroup.events said frozen 0 */
    char text[PARCLOSE_REASON_MAX];
};

struct lead_monitor {
    struct wire_header header;
    struct partition_id partition;
    uint32_t present; /* 0: it is gone; exit and text say how */
    uint32_t states;  /* STATE_BIT()s reached, as monitor and lead know them */
    uint32_t frozen;  /* 1: its vCPUs' cgroup is frozen */
    uint32_t exit;    /* enum exit_reason */
    uint32_t spawner_pid;
    uint32_t vcpu_restarts;
    uint32_t main_restarts;
    uint32_t session; /* enum session_kind of the one that stops or debugs it */
    uint32_t stopped; /* 1: that session has stopped it */
    uint32_t vcpus_count;
    uint32_t attached; /* 1 << index: a server has that channel; when present is 0: still */
    uint64_t descriptor_generation;
    uint64_t event_ns; /* CLOCK_MONOTONIC of the latest change, at its source */
    struct state_time times[PARTITION_STATES];
    uint32_t vcpu_pids[PARCLOSE_MAX_VCPUS];
    struct vf_seat vfs[PARCLOSE_MAX_PARTITION_VFS];        /* on the guest's bus */
    struct channel_status channels[PARCLOSE_MAX_CHANNELS]; /* in the descriptor's order */
    char text[PARCLOSE_REASON_MAX];
};
_Static_assert(sizeof(struct lead_monitor) <= WIRE_MAX, "wire size");

struct lead_sync {
    struct wire_header header;
};

struct lead_online {
    struct wire_header header;
    struct pcpu_set online; /* never empty */
};
_Static_assert(sizeof(struct lead_online) == 16 + PARCLOSE_MAX_PCPUS / 8, "wire size");
