/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping the guest for a session, and what KVM calls guest debugging: breakpoints, steps.
 *
 *   RUNNING ──STOP, or a vCPU at a breakpoint──► STOPPING ──all stand──► STOPPED, told
 *      ▲                                                                    │
 *      └───────────────────────── RESUME ───────────────────────────────────┘
 *   any ──the owner's session ends──► ENDING ──all stand──► no owner, all go on
 *
 * At most one session is the owner. The end gives the debug registers back,
 * which needs the vCPUs out of the guest: so it stops them once more. Where nothing was set there
 * is nothing to take back, and they go on at once.
 *
 * A vCPU whose exit was KVM_EXIT_DEBUG is "caught": its slot stays POSTED until it may go on.
 *
 * Breakpoints are in the processor's debug registers, four and no more. Nothing is written into the
 * guest: a breakpoint instruction would have to be found again when the guest moves or patches its
 * text, would be met by whoever shares the page, and is not intercepted by every processor (QEMU's
 * emulated SVM does not: the guest would die of it).
 *
 * All this outlives main. The next one (debug_begin) does again what the last may have left half
 * done: in STOPPING, STOPPED and ENDING it asks all vCPUs to stand once more, and tells STOPPED
 * once more; in RUNNING it looks at caught exits anew. RESUME is not gone over: a session whose
 * request main died at ends (session.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parclose/session.h"

enum debugger_state {
    DEBUGGER_RUNNING = 0,
    DEBUGGER_STOPPING = 1,
    DEBUGGER_STOPPED = 2,
    DEBUGGER_ENDING = 3,
};

struct debug_break {
    uint64_t address;
    uint32_t kind; /* enum session_flag, one SESSION_AT_…; 0: free */
    uint32_t size;
};

struct debugger {
    uint32_t owner;    /* index of its session, plus one; 0: none */
    uint32_t state;    /* enum debugger_state */
    uint32_t caught;   /* bits of vCPUs */
    uint32_t set;      /* vCPUs that KVM debugs */
    uint32_t stepping; /* the vCPU, plus one */
    uint32_t vcpu;     /* why it stopped */
    uint32_t reason;   /* enum session_reason */
    uint64_t address;
    struct debug_break breaks[SESSION_BREAKS_MAX]; /* each in the debug register of its place */
};

struct monitor;

bool debug_caught(const struct monitor *monitor, uint32_t vcpu);

/* A vCPU's exit KVM_EXIT_DEBUG: catches it, or lets it go on. */
void debug_exit(struct monitor *monitor, uint32_t vcpu);

/* For the session with that index. -EBUSY: another one is the owner; -EAGAIN: not attached. */
int debug_stop(struct monitor *monitor, uint32_t session);
int debug_resume(struct monitor *monitor, const struct session_request *request);
int debug_break(struct monitor *monitor, const struct session_request *request);
int debug_unbreak(struct monitor *monitor, const struct session_request *request);

/* A new main. */
void debug_begin(struct monitor *monitor);

/* The owner's session is gone. */
void debug_end(struct monitor *monitor);

/* Goes on when all vCPUs stand. True: the owner is to be told STOPPED. */
bool debug_step(struct monitor *monitor);
