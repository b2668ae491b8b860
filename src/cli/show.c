/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "connection.h"
#include "format.h"
#include "options.h"
#include "statistics.h"
#include "table.h"

__attribute__((format(printf, 2, 3))) static void field(const char *name, const char *format, ...)
{
    char text[2048], plain[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (text[0])
        printf("%-14s %s\n", name, printable(text, plain, sizeof(plain)));
}

static void print_definition(const json_t *partition)
{
    field("partition", "%s (%lld)", text_of(partition, "name"),
          (long long)number_of(partition, "id"));
    field("vcpus", "%lld", (long long)number_of(partition, "vcpus"));
    if (number_of(partition, "weight"))
        field("processors", "shared, weight %lld", (long long)number_of(partition, "weight"));
    field("memory", "%lld MiB", (long long)number_of(partition, "memory_mib"));
    if (strcmp(text_of(partition, "huge_pages"), "no") != 0)
        field("huge pages", "%s", text_of(partition, "huge_pages"));
    field("monitor", "%s", text_of(partition, "monitor"));
    if (!strcmp(text_of(partition, "monitor"), "qemu"))
        field("firmware", "%s", text_of(partition, "firmware"));
    field("variables", "%s", text_of(partition, "variables"));
    field("disk", "%s", text_of(partition, "disk"));
    field("kernel", "%s", text_of(partition, "kernel"));
    field("initrd", "%s", text_of(partition, "initrd"));
    field("cmdline", "%s", text_of(partition, "cmdline"));
    field("autostart", "%s", true_of(partition, "autostart") ? "yes" : "no");
    field("on outage", "%s", text_of(partition, "on_outage"));
}

/* One that its definition names: what is asked for, then what is. */
static void print_channel(const json_t *channel)
{
    const char *state = text_of(channel, "state"), *error = text_of(channel, "error");
    char name[64];

    snprintf(name, sizeof(name), "channel %s", text_of(channel, "name"));
    if (!state[0] && number_of(channel, "attached")) /* its monitor is gone */
        field(name, "%s, %s, server %s: attached %lld", text_of(channel, "kind"),
              text_of(channel, "mode"), text_of(channel, "server"),
              (long long)number_of(channel, "attached"));
    else if (!state[0])
        field(name, "%s, %s, server %s", text_of(channel, "kind"), text_of(channel, "mode"),
              text_of(channel, "server"));
    else
        field(name, "%s, %s, server %s: %s, attached %lld, connections %lld%s%s",
              text_of(channel, "kind"), text_of(channel, "mode"), text_of(channel, "server"), state,
              (long long)number_of(channel, "attached"),
              (long long)number_of(channel, "connections"), error[0] ? ", the last one lost: " : "",
              error);
}

static void print_channels(const json_t *partition)
{
    const json_t *channel;
    size_t i;

    json_array_foreach(json_object_get(partition, "channels"), i, channel)
    {
        if (json_object_get(channel, "name"))
            print_channel(channel);
        else
            field(text_of(channel, "kind"), "served by %s, attached %lld",
                  text_of(channel, "server"), (long long)number_of(channel, "attached"));
    }
}

/* For outages, in this run. */
static void print_frozen(const json_t *partition)
{
    double ms = (double)number_of(partition, "frozen_ms");
    int64_t since = number_of(partition, "frozen_boottime_ns");
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    if (since)
        ms += ((double)now.tv_sec * 1e9 + (double)now.tv_nsec - (double)since) / 1e6;
    if (ms > 0)
        field("frozen", "%.3f s in all for outages", ms / 1e3);
}

static void print_running(const json_t *partition)
{
    char text[320];

    field("phase", "%s", text_of(partition, "phase"));
    field("waiting for", "%s", waiting_text(partition, text, sizeof(text)));
    field("rung", "%s",
          number_of(partition, "next_rung_boottime_ns") ? text_of(partition, "rung") : "");
    print_frozen(partition);
    field("reason", "%s", text_of(partition, "reason"));
    field("last exit", "%s", text_of(partition, "exit"));
    field("autostart", "%s", text_of(partition, "autostart_problem"));
    field("problem", "%s", text_of(partition, "problem"));
    field("pcpus", "%s", numbers_text(json_object_get(partition, "pcpus"), text, sizeof(text)));
    field("processors", "%s", text_of(partition, "processors_problem"));
    if (json_is_integer(json_object_get(partition, "memory_node")))
        field("memory node", "%lld", (long long)number_of(partition, "memory_node"));
    print_channels(partition);
    if (number_of(partition, "monitor_pid"))
        field("monitor pid", "%lld, vCPUs %s", (long long)number_of(partition, "monitor_pid"),
              numbers_text(json_object_get(partition, "vcpu_pids"), text, sizeof(text)));
    if (text_of(partition, "session")[0] && strcmp(text_of(partition, "session"), "none") != 0)
        field("session", "%s%s", text_of(partition, "session"),
              true_of(partition, "session_stopped") ? ", its vCPUs are stopped" : "");
    if (number_of(partition, "vcpu_restarts"))
        field("vcpu restarts", "%lld", (long long)number_of(partition, "vcpu_restarts"));
    if (json_is_integer(json_object_get(partition, "gate_latency_ns")))
        field("gate latency", "%.3f ms", (double)number_of(partition, "gate_latency_ns") / 1e6);
}

static void vf_row(struct table *table, const json_t *vf)
{
    const json_t *pf = json_object_get(vf, "pf"), *is = json_object_get(vf, "vf");
    const char *reason = *text_of(vf, "news") ? text_of(vf, "news") : text_of(pf, "reason");
    char errors[128];

    table_cell(table, "%s/%lld%s", text_of(vf, "card"), (long long)number_of(vf, "index"),
               true_of(vf, "in_use") ? "" : " (stand-by)");
    table_cell(table, "%s", text_of(is, "address"));
    table_cell(table, "%s", text_of(is, "driver"));
    table_cell(table, "%s", json_is_object(is) ? text_of(is, "status") : "absent");
    table_cell(table, "%s", text_of(pf, "address"));
    table_cell(table, "%s", text_of(pf, "readiness"));
    errors_text(is, errors, sizeof(errors));
    table_cell(table, "%s%s%s", reason, *reason && *errors ? "; " : "", errors);
}

static void print_vfs(const json_t *partition)
{
    static const char *const heads[] = {"VF", "ADDRESS",   "DRIVER", "STATUS",
                                        "PF", "READINESS", "REASON", NULL};
    const json_t *vfs = json_object_get(partition, "vfs"), *vf;
    struct table *table;
    size_t i;

    if (!json_array_size(vfs))
        return;
    table = table_new(heads);
    json_array_foreach(vfs, i, vf) vf_row(table, vf);
    putchar('\n');
    table_print(table, stdout, terminal_width());
}

/* "+12.345 s" after the state before it that was entered. */
static void state_row(struct table *table, const json_t *state, int64_t *before)
{
    int64_t at = number_of(state, "boottime_ns");
    char clock[32];

    table_cell(table, "%s", text_of(state, "state"));
    if (!true_of(state, "entered")) {
        table_cell(table, "-");
        table_cell(table, "-");
        return;
    }
    table_cell(table, "%s", clock_text(text_of(state, "at"), clock, sizeof(clock)));
    if (*before && at)
        table_cell(table, "%+.3f s", (double)(at - *before) / 1e9);
    else
        table_cell(table, "-");
    *before = at;
}

static void print_timeline(const json_t *partition)
{
    static const char *const heads[] = {"STATE", "ENTERED", "AFTER", NULL};
    struct table *table = table_new(heads);
    int64_t before = 0;
    const json_t *state;
    size_t i;

    json_array_foreach(json_object_get(partition, "states"), i, state)
        state_row(table, state, &before);
    putchar('\n');
    table_print(table, stdout, terminal_width());
}

static void vcpu_row(struct table *table, const json_t *vcpu)
{
    static const char *const reasons[] = {"io_exits", "mmio_exits", "halt_exits", "irq_exits"};
    const json_t *kernel = json_object_get(vcpu, "kernel");

    table_cell(table, "%lld", (long long)number_of(vcpu, "vcpu"));
    table_cell(table, "%lld", (long long)number_of(vcpu, "pcpu"));
    table_cell(table, "%lld", (long long)number_of(vcpu, "pid"));
    table_cell(table, "%lld", (long long)number_of(vcpu, "restarts"));
    table_cell(table, "%lld", (long long)number_of(vcpu, "exits"));
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        table_cell(table, "%lld", (long long)number_of(kernel, reasons[i]));
    table_cell(table, "%.1f s", (double)number_of(vcpu, "guest_ns") / 1e9);
    table_cell(table, "%.3f s", (double)number_of(vcpu, "steal_ns") / 1e9);
}

static void print_vcpus(const json_t *partition)
{
    static const char *const heads[] = {"VCPU", "PCPU", "PID", "RESTARTS", "EXITS", "IO",
                                        "MMIO", "HALT", "IRQ", "GUEST",    "STEAL", NULL};
    const json_t *statistics = json_object_get(partition, "statistics"), *vcpu;
    struct table *table;
    size_t i;

    if (!statistics)
        return;
    putchar('\n');
    if (!true_of(statistics, "answered")) {
        puts(strcmp(text_of(partition, "monitor"), "qemu") != 0
                 ? "its monitor does not answer: no counts of its vCPUs"
                 : "monitor \"qemu\" has no counts of its vCPUs");
        return;
    }
    table = table_new(heads);
    json_array_foreach(json_object_get(statistics, "vcpus"), i, vcpu) vcpu_row(table, vcpu);
    table_print(table, stdout, terminal_width());
}

static int run(struct cli *cli, int argc, char **argv)
{
    json_t *answer;
    int code = options_parse(cli, NULL, 0, &argc, argv);

    if (code)
        return code;
    if (argc != 2)
        return cli_usage(cli, "expected one partition");
    code = ask(cli, request_new(cli, "show", argv[1]), &answer, NULL);
    if (code)
        return code;
    json_t *partition = json_object_get(answer, "partition");
    if (number_of(partition, "monitor_pid"))
        json_object_set_new(partition, "statistics", statistics_ask(cli, argv[1]));
    if (cli->json) {
        print_json(answer);
    } else {
        print_definition(partition);
        print_running(partition);
        print_vfs(partition);
        print_timeline(partition);
        print_vcpus(partition);
    }
    json_decref(answer);
    return CLI_OK;
}

const struct verb verb_show = {
    .name = "show",
    .arguments = "NAME",
    .summary = "everything about a partition: its states, its VFs, what it waits for",
    .help = "",
    .run = run,
};
