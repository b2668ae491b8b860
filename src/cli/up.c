/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "format.h"
#include "options.h"
#include "service.h"
#include "table.h"

/* What was printed, so that only changes are. */
struct progress {
    bool quiet;
    char told[512];
};

static void tell(struct progress *progress, const char *text)
{
    char plain[sizeof(progress->told)];

    if (!strcmp(progress->told, text))
        return;
    snprintf(progress->told, sizeof(progress->told), "%s", text);
    if (!progress->quiet)
        puts(printable(text, plain, sizeof(plain)));
    fflush(stdout);
}

static void append(char *text, size_t size, const char *what)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used ? ", " : "", what);
}

static bool is_up(const json_t *processes, const char *name)
{
    const json_t *process;
    size_t i;

    json_array_foreach(processes, i,
                       process) if (!strcmp(text_of(process, "name"),
                                            name)) return !strcmp(text_of(process, "health"), "up");
    return false;
}

/* Names those of the infrastructure that are not up yet. */
static void missing_processes(const json_t *report, char *text, size_t size)
{
    static const char *const names[] = {"control", "tcb", "sr-pcim", "lead", "command"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!is_up(json_object_get(report, "processes"), names[i]))
            append(text, size, names[i]);
}

static bool settled(const json_t *partition)
{
    const char *phase = text_of(partition, "phase");

    return !true_of(partition, "autostart") || !strcmp(phase, "running") ||
           !strcmp(phase, "waiting") || !strcmp(phase, "frozen") || !strcmp(phase, "failed") ||
           strcmp(text_of(partition, "exit"), "none") != 0 ||
           text_of(partition, "autostart_problem")[0];
}

static void missing_partitions(const json_t *report, char *text, size_t size)
{
    const json_t *partition;
    size_t i;

    json_array_foreach(json_object_get(report, "partitions"), i, partition) if (!settled(partition))
        append(text, size, text_of(partition, "name"));
}

static int step(void *context, const json_t *report)
{
    struct progress *progress = context;
    char missing[400] = "", text[512];

    if (!report) {
        tell(progress, "waiting for the service to answer");
        return WATCH_ON;
    }
    missing_processes(report, missing, sizeof(missing));
    if (missing[0]) {
        snprintf(text, sizeof(text), "waiting for %s", missing);
        tell(progress, text);
        return WATCH_ON;
    }
    if (!true_of(report, "synchronized")) {
        tell(progress, "all processes are up; reading the partitions' files");
        return WATCH_ON;
    }
    missing_partitions(report, missing, sizeof(missing));
    if (missing[0]) {
        snprintf(text, sizeof(text), "all processes are up; starting %s", missing);
        tell(progress, text);
    }
    return missing[0] ? WATCH_ON : CLI_OK;
}

/* Each autostarted partition in a line; whether all of them run or wait. */
static int print_result(const struct cli *cli)
{
    json_t *answer;
    const json_t *partition, *problem;
    char waiting[320], plain[512];
    size_t i;
    int code = ask(cli, request_new(cli, "list", NULL), &answer, NULL);

    if (code)
        return code;
    json_array_foreach(json_object_get(answer, "partitions"), i, partition)
    {
        const char *failed = text_of(partition, "autostart_problem");
        const char *phase = text_of(partition, "phase");
        if (failed[0] || !strcmp(phase, "failed")) {
            cli_error("%s: %s", text_of(partition, "name"),
                      failed[0] ? failed : text_of(partition, "reason"));
            code = CLI_FAILED;
        } else if (!cli->json && true_of(partition, "autostart")) {
            waiting_text(partition, waiting, sizeof(waiting));
            printf("%s: %s%s%s\n", text_of(partition, "name"), phase, waiting[0] ? ": " : "",
                   printable(waiting, plain, sizeof(plain)));
        }
    }
    json_array_foreach(json_object_get(answer, "problems"), i, problem)
    {
        cli_error("%s", json_string_value(problem));
        code = CLI_FAILED;
    }
    if (cli->json)
        print_json(answer);
    json_decref(answer);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    bool no_wait = false;
    uint32_t timeout_ms = 120000;
    const struct option_row options[] = {{"no-wait", OPTION_FLAG, &no_wait},
                                         {"timeout", OPTION_SECONDS, &timeout_ms}};
    int code = options_parse(cli, options, 2, &argc, argv);

    if (code)
        return code;
    if (argc > 1)
        return cli_usage(cli, "takes no argument");
    uint64_t deadline_ms = cli_now_ms() + timeout_ms;
    struct connection connection;
    if (connection_open(&connection, cli->socket))
        code = service_start();
    connection_close(&connection);
    if (code || no_wait)
        return code;
    struct progress progress = {.quiet = cli->json};
    code = watch(cli, NULL, deadline_ms, step, &progress);
    if (code == CLI_TIMEOUT)
        cli_error("not up yet: %s", progress.told);
    return code ? code : print_result(cli);
}

const struct verb verb_up = {
    .name = "up",
    .arguments = "",
    .summary = "start Parclose, and wait until autostarted partitions run or wait",
    .help = "  --timeout S     to wait so long; default 120\n"
            "  --no-wait       do not wait\n",
    .run = run,
};
