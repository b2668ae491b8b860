/* SPDX-License-Identifier: Apache-2.0 */
#include "outage.h"

#include <stdio.h>
#include <string.h>

#include "actions.h"
#include "failover.h"
#include "freeze.h"
#include "gate.h"
#include "ladder.h"
#include "log/log.h"
#include "transaction.h"

#define NS_PER_MS UINT64_C(1000000)

static bool lost(const struct pf *pf)
{
    return pf->readiness != PF_READY && pf->readiness != PF_UNKNOWN && !pf->image.disabled;
}

struct pf *outage_pf(struct db *db, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        struct pf *pf = db_pf_of_card(db, partition->config.vfs[i].card);
        if (failover_in_use(partition, i) && pf && lost(pf))
            return pf;
    }
    return NULL;
}

static bool all_ready(struct db *db, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct pf *pf = db_pf_of_card(db, partition->config.vfs[i].card);
        if (failover_in_use(partition, i) && pf && pf->readiness != PF_READY && !pf->image.disabled)
            return false;
    }
    return true;
}

bool outage_is_for(const struct partition *partition)
{
    return partition->run.phase == PHASE_RUNNING && partition->run.attach == ATTACH_DONE;
}

static bool under_way(const struct partition *partition)
{
    const struct partition_run *run = &partition->run;

    return !run->calm && (run->deadline_boottime_ns || run->rung != RUNG_WAIT);
}

static void begin(struct control *control, struct partition *partition, const struct pf *pf)
{
    struct partition_run run = partition->run;
    char text[PARCLOSE_REASON_MAX];

    gate_pf_text(control->db, pf, text);
    ladder_wait(control, &run);
    transaction_begin(control, AUDIT_OUTAGE, AUDIT_BEGUN, 0);
    transaction_text(control, "partition %s: %.110s", partition->config.name, text);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, false))
        return;
    partition->outage_boottime_ns = control_boottime(control);
    log_warning("partition %s runs without a PF: %s", partition->config.name, text);
    control_arm(control);
}

static void end(struct control *control, struct partition *partition)
{
    uint64_t since = partition->outage_boottime_ns;
    struct partition_run run = partition->run;
    char how[64] = ""; /* of one that began before control did, nobody knows since when */

    if (since)
        snprintf(how, sizeof(how), " after %llu ms",
                 (unsigned long long)((control_boottime(control) - since) / NS_PER_MS));
    ladder_rest(control, &run);
    transaction_begin(control, AUDIT_OUTAGE, AUDIT_APPLIED, run.start_transaction);
    transaction_text(control, "partition %s: its PFs are ready again%s", partition->config.name,
                     how);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, false))
        return;
    partition->outage_boottime_ns = 0;
    log_notice("partition %s: its PFs are ready again%s", partition->config.name, how);
    control_arm(control);
}

void outage_follow(struct control *control, struct partition *partition)
{
    const struct pf *pf;

    if (!outage_is_for(partition))
        return;
    pf = outage_pf(control->db, partition);
    if (pf && !under_way(partition))
        begin(control, partition, pf);
    else if (under_way(partition) && all_ready(control->db, partition))
        end(control, partition);
}

bool outage_vf_lost(const struct pf *pf, const struct vf *vf)
{
    bool dead = !vf->observed.answers || vf->reset_boottime_ns;

    return lost(pf) && pf->observed.driver[0] && vf->present && dead;
}

/* In this outage, not in one before. */
static bool restart_tried(const struct partition_run *run)
{
    return run->rung >= RUNG_RESTART_PF && run->rungs_taken[RUNG_RESTART_PF - 1];
}

bool outage_takes(const struct partition *partition, const struct pf *pf, const struct vf *vf)
{
    bool may = outage_is_for(partition) || partition->run.attach == ATTACH_NONE;

    return may && restart_tried(&partition->run) && outage_vf_lost(pf, vf);
}

static bool any_vf_held(struct control *control, const struct pf *pf)
{
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        if (action_vf_held(control, pf, i) && !outage_vf_lost(pf, &pf->vfs[i]))
            return true;
    return false;
}

/* Of all PFs that it misses: one that can be bound or restarted is worth the rung. */
const char *outage_refusal(struct control *control, const struct partition *partition)
{
    if (!outage_is_for(partition))
        return NULL;
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct pf *pf = db_pf_of_card(control->db, partition->config.vfs[i].card);
        if (failover_in_use(partition, i) && pf && lost(pf) &&
            !(pf->observed.driver[0] && any_vf_held(control, pf)))
            return NULL;
    }
    return "it would take VFs away from the guests that have them";
}

bool outage_text(struct control *control, const struct partition *partition,
                 char text[PARCLOSE_REASON_MAX])
{
    const struct pf *pf = outage_pf(control->db, partition);
    size_t used;

    if (!pf && freeze_stands(partition)) /* not judged now */
        pf = gate_pf_missing(control->db, partition);
    if (!outage_is_for(partition) || !under_way(partition) || !pf)
        return false;
    gate_pf_text(control->db, pf, text);
    used = strlen(text);
    if (restart_tried(&partition->run) && outage_refusal(control, partition))
        snprintf(text + used, PARCLOSE_REASON_MAX - used, "; its guest has VFs: no restart");
    return true;
}
