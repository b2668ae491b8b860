/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AER errors, as the TCB reads the kernel's counts: each rise of the uncorrectable ones is an entry
 * in the audit log. Correctable ones may come by the thousand: one when there is a first, then when
 * their number has doubled. Those of a VF are told as news of the partition that has it; whether
 * its monitor was told, by VFIO, the monitor says itself. What they do to readiness is SR-PCIM's.
 *
 * The first counts that are heard of a function after control's start, or its own, say nothing.
 */
#pragma once

#include "control.h"

/* Both before the new counts are taken over. */
void errors_of_pf(struct control *control, const struct pf *pf, const struct error_counts *now);
void errors_of_vf(struct control *control, const struct vf *vf, const struct error_counts *now);
