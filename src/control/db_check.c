/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"

__attribute__((format(printf, 2, 3))) static int wrong(char *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, PARCLOSE_REASON_MAX, format, arguments);
    va_end(arguments);
    return -EUCLEAN;
}

/* What a partition has. The pass that checks the owners counts, too: each resource is looked at
 * once, because on a large host the check costs what it takes to fetch them from memory. */
struct holding {
    uint32_t pcpus, vfs;
    uint64_t bytes;
};

static struct holding *holding_of(struct holding *all, struct owner owner)
{
    return &all[owner.kind == OWNER_GUEST ? owner.partition.value : 0]; /* 0: of nobody's */
}

/* A guest that owns something is defined and started; nobody else has a partition's number. */
static bool owner_ok(const struct db *db, struct owner owner)
{
    if (owner.kind != OWNER_GUEST)
        return owner.kind < OWNER_GUEST && owner.partition.value == 0;
    return owner.partition.value >= 1 && owner.partition.value <= db->partitions_end &&
           partition_started(&db->partitions[owner.partition.value - 1]);
}

static int check_pcpus(const struct db *db, struct holding *all, char *text)
{
    for (uint32_t i = 0; i < db->pcpus_count; i++) {
        const struct pcpu *pcpu = &db->pcpus[i];
        if (!owner_ok(db, pcpu->owner) ||
            (pcpu->owner.kind != OWNER_IDLE && pcpu->owner.kind != OWNER_BOOT &&
             pcpu->owner.kind != OWNER_SHARED && pcpu->owner.kind != OWNER_GUEST))
            return wrong(text, "pCPU %u has owner %u/%u", pcpu->pcpu, pcpu->owner.kind,
                         pcpu->owner.partition.value);
        holding_of(all, pcpu->owner)->pcpus++;
    }
    return 0;
}

/* Two buddies that are both available: they would be one block. */
static bool apart(const struct extent *block, const struct extent *next)
{
    return block->node == next->node && block->bytes == next->bytes &&
           !(block->offset & block->bytes) && block->owner.kind == OWNER_AVAILABLE &&
           next->owner.kind == OWNER_AVAILABLE;
}

static int check_block(const struct db *db, const struct extent *last, const struct extent *block,
                       char *text)
{
    if (block->offset + block->bytes > db_node(db, block->node)->memory_bytes)
        return wrong(text, "memory of node %u at %llu: a block that does not end in it",
                     block->node, (unsigned long long)block->offset);
    if (block->offset & (block->bytes - 1) || apart(last, block))
        return wrong(text, "memory of node %u at %llu is no block, or apart from its buddy",
                     block->node, (unsigned long long)block->offset);
    if (!owner_ok(db, block->owner) ||
        (block->owner.kind != OWNER_AVAILABLE && block->owner.kind != OWNER_BOOT &&
         block->owner.kind != OWNER_GUEST))
        return wrong(text, "memory of node %u at %llu has owner %u/%u", block->node,
                     (unsigned long long)block->offset, block->owner.kind,
                     block->owner.partition.value);
    return 0;
}

/* One block begins where the last one ends; all that begin are met, and no byte is left. */
static int check_memory(const struct db *db, struct holding *all, char *text)
{
    struct extent last = {0};
    uint64_t bytes = 0;
    uint32_t count = 0;

    for (struct memory_walk walk = {0}; db_memory_next(db, &walk); last = walk.block, count++) {
        int error = check_block(db, &last, &walk.block, text);
        if (error)
            return error;
        holding_of(all, walk.block.owner)->bytes += walk.block.bytes;
        bytes += walk.block.bytes;
    }
    if (count != db->blocks_count || bytes != db_memory_total(db))
        return wrong(text, "memory: %u blocks with %llu MiB, expected %u with %llu", count,
                     (unsigned long long)(bytes >> 20), db->blocks_count,
                     (unsigned long long)(db_memory_total(db) >> 20));
    return 0;
}

static int check_pf(const struct db *db, const struct pf *pf, struct holding *all, char *text)
{
    bool managed = db_card(db, pf->bdf) != NULL;

    if (pf->image.owner.kind != (managed ? OWNER_INTERCONNECT : OWNER_BOOT) ||
        pf->image.owner.partition.value || (pf->vfs_count != 0) != managed)
        return wrong(text, "PF 0x%x has owner %u", pf->bdf.value, pf->image.owner.kind);
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        struct owner owner = pf->vfs[i].owner;
        if (!owner_ok(db, owner) ||
            (owner.kind != OWNER_INTERCONNECT && owner.kind != OWNER_GUEST) ||
            (owner.kind == OWNER_GUEST && i >= pf->vfs_count))
            return wrong(text, "VF %u of PF 0x%x has owner %u/%u", i, pf->bdf.value, owner.kind,
                         owner.partition.value);
        holding_of(all, owner)->vfs++;
    }
    return 0;
}

/* Started: exactly what its definition says. Not started: nothing. */
static int check_partition(const struct partition *partition, const struct holding *has, char *text)
{
    const struct partition_config *config = &partition->config;
    bool started = partition_started(partition);
    uint64_t bytes = started ? (uint64_t)config->memory_mib << 20 : 0;

    if (partition->run.phase >= PARTITION_PHASES || partition->run.attach > ATTACH_UNDOING)
        return wrong(text, "partition %u: phase %u, attach %u", partition->id.value,
                     partition->run.phase, partition->run.attach);
    if (partition->run.phase == PHASE_RUNNING && partition->run.attach != ATTACH_DONE)
        return wrong(text, "partition %u runs without an attach", partition->id.value);
    if (has->pcpus != (started && !config->weight ? config->vcpus : 0) ||
        has->vfs != (started ? config->vfs_count : 0) || has->bytes != bytes)
        return wrong(text, "partition %u owns %u pCPUs, %u VFs, %llu bytes", partition->id.value,
                     has->pcpus, has->vfs, (unsigned long long)has->bytes);
    return 0;
}

/* A started partition has a console, its own; one that is releasing waits for it to be let go of.
 */
static int check_console(const struct partition *partition, char *text)
{
    const struct channel_image *console = &partition->console;
    const struct channel_image none = {0};

    if (!partition_started(partition) && memcmp(console, &none, sizeof(none)) != 0)
        return wrong(text, "partition %u is not started and has a console", partition->id.value);
    if (!partition_started(partition))
        return 0;
    if (!owner_equal(console->owner, owner_guest(partition->id)) ||
        console->server != PROCESS_COMMAND)
        return wrong(text, "the console of partition %u has owner %u/%u, server %u",
                     partition->id.value, console->owner.kind, console->owner.partition.value,
                     console->server);
    if (partition->run.phase == PHASE_RELEASING && !console->attached)
        return wrong(text, "partition %u is releasing and nobody has its console",
                     partition->id.value);
    return 0;
}

static int check_all(const struct db *db, struct holding *all, char *text)
{
    int error = check_pcpus(db, all, text);

    if (!error)
        error = check_memory(db, all, text);
    for (size_t i = 0; i < PARCLOSE_MAX_PFS && !error; i++)
        if (db->pfs[i])
            error = check_pf(db, db->pfs[i], all, text);
    for (uint32_t i = 0; i < db->partitions_end && !error; i++)
        error = check_partition(&db->partitions[i], &all[i + 1], text);
    for (uint32_t i = 0; i < db->partitions_end && !error; i++)
        error = check_console(&db->partitions[i], text);
    return error;
}

int db_check(const struct db *db, char text[PARCLOSE_REASON_MAX])
{
    struct holding *all = calloc(db->partitions_end + 1, sizeof(*all));

    if (!all)
        return wrong(text, "out of memory: not checked");
    int error = check_all(db, all, text);
    free(all);
    return error;
}
