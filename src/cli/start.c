/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "format.h"
#include "options.h"
#include "table.h"

/* What --wait has printed of a partition. */
struct progress {
    const struct cli *cli;
    const char *name;
    char told[320];
};

/* Prints a line when it is not the one that was printed last. */
static void tell(struct progress *progress, const char *text)
{
    char plain[sizeof(progress->told)];

    if (progress->cli->json || !strcmp(progress->told, text))
        return;
    snprintf(progress->told, sizeof(progress->told), "%s", text);
    printf("%s: %s\n", progress->name, printable(text, plain, sizeof(plain)));
    fflush(stdout);
}

static int ended(const struct progress *progress, const json_t *partition)
{
    const char *reason = text_of(partition, "reason");

    cli_error("%s: %s: %s", progress->name, text_of(partition, "phase"),
              reason[0] ? reason : text_of(partition, "exit"));
    return CLI_FAILED;
}

static int step(void *context, const json_t *report)
{
    struct progress *progress = context;
    const json_t *partition = json_object_get(report, "partition");
    const char *phase = text_of(partition, "phase");
    char waiting[320], text[360];

    if (!report) {
        tell(progress, "the service is restarting");
        return WATCH_ON;
    }
    if (!partition) {
        cli_error("%s: %s", progress->name, text_of(report, "text"));
        return CLI_FAILED;
    }
    if (!strcmp(phase, "failed") || !strcmp(phase, "defined"))
        return ended(progress, partition);
    waiting_text(partition, waiting, sizeof(waiting));
    snprintf(text, sizeof(text), "%s%s%s", phase, waiting[0] ? ": " : "", waiting);
    tell(progress, text);
    return !strcmp(phase, "running") ? CLI_OK : WATCH_ON;
}

static int wait_running(const struct cli *cli, const char *name, uint64_t deadline_ms)
{
    struct progress progress = {.cli = cli, .name = name};
    int code = watch(cli, name, deadline_ms, step, &progress);

    if (code == CLI_TIMEOUT)
        cli_error("%s: not running yet: %s", name,
                  progress.told[0] ? progress.told : "the time is over");
    return code;
}

static int start(const struct cli *cli, const char *name, bool wait, uint64_t deadline_ms)
{
    json_t *answer;
    int code = ask(cli, request_once(cli, "start", name), &answer, NULL);

    if (code)
        return code;
    if (!cli->json)
        printf("%s: %s\n", name, true_of(answer, "already") ? "is started already" : "started");
    fflush(stdout);
    if (wait)
        code = wait_running(cli, name, deadline_ms);
    if (cli->json)
        print_json(answer);
    json_decref(answer);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    bool wait = false;
    uint32_t timeout_ms = UINT32_MAX;
    const struct option_row options[] = {{"wait", OPTION_FLAG, &wait},
                                         {"timeout", OPTION_SECONDS, &timeout_ms}};
    int worst = options_parse(cli, options, 2, &argc, argv);

    if (worst)
        return worst;
    if (argc < 2)
        return cli_usage(cli, "expected one partition or more");
    uint64_t deadline_ms = timeout_ms == UINT32_MAX ? NO_DEADLINE : cli_now_ms() + timeout_ms;
    for (int i = 1; i < argc; i++) {
        int code = start(cli, argv[i], wait, deadline_ms);
        if (code > worst)
            worst = code;
    }
    return worst;
}

const struct verb verb_start = {
    .name = "start",
    .arguments = "NAME...",
    .summary = "start partitions; each runs as soon as every PF behind its VFs is ready",
    .help = "  --wait          until it runs; prints what it waits for as that changes\n"
            "  --timeout S     of --wait, in seconds; then exit 4, and it goes on waiting\n",
    .run = run,
};
