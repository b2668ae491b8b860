/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs of a partition that runs come and go: its definition changes, and nothing in it but the VFs.
 * One that waits before the gate has them already: it, too, loses one that its PF has lost, and
 * gets it back, and does not pass the gate without it. What is due follows from the map and from
 * what its monitor says, so nothing else is remembered:
 *
 *   in its definition  its own  on the guest's bus   due
 *   yes                yes      no                   once the gate lets it through: VF_ADD
 *   yes                yes      yes                  nothing
 *   no                 yes      yes                  VF_REMOVE: asked for, and taken in the end
 *   no                 yes      no                   back to the interconnect, one transaction
 *   stands by          yes      yes                  VF_REMOVE: another VF took its place
 *   stands by          yes      no                   nothing (failover.h)
 *   yes, lost          yes      yes                  VF_REMOVE at once: its PF is to be restarted
 *                                                    (outage.h); then it is one that comes
 *   yes, and the       yes      yes                  VF_REMOVE at once, if its guest has not begun
 *   kernel wants it                                  with it; then it is one that comes
 *
 * A VF that comes passes the same judgement as those of a start: its PF is ready and it is active
 * (gate_vf_trouble). Until then it waits, is the partition's own, and the guest goes on.
 *
 * Example: net0's PF is down when VF 3 is added. Entry 40 (define) makes it the partition's;
 * SR-PCIM activates it when the PF is back; its READY drives VF_ADD; control dies here: its
 * successor hears of lead that the VF is on the bus, or orders VF_ADD again, which lead and monitor
 * answer alike. VF 3 leaves the definition, entry 52, while the VF_ADD is not answered: nothing is
 * given back before it is; then VF_REMOVE; when lead says that it is gone, entry 53 gives it back.
 */
#pragma once

#include "drive.h"

#define HOTPLUG_REMOVE_MS 30000 /* for the guest to give a VF up; as for stop */

struct hotplug_vfs {
    uint32_t count;
    struct {
        const struct pf *pf;
        uint32_t index;
    } vfs[2 * PARCLOSE_MAX_PARTITION_VFS];
};

/* VFs that it owns and its definition does not name. */
struct hotplug_vfs hotplug_leaving(struct db *db, const struct partition *partition);

/* A VF of its definition that waits to come, or stands by: it is not its monitor's. */
bool hotplug_pending(struct db *db, const struct partition *partition, const struct pf *pf,
                     uint32_t index);

/* The first VF that one that waits, and is complete otherwise, must have and has not; NULL: none.
 */
const struct partition_vf *hotplug_missing(struct db *db, const struct partition *partition);

/* A VF of its definition whose place was taken (failover.h), and that its monitor still has. */
bool hotplug_going(struct db *db, const struct partition *partition, const struct pf *pf,
                   uint32_t index);

/* How long its guest has to give up the VF that is asked for: one that does not answer any more is
 * taken at once. */
uint32_t hotplug_patience_ms(struct db *db, const struct partition *partition);

/* Its parts, for a transaction that changes more: whether it may be, with the map as it is; what
 * it changes; and, committed, what others are told. `old`: the definition before. */
int hotplug_judge(struct control *control, const struct partition *partition,
                  const struct partition_config *config, char text[PARCLOSE_REASON_MAX]);
void hotplug_change(struct control *control, const struct partition *partition,
                    const struct partition_config *config);
void hotplug_changed(struct control *control, struct partition *partition,
                     const struct partition_config *old);

/* How many VFs that one definition names and not the other are still on their way: one that comes
 * is not on the guest's bus, one that goes is the partition's. Other VFs do not count, whatever
 * happens to their PFs; nor does one that stands by (failover.h). `to` is what is in force. 0 for
 * one that does not run: it starts with what its definition names. `text`: what the first of them
 * waits for. */
uint32_t hotplug_moving(struct db *db, const struct partition *partition,
                        const struct partition_config *from, const struct partition_config *to,
                        char text[PARCLOSE_REASON_MAX]);

/* DEFINE of a started partition. -EBUSY: more than its VFs differ, or it does not run. */
int hotplug_define(struct control *control, struct partition *partition,
                   const struct control_partition_define *request, char text[PARCLOSE_REASON_MAX]);

/* What a partition that runs waits for, one line; "": nothing. */
void hotplug_waiting(struct db *db, const struct partition *partition,
                     char text[PARCLOSE_REASON_MAX]);

/* Does what is due: at most one order of each kind is under way. */
void hotplug_drive(struct control *control, struct partition *partition);

/* Lead's answer to one. A VF that was taken by force is in the log, and the reason that status has
 * until the partition ends. */
void hotplug_result(struct control *control, struct partition *partition, enum order order,
                    const struct lead_result *message);

/* Tells TCB and SR-PCIM whose these VFs are now. */
void hotplug_tell(struct control *control, const struct partition *partition,
                  const struct hotplug_vfs *vfs);
