/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted of devices since this process began, for the snapshot and by way of it for
 * metrics: no transaction, no audit entry; a new control begins at 0.
 *
 * A PF's time to recover is from the word that it is not ready any more to the word that it is.
 * That SR-PCIM judges anew, or that an administrator disables it, is no loss. A VF's outage is the
 * time in which a guest that runs has it and its PF is not ready, or it was reset under it.
 */
#pragma once

#include "control.h"

/* The PF's readiness was processed. */
void counts_readiness(struct control *control, struct pf *pf);

/* A rung was taken for these PFs, one call each. */
void counts_rung(struct pf *pf, enum rung rung);

/* Begins and ends the outages of all VFs, as it is now. */
void counts_look(struct control *control);
