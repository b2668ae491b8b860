/* SPDX-License-Identifier: Apache-2.0 */
#include "edit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actions.h"
#include "apply.h"
#include "config/config_check.h"
#include "failover.h"
#include "log/log.h"
#include "names/names.h"
#include "orders.h"
#include "replies.h"
#include "tell.h"
#include "transaction.h"

/* What a VF must not be under its user's hands. */
#define ATTRIBUTES_OF_CLOSED VF_ATTR_MAC

static bool under_way(const struct edit_image *edit)
{
    return edit->state == EDIT_APPLYING || edit->state == EDIT_UNDOING;
}

static void say(struct control *control, uint64_t id, int error, uint64_t transaction,
                const char *text)
{
    struct tcb_edited message = {.header = frame_header(TCB_EDITED, sizeof(message), id),
                                 .error = error,
                                 .transaction = transaction};

    snprintf(message.text, sizeof(message.text), "%s", text);
    control_send(control, PROCESS_TCB, &message, NULL, 0);
}

static void say_outcome(struct control *control)
{
    const struct edit_image *edit = &control->db->edit;

    say(control, edit->id, edit->state == EDIT_UNDONE ? edit->error : 0, edit->begun, edit->text);
}

/* ---- judging */

static bool same_attributes(const struct vf_attributes *a, const struct vf_attributes *b)
{
    return !memcmp(a, b, sizeof(*a));
}

/* Where the definition of its partition wants this VF; NULL: it does not. */
static struct partition_vf *wanted_in(const struct db *db, struct partition_config *config,
                                      struct bdf pf, uint32_t index)
{
    const struct card_config *card = db_card(db, pf);

    for (uint32_t i = 0; card && i < config->vfs_count; i++)
        if (config->vfs[i].index == index && !strcmp(config->vfs[i].card, card->name))
            return &config->vfs[i];
    return NULL;
}

/* The started partition that has a VF; NULL: none. */
static struct partition *user_of(struct db *db, struct bdf bdf, uint32_t index)
{
    const struct pf *pf = db_pf(db, bdf);
    const struct card_config *card = db_card(db, bdf);

    if (!pf || !card || index >= card->vfs || pf->vfs[index].owner.kind != OWNER_GUEST)
        return NULL;
    struct partition *partition = db_partition(db, pf->vfs[index].owner.partition);
    return partition && wanted_in(db, &partition->config, bdf, index) ? partition : NULL;
}

const struct partition_vf *edit_wanted(struct db *db, struct bdf pf, uint32_t index,
                                       const struct partition **user)
{
    struct partition *partition = user_of(db, pf, index);

    *user = partition;
    return partition ? wanted_in(db, &partition->config, pf, index) : NULL;
}

/* MAC and NVMe resources cannot change under a driver that has read them. */
static bool needs_closed(const struct vf_edit *vf)
{
    const struct vf_attributes *a = &vf->before, *b = &vf->after;

    return ((a->present ^ b->present) & ATTRIBUTES_OF_CLOSED) ||
           memcmp(a->mac, b->mac, sizeof(a->mac)) != 0 || a->nvme_queues != b->nvme_queues ||
           a->nvme_vectors != b->nvme_vectors;
}

static int judge_vf(struct control *control, const struct vf_edit *edit, char *text)
{
    struct partition *partition = user_of(control->db, edit->pf, edit->index);
    char bdf[NAME_BDF_MAX];

    name_of_bdf(edit->pf, bdf);
    if (!partition)
        return refuse(text, -EPERM, "VF %u of %s: no partition has it", edit->index, bdf);
    if (failover_idle(control->db, partition, &db_pf(control->db, edit->pf)->vfs[edit->index]))
        return refuse(text, -EPERM, "VF %u of %s stands by: edit the one that partition %s uses",
                      edit->index, bdf, partition->config.name);
    if (partition_ending(partition))
        return refuse(text, -EBUSY, "VF %u of %s: its partition %s is stopping", edit->index, bdf,
                      partition->config.name);
    int error = apply_frees_partition(control, partition, text);
    if (error)
        return error;
    if (!same_attributes(
            &wanted_in(control->db, &partition->config, edit->pf, edit->index)->attributes,
            &edit->before))
        return refuse(text, -ESTALE, "VF %u of %s: what is desired of it has changed meanwhile",
                      edit->index, bdf);
    if (db_action(control->db, edit->pf, edit->index) ||
        db_action(control->db, edit->pf, ACTION_WHOLE_PF))
        return refuse(text, -EBUSY, "VF %u of %s: an action on it is under way", edit->index, bdf);
    if (needs_closed(edit) && action_vf_held(control, db_pf(control->db, edit->pf), edit->index))
        return refuse(text, -EBUSY,
                      "VF %u of %s is in use: its MAC and NVMe resources can be changed when "
                      "partition %s is stopped",
                      edit->index, bdf, partition->config.name);
    return 0;
}

static size_t actions_free(const struct db *db)
{
    size_t count = 0;

    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        count += !db->actions[i].used;
    return count;
}

static bool twice(const struct tcb_edit *edit, uint32_t number)
{
    for (uint32_t i = 0; i < number; i++)
        if (edit->vfs[i].pf.value == edit->vfs[number].pf.value &&
            edit->vfs[i].index == edit->vfs[number].index)
            return true;
    return false;
}

bool edit_under_way(const struct db *db)
{
    return under_way(&db->edit);
}

/* What the TCB says is checked as what a user says. */
int edit_judge(struct control *control, const struct tcb_edit *edit, char text[PARCLOSE_REASON_MAX])
{
    if (under_way(&control->db->edit))
        return refuse(text, -EBUSY, "the edit %s is under way", control->db->edit.name);
    if (actions_free(control->db) < edit->vfs_count)
        return refuse(text, -EBUSY, "too many actions are under way");
    for (uint32_t i = 0; i < edit->vfs_count; i++) {
        if (twice(edit, i))
            return refuse(text, -EINVAL, "a VF is named twice");
        int error = vf_attributes_check(&edit->vfs[i].after, text);
        if (!error)
            error = judge_vf(control, &edit->vfs[i], text);
        if (error)
            return error;
    }
    return 0;
}

/* ---- one transaction for all of it, there and back */

/* The partition's definition with all that the edit, or its undoing, changes in it. Whether it
 * changes anything. */
static bool config_after(const struct db *db, const struct edit_image *edit,
                         const struct partition *partition, struct partition_config *config)
{
    bool undo = edit->state == EDIT_UNDOING, changes = false;

    *config = partition->config;
    for (uint32_t i = 0; i < edit->vfs_count; i++) {
        const struct vf_edit *vf = &edit->vfs[i];
        struct partition_vf *wanted = wanted_in(db, config, vf->pf, vf->index);
        /* its definition may be another one by the time at which it is undone */
        if (!wanted || !same_attributes(&wanted->attributes, undo ? &vf->after : &vf->before))
            continue;
        wanted->attributes = undo ? vf->before : vf->after;
        int mate = partition_vf_mate(config, (uint32_t)(wanted - config->vfs));
        if (mate >= 0)
            config->vfs[mate].attributes = wanted->attributes;
        changes = true;
    }
    return changes;
}

static void change_partitions(struct control *control, const struct edit_image *edit)
{
    struct partition_config config;

    for (size_t i = 0; i < control->db->partitions_end; i++) {
        const struct partition *partition = &control->db->partitions[i];
        if (partition_started(partition) && config_after(control->db, edit, partition, &config))
            transaction_change(control, RESOURCE_PARTITION, partition->id.value, 0, &config);
    }
}

static void add_actions(struct control *control, const struct edit_image *edit)
{
    for (uint32_t i = 0; i < edit->vfs_count; i++) {
        const struct vf_edit *vf = &edit->vfs[i];
        const struct action_image image = {.action = ACTION_VF_CONFIGURE,
                                           .pf = vf->pf,
                                           .index = vf->index,
                                           .transaction = edit->transaction};
        /* at its undoing, nobody's VF is reset before it gets an owner: nothing to give back */
        if (user_of(control->db, vf->pf, vf->index) && !db_action(control->db, vf->pf, vf->index))
            transaction_change(control, RESOURCE_ACTION, vf->pf.value, vf->index, &image);
    }
}

static bool has_partition(const struct db *db, const struct edit_image *edit,
                          struct partition *partition)
{
    for (uint32_t i = 0; i < edit->vfs_count; i++)
        if (wanted_in(db, &partition->config, edit->vfs[i].pf, edit->vfs[i].index))
            return true;
    return false;
}

void edit_changed(struct control *control)
{
    const struct edit_image *edit = &control->db->edit;

    for (size_t i = 0; i < control->db->partitions_end; i++) {
        struct partition *partition = &control->db->partitions[i];
        if (!partition_started(partition) || !has_partition(control->db, edit, partition))
            continue;
        tell_assigns(control, partition);
        tell_wants(control, partition);
    }
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        if (control->db->actions[i].used &&
            control->db->actions[i].image.transaction == edit->transaction)
            tell_action(control, &control->db->actions[i]);
}

void edit_change(struct control *control, const struct tcb_edit *message)
{
    struct edit_image edit = {.id = message->header.id,
                              .begun = transaction_number(control),
                              .transaction = transaction_number(control),
                              .state = EDIT_APPLYING,
                              .uid = message->uid,
                              .vfs_count = message->vfs_count};

    memcpy(edit.name, message->name, sizeof(edit.name));
    memcpy(edit.vfs, message->vfs, edit.vfs_count * sizeof(edit.vfs[0]));
    transaction_change(control, RESOURCE_EDIT, 0, 0, &edit);
    change_partitions(control, &edit);
    add_actions(control, &edit);
}

static void begin(struct control *control, const struct tcb_edit *message)
{
    const struct requester who = {.uid = message->uid};

    transaction_begin(control, AUDIT_EDIT, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_TCB, &who);
    transaction_text(control, "%s: %u VFs", message->name, message->vfs_count);
    edit_change(control, message);
    int error = transaction_commit(control, true);
    if (error)
        say(control, message->header.id, error, 0, "the transaction cannot be saved");
    else
        edit_changed(control);
}

void edit_propose(struct control *control, const struct tcb_edit *message)
{
    const struct edit_image *latest = &control->db->edit;
    char text[PARCLOSE_REASON_MAX] = "";
    int error;

    if (latest->id == message->header.id) { /* asked again */
        if (!under_way(latest))
            say_outcome(control);
    } else if (orders_edit(control, message)) {
        return; /* it is one of those */
    } else if (!message->vfs_count) {
        say(control, message->header.id, -ENOENT, 0, "");
    } else if ((error = edit_judge(control, message, text))) {
        say(control, message->header.id, error, 0, text);
    } else {
        begin(control, message);
    }
}

void edit_answered(struct control *control, const struct tcb_applied *result)
{
    struct edit_image edit = control->db->edit;

    if (!result->error)
        return;
    if (edit.state == EDIT_APPLYING && !edit.error) {
        edit.error = result->error;
        snprintf(edit.text, sizeof(edit.text), "VF %u: %.140s", result->index, result->text);
    } else if (edit.state == EDIT_UNDOING) {
        snprintf(edit.text, sizeof(edit.text), "VF %u is not as it was before: %.110s",
                 result->index, result->text);
    } else {
        return;
    }
    transaction_change(control, RESOURCE_EDIT, 0, 0, &edit);
}

void edit_change_back(struct control *control)
{
    struct edit_image edit = control->db->edit;

    edit.state = EDIT_UNDOING;
    edit.transaction = transaction_number(control);
    transaction_change(control, RESOURCE_EDIT, 0, 0, &edit);
    change_partitions(control, &edit);
    add_actions(control, &edit);
}

static void undo(struct control *control)
{
    const struct edit_image *edit = &control->db->edit;

    transaction_begin(control, AUDIT_EDIT, AUDIT_UNDONE, edit->begun);
    transaction_text(control, "%.150s", edit->text);
    edit_change_back(control);
    if (!transaction_commit(control, true))
        edit_changed(control);
}

static void finish(struct control *control)
{
    struct edit_image edit = control->db->edit;
    bool done = edit.state == EDIT_APPLYING;

    edit.state = done ? EDIT_DONE : EDIT_UNDONE;
    transaction_begin(control, AUDIT_EDIT, done ? AUDIT_APPLIED : AUDIT_UNDONE, edit.begun);
    transaction_text(control, "%s: %.80s", edit.name, done ? "applied" : edit.text);
    transaction_change(control, RESOURCE_EDIT, 0, 0, &edit);
    if (transaction_commit(control, false))
        return;
    if (!done)
        log_warning("edit %s of devices.xml is undone: %s", edit.name, edit.text);
    say_outcome(control);
}

void edit_settle(struct control *control)
{
    const struct edit_image *edit = &control->db->edit;

    if (!under_way(edit) || db_action_of(control->db, edit->transaction))
        return;
    if (edit->state == EDIT_APPLYING && edit->error) {
        undo(control);
        if (edit->state != EDIT_UNDOING || db_action_of(control->db, edit->transaction))
            return;
    }
    finish(control);
}
