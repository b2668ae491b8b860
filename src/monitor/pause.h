/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping vCPUs out of the guest for a while, without the freezer, which is the gate's: two words a
 * vCPU, and a kick for those that are in the guest now.
 *
 *   kvm_run->immediate_exit   main writes: KVM_RUN finishes the exit before and returns -EINTR
 *   slot->hold                main writes: after -EINTR, wait until this is 0 (futex)
 *   slot->held                the vCPU writes: 1 while it waits so
 *
 * immediate_exit is set before hold, and hold is cleared last: as long as hold is 1, no KVM_RUN
 * that begins enters the guest. One that has begun is left by the kick: the spawner stops the
 * process and lets it go on (SIGSTOP, SIGCONT), and the signal ends KVM_RUN. A vCPU that is kept at
 * a KVM_EXIT_DEBUG (debug.h) stands, too: it waits for the answer to its exit.
 *
 * Who dies meanwhile? A vCPU process: the next one calls KVM_RUN, which returns at once, and waits.
 * Main: the next main goes on where the last one was (debug_begin). The spawner: then the
 * partition ends, as ever. Lead, control, command, the CLI: nothing here knows of them. Frozen by
 * the gate: not a vCPU stands that did not before, and nothing happens until the thaw.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct monitor;

/* All vCPUs, or one, are to stand. */
void pause_all(struct monitor *monitor);

/* Whether all do. */
bool pause_standing(const struct monitor *monitor);

void pause_release(struct monitor *monitor, uint32_t vcpu);
void pause_release_all(struct monitor *monitor);
