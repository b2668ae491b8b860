/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-monitor: one partition's virtual machine monitor.
 *
 * It may touch: its own guest's memory and vCPUs (KVM), the VFs handed to it (VFIO), its channels'
 * memory and connections to their servers, its console ring, its link to lead, standard error. It
 * opens nothing, has no capability, no other I/O, and a system-call allow-list per process
 * (sandbox.h).
 *
 * Processes, all in one address space and file table (birth.h):
 *   spawner   makes the VM, is parent of the others, replaces the dead        spawner.c
 *   main      builds the guest, then is its device model                      model.c
 *   vCPU × n  KVM_RUN, hands exits to main; each in its own frozen cgroup     vcpu.c
 *
 * This structure is all they share. Its writers: main, unless said otherwise. What a new main needs
 * to go on after the death of the old one is all in here.
 */
#pragma once

#include "parclose/console.h"
#include "parclose/descriptor.h"
#include "parclose/msg_lead_monitor.h"

#include "birth.h"
#include "channel.h"
#include "debug.h"
#include "hotplug.h"
#include "inbox.h"
#include "irq.h"
#include "memory.h"
#include "pci.h"
#include "session.h"
#include "slot.h"
#include "spawner.h"
#include "state.h"
#include "stats.h"
#include "uart.h"
#include "vcpu.h"
#include "vm.h"
#include "watchdog.h"

enum monitor_phase {
    PHASE_COLLECT = 0,  /* takes FILEs */
    PHASE_BUILD = 1,    /* under way: a death here ends the partition */
    PHASE_BUILT = 2,    /* waits for CHANNELS, when the partition has VFs */
    PHASE_COMPLETE = 3, /* stands before the gate */
    PHASE_ATTACHED = 4, /* the guest may run */
};

/* Files by kind; -1: not given. */
struct monitor_files {
    int single[MONITOR_FILE_KINDS];
    int cgroups[PARCLOSE_MAX_VCPUS];
};

/* Why the partition ends: written once, by whoever finds out first. */
struct monitor_end {
    uint32_t reason; /* enum exit_reason; EXIT_NONE: it does not */
    bool said;       /* lead has been told */
    char text[PARCLOSE_REASON_MAX];
};

/* Serial port and console positions, as one: see "journal" in bus.h. */
struct console_state {
    struct uart uart;
    uint64_t out_head;
    uint64_t in_tail;
};

struct exit_journal {
    uint32_t vcpu;     /* whose exit is being carried out, plus one; 0: none */
    uint32_t exit;     /* which of its exits */
    uint32_t attempts; /* mains that died of it */
    struct console_state before;
};

struct monitor {
    enum monitor_phase phase;
    struct monitor_files files;
    struct partition_descriptor descriptor; /* a checked copy */
    struct state_board states;
    struct monitor_end end;
    uint32_t attaches; /* ATTACHED messages so far */
    bool frozen;       /* DETACHED came after the last of them */

    struct guest_memory memory;
    struct vm vm; /* written by the spawner */
    struct exit_slot slots[PARCLOSE_MAX_VCPUS];
    struct vcpu vcpus[PARCLOSE_MAX_VCPUS]; /* written by the spawner */

    struct inbox inbox;
    uint32_t inbox_attempts; /* mains that died of the message in it */
    bool link_closed;
    bool vfs_attached;
    uint64_t answer_id; /* of the QUERY that the next STATE answers */
    int work;           /* eventfd to main: from vCPUs and spawner */
    struct spawner_desk desk;

    /* written by the spawner */
    uint32_t spawner_pid;
    _Atomic uint32_t vcpu_pids[PARCLOSE_MAX_VCPUS];
    _Atomic uint32_t vcpu_restarts;
    _Atomic uint32_t main_restarts;
    _Atomic uint32_t vcpu_deaths[PARCLOSE_MAX_VCPUS];
    _Atomic uint32_t deaths; /* grows with each, so that main sees that there is news */

    /* devices */
    struct console_ring *ring;
    struct console_state console;
    _Atomic uint8_t line_status; /* read by the vCPU processes */
    struct exit_journal journal;
    struct irq_router router;
    struct watchdog watchdog;
    struct pci_bus pci;
    struct hotplug hotplug;
    struct channel_set channels;

    /* looking in from outside */
    uint64_t counts[PARCLOSE_MAX_VCPUS][EXIT_COUNTERS];
    struct session sessions[SESSIONS_MOST];
    uint32_t session_at; /* index, plus one, of the one that main serves now; 0: none */
    struct debugger debugger;
};

/* The partition ends, once: the first reason counts. error 0: the text alone. */
void monitor_end(struct monitor *monitor, enum exit_reason reason, const char *text, int64_t error);
