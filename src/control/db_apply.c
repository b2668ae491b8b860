/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images in and out of the map: one case for each kind of resource. The same code serves a new
 * transaction, its undoing, and the replay of the log, so a replayed map is the same map.
 */
#include <errno.h>
#include <string.h>

#include "db.h"

/* The VFs of a managed PF are resources from the moment at which its card is configured. */
static void card_adopt(struct pf *pf, const struct card_config *card)
{
    pf->vfs_count = card->vfs;
    if (pf->image.owner.kind != OWNER_INTERCONNECT)
        pf->image = (struct pf_image){.owner = owner_of_kind(OWNER_INTERCONNECT)};
}

static void pf_disown(struct pf *pf)
{
    pf->vfs_count = 0;
    pf->image = (struct pf_image){.owner = owner_of_kind(OWNER_BOOT)};
    pf->order = (struct order_image){0};
}

static int adopt_all(struct db *db)
{
    for (uint32_t i = 0; i < db->host.cards_count; i++) {
        struct pf *pf = db_pf_make(db, db->host.cards[i].bdf);
        if (!pf)
            return -ENOMEM; /* that they fit was judged (host.c) */
        card_adopt(pf, &db->host.cards[i]);
    }
    return 0;
}

/* Those that go first: they make room. */
static int apply_host(struct db *db, const struct host_config *host)
{
    static const struct host_config none;

    db->host_set = host != NULL;
    db->host = host ? *host : none;
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        if (!db->pfs[i] || db_card(db, db->pfs[i]->bdf))
            continue;
        pf_disown(db->pfs[i]);
        db_pf_prune(db, db->pfs[i]->bdf);
    }
    return adopt_all(db);
}

static struct partition *slot(struct db *db, uint64_t id)
{
    return id >= 1 && id <= db->partitions_end ? &db->partitions[id - 1] : NULL;
}

static int apply_partition(struct db *db, uint64_t id, const struct partition_config *config)
{
    if (id < 1 || id > PARCLOSE_MAX_PARTITIONS)
        return -ENOENT;
    struct partition *partition = &db->partitions[id - 1];
    for (; db->partitions_end < id; db->partitions_end++)
        db->partitions[db->partitions_end].id.value = db->partitions_end + 1;
    if (config)
        partition->config = *config;
    else
        *partition = (struct partition){.id = partition->id};
    partition->defined = config != NULL;
    db->name_hashes[id - 1] = config ? db_name_hash(config->name) : 0;
    return 0;
}

static int apply_run(struct partition *partition, const struct partition_run *run)
{
    if (!partition)
        return -ENOENT;
    partition->run = run ? *run : (struct partition_run){0};
    return 0;
}

static int apply_channel(struct partition *partition, uint64_t kind,
                         const struct channel_image *image)
{
    if (!partition || kind != CHANNEL_CONSOLE)
        return -ENOENT;
    partition->console = image ? *image : (struct channel_image){0};
    return 0;
}

static int apply_pcpu(struct pcpu *pcpu, const struct owner *owner)
{
    if (!pcpu)
        return -ENOENT;
    pcpu->owner = owner ? *owner : owner_of_kind(OWNER_IDLE);
    return 0;
}

static int apply_memory(struct db *db, const struct audit_change *change,
                        const struct memory_image *image)
{
    if (!image)
        return -EINVAL;
    return db_memory_set(db, (uint32_t)change->key[0], change->key[1], image->bytes, image->owner);
}

static int apply_pf(struct pf *pf, const struct pf_image *image)
{
    if (!pf || !image)
        return -ENOENT;
    pf->image = *image;
    return 0;
}

static int apply_vf(struct pf *pf, uint64_t index, const struct owner *owner)
{
    if (!pf || index >= PARCLOSE_MAX_VFS_PER_PF || !owner)
        return -ENOENT;
    pf->vfs[index].owner = *owner;
    return 0;
}

static struct action *action_slot(struct db *db, const struct audit_change *change)
{
    struct action *action =
        db_action(db, (struct bdf){(uint32_t)change->key[0]}, (uint32_t)change->key[1]);

    for (size_t i = 0; i < DB_ACTIONS_MAX && !action; i++)
        if (!db->actions[i].used)
            action = &db->actions[i];
    return action;
}

static int apply_action(struct action *action, const struct action_image *image)
{
    if (!action)
        return -ENOSPC;
    if (image) {
        action->image = *image;
        action->used = true;
    } else {
        *action = (struct action){0};
    }
    return 0;
}

/* SR-PCIM's, or that of a managed PF; NULL: there is no such PF. */
static struct order_image *order_slot(struct db *db, uint64_t key)
{
    struct pf *pf = key ? db_pf(db, (struct bdf){(uint32_t)key}) : NULL;

    if (!key)
        return &db->order;
    return pf && pf->vfs_count ? &pf->order : NULL;
}

static int apply_order(struct order_image *slot, const struct order_image *image)
{
    if (!slot)
        return -ENOENT;
    *slot = image ? *image : (struct order_image){0};
    return 0;
}

int db_apply(struct db *db, const struct audit_change *change, bool undo)
{
    const void *image = undo ? audit_change_before(change) : audit_change_after(change);
    const struct bdf pf = {(uint32_t)change->key[0]};

    switch (change->kind) {
    case RESOURCE_CONTROL:
        db->control = image ? *(const struct control_image *)image : (struct control_image){0};
        return 0;
    case RESOURCE_HOST:
        return apply_host(db, image);
    case RESOURCE_PARTITION:
        return apply_partition(db, change->key[0], image);
    case RESOURCE_RUN:
        return apply_run(slot(db, change->key[0]), image);
    case RESOURCE_PCPU:
        return apply_pcpu(db_pcpu(db, (uint32_t)change->key[0]), image);
    case RESOURCE_MEMORY:
        return apply_memory(db, change, image);
    case RESOURCE_PF:
        return apply_pf(db_pf(db, pf), image);
    case RESOURCE_VF:
        return apply_vf(db_pf(db, pf), change->key[1], image);
    case RESOURCE_CHANNEL:
        return apply_channel(slot(db, change->key[0]), change->key[1], image);
    case RESOURCE_ACTION:
        return apply_action(action_slot(db, change), image);
    case RESOURCE_ORDER:
        return apply_order(order_slot(db, change->key[0]), image);
    case RESOURCE_EDIT:
        db->edit = image ? *(const struct edit_image *)image : (struct edit_image){0};
        return 0;
    case RESOURCE_APPLY:
        db->apply = image ? *(const struct apply_image *)image : (struct apply_image){0};
        return 0;
    default:
        return -EINVAL;
    }
}

const void *db_image(struct db *db, uint32_t kind, uint64_t key0, uint64_t key1)
{
    struct partition *partition = slot(db, key0);
    struct pf *pf = db_pf(db, (struct bdf){(uint32_t)key0});
    struct pcpu *pcpu;
    struct action *action;

    switch (kind) {
    case RESOURCE_CONTROL:
        return &db->control;
    case RESOURCE_HOST:
        return db->host_set ? &db->host : NULL;
    case RESOURCE_PARTITION:
        return partition && partition->defined ? &partition->config : NULL;
    case RESOURCE_RUN:
        return partition && partition->defined ? &partition->run : NULL;
    case RESOURCE_CHANNEL:
        return partition && key1 == CHANNEL_CONSOLE && partition->console.owner.kind == OWNER_GUEST
                   ? &partition->console
                   : NULL;
    case RESOURCE_PCPU:
        pcpu = db_pcpu(db, (uint32_t)key0);
        return pcpu ? &pcpu->owner : NULL;
    case RESOURCE_PF:
        return pf ? &pf->image : NULL;
    case RESOURCE_VF:
        return pf && key1 < PARCLOSE_MAX_VFS_PER_PF ? &pf->vfs[key1].owner : NULL;
    case RESOURCE_ACTION:
        action = db_action(db, (struct bdf){(uint32_t)key0}, (uint32_t)key1);
        return action ? &action->image : NULL;
    case RESOURCE_ORDER:
        return order_slot(db, key0);
    case RESOURCE_EDIT:
        return &db->edit;
    case RESOURCE_APPLY:
        return &db->apply;
    default:
        return NULL;
    }
}

static bool matches_memory(const struct db *db, const struct audit_change *change)
{
    const struct memory_image *image = audit_change_before(change);
    struct owner owner;

    return image &&
           db_memory_owned(db, (uint32_t)change->key[0], change->key[1], image->bytes, &owner) &&
           owner_equal(owner, image->owner);
}

bool db_matches(struct db *db, const struct audit_change *change)
{
    const void *before = audit_change_before(change);

    if (change->kind == RESOURCE_MEMORY)
        return matches_memory(db, change);
    const void *now = db_image(db, change->kind, change->key[0], change->key[1]);
    return !before == !now && (!before || !memcmp(before, now, change->before_size));
}

int db_apply_entry(struct db *db, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;
    uint32_t done = 0;
    int error = 0;

    while (!error && (change = audit_entry_next(entry, change)))
        if (!(error = db_apply(db, change, false)))
            done++;
    while (error && done) { /* changes can only be walked forwards: the last one done, each time */
        change = NULL;
        for (uint32_t i = 0; i < done; i++)
            change = audit_entry_next(entry, change);
        db_apply(db, change, true);
        done--;
    }
    return error;
}
