/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli.h"
#include "options.h"

static int run(struct cli *cli, int argc, char **argv)
{
    int code = options_parse(cli, NULL, 0, &argc, argv);

    if (code)
        return code;
    if (argc > 1)
        return cli_usage(cli, "takes no argument");
    printf(cli->json ? "{\"version\": \"%s\"}\n" : "parclose %s\n", PARCLOSE_VERSION);
    return CLI_OK;
}

const struct verb verb_version = {
    .name = "version",
    .arguments = "",
    .summary = "the version",
    .help = "",
    .run = run,
};
