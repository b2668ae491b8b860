/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a log as opening does (audit_log.h says how) and finds where it ends; changes nothing on
 * disk. For opening and cutting.
 */
#pragma once

#include "store/audit_log.h"
#include "store/audit_scan.h"

struct audit_recovery {
    /* in */
    int directory;                       /* borrowed */
    uint64_t before;                     /* reads no entry from this on; UINT64_MAX: all */
    const struct audit_visitor *visitor; /* NULL: nobody is told */
    struct audit_opened *opened;         /* filled in */
    /* out, also after an error: */
    struct audit_chain chain; /* next: the first entry that was not read */
    uint64_t segment;         /* number of the last segment read; 0: none, the log is empty */
    int file;                 /* of that, for reading and writing; -1: none */
    uint64_t end;             /* offset in it where the next entry goes */
    enum audit_rest rest;     /* what is behind that; only when everything was read */
};

/* 0, -EUCLEAN, or another negative errno. audit_recovery_free() is due in any case. */
int audit_recovery_run(struct audit_recovery *recovery);
void audit_recovery_free(struct audit_recovery *recovery);
