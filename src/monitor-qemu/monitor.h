/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-monitor-qemu: the second kind of monitor. It speaks lead's protocol as the native one
 * does (msg_lead_monitor.h) and has the distribution's QEMU as its child, for guests that need
 * UEFI, Windows or devices that the native monitor does not have.
 *
 * It may touch: its own guest's memory, the files that lead handed to it, the leaf cgroups of its
 * vCPUs, its child, standard error. It has a user of its own and no capability; its root has
 * libraries and firmware to read and nothing else, its network namespace no device. QEMU is a
 * hostile peer once its guest has broken into it: what it says is bounded, checked and timed.
 *
 * Files. QEMU opens by path. It finds no device and no image under any: each of its opens comes
 * here first (broker.h), and the paths of command.h are answered with the very files that lead
 * handed over. So the TCB stays the only one who opens a VFIO group, lead the only one who opens
 * /dev/kvm, and no node has to exist in QEMU's root. (QEMU 7.2 takes no VFIO group as a file.)
 *
 * The gate is real twice. QEMU starts with -S, and `cont` is said only on ATTACHED. And before
 * PROCESSOR_IMAGE is said, each vCPU thread has been moved into its leaf below the frozen cgroup,
 * by lead made for threads: until lead thaws it the kernel runs none of them, whatever QEMU does.
 * A loss of the PF before the acknowledgement freezes them again, as with the native monitor.
 * QEMU's main thread is never frozen: it answers QMP at any time. The thread of a vCPU that is
 * frozen does not take work from the main thread, so nothing that needs it is asked between the two
 * moments.
 *
 * VFs are known late, a partition must be complete but for them early. So QEMU is started at CREATE
 * with one empty root port a VF, and each VF is plugged into its port, by QMP, at CHANNELS: before
 * the first instruction, so that firmware and guest find it there.
 *
 * This process is the partition's root: its end ends the partition (lead kills the cgroup), and
 * QEMU's end is its own.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "parclose/descriptor.h"
#include "parclose/msg_lead_monitor.h"

#include "broker.h"
#include "complaint.h"
#include "console.h"
#include "qmp.h"
#include "talk.h"

enum monitor_phase {
    PHASE_COLLECT = 0,  /* takes FILEs */
    PHASE_BUILD = 1,    /* QEMU is on its way to its QMP prompt */
    PHASE_BUILT = 2,    /* its VFs are missing, or are being plugged */
    PHASE_COMPLETE = 3, /* stands before the gate */
    PHASE_ATTACHED = 4, /* the guest may run */
    PHASE_ENDING = 5,   /* QEMU was told to end */
};

struct monitor_states {
    uint32_t entered; /* STATE_BIT()s */
    uint64_t event_ns;
    bool dirty; /* lead has not been told yet */
    struct state_time times[PARTITION_STATES];
};

/* Why the partition ends: the first reason counts. */
struct monitor_end {
    uint32_t reason; /* enum exit_reason; EXIT_NONE: it does not */
    char text[PARCLOSE_REASON_MAX];
};

struct monitor {
    enum monitor_phase phase;
    int files[MONITOR_FILE_KINDS]; /* by kind; -1: not given */
    int cgroups[PARCLOSE_MAX_VCPUS];
    int threads[PARCLOSE_MAX_VCPUS]; /* cgroup.threads of each leaf */
    int memory;                      /* memfd */
    struct partition_descriptor descriptor;
    struct monitor_states states;
    struct monitor_end end;

    pid_t qemu; /* 0: none */
    int qemu_pidfd;
    /* it said so; how it goes on it says next */
    bool panicked, watchdog;
    uint32_t vcpu_tids[PARCLOSE_MAX_VCPUS];
    struct broker broker;
    struct complaint complaint;
    struct console console;
    struct qmp qmp;
    struct talk talk;
    uint64_t kill_at_ns; /* CLOCK_MONOTONIC: QEMU is killed then; 0: not */

    bool frozen;   /* DETACHED came after the last ATTACHED */
    bool channels; /* CHANNELS came: its VFs are being plugged, or wait for their turn */
    struct bdf vfs[PARCLOSE_MAX_PARTITION_VFS];
    int vf_devices[PARCLOSE_MAX_PARTITION_VFS];     /* to see whether the guest drives it */
    uint64_t vf_config[PARCLOSE_MAX_PARTITION_VFS]; /* where its configuration space is */

    bool link_closed;
    uint64_t answer_id; /* of the QUERY that the next STATE answers */
};

uint64_t monitor_now_ns(void);

/* Nothing when it is entered already. */
void monitor_enter(struct monitor *monitor, enum partition_state state);
bool monitor_is(const struct monitor *monitor, enum partition_state state);

/* The partition ends, for this reason: QEMU is told so, and killed when it does not hear. */
void monitor_finish(struct monitor *monitor, enum exit_reason reason, const char *text);
/* The same for what went wrong; error 0: the text alone. */
void monitor_fail(struct monitor *monitor, const char *what, int error);
