/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VF of a definition may name a stand-by: a VF of another card (config.h). Both are the
 * partition's own from its start on; its guest has one of them. The other one is kept clean: as a
 * VF without attributes, so that no PF has its MAC address twice.
 *
 * When the PF of the one in use is in error, its ladder spent (ladder.h), and the other one's is
 * ready, the other one takes its place:
 *
 *   its partition runs   entry "failover", with a new descriptor; from then on both are as VFs
 *                        of a definition that changed (hotplug.h): VF_REMOVE of the one that was
 *                        in use, at once by force when it does not answer any more; the other one
 *                        gets the attributes from SR-PCIM, passes the gate, VF_ADD
 *   it waits, its VFs    entry "failover": the gate goes on with the other one
 *   not handed over
 *   it waits, its VFs    entry "failover", and its monitor begins anew before the gate: its guest
 *   handed over          has not run
 *
 * Nothing goes back by itself: the PF may fail again. Which is in use is running data, so it
 * outlives control and a reboot of the guest, and ends with the run: a start takes the firsts. A
 * definition without the stand-by lets a guest that runs go back; one that exchanges the two keeps
 * what is in use. If the PF of the one that took over is in error and the first's is ready, it is
 * the first's turn: each stands by for the other.
 *
 *   net0 in error, net1 ready, web runs with VF 0 of net0 and stand-by VF 3 of net1
 *   entry 70 "failover"        ✂ control dies: its successor orders VF_REMOVE of net0/0 when lead
 *                                has said that it is on the bus
 *   VF_REMOVE net0/0           ✂ ordered again; if it is gone, nothing
 *   ACTION 71 VF_ACTIVATE      ✂ applied again (recovery.h)
 *   VF_ADD net1/3              ✂ ordered again, or it is on the bus
 */
#pragma once

#include "control.h"

/* Does it when it is due: at each event, as often as one likes; before outage_follow(). */
void failover_follow(struct control *control, struct partition *partition);

/* Whether its guest has, or is to have, the VF of that number of the definition. */
bool failover_in_use(const struct partition *partition, uint32_t number);

/* The other one of a pair; NULL: it has no stand-by, and is none. */
const struct partition_vf *failover_mate(const struct partition *partition, uint32_t number);

/* As a definition: what its guest is to have of a VF now. None of one that is not in use. */
struct vf_attributes failover_attributes(const struct partition *partition, uint32_t number);

/* Whether the VF is named by the definition and not in use. */
bool failover_idle(struct db *db, const struct partition *partition, const struct vf *vf);

/* For running data that is about to be committed: what is in use now, by the numbers of another
 * definition. */
uint32_t failover_kept(const struct partition *partition, const struct partition_config *config);
