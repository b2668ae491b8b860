/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fifteen states of a partition (US 2016/0077847 [0142]; R-GATE-1), in the order in which
 * Parclose enters them. They are not exclusive: a partition holds the set of those that it has
 * entered since its last start, each with its time.
 *
 * The three *Image states come before ProcessorsAttached: the image of memory, channels and
 * processors is complete before the gate, and nothing but the thaw is left to do behind it.
 */
#pragma once

#include "parclose/ids.h"

enum partition_state {
    STATE_ENABLED = 0,           /* its definition is accepted */
    STATE_ACTIVE = 1,            /* somebody asked for its start; resources are reserved */
    STATE_ALIVE = 2,             /* its monitor runs and said hello */
    STATE_CHANNELS_ASSIGNED = 3, /* VFs and console: monitor holds the descriptor that names them */
    STATE_PROCESSOR_ASSIGNED = 4, /* pCPUs: cpusets are written */
    STATE_MEMORY_ASSIGNED = 5,    /* memory extents: memfd made, of the full size */
    STATE_MEMORY_IMAGE = 6,       /* kernel, initrd, tables are in guest memory */
    STATE_PROCESSOR_IMAGE = 7,    /* registers set; vCPU processes exist, frozen */
    STATE_CHANNEL_IMAGE = 8,      /* every VF is open through VFIO and on the guest's PCI bus */
    /* ------------------------------------------------------------------ the gate */
    STATE_PROCESSORS_ATTACHED = 9,   /* attach committed and thaw acknowledged */
    STATE_PROCESSORS_SCHEDULED = 10, /* the kernel reports the vCPUs' cgroup as not frozen */
    STATE_CHANNELS_ATTACHED = 11,    /* interrupts of the VFs are routed to running vCPUs */
    STATE_CHANNELS_SCHEDULED = 12,   /* the monitor serves the channels' doorbells */
    STATE_PROCESSORS_OPERATING = 13, /* every online vCPU's first exit was seen */
    STATE_CHANNELS_OPERATING = 14,   /* the guest's driver enabled bus mastering on every VF */
    PARTITION_STATES = 15
};

#define STATE_BIT(state) (UINT32_C(1) << (state))

/* All that must be true of the partition itself before the gate asks for its PFs. */
#define STATES_BEFORE_GATE (STATE_BIT(STATE_PROCESSORS_ATTACHED) - 1)

/* When a state was entered. Both zero: not entered. */
struct state_time {
    uint64_t realtime_ns; /* CLOCK_REALTIME, for people */
    uint64_t boottime_ns; /* CLOCK_BOOTTIME, for differences */
};
_Static_assert(sizeof(struct state_time) == 16, "wire size");

/* What a partition is doing, in one word. */
enum partition_phase {
    PHASE_DEFINED = 0,  /* Enabled only */
    PHASE_STARTING = 1, /* between Active and the gate */
    PHASE_WAITING = 2,  /* all before the gate is done; a PF or VF is not ready */
    PHASE_RUNNING = 3,
    PHASE_STOPPING = 4,
    PHASE_FAILED = 5,    /* ended by itself or could not start; the reason says why */
    PHASE_FROZEN = 6,    /* a PF was lost before the thaw was acknowledged; in a snapshot: or later,
                            and its definition has it frozen until the PF is ready again */
    PHASE_RELEASING = 7, /* its monitor is gone; a server still has a channel of it attached */
    PARTITION_PHASES
};

/* How far the latest apply of a proposal is (parclose/proposal.h, src/control/apply.h). */
enum apply_state {
    APPLY_NONE = 0,    /* there was none */
    APPLY_TRIAL = 1,   /* in force; its VFs and attributes are under way */
    APPLY_UNDOING = 2, /* one of them failed: what was before is in force, and is under way */
    APPLY_DONE = 3,
    APPLY_UNDONE = 4,
    APPLY_STATES
};

/* A place on the guest's bus: the VF that is there, as its monitor sees it. All 0: nothing. */
enum vf_mark {
    VF_PRESENT = 1,   /* the guest can find it */
    VF_LEAVING = 2,   /* the guest was asked to give it up */
    VF_ERROR = 4,     /* the host's kernel reported an error of it (VFIO's error notification) */
    VF_REQUESTED = 8, /* the host's kernel wants it back: its PF's driver is being unbound, say */
    VF_RESET = 16,    /* it was reset behind its user's back, and is dead until MONITOR_VF_MEND */
    VF_IDLE = 32,     /* its guest has not begun with it: never set Bus Master Enable in it */
};
#define VF_MARKS UINT32_C(63)
/* For people: something is wrong with it. */
#define VF_NEWS ((uint32_t)VF_ERROR | VF_REQUESTED | VF_RESET)

struct vf_seat {
    struct bdf vf;
    uint32_t marks; /* enum vf_mark */
};
_Static_assert(sizeof(struct vf_seat) == 8, "wire size");

/* How a partition ended last. */
enum exit_reason {
    EXIT_NONE = 0,
    EXIT_POWER_OFF = 1,     /* ACPI S5 or its hardware-reduced sleep register */
    EXIT_REBOOT = 2,        /* reset register, triple fault, keyboard-controller reset */
    EXIT_PANIC = 3,         /* the guest said so */
    EXIT_STOPPED = 4,       /* on our order */
    EXIT_MONITOR_ERROR = 5, /* the monitor gave up; text says why */
    EXIT_MONITOR_DIED = 6,  /* the spawner died */
    EXIT_WATCHDOG = 7,      /* the guest started its watchdog, and did not reset it in time */
    EXIT_REASONS
};
