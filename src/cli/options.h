/* SPDX-License-Identifier: Apache-2.0 */
/* A verb's options: a table. --json, --reason, --socket and --help are every verb's. */
#pragma once

#include "cli.h"

enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char * */
    OPTION_SECONDS, /* uint32_t, milliseconds: "30", "1.5" */
};

struct option_row {
    const char *name; /* without -- */
    enum option_kind kind;
    void *value;
};

#define OPTIONS_HELP (-1)

/*
 * Takes the options out of argv; what is left begins at argv[1], *argc counts it. 0, CLI_USAGE
 * (said on standard error), or OPTIONS_HELP: the help was asked for and printed.
 */
int options_parse(struct cli *cli, const struct option_row *rows, size_t rows_count, int *argc,
                  char **argv);

/* The verb's help on standard output. */
void options_help(const struct verb *verb);
