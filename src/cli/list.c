/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "format.h"
#include "options.h"
#include "table.h"

static void print_partitions(const json_t *answer)
{
    static const char *const heads[] = {"NAME", "PHASE",       "VCPUS", "MEMORY",
                                        "VFS",  "WAITING FOR", NULL};
    struct table *table = table_new(heads);
    const json_t *partition;
    char vfs[256], waiting[320];
    size_t i;

    json_array_foreach(json_object_get(answer, "partitions"), i, partition)
    {
        const char *why = waiting_text(partition, waiting, sizeof(waiting));
        if (!why[0])
            why = text_of(partition, "reason");
        if (!why[0])
            why = text_of(partition, "processors_problem");
        if (!why[0])
            why = text_of(partition, "autostart_problem");
        table_cell(table, "%s", text_of(partition, "name"));
        table_cell(table, "%s", text_of(partition, "phase"));
        table_cell(table, "%lld", (long long)number_of(partition, "vcpus"));
        table_cell(table, "%lld MiB", (long long)number_of(partition, "memory_mib"));
        table_cell(table, "%s", vfs_text(json_object_get(partition, "vfs"), vfs, sizeof(vfs)));
        table_cell(table, "%s", why);
    }
    table_print(table, stdout, terminal_width());
}

static const json_t *named(const json_t *array, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach(array, i, item) if (!strcmp(text_of(item, "name"), name)) return item;
    return NULL;
}

/* pCPUs, memory, PFs and VFs that the partition of this name owns. */
static void owned_cells(struct table *table, const json_t *owner)
{
    char pcpus[256];

    table_cell(table, "%s", numbers_text(json_object_get(owner, "pcpus"), pcpus, sizeof(pcpus)));
    table_cell(table, "%lld MiB", (long long)number_of(owner, "memory_mib"));
    table_cell(table, "%lld", (long long)number_of(owner, "pfs"));
    table_cell(table, "%lld", (long long)number_of(owner, "vfs"));
}

static void process_row(struct table *table, const json_t *process, const json_t *owners)
{
    const json_t *owner = named(owners, text_of(process, "name"));
    char since[32];

    table_cell(table, "%s", text_of(process, "name"));
    table_cell(table, "%s", text_of(process, "health"));
    table_cell(table, "%lld", (long long)number_of(process, "pid"));
    table_cell(table, "%lld", (long long)number_of(process, "restarts"));
    table_cell(table, "%s", clock_text(text_of(process, "since"), since, sizeof(since)));
    if (owner)
        owned_cells(table, owner);
    else
        for (int i = 0; i < 4; i++)
            table_cell(table, "-");
    table_cell(table, "%s", text_of(process, "reason"));
}

/* Owners without a process of their own: interconnect, idle, available. */
static void owner_row(struct table *table, const json_t *owner)
{
    table_cell(table, "%s", text_of(owner, "name"));
    for (int i = 0; i < 4; i++)
        table_cell(table, "-");
    owned_cells(table, owner);
    table_cell(table, "-");
}

static void print_infrastructure(const json_t *answer)
{
    static const char *const heads[] = {"PARTITION", "HEALTH", "PID", "RESTARTS", "SINCE", "PCPUS",
                                        "MEMORY",    "PFS",    "VFS", "REASON",   NULL};
    const json_t *processes = json_object_get(answer, "processes");
    const json_t *owners = json_object_get(answer, "owners"), *item;
    struct table *table = table_new(heads);
    size_t i;

    json_array_foreach(processes, i, item) process_row(table, item, owners);
    json_array_foreach(owners, i, item) if (!named(processes, text_of(item, "name")))
        owner_row(table, item);
    putchar('\n');
    table_print(table, stdout, terminal_width());
    printf("\nheadroom: %zu idle pCPUs, %lld MiB of memory\n",
           json_array_size(json_object_get(named(owners, "idle"), "pcpus")),
           (long long)number_of(named(owners, "available"), "memory_mib"));
}

static void print_notes(const json_t *answer)
{
    const json_t *problem, *snapshot = json_object_get(answer, "snapshot");
    char clock[32];
    size_t i;

    if (!true_of(snapshot, "current"))
        cli_error("control is not there just now; this is what was at %s",
                  clock_text(text_of(snapshot, "at"), clock, sizeof(clock)));
    json_array_foreach(json_object_get(answer, "problems"), i, problem)
        cli_error("%s", json_string_value(problem));
}

static int run(struct cli *cli, int argc, char **argv)
{
    bool all = false;
    const struct option_row options[] = {{"all", OPTION_FLAG, &all}};
    json_t *answer;
    int code = options_parse(cli, options, 1, &argc, argv);

    if (code)
        return code;
    if (argc > 1)
        return cli_usage(cli, "takes no argument");
    code = ask(cli, request_new(cli, "list", NULL), &answer, NULL);
    if (code)
        return code;
    if (cli->json) {
        print_json(answer);
    } else {
        print_partitions(answer);
        if (all)
            print_infrastructure(answer);
        print_notes(answer);
    }
    json_decref(answer);
    return CLI_OK;
}

const struct verb verb_list = {
    .name = "list",
    .arguments = "",
    .summary = "the partitions and what they wait for",
    .help = "  --all           the infrastructure too: its processes, what is idle and available\n",
    .run = run,
};
