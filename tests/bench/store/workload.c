/* SPDX-License-Identifier: Apache-2.0 */
#include <err.h>
#include <string.h>

#include "contender.h"
#include "parclose/msg_boot.h"

#define PCPUS 4u
#define VFS   3u
#define GIB   (UINT64_C(1) << 30)

static const struct bdf pf = {0x0300};

void workload_inventory(struct inventory *inventory)
{
    *inventory =
        (struct inventory){.nodes_count = 2, .pcpus_count = WORKLOAD_PARTITIONS * PCPUS + 1};
    memset(inventory->boot_id, 7, sizeof(inventory->boot_id));
    inventory->nodes[0] = (struct inventory_node){.memory_bytes = 64 * GIB};
    inventory->nodes[1] = (struct inventory_node){.node = 1, .memory_bytes = 256 * GIB};
    for (uint32_t i = 0; i < inventory->pcpus_count; i++)
        inventory->pcpus[i].pcpu = i;
}

static struct owner kind(enum owner_kind owner)
{
    return (struct owner){.kind = (uint32_t)owner};
}

static void change(struct audit_entry *entry, enum resource_kind resource, uint64_t key0,
                   uint64_t key1, const void *before, const void *after)
{
    if (audit_entry_add(entry, resource, key0, key1, before, after))
        errx(1, "an entry has no room");
}

static struct partition_run run_of(uint64_t n, bool started)
{
    struct partition_run run = {.phase = started ? PHASE_STARTING : PHASE_DEFINED,
                                .start_transaction = started ? n : 0};

    return run;
}

void workload_fill(struct audit_entry *entry, uint64_t n)
{
    const uint64_t slot = n / 2 % WORKLOAD_PARTITIONS; /* start, then release */
    const bool starts = n % 2 == 0;
    const struct owner guest = {OWNER_GUEST, {(uint32_t)slot + 1}};
    const struct owner idle = kind(OWNER_IDLE), apart = kind(OWNER_INTERCONNECT);
    const struct memory_image taken = {2 * GIB, guest}, left = {2 * GIB, kind(OWNER_AVAILABLE)};
    const struct partition_run before = run_of(n - 1, !starts), after = run_of(n, starts);

    audit_entry_begin(entry, starts ? AUDIT_START : AUDIT_RELEASE, AUDIT_BEGUN);
    entry->request_id = n + 1;
    for (uint64_t i = 0; i < PCPUS; i++)
        change(entry, RESOURCE_PCPU, 1 + slot * PCPUS + i, 0, starts ? &idle : &guest,
               starts ? &guest : &idle);
    for (uint64_t i = 0; i < 2; i++)
        change(entry, RESOURCE_MEMORY, 0, (slot * 4 + i * 2) * GIB, starts ? &left : &taken,
               starts ? &taken : &left);
    for (uint64_t i = 0; i < VFS; i++)
        change(entry, RESOURCE_VF, pf.value, slot * VFS + i, starts ? &apart : &guest,
               starts ? &guest : &apart);
    change(entry, RESOURCE_RUN, slot + 1, 0, &before, &after);
}
