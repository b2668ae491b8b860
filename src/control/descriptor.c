/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptor.h"

#include <string.h>

#include "control.h"
#include "failover.h"
#include "names/pcpu_set.h"
#include "parclose/descriptor.h"

#define MONITOR_UID_BASE UINT32_C(0x70000000)

static void fill_vcpus(struct db *db, const struct partition_run *run,
                       struct partition_descriptor *descriptor)
{
    for (uint32_t i = 0; i < run->pcpus_count; i++) {
        const struct pcpu *pcpu = db_pcpu(db, run->pcpus[i]);
        if (pcpu)
            descriptor->vcpus[i] = (struct descriptor_vcpu){pcpu->pcpu, pcpu->node};
    }
}

static bool add_owned(const struct db *db, enum owner_kind kind, struct pcpu_set *set)
{
    bool any = false;

    for (uint32_t i = 0; i < db->pcpus_count; i++) {
        if (db->pcpus[i].owner.kind != kind || db->pcpus[i].pcpu >= PARCLOSE_MAX_PCPUS)
            continue;
        pcpu_set_add(set, db->pcpus[i].pcpu);
        any = true;
    }
    return any;
}

/* The shared ones; the host's where none is shared, or all of them are offline. pCPU 0 is where
 * the kernel cannot be without. */
static void fill_shared(const struct db *db, struct partition_descriptor *descriptor)
{
    struct pcpu_set *set = &descriptor->shared_pcpus;

    if (!add_owned(db, OWNER_SHARED, set) && !add_owned(db, OWNER_BOOT, set))
        pcpu_set_add(set, 0);
}

static bool any_shared(const struct partition_descriptor *descriptor)
{
    for (uint32_t i = 0; i < descriptor->vcpus_count; i++)
        if (descriptor->vcpus[i].pcpu == DESCRIPTOR_SHARED)
            return true;
    return false;
}

static void fill_pcpus(struct db *db, const struct partition *partition,
                       struct partition_descriptor *descriptor)
{
    for (uint32_t i = 0; i < descriptor->vcpus_count; i++)
        descriptor->vcpus[i] = (struct descriptor_vcpu){DESCRIPTOR_SHARED, descriptor->memory_node};
    fill_vcpus(db, &partition->run, descriptor);
    if (any_shared(descriptor))
        fill_shared(db, descriptor);
}

static void fill_vfs(struct db *db, const struct partition *partition,
                     struct partition_descriptor *descriptor)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(db, wanted->card);
        if (!failover_in_use(partition, i))
            continue;
        struct descriptor_vf *vf = &descriptor->vfs[descriptor->vfs_count++];
        vf->index = wanted->index;
        if (!pf)
            continue;
        vf->pf = pf->bdf;
        vf->class = pf->present ? pf->observed.class : CLASS_OTHER;
        if (partition->run.channels)
            vf->bdf = pf->vfs[wanted->index].observed.bdf;
    }
}

int descriptor_publish(struct db *db, const struct partition *partition)
{
    const struct partition_config *config = &partition->config;
    struct partition_descriptor descriptor = {
        .magic = DESCRIPTOR_MAGIC,
        .version = DESCRIPTOR_VERSION,
        .size = sizeof(descriptor),
        .generation = partition->run.descriptor_generation,
        .partition = partition->id,
        .uid = MONITOR_UID_BASE + partition->id.value,
        .memory_bytes = (uint64_t)config->memory_mib << 20,
        .memory_node = partition->run.memory_node,
        .pages = config->pages,
        .weight = config->weight,
        .firmware = config->firmware,
        .vcpus_count = config->vcpus,
    };

    memcpy(descriptor.name, config->name, sizeof(descriptor.name));
    memcpy(descriptor.monitor, config->monitor, sizeof(descriptor.monitor));
    memcpy(descriptor.kernel, config->kernel, sizeof(descriptor.kernel));
    memcpy(descriptor.initrd, config->initrd, sizeof(descriptor.initrd));
    memcpy(descriptor.cmdline, config->cmdline, sizeof(descriptor.cmdline));
    memcpy(descriptor.variables, config->variables, sizeof(descriptor.variables));
    memcpy(descriptor.disk, config->disk, sizeof(descriptor.disk));
    fill_pcpus(db, partition, &descriptor);
    fill_vfs(db, partition, &descriptor);
    descriptor.channels_count = config->channels_count;
    memcpy(descriptor.channels, config->channels, sizeof(descriptor.channels));
    return sealed_file("partition", &descriptor, sizeof(descriptor));
}
