/* SPDX-License-Identifier: Apache-2.0 */
/* An entry of the audit log on standard output: in short, whole, or as a JSON line. */
#pragma once

#include "audit_names.h"

/* A line, and one for each resource with what is different. */
void audit_print_short(const struct audit_names *names, const struct audit_entry *entry);

/* All of it, a line a field; `all`: those that did not change, too. `hash`: of the entry itself. */
void audit_print_whole(const struct audit_names *names, const struct audit_entry *entry,
                       const uint8_t hash[AUDIT_HASH_SIZE], bool all);

/* All of it on one line, with all fields of all images. */
void audit_print_json(const struct audit_names *names, const struct audit_entry *entry,
                      const uint8_t hash[AUDIT_HASH_SIZE]);
