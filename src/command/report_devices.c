/* SPDX-License-Identifier: Apache-2.0 */
#include "report_devices.h"

#include <stdio.h>

#include "command.h"
#include "names/names.h"
#include "pci/driver_table.h"
#include "report.h"

static json_t *bdf_json(struct bdf bdf)
{
    char text[NAME_BDF_MAX];
    return bdf.value ? json_string(name_of_bdf(bdf, text)) : json_null(); /* 0: not there yet */
}

/* "partition db" is named by its name, the others by what they are. */
static json_t *owner_json(const struct command *command, struct owner owner)
{
    const struct snapshot_partition *partition =
        snapshot_view_partition_id(&command->view, owner.partition);

    if (owner.kind == OWNER_GUEST && partition)
        return json_pack("{s:s, s:s}", "kind", "guest", "partition", partition->config.name);
    return json_pack("{s:s}", "kind", name_of_owner(owner.kind));
}

/* An IOMMU group or a NUMA node; UINT32_MAX: in none. */
static json_t *number_json(uint32_t number)
{
    return number == UINT32_MAX ? json_null() : json_integer(number);
}

json_t *report_pf_brief(const struct snapshot_pf *pf)
{
    return json_pack("{s:o, s:o, s:s, s:s, s:o}", "address", bdf_json(pf->observed.bdf), "driver",
                     report_text(pf->observed.driver), "status",
                     name_of_status(pf->observed.status), "readiness",
                     name_of_readiness(pf->readiness), "reason", report_text(pf->reason));
}

/* AER: null where the kernel does not count. */
static json_t *errors_json(const struct error_counts *errors)
{
    if (!errors->known)
        return json_null();
    return json_pack("{s:I, s:I, s:I}", "correctable", (json_int_t)errors->correctable, "nonfatal",
                     (json_int_t)errors->nonfatal, "fatal", (json_int_t)errors->fatal);
}

static json_t *numbers_json(const uint64_t *numbers, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_integer((json_int_t)numbers[i]));
    return array;
}

/* recoveries: by bounds_ms, one more for those beyond. */
static json_t *counts_json(const struct pf_counts *counts)
{
    static const uint64_t bounds_ms[RECOVERY_BOUNDS] = RECOVERY_BOUNDS_MS;

    return json_pack("{s:I, s:o, s:o, s:o, s:I}", "device_writes", (json_int_t)counts->writes,
                     "rungs", numbers_json(counts->rungs, RUNG_ERROR), "recovery_bounds_ms",
                     numbers_json(bounds_ms, RECOVERY_BOUNDS), "recoveries",
                     numbers_json(counts->recoveries, RECOVERY_BOUNDS + 1), "recovery_ns",
                     (json_int_t)counts->recovery_ns);
}

static json_t *not_bound_json(const struct vf_observed *observed)
{
    return observed->bind_error ? json_string(name_of_bind_error(observed->bind_error))
                                : json_null();
}

json_t *report_vf(const struct command *command, const struct snapshot_vf *vf)
{
    const struct vf_observed *observed = &vf->observed;

    json_t *report = json_pack(
        "{s:i, s:o, s:o, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:I, s:I}", "index",
        (int)observed->index, "address", bdf_json(observed->bdf), "driver",
        report_text(observed->driver), "status", name_of_status(observed->status), "answers",
        observed->answers != 0, "attributes_set", observed->attributes_set != 0, "open",
        observed->open != 0, "iommu_group", number_json(observed->iommu_group), "owner",
        owner_json(command, vf->owner), "desired", report_attributes(&vf->desired), "errors",
        errors_json(&observed->errors), "outage_ns", (json_int_t)vf->outage_ns,
        "outage_since_boottime_ns", (json_int_t)vf->outage_since_boottime_ns);

    json_object_set_new(report, "not_bound", not_bound_json(observed));
    json_object_set_new(report, "for_host", json_boolean(observed->for_host));
    return report;
}

static json_t *sriov_json(const struct sriov_capability *sriov)
{
    if (!sriov->offset)
        return json_null();
    return json_pack("{s:i, s:b, s:i, s:i, s:i, s:i, s:i}", "offset", (int)sriov->offset,
                     "vf_enable", (sriov->control & SRIOV_CTRL_VF_ENABLE) != 0, "initial_vfs",
                     (int)sriov->initial_vfs, "total_vfs", (int)sriov->total_vfs, "num_vfs",
                     (int)sriov->num_vfs, "first_vf_offset", (int)sriov->first_vf_offset,
                     "vf_stride", (int)sriov->vf_stride);
}

static json_t *vfs_of(const struct command *command, struct bdf pf)
{
    const struct snapshot_view *view = &command->view;
    json_t *array = json_array();

    for (uint32_t i = 0; i < view->head->vfs_count; i++)
        if (view->vfs[i].observed.pf.value == pf.value)
            json_array_append_new(array, report_vf(command, &view->vfs[i]));
    return array;
}

/* What is known of the driver that is bound. */
static json_t *restart_json(const struct pf_observed *observed)
{
    const struct driver_facts *facts = driver_facts(observed->driver, sizeof(observed->driver));

    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "unbind", driver_unbind_name(facts->unbind),
                     "with_vfs", driver_restart_name(facts->restart), "renew",
                     driver_renew_name(facts->renew), "after_error",
                     driver_error_name(facts->error), "proof", driver_proof_name(facts->proof));
}

json_t *report_pf(const struct command *command, const struct snapshot_pf *pf)
{
    const struct pf_observed *observed = &pf->observed;
    json_t *report = report_pf_brief(pf);
    json_t *rest = json_pack(
        "{s:o, s:s, s:i, s:i, s:o, s:o, s:i, s:i, s:b, s:b, s:i, s:o, s:o, s:o, s:o, s:o}", "card",
        report_text(pf->card), "class", name_of_class(observed->class), "vendor",
        (int)observed->vendor, "device", (int)observed->device, "interface",
        report_text(observed->netdev), "serial", report_text(observed->serial), "vfs_desired",
        (int)pf->desired_vfs, "vfs_created", (int)observed->numvfs, "answers",
        observed->answers != 0, "link_up", observed->link_up != 0, "vfs_open",
        (int)observed->open_vfs, "iommu_group", number_json(observed->iommu_group), "numa_node",
        number_json(observed->node), "owner", owner_json(command, pf->owner), "sriov",
        sriov_json(&observed->sriov), "vfs", vfs_of(command, observed->bdf));

    json_object_set_new(report, "carrier", json_boolean(observed->carrier));
    json_object_set_new(report, "health_error", report_text(observed->health));
    json_object_set_new(report, "stuck_pid",
                        observed->stuck_pid ? json_integer(observed->stuck_pid) : json_null());
    json_object_set_new(report, "restart", restart_json(observed));
    json_object_set_new(report, "errors", errors_json(&observed->errors));
    json_object_set_new(report, "recovery", json_string(name_of_recovery(observed->recovery)));
    json_object_set_new(report, "counts", counts_json(&pf->counts));
    json_object_set_new(report, "disabled", json_boolean(pf->disabled));
    json_object_set_new(report, "idle_power", json_string(name_of_idle_power(pf->idle_power)));
    json_object_set_new(report, "power", json_string(name_of_power_status(observed->power_status)));
    json_object_set_new(report, "power_control",
                        json_string(name_of_power_control(observed->power_control)));
    json_object_update(report, rest);
    json_decref(rest);
    return report;
}

json_t *report_function(const struct command *command, const struct snapshot_function *function)
{
    const struct function_observed *observed = &function->observed;
    char address[NAME_BDF_MAX];

    return json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:o, s:s, s:o, s:o, s:o}", "address",
        name_of_bdf(observed->bdf, address), "class", name_of_class_code(observed->class_code),
        "class_code", (int)observed->class_code, "vendor", (int)observed->vendor, "device",
        (int)observed->device, "pf", bdf_json(observed->pf), "driver",
        report_text(observed->driver), "iommu_group", number_json(observed->iommu_group),
        "numa_node", number_json(observed->node), "owner", owner_json(command, function->owner));
}

json_t *report_attributes(const struct vf_attributes *attributes)
{
    static const char *const links[] = {"auto", "enable", "disable"};
    json_t *report = json_object();
    const uint8_t *mac = attributes->mac;
    char text[18];

    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    if (attributes->present & VF_ATTR_MAC)
        json_object_set_new(report, "mac", json_string(text));
    if (attributes->present & VF_ATTR_VLAN) {
        json_object_set_new(report, "vlan", json_integer(attributes->vlan));
        json_object_set_new(report, "qos", json_integer(attributes->qos));
    }
    if (attributes->present & VF_ATTR_TRUST)
        json_object_set_new(report, "trust", json_boolean(attributes->trust));
    if (attributes->present & VF_ATTR_SPOOFCHK)
        json_object_set_new(report, "spoofchk", json_boolean(attributes->spoofchk));
    if ((attributes->present & VF_ATTR_LINK) && attributes->link_state < 3)
        json_object_set_new(report, "link", json_string(links[attributes->link_state]));
    if (attributes->present & VF_ATTR_RATE) {
        json_object_set_new(report, "min_tx_mbit", json_integer(attributes->min_tx_rate));
        json_object_set_new(report, "max_tx_mbit", json_integer(attributes->max_tx_rate));
    }
    if (attributes->nvme_queues)
        json_object_set_new(report, "nvme_queues", json_integer(attributes->nvme_queues));
    if (attributes->nvme_vectors)
        json_object_set_new(report, "nvme_vectors", json_integer(attributes->nvme_vectors));
    return report;
}
