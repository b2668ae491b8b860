/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "connection.h"
#include "format.h"
#include "options.h"

static void print_lines(const json_t *lines, FILE *file)
{
    const json_t *line;
    size_t i;

    json_array_foreach(lines, i, line) fprintf(file, "%s\n", json_string_value(line));
}

/* A bad file is no refusal of the whole: {"ok": false, "problems": […]} has no errno. */
static int answered(const struct cli *cli, const json_t *answer)
{
    const json_t *problems = json_object_get(answer, "problems");

    if (!problems)
        return refused(cli, answer);
    if (cli->json) {
        print_json(answer);
    } else {
        print_lines(json_object_get(answer, "changes"), stdout);
        fflush(stdout);
        print_lines(problems, stderr);
    }
    return json_array_size(problems) ? CLI_FAILED : CLI_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct connection connection;
    json_t *answer = NULL;
    int code = options_parse(cli, NULL, 0, &argc, argv);

    if (code)
        return code;
    if (argc > 1)
        return cli_usage(cli, "takes no argument");
    int error = connection_open(&connection, cli->socket);
    if (error)
        return unreachable(cli, error);
    json_t *request = request_new(cli, "reload", NULL);
    error = connection_send(&connection, request);
    if (!error && connection_receive(&connection, cli_now_ms() + 60000, &answer) != 1)
        error = -1;
    code = CLI_UNREACHABLE;
    if (error)
        cli_error("the connection was lost; the files may have been read");
    else
        code = answered(cli, answer);
    json_decref(request);
    json_decref(answer);
    connection_close(&connection);
    return code;
}

const struct verb verb_reload = {
    .name = "reload",
    .arguments = "",
    .summary = "read host.xml and the partitions' files anew",
    .help = "",
    .run = run,
};
