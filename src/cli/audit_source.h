/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the audit log is read from: the service passes its newest segments on; root may read the
 * directory itself, or one segment's file.
 */
#pragma once

#include "cli.h"
#include "store/audit_reader.h"

#define AUDIT_DIRECTORY "/var/lib/parclose/control"

struct audit_source {
    const struct cli *cli;
    const char *path; /* a directory or a segment's file; NULL: the service is asked */
    int *fds;         /* segments, oldest first */
    size_t count;
};

/* Exit codes; what is wrong has been said. The source is to be closed in any case. */
int audit_source_open(struct audit_source *source);

/* A reader from the beginning; any number of them on one source. */
int audit_source_reader(const struct audit_source *source, struct audit_reader **reader);

/* For a reader at the end of a segment that is sealed: goes on with the files as they are now.
 * WATCH_ON: they cannot be had just now, nothing was said. */
int audit_source_renew(struct audit_source *source, struct audit_reader *reader);

/* What is wrong at a place, on standard error. Returns CLI_FAILED. */
int audit_source_damaged(const struct audit_place *place);

void audit_source_close(struct audit_source *source);
