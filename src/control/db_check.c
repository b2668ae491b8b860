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

/* What a partition has, and is to have. The partitions are looked at once, before the resources:
 * on a large host the check costs what it takes to fetch them from memory. */
struct holding {
    bool started, running;
    uint32_t pcpus, vfs, leaving; /* leaving: VFs that its definition does not name */
    uint64_t bytes;
};

/* By partition id; 0 is for all that is nobody's. */
struct tally {
    const struct db *db;
    struct holding *has, *due;
};

static struct holding *holding_of(const struct tally *tally, struct owner owner)
{
    return &tally->has[owner.kind == OWNER_GUEST ? owner.partition.value : 0];
}

/* A guest that owns something is defined and started; nobody else has a partition's number. */
static bool owner_ok(const struct tally *tally, struct owner owner)
{
    if (owner.kind != OWNER_GUEST)
        return owner.kind < OWNER_KINDS && owner.partition.value == 0;
    return owner.partition.value >= 1 && owner.partition.value <= tally->db->partitions_end &&
           tally->due[owner.partition.value].started;
}

static int check_pcpus(const struct tally *tally, char *text)
{
    const struct db *db = tally->db;

    for (uint32_t i = 0; i < db->pcpus_count; i++) {
        const struct pcpu *pcpu = &db->pcpus[i];
        if (!owner_ok(tally, pcpu->owner) ||
            (pcpu->owner.kind != OWNER_IDLE && pcpu->owner.kind != OWNER_BOOT &&
             pcpu->owner.kind != OWNER_SHARED && pcpu->owner.kind != OWNER_OFFLINE &&
             pcpu->owner.kind != OWNER_GUEST))
            return wrong(text, "pCPU %u has owner %u/%u", pcpu->pcpu, pcpu->owner.kind,
                         pcpu->owner.partition.value);
        holding_of(tally, pcpu->owner)->pcpus++;
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

static int check_block(const struct tally *tally, const struct extent *last,
                       const struct extent *block, char *text)
{
    if (block->offset + block->bytes > db_node(tally->db, block->node)->memory_bytes)
        return wrong(text, "memory of node %u at %llu: a block that does not end in it",
                     block->node, (unsigned long long)block->offset);
    if (block->offset & (block->bytes - 1) || apart(last, block))
        return wrong(text, "memory of node %u at %llu is no block, or apart from its buddy",
                     block->node, (unsigned long long)block->offset);
    if (!owner_ok(tally, block->owner) ||
        (block->owner.kind != OWNER_AVAILABLE && block->owner.kind != OWNER_BOOT &&
         block->owner.kind != OWNER_GUEST))
        return wrong(text, "memory of node %u at %llu has owner %u/%u", block->node,
                     (unsigned long long)block->offset, block->owner.kind,
                     block->owner.partition.value);
    return 0;
}

/* One block begins where the last one ends; all that begin are met, and no byte is left. */
static int check_memory(const struct tally *tally, char *text)
{
    const struct db *db = tally->db;
    struct extent last = {0};
    uint64_t bytes = 0;
    uint32_t count = 0;

    for (struct memory_walk walk = {0}; db_memory_next(db, &walk); last = walk.block, count++) {
        int error = check_block(tally, &last, &walk.block, text);
        if (error)
            return error;
        holding_of(tally, walk.block.owner)->bytes += walk.block.bytes;
        bytes += walk.block.bytes;
    }
    if (count != db->blocks_count || bytes != db_memory_total(db))
        return wrong(text, "memory: %u blocks with %llu MiB, expected %u with %llu", count,
                     (unsigned long long)(bytes >> 20), db->blocks_count,
                     (unsigned long long)(db_memory_total(db) >> 20));
    return 0;
}

static bool named(const struct tally *tally, const struct card_config *card, uint32_t index,
                  uint32_t partition)
{
    const struct partition_config *config = &tally->db->partitions[partition - 1].config;

    for (uint32_t i = 0; card && i < config->vfs_count; i++)
        if (config->vfs[i].index == index && !strcmp(config->vfs[i].card, card->name))
            return true;
    return false;
}

static void count_vf(const struct tally *tally, const struct card_config *card, uint32_t index,
                     struct owner owner)
{
    struct holding *has = holding_of(tally, owner);

    if (owner.kind == OWNER_GUEST && !named(tally, card, index, owner.partition.value))
        has->leaving++;
    else
        has->vfs++;
}

static int check_pf(const struct tally *tally, const struct pf *pf, char *text)
{
    const struct card_config *card = db_card(tally->db, pf->bdf);
    bool managed = card != NULL;

    if (pf->image.owner.kind != (managed ? OWNER_INTERCONNECT : OWNER_BOOT) ||
        pf->image.owner.partition.value || (pf->vfs_count != 0) != managed)
        return wrong(text, "PF 0x%x has owner %u", pf->bdf.value, pf->image.owner.kind);
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        struct owner owner = pf->vfs[i].owner;
        if (!owner_ok(tally, owner) ||
            (owner.kind != OWNER_INTERCONNECT && owner.kind != OWNER_GUEST) ||
            (owner.kind == OWNER_GUEST && i >= pf->vfs_count))
            return wrong(text, "VF %u of PF 0x%x has owner %u/%u", i, pf->bdf.value, owner.kind,
                         owner.partition.value);
        count_vf(tally, card, i, owner);
    }
    return 0;
}

/* A started partition has a console, its own. */
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
    return 0;
}

/* Only of VFs that have one, and of one that is started. */
static bool standbys_ok(const struct partition *partition)
{
    uint32_t possible = 0;

    for (uint32_t i = 0; partition_started(partition) && i < partition->config.vfs_count; i++)
        if (partition->config.standby_of[i])
            possible |= UINT32_C(1) << (partition->config.standby_of[i] - 1);
    return !(partition->run.standbys & ~possible);
}

static int check_phase(const struct partition *partition, char *text)
{
    if (partition->run.phase >= PARTITION_PHASES || partition->run.attach > ATTACH_UNDOING)
        return wrong(text, "partition %u: phase %u, attach %u", partition->id.value,
                     partition->run.phase, partition->run.attach);
    if (partition->run.phase == PHASE_RUNNING && partition->run.attach != ATTACH_DONE)
        return wrong(text, "partition %u runs without an attach", partition->id.value);
    if (partition->run.phase != PHASE_RUNNING && partition->run.frozen_boottime_ns)
        return wrong(text, "partition %u is frozen for an outage and does not run",
                     partition->id.value);
    if (!standbys_ok(partition))
        return wrong(text, "partition %u: stand-bys 0x%x are in use", partition->id.value,
                     partition->run.standbys);
    return 0;
}

/* As many as it has vCPUs, less those whose own went offline; none when it runs on shared ones. */
static uint32_t pcpus_due(const struct partition *partition)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < partition->config.vcpus && i < PARCLOSE_MAX_VCPUS; i++)
        count += partition->run.pcpus[i] != PCPU_NONE;
    return partition->config.weight ? 0 : count;
}

/* Started: exactly what its definition says; one that runs may also own VFs that it has not given
 * up yet (hotplug.h). Not started: nothing. */
static struct holding due_to(const struct partition *partition)
{
    const struct partition_config *config = &partition->config;

    if (!partition_started(partition))
        return (struct holding){.started = false};
    return (struct holding){.started = true,
                            .running = partition->run.attach == ATTACH_DONE,
                            .pcpus = pcpus_due(partition),
                            .vfs = config->vfs_count,
                            .bytes = (uint64_t)config->memory_mib << 20};
}

static int check_partitions(const struct tally *tally, char *text)
{
    int error = 0;

    for (uint32_t i = 0; i < tally->db->partitions_end && !error; i++) {
        const struct partition *partition = &tally->db->partitions[i];
        tally->due[i + 1] = due_to(partition);
        error = check_phase(partition, text);
        if (!error)
            error = check_console(partition, text);
    }
    return error;
}

static int check_holdings(const struct tally *tally, char *text)
{
    for (uint32_t id = 1; id <= tally->db->partitions_end; id++) {
        const struct holding *has = &tally->has[id], *due = &tally->due[id];
        if (has->pcpus != due->pcpus || has->vfs != due->vfs || has->bytes != due->bytes ||
            (has->leaving && !due->running))
            return wrong(text, "partition %u owns %u pCPUs, %u and %u VFs, %llu bytes", id,
                         has->pcpus, has->vfs, has->leaving, (unsigned long long)has->bytes);
    }
    return 0;
}

static int check_all(const struct tally *tally, char *text)
{
    int error = check_partitions(tally, text);

    if (!error)
        error = check_pcpus(tally, text);
    if (!error)
        error = check_memory(tally, text);
    for (size_t i = 0; i < PARCLOSE_MAX_PFS && !error; i++)
        if (tally->db->pfs[i])
            error = check_pf(tally, tally->db->pfs[i], text);
    return error ? error : check_holdings(tally, text);
}

int db_check(const struct db *db, char text[PARCLOSE_REASON_MAX])
{
    size_t count = db->partitions_end + 1;
    struct holding *holdings = calloc(2 * count, sizeof(*holdings));
    struct tally tally = {db, holdings, holdings + count};

    if (!holdings)
        return wrong(text, "out of memory: not checked");
    int error = check_all(&tally, text);
    free(holdings);
    return error;
}
