/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way on after an audit log was found damaged: its end is cut off, from an entry on, and kept
 * aside. Nobody may have the log open.
 *
 * Before entry K, which is in segment S: bytes of S from K on go to "cut.K"; later segments M and
 * snapshots of later than K are renamed to "cut.K.audit.M" and "cut.K.snapshot.M"; then S ends
 * before K. Each step is durable before the next; cut short, it can be done again.
 */
#pragma once

#include "store/audit_log.h"

struct audit_cut {
    uint64_t kept_last; /* the last entry that the log has now; 0: none */
    uint64_t lost;      /* entries that are whole but are cut off; the damaged ones not counted */
    uint64_t bytes;     /* kept aside */
    uint64_t files;     /* kept aside */
};

/*
 * What a cut before `entry` would do; changes nothing. -ENOENT: there is no such entry and no such
 * place; -ENODATA: what is left could not be opened (an entry before it is damaged, or neither a
 * snapshot nor entry 1 is left): cut earlier, at `opened.bad_entry`.
 */
int audit_cut_plan(int directory, uint64_t entry, struct audit_cut *cut,
                   struct audit_opened *opened);

/* Does it. Errors as above. */
int audit_log_cut(int directory, uint64_t entry, struct audit_cut *cut,
                  struct audit_opened *opened);
