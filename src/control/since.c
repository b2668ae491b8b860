/* SPDX-License-Identifier: Apache-2.0 */
#include "since.h"

#include "control.h"
#include "transaction.h"

static void note(struct control *control, const struct audit_change *change, uint64_t transaction)
{
    struct since *since = &control->since;
    uint64_t key = change->key[0];
    const struct pcpu *pcpu;
    const struct node *node;

    switch (change->kind) {
    case RESOURCE_PCPU:
        pcpu = db_pcpu(control->db, (uint32_t)key);
        if (pcpu)
            since->pcpus[pcpu - control->db->pcpus] = transaction;
        break;
    case RESOURCE_MEMORY:
        node = db_node(control->db, (uint32_t)key);
        if (node)
            since->nodes[node - control->db->nodes] = transaction;
        break;
    case RESOURCE_HOST:
        since->host = transaction;
        break;
    case RESOURCE_PARTITION:
        if (key >= 1 && key <= PARCLOSE_MAX_PARTITIONS)
            since->definitions[key - 1] = transaction;
        break;
    default:
        break;
    }
}

void since_note(struct control *control, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    while ((change = audit_entry_next(entry, change)))
        note(control, change, entry->sequence);
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

uint64_t since_node(const struct control *control, uint32_t number)
{
    const struct node *node = db_node(control->db, number);
    return node ? control->since.nodes[node - control->db->nodes] : 0;
}

uint64_t since_definition(const struct control *control, const struct partition *partition)
{
    return control->since.definitions[partition->id.value - 1];
}
