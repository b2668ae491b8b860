/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions (R-CTL-2). The life of one:
 *
 *   transaction_begin(), _change()…   the entry is made in memory, before images from the map
 *   transaction_commit()
 *     1 saved      the entry is appended to the log; a durable one opens a group (outbox.h)
 *     2 validated  every before image still is what the map says
 *     3 applied    all after images go into the map, or none: then an UNDONE entry is written
 *   the caller's effects: messages to lead, TCB, SR-PCIM, command; they wait in the outbox
 *   the group ends: one fdatasync makes all its entries durable, then the messages go
 *   transaction_begin(…, AUDIT_APPLIED or AUDIT_UNDONE) with the first one's number, when the
 *   effect's result is known
 *
 * A refused request never gets as far as 1: it changes nothing, the log included. Only one
 * transaction is in the making at a time, and no other message is handled meanwhile: transactions
 * are serial, in the order of their numbers. What can be concurrent is their *selection*, which
 * command makes from a snapshot; so 2 never fails for a request, and a request that was made from a
 * map that is no more is refused before 1 (lifecycle.h, stale selections).
 *
 * Entries that only note what was observed (a result, what was handed on) are not durable by
 * themselves: the kill of control does not lose them, and after a power cut nothing runs anyway.
 *
 * Example 1, two clients and one VF. Both read snapshot 40, in which VF 2 of net0 is free.
 *   a  START web {net0:2} of 40    → entry 812: VF 2: interconnect → web; RESULT 0 (812) waits
 *   b  START db  {net0:2} of 40    → the map says web: -EBUSY, which waits, too: it tells of 812
 *   group ends: fdatasync; a hears 812, b hears who has the VF. If the host loses its power before
 *   the fdatasync, neither has heard anything, and both ask again: whoever asks first gets it.
 *
 * Example 2, control is killed, or the power is cut (✂), at each step of a's START, request 7:
 *   entry is appended       ✂ killed: the kernel has the page; replay applies 812, command sends 7
 *                             again on the new link, 7 is known, RESULT 0 (812)
 *                           ✂ power cut: 812 is on the disk or not; nobody was told either way
 *   fdatasync               ✂ 812 is there; command, if it still is, asks again: RESULT 0 (812)
 *   ASSIGN to TCB           ✂ on the new link the TCB is told all owners; the same ones change
 *                             nothing
 *   CREATE to lead          ✂ lead says whether it has a monitor of 812: then the effect is whole,
 *                             else CREATE again with the same id (recovery.h has all cases)
 *   RESULT to command       ✂ 7 is not sent again; if it is, it is known
 */
#pragma once

#include "control.h"

void transaction_begin(struct control *control, enum audit_kind kind, enum audit_phase phase,
                       uint64_t refers_to);

/* Who asked; control itself when never called. `requester` may be NULL. */
void transaction_who(struct control *control, enum process_kind process,
                     const struct requester *requester);

/* The request that it answers: remembered by id. */
void transaction_request(struct control *control, const struct wire_header *request);

__attribute__((format(printf, 2, 3))) void transaction_text(struct control *control,
                                                            const char *format, ...);

/* One resource's new image; NULL: it ceases to exist. Errors are kept for the commit. */
void transaction_change(struct control *control, enum resource_kind kind, uint64_t key0,
                        uint64_t key1, const void *after);
void transaction_memory(struct control *control, uint32_t node, uint64_t offset, uint64_t bytes,
                        struct owner after);
void transaction_run(struct control *control, const struct partition *partition,
                     const struct partition_run *after);
void transaction_vf(struct control *control, const struct pf *pf, uint32_t index,
                    struct owner after);

/* The number that the entry in the making will get. */
uint64_t transaction_number(const struct control *control);

/* 0; -ENOSPC: the disk is full, -E2BIG: too large; nothing was changed. Other errors are the
 * log's: fatal() was called. A durable one is so at the end of its group, before which nobody
 * hears of it. */
int transaction_commit(struct control *control, bool durable);

/* The request's number among the committed ones; 0: it is new. */
uint64_t request_known(const struct control *control, const struct wire_header *request);
/* The same by id and type alone: whoever asks again has chosen other words. */
uint64_t request_known_by_id(const struct control *control, uint64_t id, uint32_t type);
void request_remember(struct control *control, const struct request_image *request);
void request_remember_entry(struct control *control, const struct audit_entry *entry);
