/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs that are reset under their guests: a reset of the PF that nobody asked us about takes the
 * registers of all its VFs, carrier stays up, and no message says so. The monitor of each notices
 * and marks it (VF_RESET); what follows is driven by that mark alone, which only a mended VF loses.
 * So whoever dies on the way, the next one finds it.
 *
 *   monitor   marks the VF
 *   control   notes it in the audit log, tells SR-PCIM (WANT, reset)
 *   SR-PCIM   judges the PF as not ready, proposes PF_RENEW
 *   control   commits it; TCB: what the driver table says, attributes, refused while a VF works
 *   control   VF_MEND to the monitors; each VF without its mark is noted with its outage
 *
 * VF_MEND goes to every monitor with a VF of the PF, marked or not: one whose mark was still to
 * come would be alone with it, and the PF is not renewed while others work. When the TCB refuses
 * because of those, the marked ones are mended without it: their PF was renewed for the others.
 *
 * A guest cannot reach the mark. A monitor that lies about it makes itself no more than a nuisance:
 * the TCB refuses while another VF works, and a PF is renewed once in 10 s.
 */
#pragma once

#include "control.h"

/* A monitor's word was taken: notes what is new about its VFs. */
void resets_follow(struct control *control, struct partition *partition);

/* Why the PF is not to be renewed now; NULL: it is. */
const char *resets_refusal(struct control *control, const struct pf *pf);

/* PF_RENEW was answered. */
void resets_renewed(struct control *control, struct bdf pf, int error);

/* The partition's VFs are nobody's concern any more. */
void resets_forget(struct control *control, const struct partition *partition);
