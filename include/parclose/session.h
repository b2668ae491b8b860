/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: a socket of the CLI's own to one partition's monitor, for what is too large or too
 * lively for the links: exit counts, a dump, a debugger.
 *
 * On control's order lead makes a SEQPACKET pair, gives one end to the monitor (MONITOR_SESSION)
 * and the other back to who asked. Nobody between them waits for a monitor, and what happens to
 * command, control or lead later does not matter to the session. When the CLI's end is closed, the
 * monitor lets the guest go on as it was: nothing else is needed for that, nobody's memory but its
 * own. A monitor that hangs gives no answer, and the CLI stops waiting.
 *
 * Each request is one datagram, struct session_request and its data; each has one answer, struct
 * session_answer with the same type and id, and its data. STOPPED comes by itself. Whoever breaks
 * the rules, or does not read its answers, loses the session, and so does he at whose request the
 * monitor's main process died; other deaths of it are not noticed, but that STOPPED may come twice:
 * one that comes before the answer to STOP or RESUME tells of an older stop. Both sides are hostile
 * to each other: the monitor may have been taken over by its guest, the CLI may look only, or is
 * anybody's. Whoever dumps or debugs is root, and is in the audit log before he has the socket.
 *
 * Example, a dump: INFO; STOP, answered at once; STOPPED comes when no vCPU is in the guest any
 * more; REGISTERS of each; READ … READ; the socket is closed, the guest goes on.
 */
#pragma once

#include <linux/kvm.h>
#include <stddef.h>

#include "parclose/ids.h"
#include "parclose/wire.h"

#define SESSION_DATA_MAX   ((size_t)65536)     /* bytes of data of one message */
#define SESSION_SKIP_MAX   (UINT64_C(4) << 20) /* zeros that one READ looks through */
#define SESSION_BREAKS_MAX 4                   /* the processor's debug registers */

enum session_kind {
    SESSION_NONE = 0,
    SESSION_LOOK = 1,  /* STATS only; does not touch the guest; for all whom command hears */
    SESSION_DUMP = 2,  /* may stop the guest and read; must go on asking while it is stopped */
    SESSION_DEBUG = 3, /* may do everything, for as long as it likes */
    SESSION_KINDS
};

enum session_message {
    SESSION_STATS = MSG_BASE_SESSION, /* → struct session_stats */
    SESSION_INFO,                     /* → struct session_info */
    SESSION_STOP,                     /* all vCPUs out of the guest; then STOPPED */
    SESSION_RESUME,                   /* all on, or with SESSION_STEP `vcpu` by one instruction */
    SESSION_REGISTERS,                /* of `vcpu`, stopped → struct session_registers */
    SESSION_REGISTERS_SET,            /* of `vcpu`, stopped; data: struct kvm_regs */
    SESSION_READ,                     /* address, size, flags → bytes */
    SESSION_WRITE,                    /* address, flags; data: bytes */
    SESSION_BREAK,                    /* stopped; address, size, `flags` one SESSION_AT_… */
    SESSION_UNBREAK,                  /* the same one away */
    SESSION_STOPPED,                  /* monitor → CLI; `vcpu`, `error`: enum session_reason */
    SESSION_END                       /* no message */
};

enum session_flag {
    SESSION_STEP = 1,
    SESSION_VIRTUAL = 2,   /* address: as `vcpu` sees it, stopped; else guest-physical */
    SESSION_SPARSE = 4,    /* READ: skip leading zeros, say how many */
    SESSION_AT_CODE = 16,  /* size 1 */
    SESSION_AT_WRITE = 32, /* size 1, 2, 4 or 8, aligned */
    SESSION_AT_ACCESS = 64,
};

enum session_reason {
    SESSION_ASKED = 1, /* STOP */
    SESSION_BROKE = 2, /* a break- or watchpoint; address: which */
    SESSION_STEPPED = 3,
};

struct session_request {
    struct wire_header header;
    uint32_t vcpu;
    uint32_t flags;
    uint64_t address;
    uint64_t size;
};
_Static_assert(sizeof(struct session_request) == 40, "wire size");

struct session_answer {
    struct wire_header header;
    int32_t error; /* 0 or a negative errno */
    uint32_t vcpu;
    uint64_t address;
    uint64_t zeros; /* READ with SPARSE: zero bytes before the data */
};
_Static_assert(sizeof(struct session_answer) == 40, "wire size");

/* ---- data */

struct session_extent {
    uint64_t gpa;
    uint64_t size; /* 0: none */
};

struct session_info {
    uint32_t vcpus_count;
    uint32_t reserved;
    struct session_extent extents[2]; /* of RAM, ascending */
};
_Static_assert(sizeof(struct session_info) == 40, "wire size");

struct session_registers {
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    uint64_t kernel_gs_base;
};

#define STATS_NAMES_MAX 80
#define STATS_NAME_MAX  40 /* NUL included; a-z, 0-9, _ */

/* Counters since the partition's start, per vCPU. */
struct session_stats {
    uint32_t vcpus_count;
    uint32_t names_count;
    uint32_t kernel_names; /* the first so many are KVM's own; the others the monitor's */
    uint32_t main_restarts;
    uint32_t pids[PARCLOSE_MAX_VCPUS];
    uint32_t restarts[PARCLOSE_MAX_VCPUS]; /* of the vCPU's process */
    char names[STATS_NAMES_MAX][STATS_NAME_MAX];
    uint64_t values[PARCLOSE_MAX_VCPUS][STATS_NAMES_MAX];
};
_Static_assert(sizeof(struct session_stats) <= SESSION_DATA_MAX, "wire size");
