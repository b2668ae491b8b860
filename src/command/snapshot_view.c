/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "config/config_check.h"
#include "wire/frame.h"

#define SEALS             (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SNAPSHOT_SIZE_MAX 67108864
#define TEXT_OK(txt)      frame_string_ok((txt), sizeof(txt))

static int check_file(int fd, size_t *size)
{
    struct stat stat;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS)
        return -EPERM;
    if (fstat(fd, &stat) < 0)
        return -errno;
    if (stat.st_size < (off_t)sizeof(struct snapshot) || stat.st_size > SNAPSHOT_SIZE_MAX)
        return -EBADMSG;
    *size = (size_t)stat.st_size;
    return 0;
}

/* Where the next array begins; moves on behind it. All counts have been checked. */
static const void *array(const struct snapshot *head, size_t *offset, size_t count, size_t item)
{
    const void *start = (const uint8_t *)head + *offset;

    *offset += (count * item + 7) & ~(size_t)7;
    return start;
}

static bool head_ok(const struct snapshot *head, size_t size)
{
    char reason[PARCLOSE_REASON_MAX];

    return head->magic == SNAPSHOT_MAGIC && head->version == SNAPSHOT_VERSION &&
           head->size == size && head->partitions_count <= PARCLOSE_MAX_PARTITIONS &&
           head->pcpus_count <= PARCLOSE_MAX_PCPUS && head->memory_count <= SNAPSHOT_MEMORY_MAX &&
           head->pfs_count <= PARCLOSE_MAX_PFS && head->vfs_count <= SNAPSHOT_VFS_MAX &&
           head->functions_count <= PARCLOSE_MAX_FUNCTIONS &&
           head->processes_count <= PROCESS_KINDS && head->apply.state < APPLY_STATES &&
           TEXT_OK(head->apply.text) && frame_error_ok(head->apply.error) &&
           (!head->host.reserved_pcpus || !host_config_check(&head->host, reason));
}

static void lay_out(struct snapshot_view *view, const struct snapshot *head, size_t *end)
{
    size_t offset = (sizeof(*head) + 7) & ~(size_t)7;

    view->head = head;
    view->partitions =
        array(head, &offset, head->partitions_count, sizeof(struct snapshot_partition));
    view->pcpus = array(head, &offset, head->pcpus_count, sizeof(struct snapshot_pcpu));
    view->memory = array(head, &offset, head->memory_count, sizeof(struct snapshot_memory));
    view->pfs = array(head, &offset, head->pfs_count, sizeof(struct snapshot_pf));
    view->vfs = array(head, &offset, head->vfs_count, sizeof(struct snapshot_vf));
    view->functions = array(head, &offset, head->functions_count, sizeof(struct snapshot_function));
    view->processes = array(head, &offset, head->processes_count, sizeof(struct snapshot_process));
    *end = offset;
}

static bool owner_ok(struct owner owner)
{
    if (owner.kind == OWNER_GUEST)
        return owner.partition.value >= 1 && owner.partition.value <= PARCLOSE_MAX_PARTITIONS;
    return owner.kind < OWNER_KINDS && !owner.partition.value;
}

static bool partition_ok(const struct snapshot_partition *partition)
{
    char reason[PARCLOSE_REASON_MAX];

    return partition->id.value >= 1 && partition->id.value <= PARCLOSE_MAX_PARTITIONS &&
           partition->phase < PARTITION_PHASES && partition->states < STATE_BIT(PARTITION_STATES) &&
           partition->pcpus_count <= PARCLOSE_MAX_VCPUS && partition->rung <= RUNG_ERROR &&
           partition->next_rung <= RUNG_ERROR && TEXT_OK(partition->waiting_for) &&
           TEXT_OK(partition->reason) && !partition_config_check(&partition->config, reason);
}

static bool pf_ok(const struct snapshot_pf *pf)
{
    return TEXT_OK(pf->card) && TEXT_OK(pf->reason) && TEXT_OK(pf->observed.driver) &&
           TEXT_OK(pf->observed.netdev) && TEXT_OK(pf->observed.serial) && owner_ok(pf->owner);
}

static bool vf_ok(const struct snapshot_vf *vf)
{
    return TEXT_OK(vf->observed.driver) && owner_ok(vf->owner);
}

static uint64_t vf_key(const struct snapshot_vf *vf)
{
    return (uint64_t)vf->observed.pf.value << 32 | vf->observed.index;
}

static bool function_ok(const struct snapshot_view *view, uint32_t i)
{
    const struct snapshot_function *function = &view->functions[i];

    return TEXT_OK(function->observed.driver) && owner_ok(function->owner) &&
           (!i || view->functions[i - 1].observed.bdf.value < function->observed.bdf.value);
}

static bool devices_ok(const struct snapshot_view *view)
{
    for (uint32_t i = 0; i < view->head->pfs_count; i++)
        if (!pf_ok(&view->pfs[i]))
            return false;
    for (uint32_t i = 0; i < view->head->vfs_count; i++)
        if (!vf_ok(&view->vfs[i]) || (i && vf_key(&view->vfs[i - 1]) >= vf_key(&view->vfs[i])))
            return false;
    for (uint32_t i = 0; i < view->head->functions_count; i++)
        if (!function_ok(view, i))
            return false;
    return true;
}

static bool resources_ok(const struct snapshot_view *view)
{
    for (uint32_t i = 0; i < view->head->pcpus_count; i++)
        if (!owner_ok(view->pcpus[i].owner))
            return false;
    for (uint32_t i = 0; i < view->head->memory_count; i++)
        if (!owner_ok(view->memory[i].owner))
            return false;
    return true;
}

static bool view_ok(const struct snapshot_view *view)
{
    for (uint32_t i = 0; i < view->head->partitions_count; i++)
        if (!partition_ok(&view->partitions[i]) ||
            (i && view->partitions[i].id.value <= view->partitions[i - 1].id.value))
            return false;
    for (uint32_t i = 0; i < view->head->processes_count; i++)
        if (!TEXT_OK(view->processes[i].reason))
            return false;
    return resources_ok(view) && devices_ok(view);
}

static uint32_t name_hash(const char *name)
{
    uint32_t hash = 2166136261; /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619;
    return hash;
}

/* Without memory for them, names are found more slowly. */
static void hash_names(struct snapshot_view *view)
{
    view->name_hashes = calloc(view->head->partitions_count, sizeof(*view->name_hashes));
    for (uint32_t i = 0; view->name_hashes && i < view->head->partitions_count; i++)
        view->name_hashes[i] = name_hash(view->partitions[i].config.name);
    view->card_hashes = calloc(view->head->pfs_count, sizeof(*view->card_hashes));
    for (uint32_t i = 0; view->card_hashes && i < view->head->pfs_count; i++)
        view->card_hashes[i] = name_hash(view->pfs[i].card);
}

int snapshot_view_open(struct snapshot_view *view, int fd)
{
    struct snapshot_view opened = {0};
    size_t end;
    int error = check_file(fd, &opened.size);

    if (error)
        return error;
    void *map = mmap(NULL, opened.size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    opened.head = map;
    if (head_ok(map, opened.size))
        lay_out(&opened, map, &end);
    if (!opened.partitions || end != opened.size || !view_ok(&opened)) {
        munmap(map, opened.size);
        return -EBADMSG;
    }
    hash_names(&opened);
    *view = opened;
    return 0;
}

void snapshot_view_close(struct snapshot_view *view)
{
    if (view->head)
        munmap((void *)(uintptr_t)view->head, view->size);
    free(view->name_hashes);
    free(view->card_hashes);
    *view = (struct snapshot_view){0};
}

bool snapshot_partition_stopped(const struct snapshot_partition *partition)
{
    return partition->phase == PHASE_DEFINED || partition->phase == PHASE_FAILED;
}

const struct snapshot_partition *snapshot_view_partition(const struct snapshot_view *view,
                                                         const char *name)
{
    uint32_t hash = name_hash(name);

    for (uint32_t i = 0; view->head && i < view->head->partitions_count; i++)
        if ((!view->name_hashes || view->name_hashes[i] == hash) &&
            !strcmp(view->partitions[i].config.name, name))
            return &view->partitions[i];
    return NULL;
}

const struct snapshot_partition *snapshot_view_partition_id(const struct snapshot_view *view,
                                                            struct partition_id id)
{
    uint32_t low = 0, high = view->head ? view->head->partitions_count : 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (view->partitions[middle].id.value == id.value)
            return &view->partitions[middle];
        if (view->partitions[middle].id.value < id.value)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct snapshot_pf *snapshot_view_card(const struct snapshot_view *view, const char *card)
{
    uint32_t hash = name_hash(card);

    for (uint32_t i = 0; view->head && i < view->head->pfs_count; i++)
        if ((!view->card_hashes || view->card_hashes[i] == hash) &&
            !strcmp(view->pfs[i].card, card))
            return &view->pfs[i];
    return NULL;
}

const struct snapshot_vf *snapshot_view_vf(const struct snapshot_view *view, struct bdf pf,
                                           uint32_t index)
{
    uint64_t key = (uint64_t)pf.value << 32 | index;
    uint32_t low = 0, high = view->head ? view->head->vfs_count : 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vf_key(&view->vfs[middle]) == key)
            return &view->vfs[middle];
        if (vf_key(&view->vfs[middle]) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
