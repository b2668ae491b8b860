/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "apply.h"
#include "channels.h"
#include "config/config_check.h"
#include "drive.h"
#include "freeze.h"
#include "hotplug.h"
#include "log/log.h"
#include "processors.h"
#include "replies.h"
#include "resets.h"
#include "tell.h"
#include "transaction.h"

#define NS_PER_MS           UINT64_C(1000000)
#define SHUTDOWN_TIMEOUT_MS 30000 /* for the guests to power off before they are forced */
#define SHUTDOWN_GRACE_MS   15000 /* then the host goes down even if a partition lives */
#define REBOOT_QUICK_NS     UINT64_C(10000000000) /* who reboots so soon after its start … */
#define REBOOT_PAUSE_NS     UINT64_C(1000000000)  /* … begins again only after this */
#define SHUTDOWN_WINDOW_MS  (SHUTDOWN_TIMEOUT_MS + SHUTDOWN_GRACE_MS)

struct state_time lifecycle_now(const struct control *control)
{
    return (struct state_time){control->effects->clock_ns(control->effects_context, CLOCK_REALTIME),
                               control_boottime(control)};
}

/* ---- define, undefine */

/* No vCPU has to wait for another one of its own partition: not on shared pCPUs either. */
static int vcpus_check(const struct db *db, const struct host_config *host,
                       const struct partition_config *config, char *text)
{
    uint32_t kept = host->reserved_pcpus ? host->reserved_pcpus : 1;
    uint32_t shared = host->shared_pcpus;

    if (config->weight && config->vcpus > shared)
        return refuse(text, -ENOSPC,
                      "vcpus is %u: this host has %u shared pCPUs; ask for less, or <shared pcpus> "
                      "in host.xml for more",
                      config->vcpus, shared);
    if (!config->weight && config->vcpus + kept + shared > db->pcpus_count)
        return refuse(text, -ENOSPC,
                      "vcpus is %u: this host has %u pCPUs, %u of them reserved%s; ask for less",
                      config->vcpus, db->pcpus_count, kept + shared, shared ? " or shared" : "");
    return 0;
}

int lifecycle_judge(struct control *control, const struct host_config *host,
                    const struct partition_config *config, char text[PARCLOSE_REASON_MAX])
{
    int error = partition_config_check(config, text);

    if (!error && !host->reserved_pcpus && config->vfs_count)
        return refuse(text, -EINVAL, "no host configuration is set yet: it names the cards");
    if (!error)
        error = partition_config_check_cards(config, host, text);
    if (error)
        return error;
    uint64_t bytes = (uint64_t)config->memory_mib << 20;
    uint64_t total = db_memory_total(control->db);
    uint64_t reserved = (uint64_t)host->reserved_memory_mib << 20;
    if (bytes > total || reserved > total - bytes)
        return refuse(text, -ENOMEM,
                      "memory-mib is %u: this host has %llu MiB, %u of them reserved; ask for less",
                      config->memory_mib, (unsigned long long)(total >> 20),
                      host->reserved_memory_mib);
    return vcpus_check(control->db, host, config, text);
}

static int define_check(struct control *control, const struct partition_config *config, char *text)
{
    if (!db_partition_named(control->db, config->name) && !db_partition_free(control->db))
        return refuse(text, -ENOSPC, "%d partitions are defined already: undefine one",
                      PARCLOSE_MAX_PARTITIONS);
    return lifecycle_judge(control, &control->db->host, config, text);
}

int partition_define(struct control *control, const struct control_partition_define *request,
                     char text[PARCLOSE_REASON_MAX])
{
    struct partition *partition = db_partition_named(control->db, request->config.name);

    if (partition && !memcmp(&partition->config, &request->config, sizeof(request->config)))
        return 0; /* nothing to change: no transaction, running or not */
    int error = apply_frees_partition(control, partition, text);
    if (error)
        return error;
    if (partition && partition_started(partition))
        return hotplug_define(control, partition, request, text);
    error = define_check(control, &request->config, text);
    if (error)
        return error;
    if (!partition)
        partition = db_partition_free(control->db);
    struct partition_run run = partition->run;
    if (!partition->defined)
        run = (struct partition_run){.phase = PHASE_DEFINED, .enabled = lifecycle_now(control)};
    transaction_begin(control, AUDIT_DEFINE, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_COMMAND, &request->requester);
    transaction_request(control, &request->header);
    transaction_text(control, "partition %s", request->config.name);
    transaction_change(control, RESOURCE_PARTITION, partition->id.value, 0, &request->config);
    transaction_run(control, partition, &run);
    return commit_or_say(control, text);
}

struct partition *lifecycle_named(struct control *control, const char *name,
                                  char text[PARCLOSE_REASON_MAX], int *error)
{
    struct partition *partition = NULL;

    *error = 0;
    if (!config_name_ok(name))
        *error = refuse(text, -EINVAL, "a partition's name must be [a-z][a-z0-9-]*");
    else if (!(partition = db_partition_named(control->db, name)))
        *error = refuse(text, -ENOENT, "no partition %s is defined", name);
    return partition;
}

int partition_undefine(struct control *control, const struct control_partition_name *request,
                       char text[PARCLOSE_REASON_MAX])
{
    int error;
    struct partition *partition = lifecycle_named(control, request->name, text, &error);

    if (!partition)
        return error;
    if (partition_started(partition))
        return refuse(text, -EBUSY, "partition %s is started: stop it first", request->name);
    error = apply_frees_partition(control, partition, text);
    if (error)
        return error;
    transaction_begin(control, AUDIT_UNDEFINE, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_COMMAND, &request->requester);
    transaction_request(control, &request->header);
    transaction_text(control, "partition %s", request->name);
    transaction_run(control, partition, NULL);
    transaction_change(control, RESOURCE_PARTITION, partition->id.value, 0, NULL);
    return commit_or_say(control, text);
}

/* ---- stop, release */

static struct partition_run run_stopping(const struct control *control,
                                         const struct partition *partition, bool force,
                                         uint32_t timeout_ms)
{
    struct partition_run run = partition->run;

    freeze_end(control, &run);
    if (run.exit == EXIT_REBOOT) /* of the last run, or one that was to begin anew */
        run.exit = EXIT_NONE;
    run.phase = PHASE_STOPPING;
    run.calm = 0;
    run.deadline_boottime_ns =
        control_boottime(control) + (force ? 0 : timeout_ms) * NS_PER_MS + STOP_GRACE_NS;
    return run;
}

struct partition_run lifecycle_restarting(const struct control *control,
                                          const struct partition *partition)
{
    struct partition_run run = run_stopping(control, partition, true, 0);

    run.exit = EXIT_REBOOT;
    return run;
}

/* A stop that is under way may be made more urgent, by a new order. */
static void stopping(struct control *control, struct partition *partition)
{
    partition->ordered &= ~(UINT32_C(1) << ORDER_STOP);
    drive_partition(control, partition);
    control_arm(control);
}

/* By the guest's wish, or because it hung: its watchdog is there for that. */
static bool begins_again(enum exit_reason exit)
{
    return exit == EXIT_REBOOT || exit == EXIT_WATCHDOG;
}

int partition_stop(struct control *control, const struct control_partition_stop *request,
                   char text[PARCLOSE_REASON_MAX])
{
    int error;
    struct partition *partition = lifecycle_named(control, request->name, text, &error);

    if (!partition)
        return error;
    if (request->force > 1 || request->timeout_ms > STOP_TIMEOUT_MS_MAX)
        return refuse(text, -EINVAL, "the time-out is at most %d ms", STOP_TIMEOUT_MS_MAX);
    if (!partition_started(partition))
        return refuse(text, -ESRCH, "partition %s is not started", request->name);
    if (partition->run.phase == PHASE_RELEASING &&
        !begins_again((enum exit_reason)partition->run.exit))
        return 0;
    struct partition_run run =
        run_stopping(control, partition, request->force, request->timeout_ms);
    if (partition->run.phase == PHASE_RELEASING) { /* it is to end, and not to begin again */
        run = partition->run;
        run.exit = EXIT_STOPPED;
    }
    transaction_begin(control, AUDIT_STOP, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_COMMAND, &request->requester);
    transaction_request(control, &request->header);
    transaction_text(control, "partition %s%s", request->name, request->force ? ", forced" : "");
    transaction_run(control, partition, &run);
    error = commit_or_say(control, text);
    if (!error)
        stopping(control, partition);
    return error;
}

void partition_fail(struct control *control, struct partition *partition, const char *reason)
{
    struct partition_run run = run_stopping(control, partition, true, 0);

    run.exit = EXIT_MONITOR_ERROR;
    snprintf(run.reason, sizeof(run.reason), "%s", reason);
    transaction_begin(control, AUDIT_STOP, AUDIT_BEGUN, 0);
    transaction_text(control, "partition %s: %.100s", partition->config.name, reason);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, true))
        return;
    log_error("partition %s failed: %s", partition->config.name, reason);
    stopping(control, partition);
}

void partition_end(struct control *control, struct partition *partition, const char *reason)
{
    struct partition_run run = run_stopping(
        control, partition, partition->run.phase != PHASE_RUNNING, SHUTDOWN_TIMEOUT_MS);

    transaction_begin(control, AUDIT_STOP, AUDIT_BEGUN, 0);
    transaction_text(control, "partition %s: %.100s", partition->config.name, reason);
    transaction_run(control, partition, &run);
    if (!transaction_commit(control, true))
        stopping(control, partition);
}

/* What is left of a run that is over. */
static struct partition_run run_over(const struct partition *partition, enum exit_reason exit,
                                     const char *reason)
{
    struct partition_run run = {.phase = PHASE_DEFINED,
                                .exit = exit,
                                .descriptor_generation = partition->run.descriptor_generation,
                                .enabled = partition->run.enabled};

    if (exit == EXIT_PANIC || exit == EXIT_MONITOR_ERROR || exit == EXIT_MONITOR_DIED)
        run.phase = PHASE_FAILED;
    snprintf(run.reason, sizeof(run.reason), "%s", reason);
    return run;
}

/* How it ended: on order, by itself in good order, or in failure. */
static struct partition_run run_ended(const struct partition *partition, enum exit_reason exit,
                                      const char *reason)
{
    const struct partition_run *old = &partition->run;

    if (old->phase == PHASE_STOPPING && old->exit == EXIT_MONITOR_ERROR)
        return run_over(partition, (enum exit_reason)old->exit, old->reason);
    if (old->phase == PHASE_STOPPING && old->exit == EXIT_REBOOT)
        return run_over(partition, EXIT_REBOOT, "its monitor begins anew, with other VFs");
    if (old->phase == PHASE_STOPPING && exit != EXIT_POWER_OFF)
        return run_over(partition, EXIT_STOPPED, "");
    return run_over(partition, exit, reason);
}

static void give_back(struct control *control, const struct partition *partition)
{
    const struct owner guest = owner_guest(partition->id);
    const struct owner idle = owner_of_kind(OWNER_IDLE);
    struct db *db = control->db;

    for (uint32_t i = 0; i < db->pcpus_count; i++)
        if (owner_equal(db->pcpus[i].owner, guest))
            transaction_change(control, RESOURCE_PCPU, db->pcpus[i].pcpu, 0, &idle);
    for (struct memory_walk walk = {0}; db_memory_next(db, &walk);)
        if (owner_equal(walk.block.owner, guest))
            transaction_memory(control, walk.block.node, walk.block.offset, walk.block.bytes,
                               owner_of_kind(OWNER_AVAILABLE));
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        for (uint32_t v = 0; db->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++)
            if (owner_equal(db->pfs[i]->vfs[v].owner, guest))
                transaction_vf(control, db->pfs[i], v, owner_of_kind(OWNER_INTERCONNECT));
}

static void release(struct control *control, struct partition *partition,
                    const struct partition_run *run)
{
    struct hotplug_vfs leaving = hotplug_leaving(control->db, partition);

    transaction_begin(control, AUDIT_RELEASE, AUDIT_BEGUN, 0);
    transaction_text(control, "partition %s: %.100s", partition->config.name,
                     run->reason[0] ? run->reason : "ended");
    give_back(control, partition);
    channels_end(control, partition);
    transaction_run(control, partition, run);
    if (transaction_commit(control, true))
        return;
    log_notice("partition %s ended%s%s", partition->config.name,
               partition->run.reason[0] ? ": " : "", partition->run.reason);
    partition->monitor = (struct lead_monitor){0};
    drive_forget(partition);
    partition->processors_due = false;
    tell_assigns(control, partition);
    tell_wants(control, partition);
    hotplug_tell(control, partition, &leaving);
    processors_mend(control);
    shutdown_finish(control);
    control_arm(control);
}

/* A guest that reboots keeps what its definition names: a new monitor begins with that. */
static bool reboots(const struct control *control, enum exit_reason exit)
{
    return begins_again(exit) && !control->db->control.shutting_down;
}

static void reboot(struct control *control, struct partition *partition, enum exit_reason exit,
                   const char *reason)
{
    const struct partition_run *old = &partition->run;
    struct partition_run run = {.phase = PHASE_STARTING,
                                .exit = exit,
                                .start_transaction = transaction_number(control),
                                .descriptor_generation = old->descriptor_generation + 1,
                                .memory_node = old->memory_node,
                                .pcpus_count = old->pcpus_count,
                                .standbys = old->standbys,
                                .skipped = old->skipped,
                                .enabled = old->enabled,
                                .active = lifecycle_now(control)};

    bool quick = run.active.boottime_ns - old->active.boottime_ns < REBOOT_QUICK_NS;
    struct hotplug_vfs leaving = hotplug_leaving(control->db, partition);

    memcpy(run.pcpus, old->pcpus, sizeof(run.pcpus));
    memcpy(run.rungs_taken, old->rungs_taken, sizeof(run.rungs_taken)); /* ladder.h */
    transaction_begin(control, AUDIT_START, AUDIT_BEGUN, 0);
    transaction_text(control, "partition %s: its guest reboots: %.100s", partition->config.name,
                     reason);
    for (uint32_t i = 0; i < leaving.count; i++)
        transaction_vf(control, leaving.vfs[i].pf, leaving.vfs[i].index,
                       owner_of_kind(OWNER_INTERCONNECT));
    transaction_run(control, partition, &run);
    if (transaction_commit(control, true))
        return;
    log_notice("partition %s reboots: %s", partition->config.name, reason);
    partition->monitor = (struct lead_monitor){0};
    drive_forget(partition);
    partition->processors_due = false;
    partition->retry_boottime_ns = quick ? control_boottime(control) + REBOOT_PAUSE_NS : 0;
    tell_wants(control, partition);
    hotplug_tell(control, partition, &leaving);
    processors_mend(control);
    drive_partition(control, partition);
    control_arm(control);
}

static void end(struct control *control, struct partition *partition,
                const struct partition_run *run)
{
    if (reboots(control, (enum exit_reason)run->exit))
        reboot(control, partition, (enum exit_reason)run->exit, run->reason);
    else
        release(control, partition, run);
}

static bool attached(const struct partition *partition)
{
    return partition->console.attached || partition->attached;
}

/* All that it has stays its own while a server has a channel of it attached. */
static void hold_back(struct control *control, struct partition *partition,
                      const struct partition_run *ended)
{
    struct partition_run run = partition->run;

    freeze_end(control, &run);
    run.phase = PHASE_RELEASING;
    run.calm = 0;
    run.exit = ended->exit;
    memcpy(run.reason, ended->reason, sizeof(run.reason));
    run.deadline_boottime_ns = 0;
    transaction_begin(control, AUDIT_RELEASE, AUDIT_BEGUN, 0);
    transaction_text(control, "partition %s: waits for servers of its channels",
                     partition->config.name);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, true))
        return;
    partition->monitor = (struct lead_monitor){0};
    control_arm(control);
}

void partition_gone(struct control *control, struct partition *partition, enum exit_reason exit,
                    const char *reason)
{
    if (partition->run.phase == PHASE_RELEASING) { /* said again: perhaps one has let go */
        partition_detached(control, partition);
        return;
    }
    resets_forget(control, partition);
    tell_requests(control, partition, NULL);
    struct partition_run run = run_ended(partition, exit, reason);
    if (attached(partition))
        hold_back(control, partition, &run);
    else
        end(control, partition, &run);
}

void partition_detached(struct control *control, struct partition *partition)
{
    if (partition->run.phase != PHASE_RELEASING || attached(partition) || !control->lead_synced)
        return;
    struct partition_run run =
        run_over(partition, (enum exit_reason)partition->run.exit, partition->run.reason);
    end(control, partition, &run);
}

/* ---- shutdown */

static bool anything_started(const struct db *db)
{
    for (size_t i = 0; i < db->partitions_end; i++)
        if (partition_started(&db->partitions[i]))
            return true;
    return false;
}

void shutdown_finish(struct control *control)
{
    const struct control_image *image = &control->db->control;
    const struct boot_empty message = {.header = frame_header(BOOT_SHUTDOWN, sizeof(message), 0)};

    if (!image->shutting_down ||
        (anything_started(control->db) && control_boottime(control) < image->shutdown_boottime_ns))
        return;
    log_notice("shutdown: %s", anything_started(control->db) ? "out of patience" : "all stopped");
    control->shutdown_told = true;
    control_send(control, PROCESS_BOOT, &message, NULL, 0);
}

int control_shutdown(struct control *control, const struct control_plain *request,
                     char text[PARCLOSE_REASON_MAX])
{
    const struct control_image image = {.shutting_down = 1,
                                        .shutdown_boottime_ns = control_boottime(control) +
                                                                SHUTDOWN_WINDOW_MS * NS_PER_MS};
    struct db *db = control->db;

    if (db->control.shutting_down)
        return 0;
    transaction_begin(control, AUDIT_SHUTDOWN, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_COMMAND, &request->requester);
    transaction_request(control, &request->header);
    transaction_change(control, RESOURCE_CONTROL, 0, 0, &image);
    for (size_t i = 0; i < db->partitions_end; i++) {
        const struct partition *partition = &db->partitions[i];
        struct partition_run run = run_stopping(control, partition, false, SHUTDOWN_TIMEOUT_MS);
        if (partition_started(partition) && !partition_ending(partition))
            transaction_run(control, partition, &run);
    }
    int error = commit_or_say(control, text);
    if (error)
        return error;
    drive_all(control);
    control_arm(control);
    shutdown_finish(control);
    return 0;
}
