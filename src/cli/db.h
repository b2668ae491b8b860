/* SPDX-License-Identifier: Apache-2.0 */
/* `parclose db`: check the resource database, live or on files; cut a damaged log's end off. */
#pragma once

#include "cli.h"

/* What a check found; both are arrays of strings, owned. */
struct findings {
    json_t *differences; /* what is wrong */
    json_t *skipped;     /* what could not be compared, and why */
    json_t *facts;       /* an object: what was looked at */
};

__attribute__((format(printf, 2, 3))) void finding(json_t *list, const char *format, ...);

/*
 * Compares what control says with what is. `root`: "" or a tree that has proc and sys, for tests.
 * An exit code: CLI_OK also when there are differences.
 */
int db_check_live(const struct cli *cli, const char *root, struct findings *findings);

/* Verifies the files, and has control's executable build the map from them and prove it. */
int db_check_files(const struct cli *cli, const char *directory, const char *control,
                   struct findings *findings);

/* `db cut`. */
int db_cut(const struct cli *cli, const char *directory, const char *before, bool yes);
