/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command <-> control. Command is the only client whose transactions control takes (R-CMD-1).
 *
 * Each request is one transaction: control answers with RESULT, after the audit entry is durable
 * and, where the request says so, the effect is done. A request whose answer was lost with control
 * is sent again with the same id on the new link; control knows committed ids and answers alike. On
 * each new link control sends SNAPSHOT at once, and again after each change (coalesced). A RESULT
 * may come before the first SNAPSHOT that has its transaction: command keeps it until then, so that
 * who was answered finds what was done.
 *
 * Command serves the partitions' consoles. On each new link it says CHANNEL_HELD* and CHANNEL_SYNC
 * before anything else. A partition in PHASE_RELEASING waits for the CHANNEL_DETACHED of its
 * console: command lets go of it at once.
 */
#pragma once

#include "parclose/config.h"
#include "parclose/session.h"
#include "parclose/state.h"
#include "parclose/wire.h"

/* How many requests command may have without an answer. */
#define CONTROL_UNANSWERED_MAX 256

enum message_control_command {
    CONTROL_HOST_SET = MSG_BASE_CONTROL_COMMAND, /* command -> control */
    CONTROL_PARTITION_DEFINE,   /* command -> control: new or changed; of one that runs: its VFs */
    CONTROL_PARTITION_UNDEFINE, /* command -> control: stopped only */
    CONTROL_PARTITION_START,    /* command -> control: with selected resources */
    CONTROL_PARTITION_STOP,     /* command -> control */
    CONTROL_CONSOLE_OPEN,       /* command -> control */
    CONTROL_AUDIT_OPEN,         /* command -> control */
    CONTROL_SHUTDOWN,           /* command -> control */
    CONTROL_RESULT,             /* control -> command, 0..WIRE_MAX_FDS files */
    CONTROL_SNAPSHOT,           /* control -> command, 1 file: sealed memfd */
    CONTROL_CHECK,              /* command -> control: -EUCLEAN and what is wrong with the map */
    CONTROL_CHANNEL_HELD,       /* command -> control: a console that it has attached */
    CONTROL_CHANNEL_SYNC,       /* command -> control: these were all */
    CONTROL_CHANNEL_DETACHED,   /* command -> control: it let go of a console's files */
    CONTROL_SESSION_OPEN,       /* command -> control: RESULT brings one file */
    CONTROL_ORDER, /* command -> control: about a PF or SR-PCIM; RESULT when it is over */
    CONTROL_APPLY, /* command -> control, 1 file: sealed proposal (proposal.h) */
};

/* Who asked, for the audit log; command fills it from the CLI's peer credentials. */
struct requester {
    uint32_t uid;
    uint32_t pid;
    char reason[64]; /* from --reason; "" when not given */
};
_Static_assert(sizeof(struct requester) == 72, "wire size");

struct control_host_set {
    struct wire_header header;
    struct requester requester;
    struct host_config host;
};
_Static_assert(sizeof(struct control_host_set) <= WIRE_MAX, "wire size");

struct control_partition_define {
    struct wire_header header;
    struct requester requester;
    struct partition_config config;
};
_Static_assert(sizeof(struct control_partition_define) <= WIRE_MAX, "wire size");

struct control_partition_name { /* UNDEFINE, CONSOLE_OPEN */
    struct wire_header header;
    struct requester requester;
    char name[PARCLOSE_NAME_MAX];
};

struct control_session {
    struct wire_header header;
    struct requester requester;
    char name[PARCLOSE_NAME_MAX];
    uint32_t kind; /* enum session_kind */
    uint32_t reserved;
};
_Static_assert(sizeof(struct control_session) == 128, "wire size");

/* All of the proposal in one transaction, or nothing. RESULT says that it is committed; what
 * became of it then is in the snapshot. What is to be as it was in the snapshot of that generation
 * is said, or it is stale. Root's alone. */
struct control_apply {
    struct wire_header header;
    struct requester requester;
    uint64_t generation; /* of the snapshot that it was planned from */
    uint64_t plan;       /* plan_digest(), for the log */
    uint32_t left;       /* 1 << number of a partition of the proposal: is left as it is */
    uint32_t added;      /* of the others: is not defined yet */
    uint32_t running;    /* of the others: runs, and its VFs change while it does */
    uint32_t restarted;  /* of the others: was stopped for it, and is to run again */
};
_Static_assert(sizeof(struct control_apply) == 16 + 72 + 32, "wire size");

struct control_partition_start {
    struct wire_header header;
    struct requester requester;
    char name[PARCLOSE_NAME_MAX];
    uint64_t generation;  /* of the snapshot that the selection was made from */
    uint32_t memory_node; /* selected node */
    uint32_t pcpus_count; /* = vcpus of the definition */
    uint32_t pcpus[PARCLOSE_MAX_VCPUS];
};

struct control_partition_stop {
    struct wire_header header;
    struct requester requester;
    char name[PARCLOSE_NAME_MAX];
    uint32_t force;      /* 1: at once; 0: power button first */
    uint32_t timeout_ms; /* then forced */
};

/* RESULT's text says what was done and how long it took, on success, too. */
struct control_order {
    struct wire_header header;
    struct requester requester;
    uint32_t order; /* enum device_order */
    struct bdf pf;  /* 0 of DEVICE_ORDER_SR_PCIM_RESET */
    uint32_t force; /* 1: though the host itself uses the PF; root only */
    uint32_t reserved;
};
_Static_assert(sizeof(struct control_order) == 104, "wire size");

struct control_plain { /* AUDIT_OPEN, CHECK, SHUTDOWN */
    struct wire_header header;
    struct requester requester;
};

struct control_channel { /* CHANNEL_HELD, _DETACHED */
    struct wire_header header;
    char name[PARCLOSE_NAME_MAX]; /* of the partition whose console it is */
};
_Static_assert(sizeof(struct control_channel) == 48, "wire size");

struct control_channel_sync {
    struct wire_header header;
};

struct control_result {
    struct wire_header header; /* id of the request */
    int32_t error;             /* 0 or a negative errno */
    uint32_t reserved;
    uint64_t transaction;           /* sequence number of its audit entry; 0: none */
    char text[PARCLOSE_REASON_MAX]; /* what is wrong and what to do; "" on success, but of ORDER */
    /* files, only without a transaction: CONSOLE_OPEN: console memfd, out eventfd, in eventfd;
     * SESSION_OPEN: the CLI's end of a session (session.h);
     * AUDIT_OPEN: the newest segments of the log (store/audit_reader.h), oldest first, read-only */
};
_Static_assert(sizeof(struct control_result) == 192, "wire size");

struct control_snapshot {
    struct wire_header header;
    uint64_t generation;
    uint64_t size; /* of the memfd: see snapshot.h */
};
_Static_assert(sizeof(struct control_snapshot) == 32, "wire size");
