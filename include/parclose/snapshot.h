/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot of the resource database that control publishes to command: one sealed memfd,
 * a header and arrays in the order below, each aligned to 8 bytes. Everything `parclose list`,
 * `show` and `devices` say comes from it.
 */
#pragma once

#include "parclose/config.h"
#include "parclose/msg_boot.h"
#include "parclose/state.h"

#define SNAPSHOT_MAGIC   UINT64_C(0x50434c53534e4150) /* "PCLSSNAP" */
#define SNAPSHOT_VERSION 15

struct snapshot_partition {
    struct partition_id id;
    uint32_t phase;  /* enum partition_phase */
    uint32_t states; /* STATE_BIT()s */
    uint32_t exit;   /* enum exit_reason of the last run */
    struct state_time times[PARTITION_STATES];
    char waiting_for[PARCLOSE_REASON_MAX]; /* PHASE_WAITING, _FROZEN, _RUNNING: which PF or VF, why
                                            */
    char reason[PARCLOSE_REASON_MAX];      /* PHASE_FAILED: why; PHASE_RUNNING: VF taken by force */
    uint32_t rung;                         /* enum rung reached in this wait */
    uint32_t next_rung;
    uint64_t next_rung_boottime_ns; /* CLOCK_BOOTTIME of the deadline; 0: none is running */
    uint64_t last_ready_ns; /* CLOCK_MONOTONIC of the event that opened the gate, at its source */
    uint64_t thawed_ns;     /* CLOCK_MONOTONIC of the thaw */
    uint64_t frozen_boottime_ns; /* since when it is frozen for an outage; 0: it is not */
    uint64_t frozen_ns;          /* so long it was in this run, before that */
    uint64_t generation;         /* of its descriptor */
    uint32_t memory_node;
    uint32_t monitor_pid; /* spawner; 0: none */
    uint32_t vcpu_pids[PARCLOSE_MAX_VCPUS];
    uint32_t vcpu_restarts;
    uint32_t main_restarts;
    uint32_t session;           /* enum session_kind of the one that stops or debugs it */
    uint32_t stopped;           /* 1: that session has stopped it */
    uint32_t console_attached;  /* how many servers have its console attached */
    uint32_t channels_attached; /* 1 << index: a server has that channel of the definition */
    uint32_t standbys; /* 1 << number of each VF of the definition whose stand-by is in use */
    uint32_t pcpus_count;
    uint32_t pcpus[PARCLOSE_MAX_VCPUS];
    struct vf_seat vfs[PARCLOSE_MAX_PARTITION_VFS];        /* on its guest's bus */
    struct channel_status channels[PARCLOSE_MAX_CHANNELS]; /* while it has a monitor */
    struct partition_config config;
};

struct snapshot_pcpu {
    uint32_t pcpu;
    uint32_t node;
    struct owner owner;
};

struct snapshot_memory { /* one extent */
    uint32_t node;
    uint32_t reserved;
    uint64_t offset; /* within the node's memory, bytes */
    uint64_t bytes;
    struct owner owner;
};

/* Times to recover are counted by the smallest of these bounds that they are within. */
#define RECOVERY_BOUNDS 8
#define RECOVERY_BOUNDS_MS                                                                         \
    {                                                                                              \
        500, 1000, 2000, 5000, 10000, 30000, 60000, 300000                                         \
    }

/* Since this control began. */
struct pf_counts {
    uint64_t writes;                          /* to it and its VFs, by committed actions */
    uint64_t rungs[RUNG_ERROR];               /* how often each of rungs 1..4 was taken for it */
    uint64_t recoveries[RECOVERY_BOUNDS + 1]; /* it was ready, was not, and was again; the last:
                                                 beyond all bounds */
    uint64_t recovery_ns;                     /* the time of all of them */
};
_Static_assert(sizeof(struct pf_counts) == 8 + 32 + 72 + 8, "in a memfd");

struct snapshot_pf {
    struct pf_observed observed;
    uint32_t readiness; /* enum pf_readiness */
    uint32_t desired_vfs;
    char card[PARCLOSE_NAME_MAX]; /* its name in host.xml */
    char reason[PARCLOSE_REASON_MAX];
    struct owner owner;
    uint32_t disabled;   /* 1: an administrator wants no VFs of it */
    uint32_t idle_power; /* enum idle_power */
    struct pf_counts counts;
};

struct snapshot_vf {
    struct vf_observed observed;
    struct owner owner;
    struct vf_attributes desired;
    uint32_t reserved;
    uint64_t outage_ns; /* in which guests that run had it and it did not work, since this control
                           began; without the one under way */
    uint64_t outage_since_boottime_ns; /* CLOCK_BOOTTIME of the one under way; 0: there is none */
};

struct snapshot_function { /* neither a managed PF nor a VF of one */
    struct function_observed observed;
    struct owner owner;
};

struct snapshot_process {
    uint32_t kind;
    uint32_t health;
    uint32_t pid;
    uint32_t restarts;
    uint64_t started_realtime_ns;
    char reason[PARCLOSE_REASON_MAX];
};

struct snapshot_apply {   /* the latest proposal that was applied */
    uint64_t id;          /* of the request; 0: there was none */
    uint64_t transaction; /* that it is */
    uint32_t state;       /* enum apply_state */
    int32_t error;
    char text[PARCLOSE_REASON_MAX]; /* what it waits for; what failed */
};

struct snapshot {
    uint64_t magic;
    uint32_t version;
    uint32_t reserved;
    uint64_t size; /* of the whole memfd */
    uint64_t generation;
    uint64_t transaction; /* the last one that is in it */
    uint64_t realtime_ns;
    uint64_t boottime_ns;
    struct host_config host;
    struct snapshot_apply apply;
    uint32_t partitions_count;
    uint32_t pcpus_count;
    uint32_t memory_count;
    uint32_t pfs_count;
    uint32_t vfs_count;
    uint32_t functions_count;
    uint32_t processes_count;
    uint32_t reserved1;
    /* snapshot_partition[], snapshot_pcpu[], snapshot_memory[], snapshot_pf[], snapshot_vf[],
     * snapshot_function[], snapshot_process[]; partitions in the order of their ids, VFs in that
     * of their PFs' addresses and of their indexes, functions in that of their addresses */
};
