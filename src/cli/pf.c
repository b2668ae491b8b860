/* SPDX-License-Identifier: Apache-2.0 */
/* Orders about PFs and SR-PCIM: asked of control, answered when they are over. */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "format.h"
#include "options.h"

/* Asks; `pf` NULL: of no PF. */
static int order(const struct cli *cli, const char *what, const char *pf, bool force)
{
    json_t *answer, *request = request_once(cli, cli->verb->name, NULL);

    json_object_set_new(request, "order", json_string(what));
    json_object_set_new(request, "force", json_boolean(force));
    if (pf)
        json_object_set_new(request, "pf", json_string(pf));
    int code = ask(cli, request, &answer, NULL);
    if (code)
        return code;
    if (cli->json)
        print_json(answer);
    else
        puts(text_of(answer, "text"));
    json_decref(answer);
    return fflush(stdout) ? CLI_FAILED : CLI_OK;
}

static bool is_order(const char *word)
{
    static const char *const words[] = {"restart", "reset",   "disable",
                                        "enable",  "idle-on", "idle-auto"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(word, words[i]))
            return true;
    return false;
}

static int run_pf(struct cli *cli, int argc, char **argv)
{
    bool force = false;
    const struct option_row options[] = {{"force", OPTION_FLAG, &force}};
    int worst = options_parse(cli, options, 1, &argc, argv);

    if (worst)
        return worst;
    if (argc < 3 || !is_order(argv[1]))
        return cli_usage(cli, "expected restart, reset, disable, enable, idle-on or idle-auto, and "
                              "a card's name or address");
    for (int i = 2; i < argc; i++) {
        int code = order(cli, argv[1], argv[i], force);
        if (code > worst)
            worst = code;
    }
    return worst;
}

static int run_sr_pcim(struct cli *cli, int argc, char **argv)
{
    bool force = false;
    const struct option_row options[] = {{"force", OPTION_FLAG, &force}};
    int code = options_parse(cli, options, 1, &argc, argv);

    if (code)
        return code;
    if (argc != 2 || strcmp(argv[1], "reset") != 0)
        return cli_usage(cli, "expected reset");
    return order(cli, "reset", NULL, force);
}

const struct verb verb_pf = {
    .name = "pf",
    .arguments = "restart|reset|disable|enable|idle-on|idle-auto CARD|ADDRESS...",
    .summary = "restart, reset, disable or enable a PF; never while a VF of it is in use; its "
               "power when it is idle",
    .help = "  restart         its driver is unbound and bound again\n"
            "  reset           VFs destroyed, driver unbound, function-level reset, driver bound\n"
            "                  Either way the PF's own interface or disk goes away meanwhile, and\n"
            "                  its VFs are made anew; the answer says how long it all took.\n"
            "  disable         VFs destroyed, driver unbound; no VFs are made until it is enabled\n"
            "  enable          driver bound, VFs made\n"
            "  idle-auto       it may sleep while no partition has or waits for a VF of it; its\n"
            "                  interface goes down then, unless the host uses it\n"
            "  idle-on         it is kept awake, as it is by default\n"
            "  --force         though the host itself uses the PF (an address, a mount …); root\n",
    .run = run_pf,
};

const struct verb verb_sr_pcim = {
    .name = "sr-pcim",
    .arguments = "reset",
    .summary = "restart SR-PCIM, and reset the PFs of which no VF is in use",
    .help = "  --force         those that the host itself uses, too; root\n",
    .run = run_sr_pcim,
};
