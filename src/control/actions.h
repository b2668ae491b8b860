/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions on devices: proposed by SR-PCIM, judged and committed here, applied by the TCB, answered.
 *
 *   PROPOSE → judged → audit entry, durable → APPLY → APPLIED → applied entry → VERDICT
 *
 * At most one is under way for a PF and for a VF. When the TCB's link is lost on the way, APPLY is
 * sent again on the new one, with the same id and transaction; the TCB's actions are idempotent.
 * When SR-PCIM is lost on the way, the action goes on and its answer has nobody to go to; a new
 * SR-PCIM that proposes the same takes the answer.
 *
 * VF_CONFIGURE is not proposed: edit.h makes them, all of an edit in one transaction; nor are
 * PF_RESET, and an administrator's PF_RESTART: orders.h makes those.
 */
#pragma once

#include "control.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_control_tcb.h"

void action_propose(struct control *control, const struct pcim_propose *proposal);
void action_applied(struct control *control, const struct tcb_applied *result);
void actions_resend(struct control *control);

/* Whether some monitor has a VF, or one of the PF, or may have it. */
bool action_vf_held(struct control *control, const struct pf *pf, uint32_t index);
bool action_pf_held(struct control *control, const struct pf *pf);

/* Whether an action is under way that takes the VFs of a PF away for a time. */
bool action_takes_vfs(struct db *db, const struct pf *pf);

/* SR-PCIM is gone: nobody waits for a verdict. */
void actions_orphan(struct control *control);
