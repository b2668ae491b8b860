/* SPDX-License-Identifier: Apache-2.0 */
#include "freeze.h"

#include <string.h>

#include "drive.h"
#include "failover.h"
#include "gate.h"
#include "log/log.h"
#include "outage.h"
#include "transaction.h"

#define NS_PER_MS UINT64_C(1000000)

bool freeze_stands(const struct partition *partition)
{
    return partition->run.frozen_boottime_ns != 0;
}

/* Once it is frozen, one that is not judged yet is not ready. */
static bool unjudged_counts(const struct partition *partition)
{
#ifdef PARCLOSE_MUTANT_UNJUDGED_THAWS /* a control that comes up thaws before it has heard */
    (void)partition;
    return false;
#else
    return freeze_stands(partition);
#endif
}

/* The first PF of it that is being recovered. */
static const struct pf *recovering(struct db *db, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct pf *pf = db_pf_of_card(db, partition->config.vfs[i].card);
        if (!failover_in_use(partition, i) || !pf || pf->readiness == PF_READY ||
            pf->image.in_error || pf->image.disabled)
            continue;
        if (pf->readiness != PF_UNKNOWN || unjudged_counts(partition))
            return pf;
    }
    return NULL;
}

/* Without a deadline nobody climbs for it. */
static const struct pf *wanted_for(struct db *db, const struct partition *partition)
{
    if (!outage_is_for(partition) || partition->config.on_outage != OUTAGE_FREEZE ||
        !partition->run.deadline_boottime_ns || partition->run.calm)
        return NULL;
    return recovering(db, partition);
}

static void begin(struct control *control, struct partition *partition, const struct pf *pf)
{
    struct partition_run run = partition->run;
    char text[PARCLOSE_REASON_MAX];

    gate_pf_text(control->db, pf, text);
    run.frozen_boottime_ns = control_boottime(control);
    transaction_begin(control, AUDIT_FREEZE, AUDIT_BEGUN, run.start_transaction);
    transaction_text(control, "partition %s: %.110s", partition->config.name, text);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, true))
        return;
    log_notice("partition %s: its processors are frozen: %s", partition->config.name, text);
}

uint64_t freeze_end(const struct control *control, struct partition_run *run)
{
    uint64_t ns = run->frozen_boottime_ns ? control_boottime(control) - run->frozen_boottime_ns : 0;

    run->frozen_boottime_ns = 0;
    run->frozen_ns += ns;
    return ns / NS_PER_MS;
}

static const char *why_over(const struct control *control, const struct partition *partition)
{
    if (partition->config.on_outage != OUTAGE_FREEZE)
        return "its definition says so";
    if (outage_is_for(partition) && outage_pf(control->db, partition))
        return "its PF is given up";
    return "its PFs are ready again";
}

static void end(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;
    uint64_t ms = freeze_end(control, &run);
    const char *why = why_over(control, partition);

#ifdef PARCLOSE_MUTANT_STAYS_FROZEN /* it is said, and not so */
    run.frozen_boottime_ns = partition->run.frozen_boottime_ns;
#endif
    transaction_begin(control, AUDIT_FREEZE, AUDIT_APPLIED, run.start_transaction);
    transaction_text(control, "partition %s: thawed after %llu ms: %s", partition->config.name,
                     (unsigned long long)ms, why);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, true))
        return;
    log_notice("partition %s: its processors are thawed after %llu ms: %s", partition->config.name,
               (unsigned long long)ms, why);
}

void freeze_follow(struct control *control, struct partition *partition)
{
    const struct pf *pf = wanted_for(control->db, partition);

    if (pf && !freeze_stands(partition))
        begin(control, partition, pf);
    else if (!pf && freeze_stands(partition))
        end(control, partition);
}

static void order(struct control *control, struct partition *partition, enum order due,
                  enum order other)
{
    /* lead answers only the latest */
    partition->ordered &= ~(UINT32_C(1) << other);
    drive_order(control, partition, due);
}

void freeze_drive(struct control *control, struct partition *partition)
{
    bool detaching = partition->ordered & UINT32_C(1) << ORDER_DETACH;
    bool attaching = partition->ordered & UINT32_C(1) << ORDER_ATTACH;

    if (partition->run.attach != ATTACH_DONE || !partition->said || !partition->monitor.present)
        return;
    if (freeze_stands(partition) && (!partition->monitor.frozen || attaching))
        order(control, partition, ORDER_DETACH, ORDER_ATTACH);
    else if (!freeze_stands(partition) && (partition->monitor.frozen || detaching))
        order(control, partition, ORDER_ATTACH, ORDER_DETACH);
}
