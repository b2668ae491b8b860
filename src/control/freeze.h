/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition whose definition says on-outage="freeze" and that has lost a PF behind one of its VFs
 * (outage.h) stands still while the PF is being recovered: its vCPUs are frozen, by the same order
 * to lead that the gate has (DETACH), and thawed (ATTACH) when there is nothing to wait for:
 *
 *   LOST(net0), running → entries "outage begun", "freeze begun" → DETACH
 *   READY(net0)         → entries "outage applied", "freeze applied" with the milliseconds → ATTACH
 *   net0 in error       → entry "freeze applied" → ATTACH: the ladder is spent, nobody tries any
 *                         more, and what can be done without net0 only the guest knows
 *   stop, shutdown      → its entry ends the freeze, too → ATTACH, STOP: a frozen guest could not
 *                         see its power button. One that is forced is ended frozen or not
 *   on-outage="continue" is defined while it is frozen → as READY
 *
 * Its attach stands all the while: it is not the gate that shut. What is committed is the time
 * since when it is frozen, in its running data, so it outlives control; what is due follows from
 * that and from what lead says. Nothing has to be remembered of a freeze that is ordered and not
 * answered:
 *
 *   LOST → DETACH → READY → ATTACH before lead answers DETACH: lead answers the latest of the two
 *   LOST → "freeze begun", control dies before DETACH goes: lead says "thawed" → DETACH
 *   frozen, lead dies: its successor says "frozen" → nothing; READY meanwhile → ATTACH
 *   frozen, control dies: a PF that is not judged yet neither ends it nor begins it
 *
 * Not frozen: the monitor, which goes on serving hot-plug, mends VFs, and keeps the guest's
 * watchdog from counting. A VF that is to be given up by its guest is asked for after the thaw.
 */
#pragma once

#include "control.h"

/* Begins or ends it, by what is: at each event, as often as one likes; after outage_follow(). */
void freeze_follow(struct control *control, struct partition *partition);

/* Orders lead what is due. */
void freeze_drive(struct control *control, struct partition *partition);

/* In running data that is about to be committed: it is over. How long it lasted, ms; 0: none was.
 */
uint64_t freeze_end(const struct control *control, struct partition_run *run);

/* Whether it is frozen for an outage. */
bool freeze_stands(const struct partition *partition);
