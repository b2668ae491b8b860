/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names/names.h"
#include "store/audit_text.h"
#include "table.h"

struct audit_names *audit_names_new(void)
{
    return calloc(1, sizeof(struct audit_names));
}

const char *audit_name_of(const struct audit_names *names, uint64_t id)
{
    return id >= 1 && id <= PARCLOSE_MAX_PARTITIONS ? names->names[id - 1] : "";
}

void audit_names_set(struct audit_names *names, uint64_t id, const char *name)
{
    if (id >= 1 && id <= PARCLOSE_MAX_PARTITIONS)
        printable(name, names->names[id - 1], sizeof(names->names[0]));
}

static void learn(struct audit_names *names, const struct audit_change *change)
{
    const struct partition_config *config = audit_change_after(change);
    char name[PARCLOSE_NAME_MAX] = "";

    if (change->kind != RESOURCE_PARTITION)
        return;
    if (config)
        snprintf(name, sizeof(name), "%.*s", (int)sizeof(config->name) - 1, config->name);
    audit_names_set(names, change->key[0], name);
}

void audit_names_learn(struct audit_names *names, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    while ((change = audit_entry_next(entry, change)))
        learn(names, change);
}

static void partition_text(const struct audit_names *names, uint64_t id, char *text, size_t size)
{
    const char *name = audit_name_of(names, id);

    if (name[0])
        snprintf(text, size, "partition %s", name);
    else
        snprintf(text, size, "partition %" PRIu64, id);
}

void audit_owner_text(const struct audit_names *names, const struct owner *owner, char *text,
                      size_t size)
{
    if (owner->kind == OWNER_GUEST)
        partition_text(names, owner->partition.value, text, size);
    else
        snprintf(text, size, "%s", name_of_owner(owner->kind));
}

void audit_names_resource(const struct audit_names *names, const struct audit_change *change,
                          char *text, size_t size)
{
    char partition[64];

    partition_text(names, change->key[0], partition, sizeof(partition));
    if (change->kind == RESOURCE_PARTITION)
        snprintf(text, size, "definition of %s", partition);
    else if (change->kind == RESOURCE_RUN)
        snprintf(text, size, "%s", partition);
    else if (change->kind == RESOURCE_CHANNEL)
        snprintf(text, size, "console of %s", partition);
    else
        audit_resource_text(change, text, size);
}
