/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate (R-GATE-2, R-GATE-3): the one place that decides whether a partition's processors may be
 * attached. Nothing else orders LEAD_ATTACH.
 *
 * Algorithm. gate_try() runs at each event that can open it (readiness of a PF, a state of the
 * monitor, an answer of lead). It is open when the partition has reached every state before the
 * gate, the latest readiness processed for each PF behind its VFs is PF_READY, and each VF was read
 * as desired since its PF began anew: one that came back may have forgotten them. Then, in this
 * order: one durable audit entry (attach COMMITTED), LEAD_ATTACH, and on lead's answer the applied
 * entry (attach DONE). gate_lost() runs at each loss of readiness: an attach that is committed and
 * not acknowledged is undone, lead freezes again, and the partition waits as FROZEN. A loss later
 * changes nothing of the guest: the ladder is climbed for it (outage.h).
 *
 *   READY(net0) … ChannelImage → entry 17 begun → ATTACH → RESULT      → entry 18 applied 17: runs
 *   READY(net0) … ChannelImage → entry 17 begun → ATTACH → LOST(net0)  → entry 18 undone 17
 *               → DETACH → RESULT(attach): too late, ignored → RESULT(detach) → waits
 *               → READY(net0) → entry 20 begun → …
 *
 * Death of SR-PCIM: every PF is PF_UNKNOWN until it is judged anew, for attaches not yet committed.
 * One that is committed stands: nothing was lost, only its judge.
 */
#pragma once

#include "control.h"

/* Whether the partition may be attached now. When not, `text` says what it waits for. */
bool gate_open(struct db *db, const struct partition *partition, char text[PARCLOSE_REASON_MAX]);

/* The first PF of it that is not ready, NULL: all are. */
struct pf *gate_pf_missing(struct db *db, const struct partition *partition);

/* What keeps a VF from being handed out: its PF is not ready, or it is not active yet; NULL:
 * nothing. The same judgement for a partition that starts and for one that runs. */
const char *gate_vf_trouble(struct db *db, const struct partition_vf *wanted);

/* What keeps a VF that a monitor has from being used by its guest; NULL: nothing. */
const char *gate_vf_stale(const struct vf *vf);

/* A PF that is not ready, and why, one line. */
void gate_pf_text(const struct db *db, const struct pf *pf, char text[PARCLOSE_REASON_MAX]);

/* The first VF of it that is not active yet, as its number in the definition; -1: all are. With
 * what is missing in `text`. Not asked once its monitor has them. */
int gate_vf_missing(struct db *db, const struct partition *partition,
                    char text[PARCLOSE_REASON_MAX]);

/* Whether it waits for hardware: a PF that is not ready, a VF that its monitor cannot have yet, or
 * one that it has and that is not as desired. */
bool gate_blocked(struct db *db, const struct partition *partition);

/* Attaches if the gate is open and nothing is attached. True: an attach was committed. */
bool gate_try(struct control *control, struct partition *partition);

/* A PF's readiness was lost: undoes attaches that wait for lead's acknowledgement. */
void gate_lost(struct control *control, const struct pf *pf);

/* Undoes one such attach; `freeze`: lead must be told (else it says itself that it is frozen). */
void gate_undo(struct control *control, struct partition *partition, bool freeze,
               const char *reason);

/* Lead's answer, or what lead says it is: the thaw is done. */
void gate_attached(struct control *control, struct partition *partition, uint64_t thawed_ns);

/* Lead's answer: the freeze of an undone attach is done. */
void gate_detached(struct control *control, struct partition *partition);

/* PF_READY: "is ready", … for a person. */
const char *readiness_text(uint32_t readiness);
