/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "connection.h"
#include "format.h"
#include "options.h"
#include "plan_print.h"
#include "proposal.h"

static int conclude(const struct cli *cli, const json_t *plan, bool restart)
{
    size_t count = json_array_size(json_object_get(plan, "items"));
    bool no = true_of(plan, "refused");

    if (cli->json) {
        print_json(plan);
    } else {
        plan_print(plan, restart);
        if (!count)
            printf("nothing to do: all of it is in force\n");
        else
            printf("plan %s: %zu change%s%s\n", text_of(plan, "plan"), count, count > 1 ? "s" : "",
                   no ? "; refused" : "");
    }
    fflush(stdout);
    if (no)
        return CLI_FAILED;
    return count ? CLI_CHANGES : CLI_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    bool restart = false;
    const struct option_row options[] = {{"restart", OPTION_FLAG, &restart}};
    int file, code = options_parse(cli, options, 1, &argc, argv);
    json_t *answer;

    if (code)
        return code;
    if (argc < 2)
        return cli_usage(cli, "expected one file or more");
    code = proposal_files(cli, argv + 1, argc - 1, &file, NULL);
    if (code)
        return code;
    json_t *request = request_new(cli, "plan", NULL);
    json_object_set_new(request, "restart", json_boolean(restart));
    code = ask_with(cli, request, file, &answer);
    close(file);
    if (!code)
        code = conclude(cli, answer, restart);
    json_decref(answer);
    return code;
}

const struct verb verb_plan = {
    .name = "plan",
    .arguments = "FILE...",
    .summary = "what files would change, and what guests would lose; changes nothing",
    .help = "  --restart       as if partitions may be restarted for it\n"
            "  exit 0: nothing to do; 5: changes; 1: something is refused\n",
    .run = run,
};
