/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recovery ladder (R-GATE-4). A partition that waits for hardware has a deadline in its running
 * data (CLOCK_BOOTTIME, in the log, so it outlives control). At each deadline, if it is still the
 * hardware that it waits for:
 *
 *   wait_ms[0] → 1 SR-PCIM restarts each PF that is not ready, by its driver's gentlest means
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
 * 1, 1, 3, 4. A wait is from the start of the partition to its attach. Every rung is an audit
 * entry.
 */
#pragma once

#include "control.h"

/* Sets the deadline of the next rung in running data that is about to be committed. */
void ladder_wait(struct control *control, struct partition_run *run);

/* Its deadline is over: takes the next rung, or waits on when no hardware is missing. */
void ladder_climb(struct control *control, struct partition *partition);

/* A PF is no longer disabled: who waits has a deadline again, in the entry in the making. */
void ladder_resume(struct control *control);

/* Which rung comes next for it. */
enum rung ladder_next(const struct gate_config *gate, const struct partition_run *run);

/* Tells SR-PCIM again of the recoveries that are under way, on a new link. */
void ladder_resend(struct control *control);
