/* SPDX-License-Identifier: Apache-2.0 */
#include "parclose/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apply.h"
#include "failover.h"
#include "freeze.h"
#include "gate.h"
#include "hotplug.h"
#include "ladder.h"
#include "log/log.h"
#include "outage.h"
#include "snapshot.h"
#include "states.h"
#include "transaction.h"

static bool waits(const struct partition *partition)
{
    return partition_started(partition) && !partition_ending(partition) &&
           partition->run.attach != ATTACH_DONE;
}

static void append(char text[PARCLOSE_REASON_MAX], const char *more)
{
    size_t used = strlen(text);
    snprintf(text + used, PARCLOSE_REASON_MAX - used, "%s", more);
}

/* Phase releasing. */
static void fill_servers(const struct partition *partition, struct snapshot_partition *to)
{
    append(to->waiting_for, "to let go of its memory: the server of");
    if (partition->console.attached)
        append(to->waiting_for, " its console");
    for (uint32_t i = 0; i < partition->config.channels_count; i++) {
        if (!(partition->attached & UINT32_C(1) << i))
            continue;
        append(to->waiting_for, " channel ");
        append(to->waiting_for, partition->config.channels[i].name);
    }
}

/* How much longer is not in the words: the deadline is beside them. */
static void fill_waiting(struct control *control, const struct partition *partition,
                         struct snapshot_partition *to)
{
    const struct partition_run *run = &partition->run;

    if (run->phase == PHASE_RELEASING)
        fill_servers(partition, to);
    else
        hotplug_waiting(control->db, partition, to->waiting_for);
    if (!waits(partition) && !outage_text(control, partition, to->waiting_for))
        return;
    if (waits(partition) && gate_open(control->db, partition, to->waiting_for))
        snprintf(to->waiting_for, sizeof(to->waiting_for), "the lead monitor's acknowledgement");
    if (run->rung >= RUNG_ERROR)
        append(to->waiting_for, "; every means of recovery was tried");
    to->rung = run->rung;
    to->next_rung_boottime_ns = run->deadline_boottime_ns;
    to->next_rung = run->deadline_boottime_ns ? ladder_next(&control->db->host.gate, run) : 0;
}

static void fill_partition(struct control *control, const struct partition *partition,
                           struct snapshot_partition *to)
{
    const struct partition_run *run = &partition->run;
    const struct lead_monitor *monitor = &partition->monitor;

    *to = (struct snapshot_partition){.id = partition->id,
                                      .phase = freeze_stands(partition) ? (uint32_t)PHASE_FROZEN
                                                                        : run->phase,
                                      .states = partition_states(partition),
                                      .exit = run->exit,
                                      .last_ready_ns = run->last_ready_ns,
                                      .thawed_ns = run->thawed_ns,
                                      .frozen_boottime_ns = run->frozen_boottime_ns,
                                      .frozen_ns = run->frozen_ns,
                                      .generation = run->descriptor_generation,
                                      .memory_node = run->memory_node,
                                      .pcpus_count = run->pcpus_count,
                                      .console_attached = partition->console.attached,
                                      .channels_attached = partition->attached,
                                      .standbys = run->standbys,
                                      .config = partition->config};
    for (unsigned i = 0; i < PARTITION_STATES; i++)
        to->times[i] = partition_state_time(partition, (enum partition_state)i);
    memcpy(to->reason, run->reason, sizeof(to->reason));
    memcpy(to->pcpus, run->pcpus, sizeof(to->pcpus));
    if (monitor->present) {
        to->monitor_pid = monitor->spawner_pid;
        to->vcpu_restarts = monitor->vcpu_restarts;
        to->main_restarts = monitor->main_restarts;
        to->session = monitor->session;
        to->stopped = monitor->stopped;
        memcpy(to->vcpu_pids, monitor->vcpu_pids, sizeof(to->vcpu_pids));
        memcpy(to->vfs, monitor->vfs, sizeof(to->vfs));
        memcpy(to->channels, monitor->channels, sizeof(to->channels));
    }
    fill_waiting(control, partition, to);
}

static void fill_pf(const struct db *db, const struct pf *pf, struct snapshot_pf *to)
{
    const struct card_config *card = db_card(db, pf->bdf);

    *to = (struct snapshot_pf){.observed = pf->observed,
                               .readiness = pf->readiness,
                               .desired_vfs = pf->vfs_count,
                               .owner = pf->image.owner,
                               .disabled = pf->image.disabled,
                               .idle_power = pf->image.idle_power,
                               .counts = pf->counts};
    to->observed.bdf = pf->bdf;
    if (card)
        memcpy(to->card, card->name, sizeof(to->card));
    memcpy(to->reason, pf->reason, sizeof(to->reason));
    if (pf->image.in_error && pf->readiness != PF_READY) {
        to->readiness = PF_IN_ERROR;
        snprintf(to->reason, sizeof(to->reason), "%s; it was: %.80s", readiness_text(PF_IN_ERROR),
                 pf->reason[0] ? pf->reason : readiness_text(pf->readiness));
    }
}

/* What its partition's definition wants of a VF. */
static struct vf_attributes desired(struct db *db, const struct pf *pf, uint32_t index)
{
    const struct partition *partition = db_partition(db, pf->vfs[index].owner.partition);

    for (uint32_t i = 0; partition && i < partition->config.vfs_count; i++)
        if (partition->config.vfs[i].index == index &&
            db_pf_of_card(db, partition->config.vfs[i].card) == pf)
            return failover_attributes(partition, i);
    return (struct vf_attributes){0};
}

static void fill_vf(struct db *db, const struct pf *pf, uint32_t index, struct snapshot_vf *to)
{
    const struct vf *vf = &pf->vfs[index];

    *to = (struct snapshot_vf){.observed = vf->observed,
                               .owner = vf->owner,
                               .desired = desired(db, pf, index),
                               .outage_ns = vf->outage_ns,
                               .outage_since_boottime_ns = vf->outage_boottime_ns};
    to->observed.pf = pf->bdf;
    to->observed.index = index;
    if (vf->reset_boottime_ns)
        to->observed.status = FUNCTION_ERROR;
}

static bool vf_shown(const struct pf *pf, uint32_t index)
{
    return index < pf->vfs_count || pf->vfs[index].present;
}

static void count(const struct control *control, struct snapshot *head)
{
    const struct db *db = control->db;

    for (size_t i = 0; i < db->partitions_end; i++)
        head->partitions_count += db->partitions[i].defined;
    head->pcpus_count = db->pcpus_count;
    head->memory_count = db->blocks_count;
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        head->pfs_count += db->pfs[i] != NULL;
        for (uint32_t v = 0; db->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++)
            head->vfs_count += vf_shown(db->pfs[i], v);
    }
    head->functions_count = db->functions_count;
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        head->processes_count += control->processes[i].header.type != 0;
    head->size = sizeof(*head) + head->partitions_count * sizeof(struct snapshot_partition) +
                 head->pcpus_count * sizeof(struct snapshot_pcpu) +
                 head->memory_count * sizeof(struct snapshot_memory) +
                 head->pfs_count * sizeof(struct snapshot_pf) +
                 head->vfs_count * sizeof(struct snapshot_vf) +
                 head->functions_count * sizeof(struct snapshot_function) +
                 head->processes_count * sizeof(struct snapshot_process);
}

_Static_assert(sizeof(struct snapshot) % 8 == 0 && sizeof(struct snapshot_partition) % 8 == 0 &&
                   sizeof(struct snapshot_pcpu) % 8 == 0 &&
                   sizeof(struct snapshot_memory) % 8 == 0 && sizeof(struct snapshot_pf) % 8 == 0 &&
                   sizeof(struct snapshot_vf) % 8 == 0 &&
                   sizeof(struct snapshot_function) % 8 == 0 &&
                   sizeof(struct snapshot_process) % 8 == 0,
               "arrays follow one another, each aligned to 8");

static void *fill_partitions(struct control *control, void *at)
{
    struct snapshot_partition *to = at;
    for (size_t i = 0; i < control->db->partitions_end; i++)
        if (control->db->partitions[i].defined)
            fill_partition(control, &control->db->partitions[i], to++);
    return to;
}

static void *fill_pcpus(const struct db *db, void *at)
{
    struct snapshot_pcpu *to = at;
    for (uint32_t i = 0; i < db->pcpus_count; i++)
        *to++ = (struct snapshot_pcpu){db->pcpus[i].pcpu, db->pcpus[i].node, db->pcpus[i].owner};
    return to;
}

static void *fill_memory(const struct db *db, void *at)
{
    struct snapshot_memory *to = at;
    for (struct memory_walk walk = {0}; db_memory_next(db, &walk);)
        *to++ = (struct snapshot_memory){.node = walk.block.node,
                                         .offset = walk.block.offset,
                                         .bytes = walk.block.bytes,
                                         .owner = walk.block.owner};
    return to;
}

static void *fill_pfs(const struct db *db, void *at)
{
    struct snapshot_pf *to = at;
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (db->pfs[i])
            fill_pf(db, db->pfs[i], to++);
    return to;
}

/* The PF of the next higher address; NULL: no more. */
static const struct pf *pf_after(const struct db *db, const struct pf *last)
{
    const struct pf *next = NULL;

    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        const struct pf *pf = db->pfs[i];
        if (pf && (!last || pf->bdf.value > last->bdf.value) &&
            (!next || pf->bdf.value < next->bdf.value))
            next = pf;
    }
    return next;
}

static void *fill_vfs(struct db *db, void *at)
{
    struct snapshot_vf *to = at;
    for (const struct pf *pf = NULL; (pf = pf_after(db, pf));)
        for (uint32_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            if (vf_shown(pf, v))
                fill_vf(db, pf, v, to++);
    return to;
}

static void *fill_functions(const struct db *db, void *at)
{
    struct snapshot_function *to = at;
    for (uint32_t i = 0; i < db->functions_count; i++)
        *to++ = (struct snapshot_function){.observed = db->functions[i].observed,
                                           .owner = owner_of_kind(OWNER_BOOT)};
    return to;
}

static void *fill_processes(const struct control *control, void *at)
{
    struct snapshot_process *to = at;
    for (size_t i = 0; i < PROCESS_KINDS; i++) {
        const struct boot_status *status = &control->processes[i];
        if (!status->header.type)
            continue;
        *to = (struct snapshot_process){.kind = status->kind,
                                        .health = status->health,
                                        .pid = status->pid,
                                        .restarts = status->restarts,
                                        .started_realtime_ns = status->started_realtime_ns};
        memcpy(to++->reason, status->reason, sizeof(status->reason));
    }
    return to;
}

static void fill(struct control *control, struct snapshot *head)
{
    void *at = head + 1;

    at = fill_partitions(control, at);
    at = fill_pcpus(control->db, at);
    at = fill_memory(control->db, at);
    at = fill_pfs(control->db, at);
    at = fill_vfs(control->db, at);
    at = fill_functions(control->db, at);
    fill_processes(control, at);
}

static void send(struct control *control, const struct snapshot *head)
{
    struct control_snapshot message = {.header = frame_header(CONTROL_SNAPSHOT, sizeof(message), 0),
                                       .generation = head->generation,
                                       .size = head->size};
    int file = sealed_file("snapshot", head, head->size);

    if (file < 0) {
        log_error("no snapshot can be made: %s", strerror(-file));
        return;
    }
    control_send(control, PROCESS_COMMAND, &message, &file, 1);
    close(file);
}

void snapshot_publish(struct control *control)
{
    struct snapshot head = {
        .magic = SNAPSHOT_MAGIC,
        .version = SNAPSHOT_VERSION,
        .transaction = transaction_number(control) - 1,
        .realtime_ns = control->effects->clock_ns(control->effects_context, CLOCK_REALTIME),
        .boottime_ns = control_boottime(control),
        .host = control->db->host,
        .apply = {.id = control->db->apply.id,
                  .transaction = control->db->apply.begun,
                  .state = control->db->apply.state,
                  .error = control->db->apply.error}};

    if (!control->command_up)
        return;
    apply_text(control, head.apply.text);
    count(control, &head);
    head.generation = ++control->snapshot_generation;
    struct snapshot *whole = calloc(1, head.size);
    if (!whole) {
        log_error("no snapshot can be made: out of memory");
        return;
    }
    *whole = head;
    fill(control, whole);
    send(control, whole);
    free(whole);
}
