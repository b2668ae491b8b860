/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs of a running partition, on control's order: the TCB's files to its monitor, a guest's consent
 * or the end of its time, the answer once the monitor has said what came of it.
 *
 * Of what a monitor answers only what was asked of it goes on to control: an id is control's, and
 * names any order of the partition, its STOP too; a monitor that its guest has taken over would
 * answer that. A predecessor's order control gives again, with the same id, and the monitor does it
 * once.
 */
#pragma once

#include "lead.h"

/* Handlers of order.h. */
int hotplug_on_add(void *lead, struct frame *frame);
int hotplug_on_remove(void *lead, struct frame *frame);

/* The TCB's files for the VF that is being added, or its refusal. */
int hotplug_files(struct partition *partition, struct frame *frame);

/* The TCB is gone: files that were asked for do not come. */
void hotplug_tcb_down(struct partition *partition);

/* The monitor's answer. 0, or -EBADMSG. */
int hotplug_result(struct partition *partition, const struct monitor_vf_result *result);

/* The monitor has said its seats; `old`: what it said before. */
void hotplug_seats(const struct partition *partition, const struct monitor_state *old);

/* Tells the TCB which VFs the partition's monitor may have open. */
void hotplug_say_held(const struct partition *partition);
