/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions (R-CTL-2). The life of one:
 *
 *   transaction_begin(), _change()…   the entry is made in memory, before images from the map
 *   transaction_commit()
 *     1 saved      the entry is appended and, for a durable one, on disk (one fdatasync)
 *     2 validated  every before image still is what the map says
 *     3 applied    all after images go into the map, or none: then an UNDONE entry is written
 *   the caller's effects: messages to lead, TCB, SR-PCIM, command
 *   transaction_begin(…, AUDIT_APPLIED or AUDIT_UNDONE) with the first one's number, when the
 *   effect's result is known
 *
 * A refused request never gets as far as 1: it changes nothing, the log included. If control dies
 * between 1 and 3, replay does 2 and 3. Only one transaction is in the making at a time.
 *
 * Entries that only note what was observed (a result, what was handed on) are not durable by
 * themselves: the kill of control does not lose them, and after a power cut nothing runs anyway.
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
 * log's: fatal() was called. */
int transaction_commit(struct control *control, bool durable);

/* The request's number among the committed ones; 0: it is new. */
uint64_t request_known(const struct control *control, const struct wire_header *request);
void request_remember(struct control *control, const struct audit_entry *entry);
