/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of devices.xml: other attributes for VFs of started partitions. Proposed by the TCB, which
 * found the file, judged and committed here, applied by the TCB, answered. One at a time.
 *
 *   EDIT → judged → one entry: the partitions' definitions, an action for each VF, the edit
 *        → ASSIGN, APPLY for each VF → APPLIED for each, one entry each
 *        → all went well: APPLIED entry → EDITED, 0
 *        → one did not: UNDONE entry with the old definitions, and an action for each VF
 *                       → ASSIGN, APPLY … APPLIED → entry → EDITED with the first error
 *
 * Example: net0's VFs 1 and 2 are to be in VLAN 7 and 9 (transaction 900). VF 1 is (901), VF 2 is
 * refused by the driver (902). 903 gives both definitions their old VLAN and has both VFs
 * configured again: VF 1 is written (904), VF 2 needs no write (905); 906 says UNDONE of 900.
 * Killed between any two of them, control replays how far it is: what has an action that is not
 * answered is applied again, which costs nothing when it was done; without any, it goes on.
 *
 * What an edit changes is the definition that is in force. The partition's file says what it is
 * when the partition is started the next time.
 */
#pragma once

#include "control.h"
#include "parclose/msg_control_tcb.h"

/* Its parts, for a transaction that changes more (apply.h): whether it may be, with the map as it
 * is; what it changes; what its undoing changes; and, committed, what others are told. */
int edit_judge(struct control *control, const struct tcb_edit *edit,
               char text[PARCLOSE_REASON_MAX]);
void edit_change(struct control *control, const struct tcb_edit *edit);
void edit_change_back(struct control *control);
void edit_changed(struct control *control);

/* Where the definition that is in force wants a VF of a started partition; NULL: nobody has it. */
const struct partition_vf *edit_wanted(struct db *db, struct bdf pf, uint32_t index,
                                       const struct partition **user);

/* Whether the latest edit has actions that are not answered. */
bool edit_under_way(const struct db *db);

void edit_propose(struct control *control, const struct tcb_edit *edit);

/* An action of it was answered: adds what that means for it to the entry in the making. */
void edit_answered(struct control *control, const struct tcb_applied *result);

/* Goes on with it when no action of it is under way any more. */
void edit_settle(struct control *control);
