/* SPDX-License-Identifier: Apache-2.0 */
#include "select.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

/* What one NUMA node has for the partition. */
struct room {
    bool present;
    uint32_t pcpus;
    uint32_t vfs; /* of the partition's, whose PF is attached to it */
    uint64_t bytes;
};

struct rooms {
    struct room nodes[PARCLOSE_MAX_NODES];
    uint32_t pcpus; /* of all nodes */
};

__attribute__((format(printf, 3, 4))) static int refuse(int error, char *reason, const char *format,
                                                        ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, PARCLOSE_REASON_MAX, format, arguments);
    va_end(arguments);
    return error;
}

static void count_room(const struct snapshot_view *view, struct rooms *rooms)
{
    *rooms = (struct rooms){0};
    for (uint32_t i = 0; i < view->head->pcpus_count; i++) {
        const struct snapshot_pcpu *pcpu = &view->pcpus[i];
        if (pcpu->node >= PARCLOSE_MAX_NODES || pcpu->owner.kind != OWNER_IDLE)
            continue;
        rooms->nodes[pcpu->node].pcpus++;
        rooms->pcpus++;
    }
    for (uint32_t i = 0; i < view->head->memory_count; i++) {
        const struct snapshot_memory *memory = &view->memory[i];
        if (memory->node >= PARCLOSE_MAX_NODES)
            continue;
        rooms->nodes[memory->node].present = true;
        if (memory->owner.kind == OWNER_AVAILABLE)
            rooms->nodes[memory->node].bytes += memory->bytes;
    }
}

/* A PF that is not there is near to nothing: only what is observed counts. */
static void count_vfs(const struct snapshot_view *view, const struct partition_config *partition,
                      struct rooms *rooms)
{
    for (uint32_t i = 0; i < partition->vfs_count; i++) {
        const struct snapshot_pf *pf = snapshot_view_card(view, partition->vfs[i].card);
        if (pf && pf->observed.status != FUNCTION_ABSENT && pf->observed.node < PARCLOSE_MAX_NODES)
            rooms->nodes[pf->observed.node].vfs++;
    }
}

static bool better(const struct room *room, const struct room *best, uint32_t vcpus)
{
    bool whole = room->pcpus >= vcpus;

    if (whole != (best->pcpus >= vcpus))
        return whole;
    if (!whole && room->pcpus != best->pcpus)
        return room->pcpus > best->pcpus;
    return room->vfs != best->vfs ? room->vfs > best->vfs : room->pcpus < best->pcpus;
}

/* The node, or -1: no node has that much memory. */
static int choose_node(const struct rooms *rooms, uint64_t bytes, uint32_t vcpus)
{
    int best = -1;

    for (int i = 0; i < PARCLOSE_MAX_NODES; i++) {
        const struct room *room = &rooms->nodes[i];
        if (!room->present || room->bytes < bytes)
            continue;
        if (best < 0 || better(room, &rooms->nodes[best], vcpus))
            best = i;
    }
    return best;
}

static void take_pcpus(const struct snapshot_view *view, bool near, struct selection *selection,
                       uint32_t wanted)
{
    for (uint32_t i = 0; i < view->head->pcpus_count; i++) {
        const struct snapshot_pcpu *pcpu = &view->pcpus[i];
        if (selection->pcpus_count == wanted)
            return;
        if (pcpu->owner.kind == OWNER_IDLE && (pcpu->node == selection->memory_node) == near)
            selection->pcpus[selection->pcpus_count++] = pcpu->pcpu;
    }
}

static int refuse_memory(const struct rooms *rooms, uint32_t wanted_mib, char *reason)
{
    uint64_t most = 0;

    for (int i = 0; i < PARCLOSE_MAX_NODES; i++)
        if (rooms->nodes[i].bytes > most)
            most = rooms->nodes[i].bytes;
    return refuse(-ENOSPC, reason,
                  "needs %u MiB of memory on one NUMA node: at most %llu MiB are free on one",
                  wanted_mib, (unsigned long long)(most / MIB));
}

/* A VF that has not been created yet has no owner here; the gate waits for it. */
static int check_vfs(const struct snapshot_view *view, const struct partition_config *partition,
                     char *reason)
{
    for (uint32_t i = 0; i < partition->vfs_count; i++) {
        const struct partition_vf *wanted = &partition->vfs[i];
        const struct snapshot_pf *pf = snapshot_view_card(view, wanted->card);
        const struct snapshot_vf *vf =
            pf ? snapshot_view_vf(view, pf->observed.bdf, wanted->index) : NULL;
        const struct snapshot_partition *holder =
            vf && vf->owner.kind == OWNER_GUEST
                ? snapshot_view_partition_id(view, vf->owner.partition)
                : NULL;
        if (holder && strcmp(holder->config.name, partition->name) != 0)
            return refuse(-EBUSY, reason, "VF %u of card %s belongs to partition %s", wanted->index,
                          wanted->card, holder->config.name);
    }
    return 0;
}

int policy_select(const struct snapshot_view *view, const struct partition_config *partition,
                  struct selection *selection, char reason[PARCLOSE_REASON_MAX])
{
    struct rooms rooms;

    if (check_vfs(view, partition, reason))
        return -EBUSY;
    count_room(view, &rooms);
    count_vfs(view, partition, &rooms);
    uint32_t wanted = partition->weight ? 0 : partition->vcpus; /* shared ones are not selected */
    if (rooms.pcpus < wanted)
        return refuse(-ENOSPC, reason, "needs %u pCPUs: %u are idle", wanted, rooms.pcpus);
    int node = choose_node(&rooms, partition->memory_mib * MIB, wanted);
    if (node < 0)
        return refuse_memory(&rooms, partition->memory_mib, reason);
    *selection =
        (struct selection){.generation = view->head->generation, .memory_node = (uint32_t)node};
    take_pcpus(view, true, selection, wanted);
    take_pcpus(view, false, selection, wanted);
    return 0;
}
