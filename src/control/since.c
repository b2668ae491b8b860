/* SPDX-License-Identifier: Apache-2.0 */
#include "since.h"

#include "control.h"
#include "transaction.h"

static uint64_t *pcpu_slot(struct control *control, const struct pcpu *pcpu)
{
    return pcpu ? &control->since.pcpus[pcpu - control->db->pcpus] : NULL;
}

static uint64_t *node_slot(struct control *control, uint64_t node)
{
    for (uint32_t i = 0; i < control->db->nodes_count; i++)
        if (control->db->nodes[i].node == node)
            return &control->since.nodes[i];
    return NULL;
}

static uint64_t *slot_of(struct control *control, const struct audit_change *change)
{
    switch (change->kind) {
    case RESOURCE_PCPU:
        return pcpu_slot(control, db_pcpu(control->db, (uint32_t)change->key[0]));
    case RESOURCE_MEMORY:
        return node_slot(control, change->key[0]);
    case RESOURCE_PARTITION:
        return change->key[0] >= 1 && change->key[0] <= PARCLOSE_MAX_PARTITIONS
                   ? &control->since.definitions[change->key[0] - 1]
                   : NULL;
    default:
        return NULL;
    }
}

void since_note(struct control *control, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    while ((change = audit_entry_next(entry, change))) {
        uint64_t *slot = slot_of(control, change);
        if (slot)
            *slot = entry->sequence;
    }
}

static const struct since_snapshot *find(const struct control *control, uint64_t generation)
{
    for (size_t i = 0; i < SINCE_SNAPSHOTS; i++)
        if (generation && control->since.snapshots[i].generation == generation)
            return &control->since.snapshots[i];
    return NULL;
}

bool since_known(const struct control *control, uint64_t generation)
{
    return find(control, generation) != NULL;
}

void since_published(struct control *control)
{
    struct since *since = &control->since;

    if (since_known(control, control->snapshot_generation))
        return; /* nobody was there to have a new one */
    since->snapshots[since->snapshots_next] =
        (struct since_snapshot){control->snapshot_generation, transaction_number(control) - 1};
    since->snapshots_next = (since->snapshots_next + 1) % SINCE_SNAPSHOTS;
}

bool since_stale(const struct control *control, uint64_t generation, uint64_t changed)
{
    const struct since_snapshot *snapshot = find(control, generation);
    return !snapshot || changed > snapshot->transaction;
}

uint64_t since_pcpu(const struct control *control, const struct pcpu *pcpu)
{
    return control->since.pcpus[pcpu - control->db->pcpus];
}

uint64_t since_node(const struct control *control, uint32_t node)
{
    for (uint32_t i = 0; i < control->db->nodes_count; i++)
        if (control->db->nodes[i].node == node)
            return control->since.nodes[i];
    return 0;
}

uint64_t since_definition(const struct control *control, const struct partition *partition)
{
    return control->since.definitions[partition->id.value - 1];
}
