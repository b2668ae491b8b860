/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "config/config_check.h"
#include "names/names.h"
#include "report_devices.h"
#include "verbs.h"
#include "wire/monitor_word.h"

#define MIB        (UINT64_C(1) << 20)
#define NSEC       UINT64_C(1000000000)
#define INTEGER(n) ((json_int_t)(n))
#define NS_PER_MS  UINT64_C(1000000)

json_t *report_text(const char *text)
{
    char plain[1024];
    size_t i = 0;
    json_t *string = json_string(text);

    if (string)
        return string;
    for (; text[i] && i < sizeof(plain) - 1; i++)
        plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    plain[i] = '\0';
    return json_string(plain);
}

static json_t *time_text(uint64_t realtime_ns)
{
    time_t seconds = (time_t)(realtime_ns / NSEC);
    struct tm tm;
    char text[64], day[32];

    if (!realtime_ns || !gmtime_r(&seconds, &tm))
        return json_null();
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof(text), "%s.%06uZ", day, (unsigned)(realtime_ns % NSEC / 1000));
    return json_string(text);
}

/* --- partitions ------------------------------------------------------------------------------- */

static json_t *numbers(const uint32_t *values, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array,
                              values[i] == PCPU_NONE ? json_null() : json_integer(values[i]));
    return array;
}

static json_t *owned_pcpus(const struct snapshot_view *view, uint32_t kind)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < view->head->pcpus_count; i++)
        if (view->pcpus[i].owner.kind == kind)
            json_array_append_new(array, json_integer(view->pcpus[i].pcpu));
    return array;
}

/* What a vCPU without a pCPU of its own runs on. */
static json_t *shared_pcpus(const struct snapshot_view *view)
{
    json_t *array = owned_pcpus(view, OWNER_SHARED);

    if (json_array_size(array))
        return array;
    json_decref(array);
    return owned_pcpus(view, OWNER_BOOT);
}

/* Why vCPUs run where they should not: else nothing. */
static void add_processors(const struct snapshot_view *view,
                           const struct snapshot_partition *partition, json_t *report)
{
    char list[3 * PARCLOSE_MAX_VCPUS + 1] = "", text[sizeof(list) + 80];
    size_t used = 0;

    for (uint32_t i = 0; i < partition->pcpus_count; i++)
        if (partition->pcpus[i] == PCPU_NONE)
            used += (size_t)snprintf(list + used, sizeof(list) - used, used ? ",%u" : "%u", i);
    if (!used)
        return;
    snprintf(text, sizeof(text),
             "the pCPU of vCPU %s went offline and none is idle: it runs beside others", list);
    json_object_set_new(report, "processors_problem", report_text(text));
    json_object_set_new(report, "shared_pcpus", shared_pcpus(view));
}

static json_t *wanted_vfs(const struct snapshot_partition *partition)
{
    const struct partition_config *config = &partition->config;
    json_t *array = json_array();

    for (uint32_t i = 0; i < config->vfs_count; i++)
        json_array_append_new(array,
                              json_pack("{s:s, s:i, s:b}", "card", config->vfs[i].card, "index",
                                        (int)config->vfs[i].index, "in_use",
                                        partition_vf_in_use(config, partition->standbys, i)));
    return array;
}

/* The file of a partition, when it is not good: else nothing. */
static void add_file_problem(const struct command *command, const char *name, json_t *report)
{
    const struct definition *definition = definitions_find(&command->definitions, name);

    if (definition && !definition->good)
        json_object_set_new(report, "problem", report_text(definition->error.text));
}

/* Why its autostart failed: else nothing. */
static void add_autostart(const struct command *command, const char *name, json_t *report)
{
    const struct autostart *autostart = starts_autostart(&command->starts, name);

    if (autostart && autostart->text[0])
        json_object_set_new(report, "autostart_problem", report_text(autostart->text));
}

/* For outages of PFs, in this run, the one that goes on apart. */
static void add_frozen(const struct snapshot_partition *partition, json_t *report)
{
    json_object_set_new(report, "on_outage",
                        json_string(name_of_outage_policy(partition->config.on_outage)));
    json_object_set_new(report, "frozen_boottime_ns",
                        json_integer(INTEGER(partition->frozen_boottime_ns)));
    json_object_set_new(report, "frozen_ms",
                        json_integer(INTEGER(partition->frozen_ns / NS_PER_MS)));
}

static json_t *partition_brief(const struct command *command,
                               const struct snapshot_partition *partition)
{
    const struct partition_config *config = &partition->config;
    json_t *report = json_pack(
        "{s:s, s:i, s:s, s:s, s:i, s:s, s:i, s:i, s:s, s:b, s:o, s:o, s:o, s:s, s:s, s:I}", "name",
        config->name, "id", (int)partition->id.value, "phase", name_of_phase(partition->phase),
        "exit", name_of_exit(partition->exit), "vcpus", (int)config->vcpus, "processors",
        config->weight ? "shared" : "dedicated", "weight", (int)config->weight, "memory_mib",
        (int)config->memory_mib, "huge_pages", name_of_pages(config->pages), "autostart",
        (int)config->autostart, "vfs", wanted_vfs(partition), "waiting_for",
        report_text(partition->waiting_for), "reason", report_text(partition->reason), "rung",
        name_of_rung(partition->rung), "next_rung", name_of_rung(partition->next_rung),
        "next_rung_boottime_ns", INTEGER(partition->next_rung_boottime_ns));

    add_frozen(partition, report);
    add_processors(&command->view, partition, report);
    add_file_problem(command, config->name, report);
    add_autostart(command, config->name, report);
    return report;
}

static json_t *timeline(const struct snapshot_partition *partition)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < PARTITION_STATES; i++) {
        const struct state_time *time = &partition->times[i];
        json_array_append_new(array, json_pack("{s:s, s:b, s:o, s:I}", "state", name_of_state(i),
                                               "entered", (partition->states & STATE_BIT(i)) != 0,
                                               "at", time_text(time->realtime_ns), "boottime_ns",
                                               INTEGER(time->boottime_ns)));
    }
    return array;
}

/* A VF of a partition: what is wanted beside what is. */
static json_t *partition_vf(const struct command *command,
                            const struct snapshot_partition *partition, uint32_t number)
{
    const struct partition_config *config = &partition->config;
    const struct partition_vf *wanted = &config->vfs[number];
    uint8_t of = config->standby_of[number];
    const struct snapshot_pf *pf = snapshot_view_card(&command->view, wanted->card);
    const struct snapshot_vf *vf =
        pf ? snapshot_view_vf(&command->view, pf->observed.bdf, wanted->index) : NULL;
    json_t *report =
        json_pack("{s:s, s:i, s:b, s:o}", "card", wanted->card, "index", (int)wanted->index,
                  "in_use", partition_vf_in_use(config, partition->standbys, number), "desired",
                  report_attributes(&wanted->attributes));

    json_object_set_new(
        report, "standby_of",
        of ? json_sprintf("%s/%u", config->vfs[of - 1].card, config->vfs[of - 1].index)
           : json_null());

    json_object_set_new(report, "pf", pf ? report_pf_brief(pf) : json_null());
    json_object_set_new(report, "vf", vf ? report_vf(command, vf) : json_null());
    json_object_set_new(
        report, "news",
        report_text(name_of_vf_news(vf ? monitor_vf_marks(partition->vfs, vf->observed.bdf) : 0)));
    return report;
}

static json_t *partition_vfs(const struct command *command,
                             const struct snapshot_partition *partition)
{
    const struct partition_config *config = &partition->config;
    json_t *array = json_array();

    for (uint32_t i = 0; i < config->vfs_count; i++)
        json_array_append_new(array, partition_vf(command, partition, i));
    return array;
}

/* From the event that opened the gate to the thaw; null before it. */
static json_t *gate_latency(const struct snapshot_partition *partition)
{
    if (!partition->thawed_ns || partition->thawed_ns < partition->last_ready_ns)
        return json_null();
    return json_integer(INTEGER(partition->thawed_ns - partition->last_ready_ns));
}

/* What it runs on: its own, or all that are shared. */
static json_t *pcpus(const struct snapshot_view *view, const struct snapshot_partition *partition)
{
    if (partition->config.weight && !snapshot_partition_stopped(partition))
        return shared_pcpus(view);
    return numbers(partition->pcpus, partition->pcpus_count);
}

/* As its definition names them, and as its monitor sees them. */
static json_t *channel(const struct snapshot_partition *partition, uint32_t index)
{
    const struct partition_channel *config = &partition->config.channels[index];
    const struct channel_status *status = &partition->channels[index];
    json_t *report = json_pack(
        "{s:s, s:s, s:s, s:o}", "name", config->name, "kind", name_of_channel_device(config->kind),
        "mode", name_of_channel_mode(config->mode), "server", report_text(config->server));

    if (!snapshot_partition_stopped(partition))
        json_object_set_new(report, "attached",
                            json_integer(partition->channels_attached >> index & 1));
    if (!partition->monitor_pid)
        return report;
    json_object_set_new(report, "state", json_string(name_of_channel_state(status->state)));
    json_object_set_new(report, "connections", json_integer(status->connections));
    json_object_set_new(report, "error",
                        status->error ? report_text(strerror(-status->error)) : json_null());
    return report;
}

/* The console while it is started. */
static json_t *console_channel(const struct snapshot_partition *partition)
{
    if (snapshot_partition_stopped(partition))
        return json_array();
    return json_pack("[{s:s, s:s, s:i}]", "kind", "console", "server",
                     name_of_process(PROCESS_COMMAND), "attached",
                     (int)partition->console_attached);
}

static json_t *channels(const struct snapshot_partition *partition)
{
    json_t *array = console_channel(partition);

    for (uint32_t i = 0; i < partition->config.channels_count; i++)
        json_array_append_new(array, channel(partition, i));
    return array;
}

static void add_running(const struct snapshot_view *view,
                        const struct snapshot_partition *partition, json_t *report)
{
    size_t vcpus = partition->config.vcpus;

    json_object_set_new(report, "states", timeline(partition));
    json_object_set_new(report, "pcpus", pcpus(view, partition));
    json_object_set_new(
        report, "memory_node",
        partition->memory_node == UINT32_MAX ? json_null() : json_integer(partition->memory_node));
    json_object_set_new(report, "channels", channels(partition));
    json_object_set_new(report, "monitor_pid", json_integer(partition->monitor_pid));
    json_object_set_new(report, "vcpu_pids", numbers(partition->vcpu_pids, vcpus));
    json_object_set_new(report, "vcpu_restarts", json_integer(partition->vcpu_restarts));
    json_object_set_new(report, "main_restarts", json_integer(partition->main_restarts));
    json_object_set_new(report, "session", json_string(name_of_session(partition->session)));
    json_object_set_new(report, "session_stopped", json_boolean(partition->stopped));
    json_object_set_new(report, "descriptor_generation",
                        json_integer(INTEGER(partition->generation)));
    json_object_set_new(report, "last_ready_ns", json_integer(INTEGER(partition->last_ready_ns)));
    json_object_set_new(report, "thawed_ns", json_integer(INTEGER(partition->thawed_ns)));
    json_object_set_new(report, "gate_latency_ns", gate_latency(partition));
}

static void add_definition(const struct snapshot_partition *partition, json_t *report)
{
    const struct partition_config *config = &partition->config;

    json_object_set_new(report, "monitor", report_text(config->monitor));
    json_object_set_new(report, "kernel", report_text(config->kernel));
    json_object_set_new(report, "initrd", report_text(config->initrd));
    json_object_set_new(report, "cmdline", report_text(config->cmdline));
    json_object_set_new(report, "firmware", json_string(name_of_firmware(config->firmware)));
    json_object_set_new(report, "variables", report_text(config->variables));
    json_object_set_new(report, "disk", report_text(config->disk));
}

/* --- the whole -------------------------------------------------------------------------------- */

static json_t *snapshot_report(const struct command *command)
{
    const struct snapshot *head = command->view.head;

    return json_pack("{s:I, s:o, s:I, s:b}", "generation", INTEGER(head->generation), "at",
                     time_text(head->realtime_ns), "boottime_ns", INTEGER(head->boottime_ns),
                     "current", (int)command->current);
}

static json_t *no_snapshot(void)
{
    return verbs_refusal(-ENOTCONN, "control has not reported yet: try again");
}

json_t *report_show(const struct command *command, const char *name)
{
    const struct snapshot_partition *partition = snapshot_view_partition(&command->view, name);

    if (!command->view.head)
        return no_snapshot();
    if (!partition)
        return NULL;
    json_t *report = partition_brief(command, partition);
    add_running(&command->view, partition, report);
    add_definition(partition, report);
    json_object_set_new(report, "vfs", partition_vfs(command, partition));
    return json_pack("{s:b, s:o, s:o}", "ok", 1, "snapshot", snapshot_report(command), "partition",
                     report);
}

/* What an owner other than a guest has: pCPUs, memory, PFs, VFs. */
static json_t *owner_report(const struct snapshot_view *view, uint32_t kind)
{
    uint64_t bytes = 0;
    int pfs = 0, vfs = 0;

    for (uint32_t i = 0; i < view->head->memory_count; i++)
        if (view->memory[i].owner.kind == kind)
            bytes += view->memory[i].bytes;
    for (uint32_t i = 0; i < view->head->pfs_count; i++)
        pfs += view->pfs[i].owner.kind == kind;
    for (uint32_t i = 0; i < view->head->vfs_count; i++)
        vfs += view->vfs[i].owner.kind == kind;
    return json_pack("{s:s, s:o, s:I, s:i, s:i}", "name", name_of_owner(kind), "pcpus",
                     owned_pcpus(view, kind), "memory_mib", INTEGER(bytes / MIB), "pfs", pfs, "vfs",
                     vfs);
}

static json_t *owners(const struct snapshot_view *view)
{
    json_t *array = json_array();

    for (uint32_t kind = OWNER_AVAILABLE; kind < OWNER_KINDS; kind++)
        if (kind != OWNER_GUEST)
            json_array_append_new(array, owner_report(view, kind));
    return array;
}

static json_t *processes(const struct snapshot_view *view)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < view->head->processes_count; i++) {
        const struct snapshot_process *process = &view->processes[i];
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:i, s:i, s:o, s:o}", "name",
                                        name_of_process(process->kind), "health",
                                        name_of_health(process->health), "pid", (int)process->pid,
                                        "restarts", (int)process->restarts, "since",
                                        time_text(process->started_realtime_ns), "reason",
                                        report_text(process->reason)));
    }
    return array;
}

/* Files that are no definition yet, or whose partition control does not know. */
static json_t *file_problems(const struct command *command)
{
    const struct definitions *definitions = &command->definitions;
    json_t *array = json_array();

    if (!definitions->host_good && definitions->host_error.text[0])
        json_array_append_new(array, report_text(definitions->host_error.text));
    if (definitions->list_error.text[0])
        json_array_append_new(array, report_text(definitions->list_error.text));
    for (size_t i = 0; i < definitions->count; i++)
        if (!definitions->list[i].good)
            json_array_append_new(array, report_text(definitions->list[i].error.text));
    return array;
}

static json_t *host_report(const struct host_config *host)
{
    json_t *cards = json_array();

    for (uint32_t i = 0; i < host->cards_count; i++) {
        const struct card_config *card = &host->cards[i];
        char bdf[NAME_BDF_MAX];
        json_array_append_new(cards,
                              json_pack("{s:s, s:s, s:s, s:i, s:s}", "name", card->name, "address",
                                        name_of_bdf(card->bdf, bdf), "driver", card->driver, "vfs",
                                        (int)card->vfs, "link", name_of_card_link(card->link)));
    }
    return json_pack("{s:i, s:i, s:i, s:i, s:o}", "reserved_memory_mib",
                     (int)host->reserved_memory_mib, "reserved_pcpus", (int)host->reserved_pcpus,
                     "shared_pcpus", (int)host->shared_pcpus, "watchdog_ms", (int)host->watchdog_ms,
                     "cards", cards);
}

/* The latest proposal that was applied; "pending": control is asked for one, and has not answered.
 */
static json_t *apply_report(const struct command *command)
{
    const struct snapshot_apply *apply = &command->view.head->apply;
    char id[17];

    snprintf(id, sizeof(id), "%016" PRIx64, apply->id);
    return json_pack("{s:s, s:I, s:s, s:i, s:o, s:b}", "request", id, "transaction",
                     (json_int_t)apply->transaction, "state", name_of_apply_state(apply->state),
                     "errno", -apply->error, "text", report_text(apply->text), "pending",
                     requests_pending(&command->requests, CONTROL_APPLY));
}

json_t *report_list(const struct command *command)
{
    const struct snapshot_view *view = &command->view;
    json_t *partitions = json_array();

    if (!view->head) {
        json_decref(partitions);
        return no_snapshot();
    }
    for (uint32_t i = 0; i < view->head->partitions_count; i++)
        json_array_append_new(partitions, partition_brief(command, &view->partitions[i]));
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "ok", 1, "snapshot",
                     snapshot_report(command), "partitions", partitions, "owners", owners(view),
                     "processes", processes(view), "host", host_report(&view->head->host),
                     "problems", file_problems(command), "apply", apply_report(command),
                     "synchronized", (int)command->synchronized);
}

json_t *report_devices(const struct command *command)
{
    const struct snapshot_view *view = &command->view;
    json_t *cards = json_array(), *functions = json_array();

    if (!view->head) {
        json_decref(cards);
        json_decref(functions);
        return no_snapshot();
    }
    for (uint32_t i = 0; i < view->head->pfs_count; i++)
        json_array_append_new(cards, report_pf(command, &view->pfs[i]));
    for (uint32_t i = 0; i < view->head->functions_count; i++)
        json_array_append_new(functions, report_function(command, &view->functions[i]));
    return json_pack("{s:b, s:o, s:o, s:o}", "ok", 1, "snapshot", snapshot_report(command), "cards",
                     cards, "functions", functions);
}
