/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASON_MAX  63
#define SECONDS_MAX 86400

void options_help(const struct verb *verb)
{
    printf("usage: parclose %s [OPTION]... %s\n%s\n\n%s"
           "  --json          JSON instead of a table\n"
           "  --reason TEXT   why, for the audit log\n"
           "  --socket PATH   of the service; default /run/parclose/command.sock\n"
           "  --help          this\n\n"
           "exit: 0 ok, 1 refused or failed, 2 usage, 3 not running or not reachable, 4 time-out\n",
           verb->name, verb->arguments, verb->summary, verb->help);
}

static int take_seconds(const struct cli *cli, const char *name, const char *text, uint32_t *value)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end || !isfinite(seconds) || seconds < 0 || seconds > SECONDS_MAX)
        return cli_usage(cli, "--%s %s: expected seconds, 0 to %d", name, text, SECONDS_MAX);
    *value = (uint32_t)(seconds * 1000);
    return 0;
}

static int take_value(const struct cli *cli, const struct option_row *row, const char *text)
{
    if (row->kind == OPTION_SECONDS)
        return take_seconds(cli, row->name, text, row->value);
    *(const char **)row->value = text;
    return 0;
}

static const struct option_row *find(const struct option_row *rows, size_t count, const char *name,
                                     size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(rows[i].name) == length && !strncmp(rows[i].name, name, length))
            return &rows[i];
    return NULL;
}

/* One option at argv[*at]; moves *at onto its value when that is a word of its own. */
static int take_option(struct cli *cli, const struct option_row *rows, size_t rows_count, int argc,
                       char **argv, int *at)
{
    const struct option_row common[] = {{"json", OPTION_FLAG, &cli->json},
                                        {"reason", OPTION_TEXT, &cli->reason},
                                        {"socket", OPTION_TEXT, &cli->socket}};
    const char *name = argv[*at] + 2, *value = strchr(name, '=');
    size_t length = value ? (size_t)(value - name) : strlen(name);
    const struct option_row *row = find(rows, rows_count, name, length);

    if (!row)
        row = find(common, sizeof(common) / sizeof(common[0]), name, length);
    if (!row)
        return cli_usage(cli, "there is no option %s", argv[*at]);
    if (row->kind == OPTION_FLAG && value)
        return cli_usage(cli, "--%s takes no value", row->name);
    if (row->kind == OPTION_FLAG) {
        *(bool *)row->value = true;
        return 0;
    }
    if (!value && *at + 1 >= argc)
        return cli_usage(cli, "--%s needs a value", row->name);
    return take_value(cli, row, value ? value + 1 : argv[++*at]);
}

int options_parse(struct cli *cli, const struct option_row *rows, size_t rows_count, int *argc,
                  char **argv)
{
    int kept = 1;
    bool options = true;

    for (int i = 1; i < *argc; i++) {
        if (options && !strcmp(argv[i], "--")) {
            options = false;
        } else if (options && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) {
            options_help(cli->verb);
            return OPTIONS_HELP;
        } else if (options && !strncmp(argv[i], "--", 2)) {
            int error = take_option(cli, rows, rows_count, *argc, argv, &i);
            if (error)
                return error;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            return cli_usage(cli, "there is no option %s", argv[i]);
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    if (cli->reason && strlen(cli->reason) > REASON_MAX)
        return cli_usage(cli, "--reason: at most %d bytes", REASON_MAX);
    return 0;
}
