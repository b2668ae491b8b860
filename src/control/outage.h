/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PF behind a partition that runs is not ready any more: its driver was unbound, its interface is
 * down, its VFs are gone, whoever did it. The guest goes on as far as the hardware lets it, and the
 * ladder (ladder.h) is climbed for it as for one that waits. What is under way is in its running
 * data: the deadline of the next rung. So it outlives control, and one entry in the log says that
 * it began, one that it is over.
 *
 *   READY(net0), running → LOST(net0): entry "outage begun", deadline: wait_ms[0] from now
 *   → a rung at each deadline; rung 1 is skipped while a guest has a VF of the PF and its driver is
 *     bound: a restart takes all its VFs away, and the TCB would refuse it. But a VF that its PF
 *     has lost (VF Enable is clear after an error that the kernel could not mend, say), or that was
 *     reset under its guest and is not mended yet (resets.h), is no loss:
 *     with rung 1 it is taken from the guest at once, the PF is restarted when it is nobody's, and
 *     the VF comes back through the gate (hotplug.h)
 *   → READY(net0): entry "outage applied" with the milliseconds, no rung; what was taken is
 *     forgotten after a while (ladder.h)
 *
 * A PF that is not judged (SR-PCIM restarts, rung 2) neither begins nor ends it.
 */
#pragma once

#include "control.h"

/* The first PF behind the partition that was judged and is not ready; NULL: there is none. */
struct pf *outage_pf(struct db *db, const struct partition *partition);

/* Whether it is to be judged as one that runs, not as one that waits before the gate. */
bool outage_is_for(const struct partition *partition);

/* Begins or ends it, by what is: at each event, as often as one likes. */
void outage_follow(struct control *control, struct partition *partition);

/* A VF that is of no use to its guest, while its PF has its driver, is judged, and not ready. */
bool outage_vf_lost(const struct pf *pf, const struct vf *vf);

/* Its guest, which runs or has not begun, is to give it up, so that its PF can be restarted. */
bool outage_takes(const struct partition *partition, const struct pf *pf, const struct vf *vf);

/* Why rung 1 cannot be taken for the partition; NULL: it can. */
const char *outage_refusal(struct control *control, const struct partition *partition);

/* What a partition in an outage misses, one line. False: it is in none, and `text` is left alone.
 */
bool outage_text(struct control *control, const struct partition *partition,
                 char text[PARCLOSE_REASON_MAX]);
