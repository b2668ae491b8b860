/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-lead, the lead monitor: root; may write cgroups under parclose.slice, open /dev/kvm,
 * guests' kernels and initrds for reading, and spawn monitors. /sys is read-only but for cgroup2.
 * It does so on control's order only.
 *
 * What a successor needs is kept by boot (process_store), per partition: descriptor, link, spawner's
 * pidfd, console and its two eventfds. The rest is read again: cgroup files, the monitor's own word.
 */
#pragma once

#include "cgroup.h"
#include "parclose/console.h"
#include "parclose/descriptor.h"
#include "parclose/msg_control_lead.h"
#include "parclose/msg_lead_monitor.h"
#include "parclose/msg_tcb_lead.h"
#include "process/process.h"

/* The files that boot keeps for a partition, by name NAME.KIND. */
enum kept_file {
    KEPT_DESCRIPTOR,
    KEPT_LINK,
    KEPT_PIDFD,
    KEPT_CONSOLE,
    KEPT_CONSOLE_OUT,
    KEPT_CONSOLE_IN,
    KEPT_FILES
};

/* An order whose answer is due. id 0: none. */
struct due {
    uint64_t id;
};

/* A partition that has, or is about to have, a monitor. */
struct partition {
    struct lead *lead;
    struct partition_id id; /* 0: the slot is free */
    struct partition_descriptor descriptor;
    int files[KEPT_FILES]; /* -1: not there */
    struct cgroup cgroup;
    struct link *link; /* to the monitor */
    sd_event_source *died;
    sd_event_source *events;     /* of the vCPUs' cgroup.events */
    sd_event_source *stop_timer; /* until force */
    uint32_t spawner_pid;
    bool frozen;   /* as cgroup.events says */
    bool channels; /* VFIO files were handed to it */
    bool stopping;
    bool attached_once;
    uint64_t changed_ns; /* CLOCK_MONOTONIC of the latest change */
    struct monitor_state state;
    uint32_t exit; /* enum exit_reason, once it said so */
    char text[PARCLOSE_REASON_MAX];
    struct due create, channels_due, attach, detach;
    struct lead *owner;
};

struct lead {
    struct process *process;
    int spawn;             /* to the spawning helper */
    sd_event_source *spawned;
    int kvm, monitor_file; /* opened before the seal */
    struct partition partitions[PARCLOSE_MAX_PARTITIONS];
};

struct partition *lead_find(struct lead *lead, struct partition_id id);

uint64_t lead_now_ns(void);
