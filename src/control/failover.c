/* SPDX-License-Identifier: Apache-2.0 */
#include "failover.h"

#include <stdio.h>
#include <string.h>

#include "config/config_check.h"
#include "drive.h"
#include "ladder.h"
#include "lifecycle.h"
#include "log/log.h"
#include "tell.h"
#include "transaction.h"

static const struct vf_attributes none;

bool failover_in_use(const struct partition *partition, uint32_t number)
{
    return partition_vf_in_use(&partition->config, partition->run.standbys, number);
}

const struct partition_vf *failover_mate(const struct partition *partition, uint32_t number)
{
    int mate = partition_vf_mate(&partition->config, number);

    return mate < 0 ? NULL : &partition->config.vfs[mate];
}

struct vf_attributes failover_attributes(const struct partition *partition, uint32_t number)
{
    return failover_in_use(partition, number) ? partition->config.vfs[number].attributes : none;
}

bool failover_idle(struct db *db, const struct partition *partition, const struct vf *vf)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(db, wanted->card);
        if (pf && vf == &pf->vfs[wanted->index])
            return !failover_in_use(partition, i);
    }
    return false;
}

/* ---- another definition */

static int number_of(const struct partition_config *config, const struct partition_vf *vf)
{
    for (uint32_t i = 0; i < config->vfs_count; i++)
        if (config->vfs[i].index == vf->index && !strcmp(config->vfs[i].card, vf->card))
            return (int)i;
    return -1;
}

/* A stand-by that the guest has, of a first that it does not have, keeps its place. */
uint32_t failover_kept(const struct partition *partition, const struct partition_config *config)
{
    uint32_t standbys = 0;

    for (uint32_t i = 0; i < config->vfs_count; i++) {
        if (!config->standby_of[i])
            continue;
        uint32_t first = config->standby_of[i] - 1u;
        int now = number_of(&partition->config, &config->vfs[i]);
        int was = number_of(&partition->config, &config->vfs[first]);
        if (now >= 0 && failover_in_use(partition, (uint32_t)now) &&
            !(was >= 0 && failover_in_use(partition, (uint32_t)was)))
            standbys |= UINT32_C(1) << first;
    }
    return standbys;
}

/* ---- when it is due */

/* Every means of recovery was tried. */
static bool given_up(const struct pf *pf)
{
#ifndef PARCLOSE_MUTANT_ANY_LOSS /* it is not waited for the ladder */
    if (!pf->image.in_error)
        return false;
#endif
    return pf->readiness != PF_READY && pf->readiness != PF_UNKNOWN;
}

/* The number of the first whose place is to be taken; -1: none. */
static int due(struct db *db, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *other = failover_mate(partition, i);
        const struct pf *from = db_pf_of_card(db, partition->config.vfs[i].card);
        const struct pf *to = other ? db_pf_of_card(db, other->card) : NULL;
        if (!to || !from || !failover_in_use(partition, i) || !given_up(from) ||
            to->readiness != PF_READY)
            continue;
        return partition->config.standby_of[i] ? partition->config.standby_of[i] - 1 : (int)i;
    }
    return -1;
}

/* An attach that is under way is over, or undone, soon. */
static bool may_change(const struct partition *partition)
{
    const struct partition_run *run = &partition->run;

    return !partition_ending(partition) &&
           (run->attach == ATTACH_NONE ||
            (run->phase == PHASE_RUNNING && run->attach == ATTACH_DONE));
}

static bool begins_anew(const struct partition *partition)
{
    return partition->run.attach == ATTACH_NONE && partition->run.channels;
}

static void wait_anew(struct control *control, const struct partition *partition,
                      struct partition_run *run)
{
    run->rung = RUNG_WAIT;
    ladder_void(run);
    if (partition->run.phase == PHASE_WAITING || partition->run.phase == PHASE_FROZEN)
        ladder_wait(control, run);
}

static struct partition_run run_after(struct control *control, const struct partition *partition,
                                      uint32_t first)
{
    struct partition_run run = partition->run;

    if (begins_anew(partition))
        run = lifecycle_restarting(control, partition);
    else if (run.attach == ATTACH_NONE)
        wait_anew(control, partition, &run);
    ladder_void(&run); /* the next wait is for another PF */
    run.standbys ^= UINT32_C(1) << first;
    run.descriptor_generation++;
    return run;
}

/* 0, or what kept it from being committed. */
static int change(struct control *control, struct partition *partition, uint32_t first)
{
    const struct partition_config *config = &partition->config;
    struct partition_run run = run_after(control, partition, first);
    const struct partition_vf *a = &config->vfs[first], *b = failover_mate(partition, first);
    bool over = run.standbys & UINT32_C(1) << first;
    const struct partition_vf *from = over ? a : b, *to = over ? b : a;

    transaction_begin(control, AUDIT_FAILOVER, AUDIT_BEGUN, partition->run.start_transaction);
    transaction_text(control, "partition %s: VF %u of card %s takes the place of VF %u of %s",
                     config->name, to->index, to->card, from->index, from->card);
    transaction_run(control, partition, &run);
    int error = transaction_commit(control, true);
    if (error)
        return error;
    log_warning("partition %s: VF %u of card %s takes the place of VF %u of card %s, whose PF is "
                "in error",
                config->name, to->index, to->card, from->index, from->card);
    tell_assigns(control, partition);
    tell_wants(control, partition);
    control_arm(control);
    return 0;
}

void failover_follow(struct control *control, struct partition *partition)
{
    int first;

    while (may_change(partition) && (first = due(control->db, partition)) >= 0)
        if (change(control, partition, (uint32_t)first))
            return;
}
