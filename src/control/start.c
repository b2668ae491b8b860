/* SPDX-License-Identifier: Apache-2.0 */
/*
 * START: what command selected is checked against the map as it is, then all of it is reserved in
 * one transaction, or nothing. What another transaction took since the selection's snapshot is
 * said, and the request is stale (since.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply.h"
#include "channels.h"
#include "config/config_check.h"
#include "drive.h"
#include "lifecycle.h"
#include "replies.h"
#include "tell.h"
#include "transaction.h"

#define SINCE_MAX 40

/* " since transaction N"; "" when none of this boot of the host changed it. */
static const char *since_text(uint64_t transaction, char text[SINCE_MAX])
{
    text[0] = 0;
    if (transaction)
        snprintf(text, SINCE_MAX, " since transaction %llu", (unsigned long long)transaction);
    return text;
}

static const char *owner_text(struct control *control, struct owner owner, char text[64])
{
    const struct partition *partition = db_partition(control->db, owner.partition);

    if (owner.kind == OWNER_GUEST)
        snprintf(text, 64, "partition %s", partition ? partition->config.name : "?");
    else if (owner.kind == OWNER_OFFLINE)
        snprintf(text, 64, "nobody, it is offline");
    else
        snprintf(text, 64, "%s", owner.kind == OWNER_BOOT ? "the host" : "the infrastructure");
    return text;
}

static int pcpu_taken(struct control *control, const struct control_partition_start *request,
                      const struct pcpu *pcpu, char *text)
{
    uint64_t changed = since_pcpu(control, pcpu);
    char owner[64], since[SINCE_MAX];

    owner_text(control, pcpu->owner, owner);
    if (since_stale(control, request->generation, changed))
        return refuse(text, -ESTALE, "pCPU %u now belongs to %s%s: select again", pcpu->pcpu, owner,
                      since_text(changed, since));
    return refuse(text, -EBUSY,
                  "pCPU %u belongs to %s: stop another partition or ask for fewer vCPUs",
                  pcpu->pcpu, owner);
}

/* Of the shared pCPUs none is selected; host.xml may have changed since the definition. */
static int check_shared(struct control *control, const struct partition *partition,
                        const struct control_partition_start *request, char *text)
{
    uint32_t shared = db_pcpus_of(control->db, OWNER_SHARED);

    if (request->pcpus_count)
        return refuse(text, -EINVAL, "%u pCPUs were selected for shared processors",
                      request->pcpus_count);
    if (partition->config.vcpus > shared)
        return refuse(text, -EBUSY, "needs %u shared pCPUs: this host has %u online",
                      partition->config.vcpus, shared);
    return 0;
}

static int check_pcpus(struct control *control, const struct partition *partition,
                       const struct control_partition_start *request, char *text)
{
    if (partition->config.weight)
        return check_shared(control, partition, request, text);
    if (request->pcpus_count != partition->config.vcpus)
        return refuse(text, -EINVAL, "%u pCPUs were selected for %u vCPUs", request->pcpus_count,
                      partition->config.vcpus);
    for (uint32_t i = 0; i < request->pcpus_count; i++) {
        const struct pcpu *pcpu = db_pcpu(control->db, request->pcpus[i]);
        if (!pcpu)
            return refuse(text, -EINVAL, "this host has no pCPU %u", request->pcpus[i]);
        for (uint32_t j = 0; j < i; j++)
            if (request->pcpus[j] == request->pcpus[i])
                return refuse(text, -EINVAL, "pCPU %u was selected twice", request->pcpus[i]);
        if (pcpu->owner.kind != OWNER_IDLE)
            return pcpu_taken(control, request, pcpu, text);
    }
    return 0;
}

int lifecycle_vf_free(struct control *control, const struct partition *partition,
                      const struct partition_vf *wanted, char text[PARCLOSE_REASON_MAX])
{
    const struct pf *pf = db_pf_of_card(control->db, wanted->card);
    char owner[64];

    if (!pf)
        return refuse(text, -EINVAL, "card %s is not in the host configuration", wanted->card);
    if (pf->vfs[wanted->index].owner.kind == OWNER_INTERCONNECT)
        return apply_frees_vf(control, partition, wanted, text);
    owner_text(control, pf->vfs[wanted->index].owner, owner);
    return refuse(text, -EBUSY, "VF %u of card %s belongs to %s: stop it or choose another VF",
                  wanted->index, wanted->card, owner);
}

/* VFs are not selected but defined: another owner is no matter of the snapshot. */
static int check_vfs(struct control *control, const struct partition *partition, char *text)
{
    int error = partition_config_check_cards(&partition->config, &control->db->host, text);

    for (uint32_t i = 0; i < partition->config.vfs_count && !error; i++)
        error = lifecycle_vf_free(control, partition, &partition->config.vfs[i], text);
    return error;
}

static int memory_taken(struct control *control, const struct partition *partition,
                        const struct control_partition_start *request, char *text)
{
    uint32_t node = request->memory_node;
    uint64_t changed = since_node(control, node);
    unsigned long long mib = db_memory_of(control->db, node, owner_of_kind(OWNER_AVAILABLE)) >> 20;
    char since[SINCE_MAX];

    if (since_stale(control, request->generation, changed))
        return refuse(text, -ESTALE, "node %u has only %llu MiB available%s: select again", node,
                      mib, since_text(changed, since));
    return refuse(text, -ENOMEM,
                  "node %u has %llu MiB available, %u are needed: stop another partition or ask "
                  "for less",
                  node, mib, partition->config.memory_mib);
}

static int check_definition(struct control *control, const struct partition *partition,
                            const struct control_partition_start *request, char *text)
{
    uint64_t changed = since_definition(control, partition);

    if (!changed || !since_known(control, request->generation) ||
        !since_stale(control, request->generation, changed))
        return 0;
    return refuse(text, -ESTALE, "partition %s was defined anew in transaction %llu: select again",
                  request->name, (unsigned long long)changed);
}

static int start_check(struct control *control, const struct partition *partition,
                       const struct control_partition_start *request, char *text)
{
    if (control->db->control.shutting_down)
        return refuse(text, -ESHUTDOWN, "the host is shutting down: nothing is started any more");
    if (!control->db->host_set)
        return refuse(text, -EINVAL, "no host configuration is set yet");
    if (partition_started(partition))
        return refuse(text, -EALREADY, "partition %s is started already", request->name);
    int error = apply_frees_start(control, partition, text);
    if (!error)
        error = check_definition(control, partition, request, text);
    if (!error)
        error = check_pcpus(control, partition, request, text);
    if (!error)
        error = check_vfs(control, partition, text);
    return error;
}

static void reserve(struct control *control, const struct partition *partition,
                    const struct control_partition_start *request, const struct extent *blocks,
                    int blocks_count)
{
    const struct owner guest = owner_guest(partition->id);

    for (uint32_t i = 0; i < request->pcpus_count; i++)
        transaction_change(control, RESOURCE_PCPU, request->pcpus[i], 0, &guest);
    for (int i = 0; i < blocks_count; i++)
        transaction_memory(control, blocks[i].node, blocks[i].offset, blocks[i].bytes, guest);
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        transaction_vf(control, db_pf_of_card(control->db, wanted->card), wanted->index, guest);
    }
}

static struct partition_run run_started(struct control *control, const struct partition *partition,
                                        const struct control_partition_start *request)
{
    struct partition_run run = {.phase = PHASE_STARTING,
                                .start_transaction = transaction_number(control),
                                .descriptor_generation = partition->run.descriptor_generation + 1,
                                .memory_node = request->memory_node,
                                .pcpus_count = request->pcpus_count,
                                .enabled = partition->run.enabled,
                                .active = lifecycle_now(control)};

    memcpy(run.pcpus, request->pcpus, request->pcpus_count * sizeof(run.pcpus[0]));
    return run;
}

/* What the TCB and lead said before belongs to another life of the VFs and of the partition. */
static void forget_observed(struct control *control, struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        struct pf *pf = db_pf_of_card(control->db, wanted->card);
        if (pf)
            pf->vfs[wanted->index].observed.attributes_set = 0;
    }
    partition->monitor = (struct lead_monitor){0};
    drive_forget(partition);
    partition->processors_due = false;
    partition->retry_boottime_ns = 0;
    partition->trouble[0] = 0;
    partition->refused.text[0] = 0;
}

int partition_start(struct control *control, const struct control_partition_start *request,
                    char text[PARCLOSE_REASON_MAX])
{
    struct extent blocks[DB_BLOCKS_MAX];
    int error;
    struct partition *partition = lifecycle_named(control, request->name, text, &error);

    if (!partition)
        return error;
    error = start_check(control, partition, request, text);
    if (error)
        return error;
    int blocks_count =
        db_memory_find(control->db, request->memory_node,
                       (uint64_t)partition->config.memory_mib << 20, blocks, DB_BLOCKS_MAX);
    if (blocks_count < 0)
        return memory_taken(control, partition, request, text);
    struct partition_run run = run_started(control, partition, request);
    transaction_begin(control, AUDIT_START, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_COMMAND, &request->requester);
    transaction_request(control, &request->header);
    transaction_text(control, "partition %s", request->name);
    reserve(control, partition, request, blocks, blocks_count);
    channels_make(control, partition);
    transaction_run(control, partition, &run);
    error = commit_or_say(control, text);
    if (error)
        return error;
    forget_observed(control, partition);
    tell_assigns(control, partition);
    tell_wants(control, partition);
    drive_partition(control, partition);
    return 0;
}
