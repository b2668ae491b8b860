/* SPDX-License-Identifier: Apache-2.0 */
#include "db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct owner owner_of_kind(enum owner_kind kind)
{
    return (struct owner){.kind = kind};
}

struct owner owner_guest(struct partition_id id)
{
    return (struct owner){.kind = OWNER_GUEST, .partition = id};
}

bool owner_equal(struct owner a, struct owner b)
{
    return a.kind == b.kind && a.partition.value == b.partition.value;
}

bool partition_started(const struct partition *partition)
{
    return partition->defined && partition->run.phase != PHASE_DEFINED &&
           partition->run.phase != PHASE_FAILED;
}

bool partition_ending(const struct partition *partition)
{
    return partition->run.phase == PHASE_STOPPING || partition->run.phase == PHASE_RELEASING;
}

static int take_inventory(struct db *db, const struct inventory *inventory)
{
    memcpy(db->boot_id, inventory->boot_id, sizeof(db->boot_id));
    db->pcpus_count = inventory->pcpus_count;
    for (uint32_t i = 0; i < db->pcpus_count; i++)
        db->pcpus[i] = (struct pcpu){inventory->pcpus[i].pcpu, inventory->pcpus[i].node,
                                     owner_of_kind(i == 0 ? OWNER_BOOT : OWNER_IDLE)};
    for (uint32_t i = 0; i < inventory->nodes_count; i++) {
        struct inventory_node node = inventory->nodes[i];
        node.memory_bytes &= ~(MEMORY_GRAIN - 1);
        int error = node.memory_bytes ? db_memory_add(db, &node) : 0; /* else processors only */
        if (error)
            return error;
    }
    return 0;
}

int db_new(struct db **result, const struct inventory *inventory)
{
    struct db *db = calloc(1, sizeof(*db));
    if (!db)
        return -ENOMEM;
    int error = take_inventory(db, inventory);
    if (error)
        db_free(db);
    else
        *result = db;
    return error;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        free(db->pfs[i]);
    db_memory_free(db);
    free(db);
}

uint32_t db_pcpus_of(const struct db *db, enum owner_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < db->pcpus_count; i++)
        count += db->pcpus[i].owner.kind == (uint32_t)kind;
    return count;
}

struct pcpu *db_pcpu(struct db *db, uint32_t number)
{
    for (uint32_t i = 0; i < db->pcpus_count; i++)
        if (db->pcpus[i].pcpu == number)
            return &db->pcpus[i];
    return NULL;
}

struct pf *db_pf(struct db *db, struct bdf bdf)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (db->pfs[i] && db->pfs[i]->bdf.value == bdf.value)
            return db->pfs[i];
    return NULL;
}

struct pf *db_pf_make(struct db *db, struct bdf bdf)
{
    struct pf *pf = db_pf(db, bdf);

    for (size_t i = 0; i < PARCLOSE_MAX_PFS && !pf; i++) {
        if (db->pfs[i])
            continue;
        pf = db->pfs[i] = calloc(1, sizeof(*pf));
        if (!pf)
            return NULL;
        pf->bdf = bdf;
        pf->image.owner = owner_of_kind(OWNER_BOOT);
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            pf->vfs[v].owner = owner_of_kind(OWNER_INTERCONNECT);
    }
    return pf;
}

void db_pf_prune(struct db *db, struct bdf bdf)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (db->pfs[i] && db->pfs[i]->bdf.value == bdf.value && !db->pfs[i]->present &&
            !db->pfs[i]->vfs_count) {
            free(db->pfs[i]);
            db->pfs[i] = NULL;
        }
}

const struct card_config *db_card(const struct db *db, struct bdf pf)
{
    for (uint32_t i = 0; i < db->host.cards_count; i++)
        if (db->host.cards[i].bdf.value == pf.value)
            return &db->host.cards[i];
    return NULL;
}

struct pf *db_pf_of_card(struct db *db, const char *card)
{
    for (uint32_t i = 0; i < db->host.cards_count; i++)
        if (!strcmp(db->host.cards[i].name, card))
            return db_pf(db, db->host.cards[i].bdf);
    return NULL;
}

struct vf *db_vf_by_bdf(struct db *db, struct bdf bdf)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        for (size_t v = 0; db->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++) {
            struct vf *vf = &db->pfs[i]->vfs[v];
            if (vf->present && vf->observed.bdf.value == bdf.value)
                return vf;
        }
    return NULL;
}

struct bdf db_vf_bdf(const struct pf *pf, uint32_t index)
{
    const struct sriov_capability *sriov = &pf->observed.sriov;
    struct bdf seen = pf->vfs[index].observed.bdf;

    if (seen.value || !sriov->first_vf_offset)
        return seen;
    return (struct bdf){pf->bdf.value + sriov->first_vf_offset + index * sriov->vf_stride};
}

struct partition *db_partition(struct db *db, struct partition_id id)
{
    if (id.value < 1 || id.value > db->partitions_end)
        return NULL;
    return db->partitions[id.value - 1].defined ? &db->partitions[id.value - 1] : NULL;
}

struct partition *db_partition_of(struct db *db, struct owner owner)
{
    return owner.kind == OWNER_GUEST ? db_partition(db, owner.partition) : NULL;
}

uint32_t db_name_hash(const char *name)
{
    uint32_t hash = 2166136261; /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619;
    return hash;
}

/* The definitions are far apart: one look at each would cost a cache line each. */
struct partition *db_partition_named(struct db *db, const char *name)
{
    uint32_t hash = db_name_hash(name);

    for (size_t i = 0; i < db->partitions_end; i++)
        if (db->name_hashes[i] == hash && db->partitions[i].defined &&
            !strcmp(db->partitions[i].config.name, name))
            return &db->partitions[i];
    return NULL;
}

struct partition *db_partition_free(struct db *db)
{
    for (size_t i = 0; i < db->partitions_end; i++)
        if (!db->partitions[i].defined)
            return &db->partitions[i];
    if (db->partitions_end == PARCLOSE_MAX_PARTITIONS)
        return NULL;
    struct partition *fresh = &db->partitions[db->partitions_end];
    fresh->id.value = db->partitions_end + 1;
    return fresh;
}

struct action *db_action(struct db *db, struct bdf pf, uint32_t index)
{
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        if (db->actions[i].used && db->actions[i].image.pf.value == pf.value &&
            db->actions[i].image.index == index)
            return &db->actions[i];
    return NULL;
}

struct action *db_action_of(struct db *db, uint64_t transaction)
{
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        if (db->actions[i].used && db->actions[i].image.transaction == transaction)
            return &db->actions[i];
    return NULL;
}
