/* SPDX-License-Identifier: Apache-2.0 */
#include "processors.h"

#include <errno.h>
#include <string.h>

#include "drive.h"
#include "host.h"
#include "log/log.h"
#include "names/pcpu_set.h"
#include "transaction.h"

/* The kernel's word is about numbers that fit into the message; beyond, all count as online. */
static bool is_online(const struct pcpu_set *online, const struct pcpu *pcpu)
{
    return pcpu->pcpu >= PARCLOSE_MAX_PCPUS || pcpu_set_has(online, pcpu->pcpu);
}

/* An idle pCPU of that node, else of any; NULL: none is idle. */
static struct pcpu *idle_near(struct db *db, uint32_t node)
{
    struct pcpu *any = NULL;

    for (uint32_t i = 0; i < db->pcpus_count; i++) {
        struct pcpu *pcpu = &db->pcpus[i];
        if (pcpu->owner.kind != OWNER_IDLE)
            continue;
        if (pcpu->node == node)
            return pcpu;
        if (!any)
            any = pcpu;
    }
    return any;
}

static bool may_have_more(const struct partition *partition)
{
    return partition_started(partition) && !partition_ending(partition);
}

/* Its vCPU with this pCPU; PCPU_NONE finds one that has none. vcpus_count: there is none. */
static uint32_t vcpu_with(const struct partition *partition, uint32_t pcpu)
{
    uint32_t vcpu = 0;

    while (vcpu < partition->run.pcpus_count && partition->run.pcpus[vcpu] != pcpu)
        vcpu++;
    return vcpu;
}

static bool runs_on_shared(const struct partition *partition)
{
    return partition->config.weight || vcpu_with(partition, PCPU_NONE) < partition->run.pcpus_count;
}

bool processors_stale(const struct partition *partition)
{
    return partition->monitor.present &&
           partition->monitor.descriptor_generation < partition->run.descriptor_generation;
}

/* Lead is to have the descriptor of a generation that it does not have yet. */
static void renewed(struct partition *partition)
{
    partition->processors_due = true;
    partition->ordered &= ~(UINT32_C(1) << ORDER_PROCESSORS);
}

/* In the transaction under way: the vCPU has that pCPU, or none. */
static void give(struct control *control, const struct partition *partition, uint32_t vcpu,
                 const struct pcpu *pcpu)
{
    const struct owner guest = owner_guest(partition->id);
    struct partition_run run = partition->run;

    run.pcpus[vcpu] = pcpu ? pcpu->pcpu : PCPU_NONE;
    run.descriptor_generation++;
    if (pcpu)
        transaction_change(control, RESOURCE_PCPU, pcpu->pcpu, 0, &guest);
    transaction_run(control, partition, &run);
}

/* All that run on the shared pCPUs get a new descriptor, before those change. */
static void renew_shared(struct control *control)
{
    struct db *db = control->db;

    for (size_t i = 0; i < db->partitions_end; i++) {
        struct partition *partition = &db->partitions[i];
        struct partition_run run = partition->run;
        if (!may_have_more(partition) || !runs_on_shared(partition))
            continue;
        run.descriptor_generation++;
        transaction_begin(control, AUDIT_PCPU, AUDIT_BEGUN, 0);
        transaction_text(control, "partition %s: the pCPUs that it shares change",
                         partition->config.name);
        transaction_run(control, partition, &run);
        if (!transaction_commit(control, false))
            renewed(partition);
    }
}

static void change_owner(struct control *control, const struct pcpu *pcpu, struct owner after)
{
    transaction_change(control, RESOURCE_PCPU, pcpu->pcpu, 0, &after);
}

static bool is_pool(struct owner owner)
{
    return owner.kind == OWNER_SHARED || owner.kind == OWNER_BOOT;
}

static void came_back(struct control *control, const struct pcpu *pcpu)
{
    struct owner after = host_pcpu_owner(control->db, pcpu);

    if (is_pool(after))
        renew_shared(control);
    transaction_begin(control, AUDIT_PCPU, AUDIT_BEGUN, 0);
    transaction_text(control, "pCPU %u is online again", pcpu->pcpu);
    change_owner(control, pcpu, after);
    if (!transaction_commit(control, true))
        log_notice("pCPU %u is online again", pcpu->pcpu);
}

/* It was a guest's: what its vCPU has now. Says so in `entry`'s text, and in the log. */
static void replace(struct control *control, const struct pcpu *lost, struct partition *partition)
{
    uint32_t vcpu = vcpu_with(partition, lost->pcpu);
    const struct pcpu *other = may_have_more(partition) ? idle_near(control->db, lost->node) : NULL;

    transaction_begin(control, AUDIT_PCPU, AUDIT_BEGUN, 0);
    if (other)
        transaction_text(control, "pCPU %u went offline: vCPU %u of partition %s has %u",
                         lost->pcpu, vcpu, partition->config.name, other->pcpu);
    else
        transaction_text(control, "pCPU %u went offline: none is idle for vCPU %u of partition %s",
                         lost->pcpu, vcpu, partition->config.name);
    change_owner(control, lost, owner_of_kind(OWNER_OFFLINE));
    if (vcpu < partition->run.pcpus_count)
        give(control, partition, vcpu, other);
    if (transaction_commit(control, true))
        return;
    log_warning("%s", control->entry->text);
    renewed(partition);
}

static void went_offline(struct control *control, const struct pcpu *pcpu)
{
    struct partition *partition = db_partition_of(control->db, pcpu->owner);

    if (partition) {
        replace(control, pcpu, partition);
        return;
    }
    if (is_pool(pcpu->owner))
        renew_shared(control);
    transaction_begin(control, AUDIT_PCPU, AUDIT_BEGUN, 0);
    transaction_text(control, "pCPU %u went offline", pcpu->pcpu);
    change_owner(control, pcpu, owner_of_kind(OWNER_OFFLINE));
    if (!transaction_commit(control, true))
        log_warning("pCPU %u went offline", pcpu->pcpu);
}

static bool mend(struct control *control, struct partition *partition, uint32_t vcpu)
{
    const struct pcpu *pcpu = idle_near(control->db, partition->run.memory_node);

    if (!pcpu)
        return false;
    transaction_begin(control, AUDIT_PCPU, AUDIT_BEGUN, 0);
    transaction_text(control, "vCPU %u of partition %s has a pCPU of its own again: %u", vcpu,
                     partition->config.name, pcpu->pcpu);
    give(control, partition, vcpu, pcpu);
    if (transaction_commit(control, true))
        return false;
    log_notice("%s", control->entry->text);
    renewed(partition);
    return true;
}

void processors_mend(struct control *control)
{
    struct db *db = control->db;

    for (size_t i = 0; i < db->partitions_end; i++) {
        struct partition *partition = &db->partitions[i];
        bool mended = false;
        for (uint32_t vcpu = 0; vcpu < partition->run.pcpus_count; vcpu++)
            if (may_have_more(partition) && partition->run.pcpus[vcpu] == PCPU_NONE)
                mended |= mend(control, partition, vcpu);
        if (mended)
            drive_processors(control, partition);
    }
}

/* Those that came back first: they may be what others need. */
static void update(struct control *control, const struct pcpu_set *online)
{
    struct db *db = control->db;

    for (uint32_t i = 0; i < db->pcpus_count; i++)
        if (is_online(online, &db->pcpus[i]) && db->pcpus[i].owner.kind == OWNER_OFFLINE)
            came_back(control, &db->pcpus[i]);
    for (uint32_t i = 0; i < db->pcpus_count; i++)
        if (!is_online(online, &db->pcpus[i]) && db->pcpus[i].owner.kind != OWNER_OFFLINE)
            went_offline(control, &db->pcpus[i]);
}

int on_online(void *context, struct frame *frame)
{
    static const struct pcpu_set none;
    const struct lead_online *message = (const void *)frame->bytes;
    struct control *control = context;

    if (!memcmp(&message->online, &none, sizeof(none)))
        return -EBADMSG;
    update(control, &message->online);
    processors_mend(control);
    drive_all(control);
    return 0;
}
