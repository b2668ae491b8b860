/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole map as images, in an order in which db_apply() can take them into a new map: what a
 * snapshot of the audit log is made of. Observed things are no part of it.
 */
#include "db.h"

struct walk {
    db_image_visit *visit;
    void *context;
    int error;
};

static void visit(struct walk *walk, enum resource_kind kind, uint64_t key0, uint64_t key1,
                  const void *image)
{
    if (!walk->error)
        walk->error = walk->visit(walk->context, kind, key0, key1, image);
}

static void visit_partitions(const struct db *db, struct walk *walk)
{
    for (size_t i = 0; i < db->partitions_end; i++) {
        const struct partition *partition = &db->partitions[i];
        if (!partition->defined)
            continue;
        visit(walk, RESOURCE_PARTITION, partition->id.value, 0, &partition->config);
        visit(walk, RESOURCE_RUN, partition->id.value, 0, &partition->run);
        if (partition->console.owner.kind == OWNER_GUEST)
            visit(walk, RESOURCE_CHANNEL, partition->id.value, CHANNEL_CONSOLE,
                  &partition->console);
    }
}

static void visit_memory(const struct db *db, struct walk *walk)
{
    for (struct memory_walk memory = {0}; db_memory_next(db, &memory);) {
        const struct extent *block = &memory.block;
        const struct memory_image image = {block->bytes, block->owner};
        visit(walk, RESOURCE_MEMORY, block->node, block->offset, &image);
    }
}

/* Of managed ones: the others are made when they are observed. */
static void visit_devices(const struct db *db, struct walk *walk)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        const struct pf *pf = db->pfs[i];
        if (!pf || !pf->vfs_count)
            continue;
        visit(walk, RESOURCE_PF, pf->bdf.value, 0, &pf->image);
        if (pf->order.begun)
            visit(walk, RESOURCE_ORDER, pf->bdf.value, 0, &pf->order);
        for (uint32_t v = 0; v < pf->vfs_count; v++)
            visit(walk, RESOURCE_VF, pf->bdf.value, v, &pf->vfs[v].owner);
    }
}

static void visit_actions(const struct db *db, struct walk *walk)
{
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++) {
        const struct action *action = &db->actions[i];
        if (action->used)
            visit(walk, RESOURCE_ACTION, action->image.pf.value, action->image.index,
                  &action->image);
    }
}

int db_each_image(const struct db *db, db_image_visit *visitor, void *context)
{
    struct walk walk = {visitor, context, 0};

    visit(&walk, RESOURCE_CONTROL, 0, 0, &db->control);
    if (db->host_set)
        visit(&walk, RESOURCE_HOST, 0, 0, &db->host);
    visit_partitions(db, &walk);
    for (uint32_t i = 0; i < db->pcpus_count; i++)
        visit(&walk, RESOURCE_PCPU, db->pcpus[i].pcpu, 0, &db->pcpus[i].owner);
    visit_memory(db, &walk);
    visit_devices(db, &walk);
    visit_actions(db, &walk);
    visit(&walk, RESOURCE_EDIT, 0, 0, &db->edit);
    visit(&walk, RESOURCE_ORDER, 0, 0, &db->order);
    visit(&walk, RESOURCE_APPLY, 0, 0, &db->apply);
    return walk.error;
}
