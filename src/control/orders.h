/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders of an administrator about devices: a PF is restarted or reset, SR-PCIM is reset (R-RST-1).
 *
 *   ORDER → judged → one entry: the order, an action for each PF → APPLY to the TCB, for SR-PCIM
 *           RESTART to boot, too
 *         → APPLIED for each action, one entry each; the last one: what is waited for now is that
 *           the PFs are ready again, and SR-PCIM there and heard
 *         → one entry, RESULT with what was done and how long it took
 *
 * Reset of SR-PCIM. VFs in use are counted for each PF. A PF of which one is in use is left alone;
 * every other one is reset, too. What is configured stays in the map, owners and attributes of VFs
 * included: the TCB and the next SR-PCIM are told it, and associate it again. The same resets are
 * made by the third rung of the ladder, and when boot has to end an SR-PCIM that gives no sign of
 * life. One that dies by itself or is restarted by the second rung touches no device: the next one
 * finds all as it was.
 *
 * Example: net0's VF 3 is web's, net1 and disk0 have nobody. Transaction 700 is the order with
 * PF_RESET of net1 and disk0. Boot ends SR-PCIM; net1 (701) is reset; disk0 is refused, as a file
 * system of the host is on it (702). The next SR-PCIM judges all three, proposes net1's VFs (703);
 * net1 is ready (704): "SR-PCIM restarted …; reset: net1; VFs in use: net0; spared: disk0: …".
 *
 * Killed at any time: the order is in the log, its actions are applied again, which costs nothing
 * when they were done, and the request that is sent again waits for the same end, or finds it.
 */
#pragma once

#include "control.h"
#include "parclose/msg_control_tcb.h"

/* orders.c begins them and takes their answers, orders_end.c ends them; device_order.h says which
 * may begin. */

/* A request; answered now or when it is over. */
void orders_take(struct control *control, const struct control_order *request);

/* An edit of devices.xml that changes the state of a PF: an order, too, which EDITED answers.
 * False: it does not, and there is none of its id that is asked about. */
bool orders_edit(struct control *control, const struct tcb_edit *edit);

/* An action was answered: adds what that means for the order that it belongs to, if any, to the
 * entry in the making. */
void orders_answered(struct control *control, const struct action_image *action,
                     const struct tcb_applied *result);

/* Something was observed: ends those that are over. */
void orders_follow(struct control *control);

/* CLOCK_BOOTTIME at which the first that is under way is answered in any case; 0: none is. */
uint64_t orders_deadline(const struct control *control);

/* Adds a PF_RESET of each PF of which no VF is in use to the entry in the making, and tells the
 * TCB of all actions of a committed one. */
void orders_add_resets(struct control *control);
void orders_tell(struct control *control, uint64_t transaction);

/* Boot ended an SR-PCIM that gave no sign of life. */
void orders_pcim_hung(struct control *control);
