/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "actions.h"
#include "drive.h"
#include "failover.h"
#include "hotplug.h"
#include "ladder.h"
#include "log/log.h"
#include "names/names.h"
#include "states.h"
#include "transaction.h"

/* For the test that proves the gate's tests: a gate that overlooks the PF behind the partition's
 * first VF, and that VF. */
#ifdef PARCLOSE_MUTANT_GATE_IGNORES_PF
#define FIRST_ASKED 1
#else
#define FIRST_ASKED 0
#endif

const char *readiness_text(uint32_t readiness)
{
    static const char *const texts[PF_READINESS_KINDS] = {
        [PF_UNKNOWN] = "not judged yet by SR-PCIM",
        [PF_READY] = "ready",
        [PF_ABSENT] = "no such device",
        [PF_DRIVER_UNBOUND] = "its driver is not bound",
        [PF_NO_ANSWER] = "its configuration space does not answer",
        [PF_VFS_MISSING] = "its VFs are not enabled",
        [PF_VF_NO_ANSWER] = "a VF of it does not answer",
        [PF_LINK_DOWN] = "it is down",
        [PF_BUSY] = "an action on it is under way",
        [PF_IN_ERROR] = "in error: every means of recovery was tried",
        [PF_VF_RESET] = "it, or a VF of it under its guest, was reset",
        [PF_DISABLED] = "disabled by an administrator",
        [PF_ERRORS] = "an uncorrectable error of it was reported",
        [PF_ASLEEP] = "it is asleep",
        [PF_UNHEALTHY] = "its driver says that it is in error",
        [PF_VFS_UNBOUND] = "its VFs are being bound to vfio-pci",
    };
    return readiness < PF_READINESS_KINDS ? texts[readiness] : "?";
}

struct pf *gate_pf_missing(struct db *db, const struct partition *partition)
{
    for (uint32_t i = FIRST_ASKED; i < partition->config.vfs_count; i++) {
        struct pf *pf = db_pf_of_card(db, partition->config.vfs[i].card);
        if (failover_in_use(partition, i) && (!pf || pf->readiness != PF_READY))
            return pf;
    }
    return NULL;
}

/* The same walk as a yes or no: a card that is not in the map is not ready either. */
static bool pfs_ready(struct db *db, const struct partition *partition)
{
    for (uint32_t i = FIRST_ASKED; i < partition->config.vfs_count; i++) {
        const struct pf *pf = db_pf_of_card(db, partition->config.vfs[i].card);
        if (failover_in_use(partition, i) && (!pf || pf->readiness != PF_READY))
            return false;
    }
    return true;
}

/* What keeps a VF from being handed out; NULL: nothing. */
static const char *vf_trouble(const struct vf *vf)
{
    const struct vf_observed *seen = &vf->observed;

    if (!vf->present || seen->status == FUNCTION_ABSENT)
        return "it is not there yet";
    if (!seen->answers)
        return "its configuration space does not answer";
    if (strcmp(seen->driver, "vfio-pci") != 0)
        return seen->bind_error ? name_of_bind_error(seen->bind_error)
                                : "it is not bound to vfio-pci yet";
    if (!seen->attributes_set)
        return "it is not reset and configured yet";
    if (seen->status != FUNCTION_ACTIVE)
        return seen->status == FUNCTION_ERROR ? "it is in error" : "it is not active yet";
    return NULL;
}

const char *gate_vf_stale(const struct vf *vf)
{
    if (!vf->present || !vf->observed.answers)
        return "it does not answer";
    if (!vf->observed.attributes_set)
        return "its PF has forgotten it; it is being configured again";
#ifndef PARCLOSE_MUTANT_GATE_TRUSTS_VF
    if (vf->observed.unread)
        return "its PF began anew; it is not read again yet";
#endif
    return NULL;
}

/* Nobody is given a VF that is about to be taken away. */
static const char *pf_trouble(struct db *db, const struct pf *pf)
{
    if (!pf)
        return "its card is not managed";
    return action_takes_vfs(db, pf) ? "its PF is about to be restarted" : NULL;
}

const char *gate_vf_trouble(struct db *db, const struct partition_vf *wanted)
{
    const struct pf *pf = db_pf_of_card(db, wanted->card);
    const char *trouble = pf_trouble(db, pf);

    if (trouble)
        return trouble;
    if (pf->readiness != PF_READY)
        return readiness_text(pf->readiness);
    return vf_trouble(&pf->vfs[wanted->index]);
}

/* What the TCB said when it could not make the VF ready; its next try may go well. */
static const char *refusal(const struct partition *partition, const struct pf *pf, uint32_t index)
{
    if (!pf || pf->bdf.value != partition->refused.pf.value || index != partition->refused.index ||
        pf->vfs[index].observed.attributes_set)
        return "";
    return partition->refused.text;
}

/* The first of those that its guest is to have that is in trouble; -1: none. Those that its monitor
 * has are asked whether they are stale. */
static int first_vf(struct db *db, const struct partition *partition, bool had,
                    char text[PARCLOSE_REASON_MAX])
{
    for (uint32_t i = FIRST_ASKED; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(db, wanted->card);
        const char *trouble = had ? NULL : pf_trouble(db, pf);
        if (!trouble && pf)
            trouble = (had ? gate_vf_stale : vf_trouble)(&pf->vfs[wanted->index]);
        if (!trouble || !failover_in_use(partition, i))
            continue;
        snprintf(text, PARCLOSE_REASON_MAX, "VF %u of card %s: %s%.80s", wanted->index,
                 wanted->card, trouble, had ? "" : refusal(partition, pf, wanted->index));
        return (int)i;
    }
    return -1;
}

int gate_vf_missing(struct db *db, const struct partition *partition,
                    char text[PARCLOSE_REASON_MAX])
{
    return first_vf(db, partition, false, text);
}

static int vf_unproven(struct db *db, const struct partition *partition,
                       char text[PARCLOSE_REASON_MAX])
{
    return partition->run.channels ? first_vf(db, partition, true, text) : -1;
}

void gate_pf_text(const struct db *db, const struct pf *pf, char text[PARCLOSE_REASON_MAX])
{
    const struct card_config *card = db_card(db, pf->bdf);
    char bdf[NAME_BDF_MAX];

    name_of_bdf(pf->bdf, bdf);
    snprintf(text, PARCLOSE_REASON_MAX, "PF %s (card %s): %.90s", bdf, card ? card->name : "?",
             pf->reason[0] ? pf->reason : readiness_text(pf->readiness));
}

/* The first of its channels that no server has answered; NULL: none, or no monitor to ask. */
static const char *channel_waiting(const struct partition *partition)
{
    for (uint32_t i = 0; partition->monitor.present && i < partition->config.channels_count; i++)
        if (partition->monitor.channels[i].state == CHANNEL_WAITING)
            return partition->config.channels[i].name;
    return NULL;
}

static void state_waiting_text(const struct partition *partition, uint32_t missing, char *text)
{
    unsigned state = (unsigned)__builtin_ctz(missing);

    const char *channel = state == STATE_CHANNEL_IMAGE ? channel_waiting(partition) : NULL;

    if (channel)
        snprintf(text, PARCLOSE_REASON_MAX, "channel %s: no server has answered yet", channel);
    else if (partition->trouble[0] && state == STATE_CHANNEL_IMAGE)
        snprintf(text, PARCLOSE_REASON_MAX, "handing over its VFs: %.120s", partition->trouble);
    else
        snprintf(text, PARCLOSE_REASON_MAX, "its monitor: state %s is not reached yet",
                 state_entries[state].name);
}

/* One that was taken from it, because its PF had lost it. */
static void seat_text(struct db *db, const struct partition *partition,
                      const struct partition_vf *vf, char *text)
{
    const char *trouble = gate_vf_trouble(db, vf);

    if (!trouble)
        trouble = partition->trouble[0] ? partition->trouble : "its monitor takes it up";
    snprintf(text, PARCLOSE_REASON_MAX, "VF %u of card %s: %.100s", vf->index, vf->card, trouble);
}

bool gate_open(struct db *db, const struct partition *partition, char text[PARCLOSE_REASON_MAX])
{
    uint32_t missing = STATES_BEFORE_GATE & ~partition_states(partition);
    const struct partition_vf *vf = hotplug_missing(db, partition);

    if (!missing && !vf && pfs_ready(db, partition) && vf_unproven(db, partition, text) < 0)
        return true;
    const struct pf *pf = gate_pf_missing(db, partition);
    if (pf)
        gate_pf_text(db, pf, text);
    else if (vf)
        seat_text(db, partition, vf, text);
    else if (vf_unproven(db, partition, text) >= 0)
        return false;
    else if (partition->run.channels || gate_vf_missing(db, partition, text) < 0)
        state_waiting_text(partition, missing ? missing : STATE_BIT(STATE_CHANNEL_IMAGE), text);
    return false;
}

bool gate_blocked(struct db *db, const struct partition *partition)
{
    char text[PARCLOSE_REASON_MAX];

    return !pfs_ready(db, partition) || hotplug_missing(db, partition) ||
           vf_unproven(db, partition, text) >= 0 ||
           (!partition->run.channels && gate_vf_missing(db, partition, text) >= 0);
}

static uint64_t opened_ns(struct db *db, const struct partition *partition)
{
    uint64_t latest = partition->monitor.event_ns;

    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct pf *pf = db_pf_of_card(db, partition->config.vfs[i].card);
        if (!failover_in_use(partition, i) || !pf)
            continue;
        const struct vf *vf = &pf->vfs[partition->config.vfs[i].index];
        if (pf->readiness_ns > latest)
            latest = pf->readiness_ns;
        if (vf->verified_ns > latest)
            latest = vf->verified_ns;
    }
    return latest;
}

bool gate_try(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;
    char text[PARCLOSE_REASON_MAX];

    if (run.attach != ATTACH_NONE || !gate_open(control->db, partition, text))
        return false;
    run.attach = ATTACH_COMMITTED;
    run.attach_transaction = transaction_number(control);
    run.last_ready_ns = opened_ns(control->db, partition);
    transaction_begin(control, AUDIT_ATTACH, AUDIT_BEGUN, 0);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, true))
        return false;
    /* an earlier attach that was undone before lead had thawed is never answered */
    partition->ordered &= ~(UINT32_C(1) << ORDER_ATTACH);
    drive_order(control, partition, ORDER_ATTACH);
    return true;
}

void gate_undo(struct control *control, struct partition *partition, bool freeze,
               const char *reason)
{
    struct partition_run run = partition->run;

    if (partition_ending(partition))
        return; /* its end is ordered: nothing else matters */
    run.attach = freeze ? ATTACH_UNDOING : ATTACH_NONE;
    run.phase = PHASE_FROZEN;
    ladder_wait(control, &run);
    transaction_begin(control, AUDIT_ATTACH, AUDIT_UNDONE, run.attach_transaction);
    transaction_text(control, "%.150s", reason);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, true))
        return;
    if (freeze)
        drive_order(control, partition, ORDER_DETACH);
    log_notice("partition %s: attach %llu undone: %s", partition->config.name,
               (unsigned long long)run.attach_transaction, reason);
    control_arm(control);
}

static bool uses(struct db *db, const struct partition *partition, const struct pf *pf)
{
    for (uint32_t i = FIRST_ASKED; i < partition->config.vfs_count; i++)
        if (failover_in_use(partition, i) && db_pf_of_card(db, partition->config.vfs[i].card) == pf)
            return true;
    return false;
}

void gate_lost(struct control *control, const struct pf *pf)
{
    char text[PARCLOSE_REASON_MAX];

    for (size_t i = 0; i < control->db->partitions_end; i++) {
        struct partition *partition = &control->db->partitions[i];
        if (!partition_started(partition) || partition->run.attach != ATTACH_COMMITTED ||
            !uses(control->db, partition, pf))
            continue;
        gate_pf_text(control->db, pf, text);
        gate_undo(control, partition, true, text);
    }
}

/* A moment of the monotonic clock as the two others say it. */
static struct state_time time_of(const struct control *control, uint64_t monotonic_ns)
{
    const struct effects *effects = control->effects;
    void *context = control->effects_context;
    uint64_t ago = effects->clock_ns(context, CLOCK_MONOTONIC) - monotonic_ns;

    return (struct state_time){effects->clock_ns(context, CLOCK_REALTIME) - ago,
                               effects->clock_ns(context, CLOCK_BOOTTIME) - ago};
}

void gate_attached(struct control *control, struct partition *partition, uint64_t thawed_ns)
{
    struct partition_run run = partition->run;

    run.attach = ATTACH_DONE;
    run.thawed_ns = thawed_ns;
    run.attached = run.scheduled = time_of(control, thawed_ns);
    run.rung = RUNG_WAIT;
    if (!partition_ending(partition)) {
        run.phase = PHASE_RUNNING;
        ladder_rest(control, &run);
    }
    transaction_begin(control, AUDIT_ATTACH, AUDIT_APPLIED, run.attach_transaction);
    transaction_run(control, partition, &run);
    if (transaction_commit(control, false))
        return;
    log_notice("partition %s: processors attached %llu us after the last event that the gate "
               "waited for",
               partition->config.name,
               (unsigned long long)((run.thawed_ns - run.last_ready_ns) / 1000));
    control_arm(control);
}

void gate_detached(struct control *control, struct partition *partition)
{
    struct partition_run run = partition->run;

    run.attach = ATTACH_NONE;
    transaction_begin(control, AUDIT_ATTACH, AUDIT_UNDONE, run.attach_transaction);
    transaction_text(control, "frozen again");
    transaction_run(control, partition, &run);
    transaction_commit(control, false);
}
