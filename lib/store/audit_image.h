/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an audit entry's before and after images are made of: one fixed-size structure for each kind
 * of resource. Control writes them, replays them at its start, and `parclose audit` shows them.
 * They are on disk: a change of one needs a new AUDIT_VERSION.
 */
#pragma once

#include "parclose/config.h"
#include "parclose/state.h"

/* The key beside each says what key[0] and key[1] of an audit_change are; 0 when not used. */
enum resource_kind {
    RESOURCE_NONE = 0,
    RESOURCE_CONTROL = 1,   /* -: struct control_image */
    RESOURCE_HOST = 2,      /* -: struct host_config */
    RESOURCE_PARTITION = 3, /* partition id: struct partition_config */
    RESOURCE_RUN = 4,       /* partition id: struct partition_run */
    RESOURCE_PCPU = 5,      /* pCPU number: struct owner */
    RESOURCE_MEMORY = 6,    /* node, offset: struct memory_image */
    RESOURCE_PF = 7,        /* bdf: struct pf_image */
    RESOURCE_VF = 8,        /* bdf of its PF, index: struct owner */
    RESOURCE_ACTION = 9,    /* bdf of the PF, VF index or ACTION_WHOLE_PF: struct action_image */
    RESOURCE_REQUEST = 10,  /* place, 0 the oldest: struct request_image; in snapshots only */
    RESOURCE_CHANNEL = 11,  /* partition id, enum channel_kind: struct channel_image */
    RESOURCE_EDIT = 12,     /* -: struct edit_image */
    RESOURCE_ORDER = 13,    /* bdf of a PF, 0: SR-PCIM: struct order_image */
    RESOURCE_APPLY = 14,    /* -: struct apply_image */
    RESOURCE_KINDS
};

#define ACTION_WHOLE_PF UINT32_MAX

struct control_image {
    uint32_t shutting_down; /* 1: SHUTDOWN was accepted, nothing starts any more */
    uint32_t reserved;
    uint64_t shutdown_boottime_ns; /* when the host is given up even if a partition lives; 0 */
};
_Static_assert(sizeof(struct control_image) == 16, "on disk");

struct memory_image {
    uint64_t bytes;
    struct owner owner;
};
_Static_assert(sizeof(struct memory_image) == 16, "on disk");

enum channel_kind {
    CHANNEL_CONSOLE = 1,
};

/* Memory of a partition that a server of it maps, too. */
struct channel_image {
    struct owner owner;
    uint32_t server;   /* enum process_kind */
    uint32_t attached; /* how many servers have it */
};
_Static_assert(sizeof(struct channel_image) == 16, "on disk");

struct pf_image {
    struct owner owner;
    uint32_t in_error;   /* 1: the ladder was spent on it and it was not ready since */
    uint16_t disabled;   /* 1: an administrator wants no VFs of it; outlives a boot of the host */
    uint16_t idle_power; /* enum idle_power; the same. 0 in what was written before there was it */
};
_Static_assert(sizeof(struct pf_image) == 16, "on disk");

/* An action that was committed and whose result is not known yet. */
struct action_image {
    uint32_t action; /* enum device_action */
    struct bdf pf;
    uint32_t index;
    uint32_t vfs;
    uint64_t transaction; /* of the entry that committed it */
};
_Static_assert(sizeof(struct action_image) == 24, "on disk");

/* A committed request of command, so that it is answered alike when it is asked again. In the log
 * the entry itself says it. */
struct request_image {
    uint64_t id;
    uint32_t type;
    uint32_t digest; /* as audit_entry.request_digest */
    uint64_t transaction;
};
_Static_assert(sizeof(struct request_image) == 24, "on disk");

/* How far an edit of devices.xml is. */
enum edit_state {
    EDIT_NONE = 0,
    EDIT_APPLYING = 1, /* its actions are under way */
    EDIT_UNDOING = 2,  /* one of them failed: those that give everything back are under way */
    EDIT_DONE = 3,
    EDIT_UNDONE = 4,
};

/* The latest edit of devices.xml. It stays when it is over, for who asks what became of it. */
struct edit_image {
    uint64_t id;          /* the TCB's; 0: there was none */
    uint64_t begun;       /* the transaction that it is */
    uint64_t transaction; /* that its actions belong to: `begun`, or the one that undoes it */
    uint32_t state;       /* enum edit_state */
    uint32_t uid;         /* owner of the file */
    int32_t error;        /* of the first action that failed */
    uint32_t vfs_count;
    char name[PARCLOSE_EDIT_NAME_MAX]; /* of the file */
    char text[PARCLOSE_REASON_MAX];    /* what failed */
    struct vf_edit vfs[PARCLOSE_EDIT_VFS_MAX];
};
_Static_assert(sizeof(struct edit_image) == 40 + 64 + 160 + 64 * PARCLOSE_EDIT_VFS_MAX, "on disk");

/* How far an administrator's order is. */
enum order_state {
    ORDER_NONE = 0,
    ORDER_ACTING = 1,   /* an action of it, or the restart of SR-PCIM, is under way */
    ORDER_SETTLING = 2, /* all is done; a PF of it is not ready again yet */
    ORDER_DONE = 3,
};

/* The latest order about a PF, or SR-PCIM. It stays when it is over, for who asks again. */
struct order_image {
    uint64_t request; /* command's id; 0: there was none */
    uint64_t edit;    /* of devices.xml, that it came by: the TCB's id; 0: it did not */
    uint64_t begun;   /* the transaction that it is, and that its actions belong to */
    uint64_t begun_boottime_ns;
    uint32_t order; /* enum device_order */
    uint32_t state; /* enum order_state */
    int32_t error;
    uint32_t writes;                /* to devices, of all its actions */
    uint32_t acting;                /* how many of its actions are not answered */
    uint32_t took_ms;               /* until all of them were */
    uint32_t pid;                   /* of the SR-PCIM that is to go; 0: there was none */
    struct bdf pf;                  /* 0: SR-PCIM */
    uint64_t cards_reset;           /* 1 << number of the card in the host's configuration */
    uint64_t cards_spared;          /* the host uses them, or somebody else took a VF meanwhile */
    uint64_t cards_in_use;          /* not touched: a VF of them is in use */
    uint64_t cards_wanted;          /* were ready, and are waited for */
    char text[PARCLOSE_REASON_MAX]; /* the first failure; when it is over, its answer */
};
_Static_assert(sizeof(struct order_image) == 32 + 32 + 32 + 160, "on disk");

/* The latest proposal that was applied. It stays when it is over: the files of the one that it
 * names are the configuration, whoever dies before they are in their places. */
struct apply_image {
    uint64_t id;                   /* of command's request; 0: there was none */
    uint64_t begun;                /* the transaction that it is */
    uint64_t deadline_boottime_ns; /* of its trial or its undoing; 0: nothing is waited for */
    uint32_t state;                /* enum apply_state */
    int32_t error;                 /* why it is undone */
    uint32_t uid;                  /* who asked */
    uint32_t
        restarted; /* 1 << number of a definition that its entry changes: of one that must run */
    char text[PARCLOSE_REASON_MAX]; /* what failed, and what is not as it was */
};
_Static_assert(sizeof(struct apply_image) == 40 + 160, "on disk");

/* How far the attach transaction of a partition is. */
enum attach_state {
    ATTACH_NONE = 0,
    ATTACH_COMMITTED = 1, /* durable; lead was or will be told, has not acknowledged */
    ATTACH_DONE = 2,      /* lead acknowledged the thaw */
    ATTACH_UNDOING = 3,   /* the gate shut again: lead is told to freeze, has not acknowledged */
};

/* The running data of a partition that outlives control. */
struct partition_run {
    uint32_t phase;                /* enum partition_phase */
    uint32_t attach;               /* enum attach_state */
    uint64_t start_transaction;    /* of the latest start; names CREATE and CHANNELS to lead */
    uint64_t attach_transaction;   /* of the latest attach; names ATTACH to lead */
    uint32_t created;              /* 1: lead has a monitor for it */
    uint32_t channels;             /* 1: CHANNELS was ordered: its monitor may hold the VFs */
    uint32_t exit;                 /* enum exit_reason of the last run */
    uint32_t rung;                 /* enum rung reached in this wait */
    uint32_t rungs_taken[4];       /* how often each of rungs 1..4 was taken and is not forgotten */
    uint64_t deadline_boottime_ns; /* of the next rung, or as `calm` says, or of the forced stop;
                                      0: none */
    uint64_t descriptor_generation;
    uint64_t last_ready_ns;      /* CLOCK_MONOTONIC of the event that opened the gate */
    uint64_t thawed_ns;          /* CLOCK_MONOTONIC, from lead */
    uint64_t frozen_boottime_ns; /* since when it is frozen for an outage; 0: it is not */
    uint64_t frozen_ns;          /* so long it was in this run, before that */
    uint32_t standbys; /* 1 << number of each VF of its definition whose stand-by is in use */
    uint16_t calm;    /* 1: it runs and misses nothing; what was taken is forgotten at the deadline.
                         Both 0 in what was written before there were they */
    uint16_t skipped; /* so many of rungs_taken[0] were spent in this wait without being taken */
    uint32_t memory_node;
    uint32_t pcpus_count;
    uint32_t pcpus[PARCLOSE_MAX_VCPUS]; /* of vCPU 0, 1, …; PCPU_NONE: its own is offline */
    struct state_time enabled, active, attached, scheduled;
    char reason[PARCLOSE_REASON_MAX];
};
_Static_assert(sizeof(struct partition_run) == 120 + 128 + 64 + 160, "on disk");
