/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-lead, the lead monitor: root; may write cgroups under parclose.slice, open /dev/kvm,
 * guests' kernels and initrds for reading, connect to the sockets of channels' servers, and spawn
 * monitors. /sys is read-only but for cgroup2.
 * It does so on control's order only.
 *
 * What a successor needs is kept by boot (process_store), per partition: descriptor, link,
 * spawner's pidfd, console and its two eventfds, an end of each connection to a channel's server.
 * The rest is read again: cgroup files, the monitor's own word.
 */
#pragma once

#include "cgroup.h"
#include "kinds.h"
#include "parclose/console.h"
#include "parclose/descriptor.h"
#include "parclose/msg_control_lead.h"
#include "parclose/msg_lead_monitor.h"
#include "parclose/msg_tcb_lead.h"
#include "process/process.h"

/* The files that boot keeps for a partition, each under the name NAME.KIND. */
enum kept_file {
    KEPT_DESCRIPTOR,
    KEPT_LINK,
    KEPT_PIDFD,
    KEPT_CONSOLE,
    KEPT_CONSOLE_OUT,
    KEPT_CONSOLE_IN,
    KEPT_CHANNEL, /* the first channel's server, while it is connected; then the others' */
    KEPT_FILES = KEPT_CHANNEL + PARCLOSE_MAX_CHANNELS
};

/* A connection that the monitor was handed: channel.h. */
struct channel_server {
    sd_event_source *gone; /* NULL: there is none */
    bool ours;             /* handed over by this lead, when the monitor counted so many: */
    uint32_t connections;
    bool answered; /* it may have memory of the partition */
};

/* A partition that has, or is about to have, a monitor. Slot id - 1 of lead's table. */
struct partition {
    struct lead *lead;
    struct partition_id id; /* 0: the slot is free */
    struct partition_descriptor descriptor;
    int files[KEPT_FILES];          /* -1: not there */
    int images[MONITOR_FILE_KINDS]; /* what the monitor gets to read, until it is handed over; -1 */
    struct cgroup cgroup;
    struct link *link; /* to the monitor; NULL: not spawned, or it broke the protocol */
    sd_event_source *died;
    sd_event_source *events;     /* of the vCPUs' cgroup */
    sd_event_source *timer;      /* of the stop, then of the clearing away */
    sd_event_source *connecting; /* the next try to reach its channels' servers */
    uint64_t connecting_ms;      /* after this time; 0: none is wanted */
    uint64_t connected_ns;       /* the last try */
    struct channel_server servers[PARCLOSE_MAX_CHANNELS];
    uint32_t spawner_pid;
    bool frozen;         /* as cgroup.events says */
    bool channels;       /* VFIO files were handed to the monitor */
    bool asked;          /* after a restart: its word is awaited before SYNC */
    bool gone;           /* its spawner is; the cgroup is being cleared */
    bool stop_due;       /* STOP came while its process was being started */
    unsigned steps;      /* of a stop already taken */
    uint64_t changed_ns; /* CLOCK_MONOTONIC of the latest change */
    struct monitor_state state;
    uint32_t exit; /* enum exit_reason, once said */
    char text[PARCLOSE_REASON_MAX];
    /* ids of the orders whose answers are due; 0: none */
    uint64_t create, handing, attach, detach;
    uint64_t adding, removing;
    struct bdf added, removed; /* their VFs */
    bool given;                /* what is being added: its files went to the monitor */
    sd_event_source *patience; /* with the guest, until what is asked for is taken */
};

struct lead {
    struct process *process;
    int spawner; /* socket to the spawning helper */
    sd_event_source *spawned;
    int kvm;
    bool sync_due; /* control is up and waits for the word of every monitor */
    struct partition partitions[PARCLOSE_MAX_PARTITIONS];
};

uint64_t lead_now_ns(void);

/* The partition with that id; NULL: none. */
struct partition *lead_find(struct lead *lead, struct partition_id id);

/* Whether its process was started. */
bool lead_spawned(const struct partition *partition);

/* Answers an order. `text`: what failed; of what went well, "" or how. */
void lead_answer(struct partition *partition, uint64_t id, int error, const char *text);

/* Tells control what is. */
void lead_tell(struct partition *partition);

/* SYNC to control, once every monitor that was asked has answered, and none is being started. */
void lead_sync(struct lead *lead);
