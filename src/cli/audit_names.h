/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partition has which number, as the audit log goes on: a number has its name from the entry
 * that defines it on, until another entry defines it anew.
 */
#pragma once

#include <stddef.h>

#include "store/audit_entry.h"

struct audit_names {
    char names[PARCLOSE_MAX_PARTITIONS][PARCLOSE_NAME_MAX]; /* of id - 1; "": none */
};

/* NULL: no memory; free() it. */
struct audit_names *audit_names_new(void);

/* "" when nobody has that number, or it is none. */
const char *audit_name_of(const struct audit_names *names, uint64_t id);

/* Cut when it is too long; a number that is none is ignored. */
void audit_names_set(struct audit_names *names, uint64_t id, const char *name);

/* What an entry defines. */
void audit_names_learn(struct audit_names *names, const struct audit_entry *entry);

/* "partition db", or "partition 3" when its name is not known; or "idle", …. */
void audit_owner_text(const struct audit_names *names, const struct owner *owner, char *text,
                      size_t size);

/* As audit_resource_text(), with partitions' names. */
void audit_names_resource(const struct audit_names *names, const struct audit_change *change,
                          char *text, size_t size);
