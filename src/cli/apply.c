/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: files laid ready, the service asked, its end waited for, files moved or removed. What
 * another apply left that died in between is gone on with first.
 *
 * With --restart: planned with all that runs; those that the plan restarts are written down beside
 * the files, stopped, planned again as stopped ones and asked for; started once that is committed,
 * which it stays if they run. Whatever happens, they are started before it is forgotten who they
 * are: with the old definitions if it was refused or undone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "format.h"
#include "options.h"
#include "plan_print.h"
#include "staged.h"
#include "table.h"

#define CONFIG_FOLDER "/etc/parclose"

struct run {
    const struct cli *cli;
    const char *config;              /* its path */
    const char *plan;                /* the only one that may be carried out; NULL: any */
    bool restart;                    /* partitions may be restarted for it */
    struct staged_restarts restarts; /* those that are */
    int folder, lock;
    int file; /* the proposal */
    struct proposal_texts texts;
    char id[17];
    json_t *answer; /* of the service */
    char told[320];
};

/* ---- what became of an apply, from a report of everything */

enum outcome { NOT_DONE, UNDER_WAY, DONE, UNDONE };

static enum outcome outcome_of(const json_t *report, const char *id)
{
    const json_t *apply = json_object_get(report, "apply");
    const char *state = text_of(apply, "state");

    if (true_of(apply, "pending"))
        return UNDER_WAY;
    if (strcmp(text_of(apply, "request"), id) != 0)
        return NOT_DONE;
    if (!strcmp(state, "done"))
        return DONE;
    return strcmp(state, "undone") != 0 ? UNDER_WAY : UNDONE;
}

static int failed(const struct run *run, const char *what, int error)
{
    cli_error("%s: files of an apply cannot be %s: %s; `parclose apply` without a file tries again",
              run->config, what, strerror(-error));
    return CLI_FAILED;
}

/* Files that are new configuration go to their places; others go. */
static int settle_as(const struct run *run, enum outcome outcome)
{
    int error = outcome == DONE ? staged_move(run->folder) : staged_remove(run->folder);

    if (error)
        return failed(run, outcome == DONE ? "moved to their places" : "removed", error);
    return CLI_OK;
}

/* One that runs already is no failure. */
static int start_all(const struct run *run, const struct staged_restarts *restarts)
{
    int worst = CLI_OK;

    for (uint32_t i = 0; i < restarts->count; i++) {
        json_t *answer;
        int code =
            ask(run->cli, request_once(run->cli, "start", restarts->names[i]), &answer, NULL);
        json_decref(answer);
        worst = code > worst ? code : worst;
    }
    return worst;
}

/* Whoever was stopped is started, then files go where they belong: until then it is known who. */
static int settle_and_start(const struct run *run, enum outcome outcome)
{
    struct staged_restarts restarts;

    staged_restarts(run->folder, &restarts);
    int started = start_all(run, &restarts), settled = settle_as(run, outcome);
    return settled ? settled : started;
}

/* What is left of another apply, or of this one when it was refused; the service must be there. */
static int settle(const struct run *run, enum outcome *outcome)
{
    uint64_t left = staged_id(run->folder);
    json_t *report;
    char id[17];
    int code = ask(run->cli, request_new(run->cli, "list", NULL), &report, NULL);

    if (code)
        return code;
    snprintf(id, sizeof(id), "%016" PRIx64, left);
    *outcome = left ? outcome_of(report, id) : NOT_DONE;
    json_decref(report);
    if (*outcome != UNDER_WAY)
        return settle_and_start(run, *outcome);
    cli_error("another apply is under way: try again when it is over");
    return CLI_FAILED;
}

/* ---- waiting */

static void tell(struct run *run, const char *what, const char *text)
{
    char line[320], plain[320];

    snprintf(line, sizeof(line), "%s%s%.200s", what, text[0] ? ": " : "", text);
    if (run->cli->json || !strcmp(run->told, line))
        return;
    memcpy(run->told, line, sizeof(line));
    printf("%s\n", printable(line, plain, sizeof(plain)));
    fflush(stdout);
}

static int step(void *context, const json_t *report)
{
    struct run *run = context;
    const json_t *apply = json_object_get(report, "apply");

    if (!apply) {
        tell(run, "the service is restarting", "");
        return WATCH_ON;
    }
    switch (outcome_of(report, run->id)) {
    case DONE:
        return CLI_OK;
    case UNDER_WAY:
        tell(run,
             strcmp(text_of(apply, "state"), "undoing") != 0 ? "waits" : "is being rolled back",
             text_of(apply, "text"));
        return WATCH_ON;
    case UNDONE:
        json_object_set(run->answer, "apply", (json_t *)(uintptr_t)apply);
        return CLI_FAILED;
    default:
        return CLI_UNREACHABLE; /* the service has another state than the one that answered */
    }
}

static int unknown(const struct run *run, int code)
{
    cli_error("%s/" PROPOSAL_STAGED " has the files: `parclose apply` without a file puts them in "
              "their places if it was done, and else removes them",
              run->config);
    return code;
}

static void say_end(const struct run *run, bool done)
{
    const json_t *apply = json_object_get(run->answer, "apply");
    char text[512];

    if (run->cli->json)
        print_json(run->answer);
    else if (done)
        printf("applied: transaction %lld\n", (long long)number_of(run->answer, "transaction"));
    fflush(stdout);
    if (!done)
        cli_error("rolled back, all is as it was: %s",
                  printable(text_of(apply, "text"), text, sizeof(text)));
}

static int conclude(struct run *run, int code)
{
    if (code != CLI_OK && code != CLI_FAILED)
        return unknown(run, code);
    json_object_set_new(run->answer, "ok", json_boolean(code == CLI_OK));
    int settled = settle_and_start(run, code ? UNDONE : DONE);
    say_end(run, code == CLI_OK);
    return code ? code : settled;
}

static int refused_by_plan(const struct run *run)
{
    if (run->cli->json)
        print_json(run->answer);
    fflush(stdout);
    settle_and_start(run, NOT_DONE);
    cli_error("refused: nothing is changed");
    return CLI_FAILED;
}

/* ---- asking */

/* The answer is a refusal, or is lost: which of them says the service. */
static int not_answered(struct run *run, int code)
{
    enum outcome outcome;

    if (code == CLI_UNREACHABLE || code == CLI_TIMEOUT)
        return unknown(run, code);
    settle(run, &outcome);
    return code;
}

static json_t *request_of(struct run *run)
{
    json_t *request = request_once(run->cli, "apply", NULL), *names = json_array();

    snprintf(run->id, sizeof(run->id), "%s", text_of(request, "request"));
    for (uint32_t i = 0; i < run->restarts.count; i++)
        json_array_append_new(names, json_string(run->restarts.names[i]));
    json_object_set_new(request, "restarted", names);
    if (run->plan && !run->restart) /* it was planned with them running */
        json_object_set_new(request, "plan", json_string(run->plan));
    return request;
}

/* ---- restarts: planned before anybody is stopped */

static int take_restarts(struct run *run, const json_t *plan)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(plan, "items"), i, item)
    {
        if (strcmp(text_of(item, "object"), "partition") != 0 ||
            strcmp(text_of(item, "way"), "restart") != 0 ||
            run->restarts.count == PROPOSAL_PARTITIONS_MAX)
            continue;
        snprintf(run->restarts.names[run->restarts.count++], PARCLOSE_NAME_MAX, "%s",
                 text_of(item, "partition"));
    }
    if (!run->plan || !strcmp(run->plan, text_of(plan, "plan")))
        return CLI_OK;
    cli_error("the plan is %s by now, not %s: look at it again", text_of(plan, "plan"), run->plan);
    return CLI_FAILED;
}

static int plan_restarts(struct run *run)
{
    json_t *request = request_new(run->cli, "plan", NULL), *plan;

    json_object_set_new(request, "restart", json_true());
    int code = ask_with(run->cli, request, run->file, &plan);
    if (code)
        return code;
    if (!run->cli->json)
        plan_print(plan, true);
    else if (true_of(plan, "refused"))
        print_json(plan);
    fflush(stdout);
    code = take_restarts(run, plan);
    if (!code && true_of(plan, "refused")) {
        cli_error("refused: nothing is changed");
        code = CLI_FAILED;
    }
    json_decref(plan);
    return code;
}

static int stopped(void *context, const json_t *report)
{
    const char *phase = text_of(json_object_get(report, "partition"), "phase");

    (void)context;
    return strcmp(phase, "defined") != 0 && strcmp(phase, "failed") != 0 ? WATCH_ON : CLI_OK;
}

static int stop_all(struct run *run)
{
    int code = CLI_OK;

    for (uint32_t i = 0; i < run->restarts.count && !code; i++) {
        const char *name = run->restarts.names[i];
        json_t *answer;
        tell(run, "stops", name);
        code = ask(run->cli, request_once(run->cli, "stop", name), &answer, NULL);
        json_decref(answer);
        if (!code)
            code = watch(run->cli, name, NO_DEADLINE, stopped, NULL);
    }
    return code;
}

static int ask_service(struct run *run, json_t *request)
{
    int code = ask_with(run->cli, request, run->file, &run->answer);

    if (code)
        return not_answered(run, code);
    if (!run->cli->json && !run->restart)
        plan_print(run->answer, false);
    fflush(stdout);
    if (true_of(run->answer, "refused"))
        return refused_by_plan(run);
    start_all(run, &run->restarts); /* one that cannot start is undone with all the rest */
    return conclude(run, watch(run->cli, NULL, NO_DEADLINE, step, run));
}

static int apply(struct run *run)
{
    json_t *request = request_of(run);
    int error = staged_write(run->folder, run->id, &run->restarts, &run->texts);
    int code = CLI_FAILED;

    if (error)
        cli_error("%s: files cannot be laid ready: %s", run->config, strerror(-error));
    else
        code = stop_all(run);
    if (!code)
        return ask_service(run, request);
    json_decref(request);
    if (!error)
        settle_and_start(run, NOT_DONE);
    return code;
}

static int lock(struct run *run)
{
    run->folder = staged_lock(run->config, &run->lock);
    if (run->folder >= 0)
        return CLI_OK;
    if (run->folder == -EWOULDBLOCK)
        cli_error("%s: another apply is under way: try again when it is over", run->config);
    else
        cli_error("%s: %s", run->config, strerror(-run->folder));
    return CLI_FAILED;
}

/* Without a file: goes on with what another left. */
static int finish_other(struct run *run)
{
    enum outcome outcome;
    int code = lock(run);

    if (code)
        return code;
    bool some = staged_id(run->folder) != 0;
    code = settle(run, &outcome);
    if (!code && !run->cli->json)
        printf("%s\n", !some             ? "nothing was left by another apply"
                       : outcome == DONE ? "files of another apply are in their places"
                                         : "files of an apply that was not done are removed");
    return code;
}

static int run_files(struct run *run, char **files, int count)
{
    enum outcome outcome;
    int code = proposal_files(run->cli, files, count, &run->file, &run->texts);

    if (!code)
        code = lock(run);
    if (!code)
        code = settle(run, &outcome);
    if (!code && run->restart)
        code = plan_restarts(run);
    if (!code)
        code = apply(run);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct run run = {.cli = cli, .config = CONFIG_FOLDER, .folder = -1, .lock = -1, .file = -1};
    const struct option_row options[] = {{"config", OPTION_TEXT, &run.config},
                                         {"plan", OPTION_TEXT, &run.plan},
                                         {"restart", OPTION_FLAG, &run.restart}};
    int code = options_parse(cli, options, 3, &argc, argv);

    if (code)
        return code;
    code = argc > 1 ? run_files(&run, argv + 1, argc - 1) : finish_other(&run);
    json_decref(run.answer);
    proposal_texts_clear(&run.texts);
    if (run.file >= 0)
        close(run.file);
    if (run.folder >= 0)
        close(run.folder);
    if (run.lock >= 0)
        close(run.lock);
    return code;
}

const struct verb verb_apply = {
    .name = "apply",
    .arguments = "[FILE...]",
    .summary = "bring files into force as `parclose plan` says: all of it or nothing",
    .help = "  --restart       partitions may be restarted for it, as `plan --restart` says\n"
            "  --plan NUMBER   only if that is the plan, as `parclose plan` showed it\n"
            "  --config DIR    instead of " CONFIG_FOLDER "\n"
            "  without a file: goes on with one that was interrupted\n",
    .run = run,
};
