/* SPDX-License-Identifier: Apache-2.0 */
#include "counts.h"

#include "failover.h"
#include "hotplug.h"

#define NS_PER_MS UINT64_C(1000000)

static void recovered(struct pf_counts *counts, uint64_t ns)
{
    static const uint32_t bounds_ms[RECOVERY_BOUNDS] = RECOVERY_BOUNDS_MS;
    uint32_t bucket = 0;

    while (bucket < RECOVERY_BOUNDS && ns > bounds_ms[bucket] * NS_PER_MS)
        bucket++;
    counts->recoveries[bucket]++;
    counts->recovery_ns += ns;
}

/* Of a guest that runs: it has it, or had it when the outage began and is to get it back. */
static bool in_use(struct db *db, const struct pf *pf, uint32_t index)
{
    const struct vf *vf = &pf->vfs[index];
    const struct partition *partition = db_partition_of(db, vf->owner);

    return partition && partition->run.phase == PHASE_RUNNING &&
           partition->run.attach == ATTACH_DONE && partition->run.channels &&
           !failover_idle(db, partition, vf) &&
           (vf->outage_boottime_ns || !hotplug_pending(db, partition, pf, index));
}

static void look(struct db *db, struct pf *pf, uint32_t index, uint64_t now)
{
    struct vf *vf = &pf->vfs[index];
    bool used = in_use(db, pf, index);
    bool out = used && (vf->reset_boottime_ns || pf->readiness != PF_READY ||
                        hotplug_pending(db, db_partition_of(db, vf->owner), pf, index));

    if (used && pf->readiness == PF_UNKNOWN && !vf->reset_boottime_ns)
        return; /* nobody judges it: as it was */
    if (out && !vf->outage_boottime_ns) {
        vf->outage_boottime_ns = now;
    } else if (!out && vf->outage_boottime_ns) {
        vf->outage_ns += now - vf->outage_boottime_ns;
        vf->outage_boottime_ns = 0;
    }
}

static void look_at(struct control *control, struct pf *pf)
{
    uint64_t now = control_boottime(control);

    for (uint32_t i = 0; i < pf->vfs_count; i++)
        look(control->db, pf, i, now);
}

void counts_look(struct control *control)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (control->db->pfs[i])
            look_at(control, control->db->pfs[i]);
}

void counts_readiness(struct control *control, struct pf *pf)
{
    uint64_t now = control_boottime(control);

    if (pf->readiness == PF_READY && pf->lost_boottime_ns)
        recovered(&pf->counts, now - pf->lost_boottime_ns);
    if (pf->readiness == PF_READY || pf->readiness == PF_DISABLED || pf->readiness == PF_ASLEEP)
        pf->lost_boottime_ns = 0;
    else if (pf->was_ready && pf->readiness != PF_UNKNOWN)
        pf->lost_boottime_ns = now;
    if (pf->readiness != PF_UNKNOWN)
        pf->was_ready = pf->readiness == PF_READY;
    look_at(control, pf);
}

void counts_rung(struct pf *pf, enum rung rung)
{
    pf->counts.rungs[rung - 1]++;
}
