/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recovery ladder (R-GATE-4). A partition that waits for hardware has a deadline in its running
 * data (CLOCK_BOOTTIME, in the log, so it outlives control). At each deadline, if it is still the
 * hardware that it waits for:
 *
 *   wait_ms[0] → 1 SR-PCIM has each PF restarted that is not ready: its driver is unbound and bound
 *                  again, whichever it is (src/tcb/pf_actions.c); refused while a VF of it is open
 *   wait_ms[1] → 2 boot restarts SR-PCIM
 *   wait_ms[2] → 3 boot restarts the interconnect service partition; PFs of which no VF is in use
 *                  are reset (orders.h)
 *   wait_ms[3] → 4 the PF is marked in error; the partition keeps waiting, without deadline
 *
 * A PF that is disabled is for an administrator to mend: no rung is taken for it, and who waits for
 * nothing else has no deadline.
 *
 * The same for one that runs and has lost a PF (outage.h); it goes on meanwhile.
 *
 * Rung r is taken up to budget[r-1] times before the next one; with budgets 2,0,1 the rungs are
 * 1, 1, 3, 4. A wait is from the start of the partition to its attach, or as long as an outage.
 * Every rung is an audit entry.
 *
 * What was taken still counts in the next wait, or a PF that comes and goes would have every rung
 * again each time: the next wait is for the next rung, and as long as is due before that one. It is
 * forgotten when the partition has run without an outage for as long as all four waits are
 * together: then, had it been the same trouble, every means would have been tried again by now. One
 * that is stopped begins with nothing taken; a guest that reboots does not, nor does a control that
 * begins anew. A rung that was skipped (outage.h) was not taken. Waits of 1, 2, 3, 4 s, budgets of
 * 1:
 *
 *   LOST(net0) → 1 s → rung 1 → READY: forgotten in 10 s → 8 s → LOST(net0) → 2 s → rung 2 → READY:
 *   forgotten in 10 s → 10 s → entry "rung applied" → LOST(net0) → 1 s → rung 1
 */
#pragma once

#include "control.h"

/* Sets the deadline of the next rung in running data that is about to be committed. */
void ladder_wait(struct control *control, struct partition_run *run);

/* The wait is over, in running data that is about to be committed. */
void ladder_rest(struct control *control, struct partition_run *run);

/* It ran undisturbed until its deadline: what was taken is forgotten. */
void ladder_forget(struct control *control, struct partition *partition);

/* What was taken is void, in running data: the next wait is for something else. */
void ladder_void(struct partition_run *run);

/* Its deadline is over: takes the next rung, or waits on when no hardware is missing. */
void ladder_climb(struct control *control, struct partition *partition);

/* A PF is no longer disabled: who waits has a deadline again, in the entry in the making. */
void ladder_resume(struct control *control);

/* Which rung comes next for it. */
enum rung ladder_next(const struct gate_config *gate, const struct partition_run *run);

/* Tells SR-PCIM again of the recoveries that are under way, on a new link. */
void ladder_resend(struct control *control);
