/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proposal is applied: the host's configuration, definitions, attributes of VFs, all in one
 * transaction or nothing. Definitions of partitions that do not run are stored; those of others
 * have their VFs come and go (hotplug.h); attributes are an edit (edit.h) of the same transaction.
 * What the devices and guests make of it takes time, and may fail: until then it is on trial.
 *
 *   APPLY → judged → one entry: host, definitions, owners, actions, the apply
 *         → nothing has to move: DONE
 *         → TRIAL: VFs move, attributes are set
 *              → each VF that it moves is where it belongs, the edit is DONE: entry, DONE
 *              → the edit failed (and undid itself), or a VF is not there when its time is over:
 *                  entry with all images before it → UNDOING → VFs move back → entry, UNDONE
 *
 * A partition that was stopped for it (`restarted`) must run for it to be done; one that fails, or
 * is not there in time, undoes it. It is ended then, before anything is given back; that it is to
 * be is committed first (an error beside TRIAL).
 *
 * Whether a VF is where it belongs is asked of the VFs that it moves and of no others: one of
 * another PF that is lost meanwhile undoes nothing.
 *
 * The images before are those of its own entry in the log. Control keeps a copy of it as long as it
 * is on trial (`trial`), replay finds it again, and the log is not rotated meanwhile. So control
 * may be killed at any point: replay comes to the same state, and goes on from there. What would
 * make the way back impossible is refused during the trial: other definitions for its partitions,
 * their start, another host configuration, and any use of a VF that it took from somebody.
 *
 * The files under /etc/parclose are none of control's business, but the image of the apply is what
 * makes the new ones count: they are laid ready beside the old ones with the request's id before
 * control is asked, and whoever reads the configuration takes them as soon as control's latest
 * apply has that id and is not undone (src/command/staged.h). So old and new change places at the
 * instant at which the entry is on the disk, whenever and however often anybody dies.
 *
 * Example: web runs with net0/0 and is to have net1/3 instead; db is stopped and gets a kernel.
 * Entry 70: both definitions, net1/3 is web's, TRIAL. net0/0 leaves web (entry 71 gives it back),
 * net1's PF is lost: net1/3 does not come. Control is killed and replays 70 and 71. After 90 s,
 * entry 73: both definitions as before 70, net0/0 is web's again (nobody else could have it);
 * UNDOING. net1/3, which never came, is given back by 74, net0/0 is on web's bus: 75, UNDONE.
 */
#pragma once

#include "control.h"
#include "parclose/proposal.h"

#define APPLY_COME_NS UINT64_C(60000000000) /* for all VFs that come, and all attributes */
#define APPLY_GO_NS                                                                                \
    UINT64_C(35000000000) /* more for each VF that goes: HOTPLUG_REMOVE_MS and 5 s */

/* How long a control that was started anew hears others before it holds a deadline against them. */
#define APPLY_HEAR_NS UINT64_C(10000000000)

/* Refuses with a negative errno and, in `text`, what is wrong: nothing is changed then. -ESTALE:
 * something is not as the plan's snapshot said. 0: it is committed. */
int apply_begin(struct control *control, const struct control_apply *request,
                const struct proposal *proposal, char text[PARCLOSE_REASON_MAX]);

/* Whether the latest is on trial or being undone. */
bool apply_under_way(const struct db *db);

/* What it waits for, or what failed; "". */
void apply_text(struct control *control, char text[PARCLOSE_REASON_MAX]);

/* -EBUSY when it would be in the way of one that is under way: a partition (NULL: a new one) gets
 * another definition, is started; the host is configured; a VF that is nobody's is taken by
 * somebody who had it not. */
int apply_frees_partition(const struct control *control, const struct partition *partition,
                          char text[PARCLOSE_REASON_MAX]);
int apply_frees_start(const struct control *control, const struct partition *partition,
                      char text[PARCLOSE_REASON_MAX]);
int apply_frees_host(const struct control *control, char text[PARCLOSE_REASON_MAX]);
int apply_frees_vf(const struct control *control, const struct partition *partition,
                   const struct partition_vf *wanted, char text[PARCLOSE_REASON_MAX]);

/* An entry was applied, or replayed: if it is an apply, it is kept, or given up. */
void apply_note(struct control *control, const struct audit_entry *entry);

/* It is committed: others are told what it changed. For its own files. */
void apply_changed(struct control *control, bool host, bool edit);

/* Goes on with it when there is something to go on with. Called at leisure after every event, and
 * at its deadline. */
void apply_settle(struct control *control);
