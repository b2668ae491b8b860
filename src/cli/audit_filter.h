/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries of the audit log are wanted. */
#pragma once

#include "audit_names.h"
#include "cli.h"

struct audit_filter {
    /* as given; NULL: all */
    const char *since, *until, *partition, *kind, *user, *resource;
    /* from audit_filter_prepare() */
    uint64_t since_ns, until_ns; /* CLOCK_REALTIME; until_ns 0: no end */
    uint32_t uid;                /* of `user` */
};

/* Understands what was given: 0, or CLI_USAGE, said. */
int audit_filter_prepare(struct audit_filter *filter, const struct cli *cli);

/* `names` as they are before the entry. */
bool audit_filter_wants(const struct audit_filter *filter, const struct audit_names *names,
                        const struct audit_entry *entry);
