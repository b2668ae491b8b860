/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "edits.h"
#include "format.h"
#include "options.h"
#include "table.h"

#define DEVICES_XML "/run/parclose/devices.xml"

static const char *owner_text(const json_t *device)
{
    const json_t *owner = json_object_get(device, "owner");
    const char *partition = text_of(owner, "partition");
    return partition[0] ? partition : text_of(owner, "kind");
}

static void pf_row(struct table *table, const json_t *pf)
{
    const char *card = text_of(pf, "card");
    char errors[128];

    table_cell(table, "%s", card[0] ? card : text_of(pf, "address"));
    table_cell(table, "%s", text_of(pf, "address"));
    table_cell(table, "%s", text_of(pf, "driver"));
    table_cell(table, "%s", owner_text(pf));
    table_cell(table, "%s", text_of(pf, "status"));
    table_cell(table, "%s", text_of(pf, "readiness"));
    table_cell(table, "%lld of %lld VFs%s%s%s%s", (long long)number_of(pf, "vfs_created"),
               (long long)number_of(pf, "vfs_desired"), text_of(pf, "reason")[0] ? "; " : "",
               text_of(pf, "reason"), *errors_text(pf, errors, sizeof(errors)) ? "; " : "", errors);
}

static void vf_row(struct table *table, const json_t *vf, bool last)
{
    char errors[128];

    table_cell(table, "%s %lld", last ? "└" : "├", (long long)number_of(vf, "index"));
    table_cell(table, "%s", text_of(vf, "address"));
    table_cell(table, "%s", text_of(vf, "driver"));
    table_cell(table, "%s", owner_text(vf));
    table_cell(table, "%s", text_of(vf, "status"));
    table_cell(table, "-");
    table_cell(table, "%s%s%s%s%s%s%s", true_of(vf, "open") ? "open" : "closed",
               true_of(vf, "answers") ? "" : "; does not answer",
               true_of(vf, "for_host") ? "; for the host" : "",
               text_of(vf, "not_bound")[0] ? "; not bound: " : "", text_of(vf, "not_bound"),
               *errors_text(vf, errors, sizeof(errors)) ? "; " : "", errors);
}

static void function_row(struct table *table, const json_t *function)
{
    const char *pf = text_of(function, "pf");

    table_cell(table, "%s", text_of(function, "class"));
    table_cell(table, "%s", text_of(function, "address"));
    table_cell(table, "%s", text_of(function, "driver"));
    table_cell(table, "%s", owner_text(function));
    table_cell(table, "-");
    table_cell(table, "-");
    table_cell(table, "%04llx:%04llx%s%s", (long long)number_of(function, "vendor"),
               (long long)number_of(function, "device"), pf[0] ? "; VF of " : "", pf);
}

static void print_tree(const json_t *answer, bool all)
{
    static const char *const heads[] = {"CARD",   "ADDRESS",   "DRIVER", "OWNER",
                                        "STATUS", "READINESS", "DETAIL", NULL};
    struct table *table = table_new(heads);
    const json_t *pf, *vf, *function;
    size_t i, k;

    json_array_foreach(json_object_get(answer, "cards"), i, pf)
    {
        const json_t *vfs = json_object_get(pf, "vfs");
        pf_row(table, pf);
        json_array_foreach(vfs, k, vf) vf_row(table, vf, k + 1 == json_array_size(vfs));
    }
    json_array_foreach(json_object_get(answer, "functions"), i, function)
    {
        if (all)
            function_row(table, function);
    }
    table_print(table, stdout, terminal_width());
}

static int print_xml(void)
{
    char buffer[65536];
    ssize_t got;
    int fd = open(DEVICES_XML, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        cli_error("%s: %s", DEVICES_XML, strerror(errno));
        return errno == ENOENT ? CLI_UNREACHABLE : CLI_FAILED;
    }
    while ((got = read(fd, buffer, sizeof(buffer))) > 0)
        fwrite(buffer, 1, (size_t)got, stdout);
    close(fd);
    return got < 0 || fflush(stdout) ? CLI_FAILED : CLI_OK;
}

/* ---- at each change */

struct watching {
    const struct cli *cli;
    bool all, lost;
};

/* On a terminal in the same place, else one after the other; in JSON a line each. */
static void show_change(const struct watching *watching, const json_t *report)
{
    if (watching->cli->json) {
        json_dumpf(report, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    if (isatty(STDOUT_FILENO))
        fputs("\033[H\033[J", stdout);
    print_tree(report, watching->all);
    if (!isatty(STDOUT_FILENO))
        putchar('\n');
}

static int on_change(void *context, const json_t *report)
{
    struct watching *watching = context;

    if (!report && !watching->lost)
        cli_error("the service is not there just now");
    watching->lost = !report;
    if (report)
        show_change(watching, report);
    return fflush(stdout) ? CLI_FAILED : WATCH_ON;
}

static int watch_tree(const struct cli *cli, bool all, uint32_t timeout_ms)
{
    struct watching watching = {.cli = cli, .all = all};
    uint64_t deadline_ms = timeout_ms ? cli_now_ms() + timeout_ms : NO_DEADLINE;

    return watch_devices(cli, deadline_ms, on_change, &watching);
}

static int run(struct cli *cli, int argc, char **argv)
{
    bool xml = false, all = false, watches = false;
    uint32_t timeout_ms = 0;
    const struct option_row options[] = {{"xml", OPTION_FLAG, &xml},
                                         {"all", OPTION_FLAG, &all},
                                         {"watch", OPTION_FLAG, &watches},
                                         {"timeout", OPTION_SECONDS, &timeout_ms}};
    json_t *answer;
    int code = options_parse(cli, options, 4, &argc, argv);

    if (code)
        return code;
    if (argc > 1)
        return cli_usage(cli, "takes no argument");
    if ((xml && watches) || (timeout_ms && !watches))
        return cli_usage(cli, xml ? "--xml cannot be watched" : "--timeout is of --watch");
    if (xml)
        return print_xml();
    if (watches)
        return watch_tree(cli, all, timeout_ms);
    code = ask(cli, request_new(cli, "devices", NULL), &answer, NULL);
    if (code)
        return code;
    json_object_set_new(answer, "refused_edits", edits_refused(cli));
    if (cli->json) {
        print_json(answer);
    } else {
        print_tree(answer, all);
        edits_print(json_object_get(answer, "refused_edits"));
    }
    json_decref(answer);
    return CLI_OK;
}

const struct verb verb_devices = {
    .name = "devices",
    .arguments = "",
    .summary = "cards, their PFs and VFs: owner, driver, status, readiness; refused edits",
    .help = "  --all           and every other PCI function of the host; JSON always has them\n"
            "  --watch         again at each change; with --json a line each; ^C ends it\n"
            "  --timeout S     of --watch: end after so long, with exit status 4\n"
            "  --xml           the TCB's own file, " DEVICES_XML "\n",
    .run = run,
};
