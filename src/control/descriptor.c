/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptor.h"

#include <string.h>

#include "control.h"
#include "names/pcpu_set.h"
#include "parclose/descriptor.h"

#define MONITOR_UID_BASE UINT32_C(0x70000000)

static void fill_vcpus(struct db *db, const struct partition_run *run,
                       struct partition_descriptor *descriptor)
{
    for (uint32_t i = 0; i < run->pcpus_count; i++) {
        const struct pcpu *pcpu = db_pcpu(db, run->pcpus[i]);
        descriptor->vcpus[i] =
            (struct descriptor_vcpu){.pcpu = run->pcpus[i], .node = pcpu ? pcpu->node : 0};
    }
}

static void fill_shared(const struct db *db, struct partition_descriptor *descriptor)
{
    for (uint32_t i = 0; i < descriptor->vcpus_count; i++)
        descriptor->vcpus[i] = (struct descriptor_vcpu){DESCRIPTOR_SHARED, descriptor->memory_node};
    for (uint32_t i = 0; i < db->pcpus_count; i++)
        if (db->pcpus[i].owner.kind == OWNER_SHARED)
            pcpu_set_add(&descriptor->shared_pcpus, db->pcpus[i].pcpu);
}

static void fill_vfs(struct db *db, const struct partition *partition,
                     struct partition_descriptor *descriptor)
{
    descriptor->vfs_count = partition->config.vfs_count;
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(db, wanted->card);
        struct descriptor_vf *vf = &descriptor->vfs[i];
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
        .vcpus_count = config->vcpus,
    };

    memcpy(descriptor.name, config->name, sizeof(descriptor.name));
    memcpy(descriptor.monitor, config->monitor, sizeof(descriptor.monitor));
    memcpy(descriptor.kernel, config->kernel, sizeof(descriptor.kernel));
    memcpy(descriptor.initrd, config->initrd, sizeof(descriptor.initrd));
    memcpy(descriptor.cmdline, config->cmdline, sizeof(descriptor.cmdline));
    if (config->weight)
        fill_shared(db, &descriptor);
    else
        fill_vcpus(db, &partition->run, &descriptor);
    fill_vfs(db, partition, &descriptor);
    return sealed_file("partition", &descriptor, sizeof(descriptor));
}
