/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What control says to the TCB and to SR-PCIM about cards and VFs: always from the map, so that a
 * new link and a change say the same.
 */
#pragma once

#include "control.h"

/* Everything, then SYNC: on a new link, and when the cards have changed. */
void tell_tcb(struct control *control);
void tell_pcim(struct control *control);

/* Owner and attributes of one partition's VFs to the TCB. */
void tell_assigns(struct control *control, const struct partition *partition);
void tell_assign(struct control *control, const struct pf *pf, uint32_t index,
                 const struct vf_attributes *attributes);

/* Whether its VFs are wanted and in use, to SR-PCIM. */
void tell_wants(struct control *control, const struct partition *partition);
void tell_want(struct control *control, const struct partition *partition, const struct pf *pf,
               uint32_t index, const struct vf_attributes *attributes);

/* The monitor of a partition has these VFs (NULL: none). Whether the host's kernel asks for one of
 * them, to both, when that has changed: who waits is seen beside the PF. */
void tell_requests(struct control *control, const struct partition *partition,
                   const struct vf_seat *seats);

/* One committed action to the TCB. */
void tell_action(struct control *control, const struct action *action);
