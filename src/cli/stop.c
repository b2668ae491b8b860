/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "format.h"
#include "options.h"

/* Beyond the guest's own time: until control and lead have cleaned up. */
#define CLEANUP_MS 30000

static int step(void *context, const json_t *report)
{
    const json_t *partition = json_object_get(report, "partition");
    const char *phase = text_of(partition, "phase");

    (void)context;
    if (!report)
        return WATCH_ON;
    return !partition || !strcmp(phase, "defined") || !strcmp(phase, "failed") ? CLI_OK : WATCH_ON;
}

static int stop(const struct cli *cli, const char *name, bool force, uint32_t timeout_ms, bool wait)
{
    json_t *answer, *request = request_once(cli, "stop", name);

    json_object_set_new(request, "force", json_boolean(force));
    json_object_set_new(request, "timeout_ms", json_integer(timeout_ms));
    int code = ask(cli, request, &answer, NULL);
    if (code)
        return code;
    if (wait)
        code = watch(cli, name, cli_now_ms() + timeout_ms + CLEANUP_MS, step, NULL);
    if (code == CLI_TIMEOUT)
        cli_error("%s: has not stopped yet", name);
    if (cli->json)
        print_json(answer);
    else if (code == CLI_OK)
        printf("%s: %s\n", name, wait ? "stopped" : "is being stopped");
    fflush(stdout);
    json_decref(answer);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    bool force = false, no_wait = false;
    uint32_t timeout_ms = 30000;
    const struct option_row options[] = {{"force", OPTION_FLAG, &force},
                                         {"no-wait", OPTION_FLAG, &no_wait},
                                         {"timeout", OPTION_SECONDS, &timeout_ms}};
    int worst = options_parse(cli, options, 3, &argc, argv);

    if (worst)
        return worst;
    if (argc < 2)
        return cli_usage(cli, "expected one partition or more");
    if (timeout_ms > 600000)
        return cli_usage(cli, "--timeout: at most 600 seconds");
    for (int i = 1; i < argc; i++) {
        int code = stop(cli, argv[i], force, timeout_ms, !no_wait);
        if (code > worst)
            worst = code;
    }
    return worst;
}

const struct verb verb_stop = {
    .name = "stop",
    .arguments = "NAME...",
    .summary = "stop partitions: the guest's power button first, then by force",
    .help = "  --force         at once\n"
            "  --timeout S     for the guest to end by itself; default 30\n"
            "  --no-wait       do not wait until it has stopped\n",
    .run = run,
};
