/* SPDX-License-Identifier: Apache-2.0 */
#include "actions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drive.h"
#include "edit.h"
#include "hotplug.h"
#include "log/log.h"
#include "names/names.h"
#include "news.h"
#include "orders.h"
#include "outage.h"
#include "resets.h"
#include "tell.h"
#include "transaction.h"

static void verdict(struct control *control, uint64_t id, int error, uint32_t writes,
                    const char *text)
{
    struct pcim_verdict message = {.header = frame_header(PCIM_VERDICT, sizeof(message), id),
                                   .error = error,
                                   .writes = writes};

    if (!id)
        return;
    snprintf(message.text, sizeof(message.text), "%s", text);
    control_send(control, PROCESS_SR_PCIM, &message, NULL, 0);
}

/* One that waits to come to a partition that runs is not its monitor's yet. */
bool action_vf_held(struct control *control, const struct pf *pf, uint32_t index)
{
    const struct vf *vf = &pf->vfs[index];
    const struct partition *partition = db_partition_of(control->db, vf->owner);

    return (vf->present && vf->observed.open) ||
           (partition && partition->run.channels &&
            !hotplug_pending(control->db, partition, pf, index));
}

bool action_pf_held(struct control *control, const struct pf *pf)
{
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        if (action_vf_held(control, pf, i))
            return true;
    return pf->present && pf->observed.open_vfs > 0;
}

bool action_takes_vfs(struct db *db, const struct pf *pf)
{
    const struct action *action = db_action(db, pf->bdf, ACTION_WHOLE_PF);

    return action &&
           (action->image.action == ACTION_PF_RESTART || action->image.action == ACTION_PF_RESET ||
            action->image.action == ACTION_PF_DISABLE);
}

static const char *judge_activate(struct control *control, const struct pf *pf, uint32_t index)
{
    const struct partition *partition = db_partition_of(control->db, pf->vfs[index].owner);

    if (!partition)
        return "no partition wants this VF";
    if (action_vf_held(control, pf, index))
        return "the VF is in use";
    return partition_ending(partition) ? "its partition is stopping" : NULL;
}

/* Neither has one nor waits for one. */
static const char *judge_sleep(struct control *control, const struct pf *pf)
{
    if (pf->image.idle_power != IDLE_POWER_AUTO)
        return "it is to be kept awake";
    for (size_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        if (db_partition_of(control->db, pf->vfs[i].owner))
            return "a partition wants a VF of it";
    return action_pf_held(control, pf) ? "a VF of it is in use" : NULL;
}

static const char *judge_release(struct control *control, const struct pf *pf, uint32_t index)
{
    if (db_partition_of(control->db, pf->vfs[index].owner))
        return "a partition wants this VF";
    return action_vf_held(control, pf, index) ? "the VF is in use" : NULL;
}

/* Only what its PF has lost for good: the kernel is not at it any more. */
static const char *judge_abandon(const struct pf *pf, const struct vf *vf)
{
    return outage_vf_lost(pf, vf) && !vf->observed.answers &&
                   pf->observed.recovery == RECOVERY_FAILED
               ? NULL
               : "the VF is not lost";
}

static const char *judge_renew(struct control *control, const struct pf *pf, uint32_t index)
{
    const struct vf *vf = &pf->vfs[index];

    if (!db_partition_of(control->db, vf->owner) || !action_vf_held(control, pf, index))
        return "the VF is not in use";
    return vf->observed.attributes_set ? "its attributes are as desired" : NULL;
}

/* Why a proposal is refused; NULL: it is not. */
static const char *judge(struct control *control, const struct pcim_propose *proposal)
{
    const struct card_config *card = db_card(control->db, proposal->pf);
    struct pf *pf = db_pf(control->db, proposal->pf);

#ifdef PARCLOSE_MUTANT_ANY_CARD /* it is not asked whether the card is managed */
    if (!card || !pf)
        return proposal->index < PARCLOSE_MAX_VFS_PER_PF ? NULL : "the card has no such VF";
#endif
    if (!card || !pf)
        return "the PF is not managed";
    switch (proposal->action) {
    case ACTION_PF_BIND:
    case ACTION_PF_BIND_VFS:
    case ACTION_PF_LINK_UP:
    case ACTION_PF_WAKE:
        return NULL;
    case ACTION_PF_SLEEP:
        return judge_sleep(control, pf);
    case ACTION_PF_CREATE_VFS:
        if (proposal->vfs != card->vfs)
            return "not the number of VFs that is configured";
        return action_pf_held(control, pf) ? "a VF of it is in use" : NULL;
    case ACTION_PF_RESTART:
        return action_pf_held(control, pf) ? "a VF of it is in use" : NULL;
    case ACTION_PF_RENEW:
        return resets_refusal(control, pf);
    case ACTION_VF_ACTIVATE:
        return proposal->index < card->vfs ? judge_activate(control, pf, proposal->index)
                                           : "the card has no such VF";
    case ACTION_VF_RENEW:
        return proposal->index < card->vfs ? judge_renew(control, pf, proposal->index)
                                           : "the card has no such VF";
    case ACTION_VF_ABANDON:
        return proposal->index < card->vfs ? judge_abandon(pf, &pf->vfs[proposal->index])
                                           : "the card has no such VF";
    case ACTION_VF_RELEASE:
        return proposal->index < card->vfs ? judge_release(control, pf, proposal->index)
                                           : "the card has no such VF";
    default:
        return "no such action";
    }
}

static bool of_vf(uint32_t action)
{
    return action == ACTION_VF_ACTIVATE || action == ACTION_VF_RELEASE ||
           action == ACTION_VF_RENEW || action == ACTION_VF_ABANDON;
}

static void commit(struct control *control, const struct pcim_propose *proposal, uint32_t index)
{
    const struct action_image image = {.action = proposal->action,
                                       .pf = proposal->pf,
                                       .index = index,
                                       .vfs = proposal->vfs,
                                       .transaction = transaction_number(control)};

    transaction_begin(control, AUDIT_ACTION, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_SR_PCIM, NULL);
    transaction_text(control, "%s", name_of_action(proposal->action));
    transaction_change(control, RESOURCE_ACTION, image.pf.value, index, &image);
    int error = transaction_commit(control, true);
    if (error) {
        verdict(control, proposal->header.id, error, 0, "the transaction cannot be saved");
        return;
    }
    struct action *action = db_action(control->db, image.pf, index);
    action->proposal = proposal->header.id;
    tell_action(control, action);
}

void action_propose(struct control *control, const struct pcim_propose *proposal)
{
    uint32_t index = of_vf(proposal->action) ? proposal->index : ACTION_WHOLE_PF;
    struct action *same = db_action(control->db, proposal->pf, index);
    const char *refusal = judge(control, proposal);

    if (same && same->image.action == proposal->action && !same->proposal)
        same->proposal = proposal->header.id;
    else if (same)
        verdict(control, proposal->header.id, -EBUSY, 0, "an action on it is under way");
    else if (refusal)
        verdict(control, proposal->header.id, -EPERM, 0, refusal);
    else
        commit(control, proposal, index);
}

/* The action that was answered. An edit's transaction has several, one a VF; an order's, one a PF.
 */
static struct action *answered(struct db *db, const struct tcb_applied *result)
{
    struct action *vf = db_action(db, result->pf, result->index);

    if (vf && vf->image.transaction == result->transaction)
        return vf;
    struct action *whole = db_action(db, result->pf, ACTION_WHOLE_PF);
    if (whole && whole->image.transaction == result->transaction)
        return whole;
    struct action *action = db_action_of(db, result->transaction);
    return action && action->image.action != ACTION_VF_CONFIGURE ? action : NULL;
}

/* Its partition waits for it; the next try may go well. */
static void note_refusal(struct control *control, const struct action_image *image,
                         const struct tcb_applied *result)
{
    const struct pf *pf = db_pf(control->db, image->pf);

    if (image->action != ACTION_VF_ACTIVATE || !pf ||
        pf->vfs[image->index].owner.kind != OWNER_GUEST)
        return;
    struct partition *partition = db_partition(control->db, pf->vfs[image->index].owner.partition);
    if (!partition)
        return;
    partition->refused.pf = image->pf;
    partition->refused.index = image->index;
    snprintf(partition->refused.text, sizeof(partition->refused.text), "%s%.100s",
             result->error ? ": " : "", result->error ? result->text : "");
}

void action_applied(struct control *control, const struct tcb_applied *result)
{
    struct action *action = answered(control->db, result);
    char bdf[NAME_BDF_MAX];

    if (!action) /* answered before: it was sent again on a new link */
        return;
    struct action_image image = action->image;
    uint64_t proposal = action->proposal;
    name_of_bdf(image.pf, bdf);
    transaction_begin(control, AUDIT_ACTION, result->error ? AUDIT_UNDONE : AUDIT_APPLIED,
                      result->transaction);
    transaction_text(control, "%s: %u writes%s%.100s", name_of_action(image.action), result->writes,
                     result->text[0] ? ": " : "", result->text);
    transaction_change(control, RESOURCE_ACTION, image.pf.value, image.index, NULL);
    if (image.action == ACTION_VF_CONFIGURE)
        edit_answered(control, result);
    orders_answered(control, &image, result);
    if (transaction_commit(control, false))
        return;
    if (result->error)
        log_warning("%s on %s failed: %s", name_of_action(image.action), bdf, result->text);
    struct pf *pf = db_pf(control->db, image.pf);
    if (pf) {
        pf->counts.writes += result->writes;
        news_action(pf, image.action, result->writes);
    }
    note_refusal(control, &image, result);
    verdict(control, proposal, result->error, result->writes, result->text);
    if (image.action == ACTION_PF_RENEW)
        resets_renewed(control, image.pf, result->error);
    if (image.action == ACTION_VF_CONFIGURE)
        edit_settle(control);
    orders_follow(control);
    if (image.index == ACTION_WHOLE_PF && db_pf(control->db, image.pf))
        drive_users(control, db_pf(control->db, image.pf)); /* VFs may be handed out again */
}

void actions_resend(struct control *control)
{
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        if (control->db->actions[i].used)
            tell_action(control, &control->db->actions[i]);
}

void actions_orphan(struct control *control)
{
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        control->db->actions[i].proposal = 0;
}
