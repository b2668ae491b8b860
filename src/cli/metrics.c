/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connection.h"
#include "format.h"
#include "names/names.h"
#include "options.h"
#include "parclose/state.h"
#include "statistics.h"

/* Everything that is asked for, before the first line is printed. */
struct picture {
    json_t *list; /* command's own answers */
    json_t *devices;
    json_t *shown; /* "partition" of show, with "statistics" where it has a monitor */
};

static const json_t *partitions_of(const struct picture *picture)
{
    return json_object_get(picture->list, "partitions");
}

static double seconds(const json_t *object, const char *key)
{
    return (double)number_of(object, key) / 1e9;
}

/* ---- the host ---- */

static void put_owners(FILE *file, const struct picture *picture)
{
    const json_t *owners = json_object_get(picture->list, "owners"), *owner;
    size_t i;

    metrics_family(file, "parclose_pcpus", "gauge",
                   "Processors by owner; those of idle are the headroom.");
    json_array_foreach(owners, i, owner) metrics_sample(
        file, "parclose_pcpus", (double)json_array_size(json_object_get(owner, "pcpus")), "owner",
        text_of(owner, "name"), NULL);
    metrics_family(file, "parclose_memory_bytes", "gauge",
                   "Memory by owner; that of available is the headroom.");
    json_array_foreach(owners, i, owner) metrics_sample(
        file, "parclose_memory_bytes", (double)number_of(owner, "memory_mib") * 1048576, "owner",
        text_of(owner, "name"), NULL);
}

static void put_processes(FILE *file, const struct picture *picture)
{
    const json_t *processes = json_object_get(picture->list, "processes"), *process;
    size_t i;

    metrics_family(file, "parclose_process_up", "gauge", "Whether the process is up.");
    json_array_foreach(processes, i, process)
        metrics_sample(file, "parclose_process_up", !strcmp(text_of(process, "health"), "up"),
                       "process", text_of(process, "name"), NULL);
    metrics_family(file, "parclose_process_restarts_total", "counter",
                   "How often the process was started again.");
    json_array_foreach(processes, i, process) metrics_sample(
        file, "parclose_process_restarts_total", (double)number_of(process, "restarts"), "process",
        text_of(process, "name"), NULL);
}

static void put_pfs(FILE *file, const struct picture *picture)
{
    const json_t *cards = json_object_get(picture->devices, "cards"), *card, *vf;
    size_t i, v;

    metrics_family(file, "parclose_pf_ready", "gauge",
                   "1: the physical function is ready; readiness says what it is else.");
    json_array_foreach(cards, i, card)
        metrics_sample(file, "parclose_pf_ready", !strcmp(text_of(card, "readiness"), "ready"),
                       "card", text_of(card, "card"), "address", text_of(card, "address"),
                       "readiness", text_of(card, "readiness"), NULL);
    metrics_family(file, "parclose_vf_active", "gauge",
                   "1: the virtual function is active; status says what it is else.");
    json_array_foreach(cards, i, card) json_array_foreach(json_object_get(card, "vfs"), v, vf)
        metrics_sample(file, "parclose_vf_active", !strcmp(text_of(vf, "status"), "active"), "card",
                       text_of(card, "card"), "address", text_of(vf, "address"), "partition",
                       text_of(json_object_get(vf, "owner"), "partition"), "status",
                       text_of(vf, "status"), NULL);
}

/* Outages that are over, and the one under way until now. */
static double outage_seconds(const json_t *vf)
{
    int64_t since = number_of(vf, "outage_since_boottime_ns");
    double under_way = 0;
    struct timespec now;

    if (since > 0 && clock_gettime(CLOCK_BOOTTIME, &now) == 0)
        under_way = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)since / 1e9;
    return seconds(vf, "outage_ns") + (under_way > 0 ? under_way : 0);
}

static void put_outages(FILE *file, const struct picture *picture)
{
    const json_t *cards = json_object_get(picture->devices, "cards"), *card, *vf;
    size_t i, v;

    metrics_family(file, "parclose_vf_outage_seconds_total", "counter",
                   "Time in which guests that run had the VF and it did not work.");
    json_array_foreach(cards, i, card) json_array_foreach(json_object_get(card, "vfs"), v, vf)
    {
        char index[24];
        snprintf(index, sizeof(index), "%lld", (long long)number_of(vf, "index"));
        metrics_sample(file, "parclose_vf_outage_seconds_total", outage_seconds(vf), "card",
                       text_of(card, "card"), "address", text_of(card, "address"), "vf", index,
                       NULL);
    }
}

static void put_rungs(FILE *file, const struct picture *picture)
{
    const json_t *cards = json_object_get(picture->devices, "cards"), *card, *number;
    size_t i, r;

    metrics_family(file, "parclose_pf_rungs_total", "counter",
                   "How often each rung of recovery was taken for the physical function.");
    json_array_foreach(cards, i, card)
        json_array_foreach(json_object_get(json_object_get(card, "counts"), "rungs"), r, number)
            metrics_sample(file, "parclose_pf_rungs_total", (double)json_integer_value(number),
                           "card", text_of(card, "card"), "address", text_of(card, "address"),
                           "rung", name_of_rung((uint32_t)r + 1), NULL);
}

static void put_recovery(FILE *file, const json_t *card)
{
    const json_t *counts = json_object_get(card, "counts");
    const char *name = text_of(card, "card"), *address = text_of(card, "address");
    const json_t *bounds = json_object_get(counts, "recovery_bounds_ms"), *number;
    double count = 0;
    char le[32];
    size_t i;

    json_array_foreach(json_object_get(counts, "recoveries"), i, number)
    {
        count += (double)json_integer_value(number);
        if (i < json_array_size(bounds))
            snprintf(le, sizeof(le), "%g",
                     (double)json_integer_value(json_array_get(bounds, i)) / 1000);
        else
            snprintf(le, sizeof(le), "+Inf");
        metrics_sample(file, "parclose_pf_recovery_seconds_bucket", count, "card", name, "address",
                       address, "le", le, NULL);
    }
    metrics_sample(file, "parclose_pf_recovery_seconds_sum", seconds(counts, "recovery_ns"), "card",
                   name, "address", address, NULL);
    metrics_sample(file, "parclose_pf_recovery_seconds_count", count, "card", name, "address",
                   address, NULL);
}

static void put_recoveries(FILE *file, const struct picture *picture)
{
    const json_t *cards = json_object_get(picture->devices, "cards"), *card;
    size_t i;

    metrics_family(file, "parclose_pf_recovery_seconds", "histogram",
                   "From the loss of the physical function until it was ready again.");
    json_array_foreach(cards, i, card) put_recovery(file, card);
}

static void put_writes(FILE *file, const struct picture *picture)
{
    const json_t *cards = json_object_get(picture->devices, "cards"), *card;
    size_t i;

    metrics_family(file, "parclose_device_writes_total", "counter",
                   "Writes to the card, its VFs included, that Parclose made.");
    json_array_foreach(cards, i, card)
        metrics_sample(file, "parclose_device_writes_total",
                       (double)number_of(json_object_get(card, "counts"), "device_writes"), "card",
                       text_of(card, "card"), "address", text_of(card, "address"), NULL);
    metrics_family(file, "parclose_pf_disabled", "gauge",
                   "1: an administrator wants no VFs of the physical function.");
    json_array_foreach(cards, i, card)
        metrics_sample(file, "parclose_pf_disabled", true_of(card, "disabled"), "card",
                       text_of(card, "card"), "address", text_of(card, "address"), NULL);
}

/* ---- partitions ---- */

static double in_phase(const json_t *partitions, const char *phase)
{
    const json_t *partition;
    double count = 0;
    size_t i;

    json_array_foreach(partitions, i, partition) count +=
        !strcmp(text_of(partition, "phase"), phase);
    return count;
}

static void put_phases(FILE *file, const struct picture *picture)
{
    const json_t *partition;
    size_t i;

    metrics_family(file, "parclose_partitions", "gauge", "Partitions by phase.");
    for (uint32_t phase = 0; phase < PARTITION_PHASES; phase++)
        metrics_sample(file, "parclose_partitions",
                       in_phase(partitions_of(picture), name_of_phase(phase)), "phase",
                       name_of_phase(phase), NULL);
    metrics_family(file, "parclose_partition_phase", "gauge",
                   "Always 1: the phase that the partition is in, and its rung of recovery.");
    json_array_foreach(partitions_of(picture), i, partition) metrics_sample(
        file, "parclose_partition_phase", 1, "partition", text_of(partition, "name"), "phase",
        text_of(partition, "phase"), "rung", text_of(partition, "rung"), NULL);
}

static void put_sizes(FILE *file, const struct picture *picture)
{
    const json_t *partition;
    size_t i;

    metrics_family(file, "parclose_partition_vcpus", "gauge", "vCPUs of the definition.");
    json_array_foreach(partitions_of(picture), i, partition)
        metrics_sample(file, "parclose_partition_vcpus", (double)number_of(partition, "vcpus"),
                       "partition", text_of(partition, "name"), NULL);
    metrics_family(file, "parclose_partition_memory_bytes", "gauge", "Memory of the definition.");
    json_array_foreach(partitions_of(picture), i, partition)
        metrics_sample(file, "parclose_partition_memory_bytes",
                       (double)number_of(partition, "memory_mib") * 1048576, "partition",
                       text_of(partition, "name"), NULL);
}

static void put_states(FILE *file, const struct picture *picture)
{
    const json_t *partition, *state;
    size_t i, s;

    metrics_family(file, "parclose_partition_state", "gauge",
                   "1: the partition has entered this of its fifteen states.");
    json_array_foreach(picture->shown, i, partition)
        json_array_foreach(json_object_get(partition, "states"), s, state)
            metrics_sample(file, "parclose_partition_state", true_of(state, "entered"), "partition",
                           text_of(partition, "name"), "state", text_of(state, "state"), NULL);
    metrics_family(file, "parclose_partition_gate_latency_seconds", "gauge",
                   "From the event that opened the gate to the thaw.");
    json_array_foreach(picture->shown, i, partition) if (json_is_integer(json_object_get(
                                                             partition, "gate_latency_ns")))
        metrics_sample(file, "parclose_partition_gate_latency_seconds",
                       seconds(partition, "gate_latency_ns"), "partition",
                       text_of(partition, "name"), NULL);
    metrics_family(file, "parclose_partition_stopped", "gauge",
                   "1: a dump or a debugger has stopped the guest.");
    json_array_foreach(picture->shown, i, partition)
        metrics_sample(file, "parclose_partition_stopped", true_of(partition, "session_stopped"),
                       "partition", text_of(partition, "name"), NULL);
    metrics_family(file, "parclose_main_restarts_total", "counter",
                   "Main processes of the partition's monitor that died and were replaced.");
    json_array_foreach(picture->shown, i, partition) metrics_sample(
        file, "parclose_main_restarts_total", (double)number_of(partition, "main_restarts"),
        "partition", text_of(partition, "name"), NULL);
}

/* ---- vCPUs ---- */

/* What a family takes from a vCPU's statistics. */
typedef void put_vcpu(FILE *file, const char *partition, const char *vcpu, const json_t *is);

static void each_vcpu(FILE *file, const struct picture *picture, put_vcpu *put)
{
    const json_t *partition, *vcpu;
    char number[24];
    size_t i, v;

    json_array_foreach(picture->shown, i, partition) json_array_foreach(
        json_object_get(json_object_get(partition, "statistics"), "vcpus"), v, vcpu)
    {
        snprintf(number, sizeof(number), "%lld", (long long)number_of(vcpu, "vcpu"));
        put(file, text_of(partition, "name"), number, vcpu);
    }
}

static void put_number(FILE *file, const char *name, const char *partition, const char *vcpu,
                       const json_t *is, const char *key, double unit)
{
    if (json_is_integer(json_object_get(is, key)))
        metrics_sample(file, name, (double)number_of(is, key) / unit, "partition", partition,
                       "vcpu", vcpu, NULL);
}

static void put_exits(FILE *file, const char *partition, const char *vcpu, const json_t *is)
{
    put_number(file, "parclose_vcpu_exits_total", partition, vcpu, is, "exits", 1);
}

static void put_guest(FILE *file, const char *partition, const char *vcpu, const json_t *is)
{
    put_number(file, "parclose_vcpu_guest_seconds_total", partition, vcpu, is, "guest_ns", 1e9);
}

static void put_steal(FILE *file, const char *partition, const char *vcpu, const json_t *is)
{
    put_number(file, "parclose_vcpu_steal_seconds_total", partition, vcpu, is, "steal_ns", 1e9);
}

static void put_restarts(FILE *file, const char *partition, const char *vcpu, const json_t *is)
{
    put_number(file, "parclose_vcpu_restarts_total", partition, vcpu, is, "restarts", 1);
}

/* "io_exits" is the reason "io". */
static void put_reasons(FILE *file, const char *partition, const char *vcpu, const json_t *is)
{
    const char *key;
    const json_t *value;
    char reason[64];

    json_object_foreach((json_t *)(uintptr_t)json_object_get(is, "kernel"), key, value)
    {
        size_t length = strlen(key);
        if (length < 7 || length >= sizeof(reason) || strcmp(key + length - 6, "_exits") != 0)
            continue;
        snprintf(reason, sizeof(reason), "%.*s", (int)length - 6, key);
        metrics_sample(file, "parclose_vcpu_exits_by_reason_total",
                       (double)json_integer_value(value), "partition", partition, "vcpu", vcpu,
                       "reason", reason, NULL);
    }
}

static void put_accesses(FILE *file, const char *partition, const char *vcpu, const json_t *is)
{
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)json_object_get(is, "monitor"), key, value)
        metrics_sample(file, "parclose_vcpu_monitor_accesses_total",
                       (double)json_integer_value(value), "partition", partition, "vcpu", vcpu,
                       "device", key, NULL);
}

static void put_answered(FILE *file, const struct picture *picture)
{
    const json_t *partition, *statistics;
    size_t i;

    metrics_family(file, "parclose_monitor_answered", "gauge",
                   "0: the partition's monitor did not answer in time.");
    json_array_foreach(picture->shown, i,
                       partition) if ((statistics = json_object_get(partition, "statistics")))
        metrics_sample(file, "parclose_monitor_answered", true_of(statistics, "answered"),
                       "partition", text_of(partition, "name"), NULL);
}

static void put_vcpus(FILE *file, const struct picture *picture)
{
    static const struct {
        const char *name, *help;
        put_vcpu *put;
    } families[] = {
        {"parclose_vcpu_exits_total", "Exits from the guest, as KVM counts them.", put_exits},
        {"parclose_vcpu_exits_by_reason_total", "Exits by KVM's own names of reasons.",
         put_reasons},
        {"parclose_vcpu_monitor_accesses_total", "Accesses that the monitor served, by device.",
         put_accesses},
        {"parclose_vcpu_guest_seconds_total", "Time in the guest.", put_guest},
        {"parclose_vcpu_steal_seconds_total", "Time runnable, but not running.", put_steal},
        {"parclose_vcpu_restarts_total", "Processes of the vCPU that died and were replaced.",
         put_restarts},
    };

    put_answered(file, picture);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        metrics_family(file, families[i].name, "counter", families[i].help);
        each_vcpu(file, picture, families[i].put);
    }
}

/* ---- the verb ---- */

/* One partition; it may have gone meanwhile, then it is left out. */
static void add_shown(const struct cli *cli, const char *name, json_t *shown)
{
    struct files files = {.count = 0};
    json_t *answer, *partition;

    if (!ask_quietly(cli, request_new(cli, "show", name), &answer, &files) &&
        (partition = json_object_get(answer, "partition"))) {
        if (number_of(partition, "monitor_pid"))
            json_object_set_new(partition, "statistics", statistics_ask(cli, name));
        json_array_append(shown, partition);
    }
    files_close(&files);
    json_decref(answer);
}

static int look(const struct cli *cli, struct picture *picture)
{
    const json_t *partition;
    size_t i;
    int code = ask(cli, request_new(cli, "list", NULL), &picture->list, NULL);

    if (!code)
        code = ask(cli, request_new(cli, "devices", NULL), &picture->devices, NULL);
    picture->shown = json_array();
    json_array_foreach(partitions_of(picture), i, partition)
        add_shown(cli, text_of(partition, "name"), picture->shown);
    return code;
}

static void put_all(FILE *file, const struct picture *picture)
{
    put_phases(file, picture);
    put_sizes(file, picture);
    put_states(file, picture);
    put_vcpus(file, picture);
    put_owners(file, picture);
    put_pfs(file, picture);
    put_outages(file, picture);
    put_rungs(file, picture);
    put_recoveries(file, picture);
    put_writes(file, picture);
    put_processes(file, picture);
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct picture picture = {NULL, NULL, NULL};
    int code = options_parse(cli, NULL, 0, &argc, argv);

    if (code)
        return code;
    if (argc > 1 || cli->json)
        return cli_usage(cli, "takes no argument, and has one format");
    code = look(cli, &picture);
    metrics_family(stdout, "parclose_up", "gauge", "Whether Parclose answers.");
    metrics_sample(stdout, "parclose_up", code == CLI_OK, NULL);
    if (code == CLI_OK)
        put_all(stdout, &picture);
    json_decref(picture.list);
    json_decref(picture.devices);
    json_decref(picture.shown);
    return code;
}

const struct verb verb_metrics = {
    .name = "metrics",
    .arguments = "",
    .summary = "counts and states in the text format of Prometheus",
    .help = "",
    .run = run,
};
