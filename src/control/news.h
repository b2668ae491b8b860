/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to devices and is nobody's transaction is noted in the audit log: an entry each, not
 * durable by itself. What repeats itself without end is noted 32 times a minute, so that it does
 * not push the history out of the log.
 *
 * Of VFs that a guest has: an error, a request of the host's kernel for it, a reset under it, as
 * its monitor says them. A monitor that was taken over says them without end.
 *
 * Of PFs: that one which was ready is so no more, and that it is again, when that is told by
 * nothing else: no action of ours takes its readiness, and no partition runs with it, which would
 * be in an outage (outage.h). So somebody unbound it, wrote to its sriov_numvfs, reset it, pulled
 * it out. One that is disabled, or that may sleep, is as it is wanted.
 *
 *   READY(net0), nobody's → DRIVER_UNBOUND(net0) → entry 40 "pf-lost begun": driver igb is not …
 *                         → READY(net0)          → entry 43 "pf-lost applied", of 40: after 812 ms
 *   READY(net0) → PF_RESET applied → VFS_MISSING(net0) → READY(net0): nothing
 */
#pragma once

#include "control.h"

#define NEWS_MOST 32 /* in a minute; of honest ones it is some in a day */

/* One more may be noted now; counted. */
bool news_may(struct control *control, struct news_limit *limit);

/* SR-PCIM's latest word of a PF is in the map; before it is counted (counts.h). */
void news_readiness(struct control *control, struct pf *pf);

/* An action on a PF was answered, after so many writes. */
void news_action(struct pf *pf, uint32_t action, uint32_t writes);

/* What `message` says that the one before did not. Noted, no more: the guest goes on. A control
 * that was started anew notes it once more. */
void news_note(struct control *control, struct partition *partition,
               const struct lead_monitor *message);
