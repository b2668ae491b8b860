/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of an apply once it is committed, and the way back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "edit.h"
#include "host.h"
#include "hotplug.h"
#include "lifecycle.h"
#include "log/log.h"
#include "names/names.h"
#include "replies.h"
#include "transaction.h"

bool apply_under_way(const struct db *db)
{
    return db->apply.state == APPLY_TRIAL || db->apply.state == APPLY_UNDOING;
}

/* ---- its entry */

void apply_note(struct control *control, const struct audit_entry *entry)
{
    if (entry->kind != AUDIT_APPLY)
        return;
    if (!apply_under_way(control->db)) {
        free(control->trial);
        control->trial = NULL;
    } else if (entry->phase == AUDIT_BEGUN) {
        free(control->trial);
        control->trial = malloc(entry->size);
        if (control->trial)
            memcpy(control->trial, entry, entry->size);
        else
            control->effects->fatal(control->effects_context);
    }
}

/* The next partition whose definition it changed, in the entry. */
struct changed {
    const struct audit_change *change;
    uint32_t count;                        /* of those up to it */
    const struct partition_config *before; /* NULL: it was not defined */
    const struct partition_config *after;
};

static bool next_changed(const struct control *control, struct changed *at)
{
    const struct audit_change *change = at->change;

    do
        change = control->trial ? audit_entry_next(control->trial, change) : NULL;
    while (change && change->kind != RESOURCE_PARTITION);
    at->change = change;
    at->count++;
    at->before = change ? audit_change_before(change) : NULL;
    at->after = change ? audit_change_after(change) : NULL;
    return change != NULL;
}

static struct partition *changed_partition(const struct control *control, const struct changed *at)
{
    return db_partition(control->db, (struct partition_id){.value = (uint32_t)at->change->key[0]});
}

/* It was stopped for this, and must run for it to be done. */
static bool restarts(const struct control *control, const struct changed *at)
{
    return at->count <= 32 && control->db->apply.restarted & UINT32_C(1) << (at->count - 1);
}

static bool runs(const struct partition *partition)
{
    return partition->run.phase == PHASE_RUNNING && partition->run.attach == ATTACH_DONE;
}

static const struct audit_change *changed_host(const struct control *control)
{
    const struct audit_change *change = NULL;

    while (control->trial && (change = audit_entry_next(control->trial, change)))
        if (change->kind == RESOURCE_HOST)
            return change;
    return NULL;
}

/* Its edit of VFs' attributes is the latest one, and tells how far it is. */
static bool has_edit(const struct db *db)
{
    return db->edit.id == db->apply.id && db->edit.begun == db->apply.begun;
}

/* What the edit changes in a definition it also gives back. */
static bool is_edited(struct db *db, const struct partition *partition)
{
    const struct partition *user;

    for (uint32_t i = 0; has_edit(db) && i < db->edit.vfs_count; i++)
        if (edit_wanted(db, db->edit.vfs[i].pf, db->edit.vfs[i].index, &user) && user == partition)
            return true;
    return false;
}

/* ---- what would make the way back impossible */

static int busy(const struct control *control, const char *what, char *text)
{
    return refuse(
        text, -EBUSY,
        "%s: the apply of transaction %llu is under way and may be undone: try again when "
        "it is over",
        what, (unsigned long long)control->db->apply.begun);
}

int apply_frees_host(const struct control *control, char text[PARCLOSE_REASON_MAX])
{
    return apply_under_way(control->db) ? busy(control, "the host's configuration", text) : 0;
}

int apply_frees_partition(const struct control *control, const struct partition *partition,
                          char text[PARCLOSE_REASON_MAX])
{
    for (struct changed at = {0}; apply_under_way(control->db) && next_changed(control, &at);)
        if (partition && at.change->key[0] == partition->id.value)
            return busy(control, partition->config.name, text);
    return 0;
}

/* With a host that may become another one, nobody takes of what it has; but those start that are to
 * run, unless it is given up. */
int apply_frees_start(const struct control *control, const struct partition *partition,
                      char text[PARCLOSE_REASON_MAX])
{
    const struct apply_image *apply = &control->db->apply;

    for (struct changed at = {0}; apply->restarted && next_changed(control, &at);)
        if (at.change->key[0] == partition->id.value && restarts(control, &at) &&
            apply->state == APPLY_TRIAL && !apply->error)
            return 0;
    if (apply_under_way(control->db) && changed_host(control))
        return apply_frees_host(control, text);
    return apply_frees_partition(control, partition, text);
}

int apply_frees_vf(const struct control *control, const struct partition *partition,
                   const struct partition_vf *wanted, char text[PARCLOSE_REASON_MAX])
{
    char what[64];

    snprintf(what, sizeof(what), "VF %u of card %s", wanted->index, wanted->card);
    for (struct changed at = {0}; apply_under_way(control->db) && next_changed(control, &at);)
        for (uint32_t i = 0; at.before && i < at.before->vfs_count; i++)
            if (at.change->key[0] != partition->id.value &&
                at.before->vfs[i].index == wanted->index &&
                !strcmp(at.before->vfs[i].card, wanted->card))
                return busy(control, what, text);
    return 0;
}

/* ---- telling */

static void move_vfs(struct control *control, bool back)
{
    struct changed at = {0};

    while (next_changed(control, &at)) {
        struct partition *partition = changed_partition(control, &at);
        if (partition && at.before && partition->run.phase == PHASE_RUNNING &&
            !is_edited(control->db, partition))
            hotplug_changed(control, partition, back ? at.after : at.before);
    }
}

void apply_changed(struct control *control, bool host, bool edit)
{
    if (host)
        host_changed(control);
    move_vfs(control, control->db->apply.state == APPLY_UNDOING);
    if (edit)
        edit_changed(control);
    control_arm(control);
}

/* ---- its end, and the way back */

static void finish(struct control *control)
{
    struct apply_image image = control->db->apply;
    bool done = image.state == APPLY_TRIAL;

    image.state = done ? APPLY_DONE : APPLY_UNDONE;
    image.deadline_boottime_ns = 0;
    transaction_begin(control, AUDIT_APPLY, done ? AUDIT_APPLIED : AUDIT_UNDONE, image.begun);
    transaction_text(control, "%.150s", done ? "all is where it belongs" : image.text);
    transaction_change(control, RESOURCE_APPLY, 0, 0, &image);
    if (transaction_commit(control, true))
        return;
    if (done)
        log_notice("the apply of transaction %llu is done", (unsigned long long)image.begun);
    else
        log_warning("the apply of transaction %llu is undone: %s", (unsigned long long)image.begun,
                    image.text);
}

/* One that is neither stopped nor runs: its VFs cannot be changed just now. One that was stopped
 * for it, and started, has to stop again. */
static bool in_between(struct control *control)
{
    struct changed at = {0};
    bool some = false;

    while (next_changed(control, &at)) {
        struct partition *partition = changed_partition(control, &at);
        if (!partition || !partition_started(partition))
            continue;
        if (restarts(control, &at) && !partition_ending(partition))
            partition_end(control, partition, "what it was restarted for is undone");
        some |= restarts(control, &at) || (!is_edited(control->db, partition) && !runs(partition));
    }
    return some;
}

/* It may take a while until it can begin: it is decided all the same. */
static void decide(struct control *control, int error, const char *why)
{
    struct apply_image image = control->db->apply;

    image.error = error;
    snprintf(image.text, sizeof(image.text), "%s", why);
    transaction_begin(control, AUDIT_APPLY, AUDIT_UNDONE, image.begun);
    transaction_text(control, "is to be undone: %.100s", why);
    transaction_change(control, RESOURCE_APPLY, 0, 0, &image);
    transaction_commit(control, true);
}

static bool is_back(const struct partition *partition, const struct changed *at)
{
#ifdef PARCLOSE_MUTANT_TRIAL_STAYS /* what was on trial stays in force */
    (void)partition;
    return at->before;
#else
    return at->before && !memcmp(&partition->config, at->before, sizeof(*at->before));
#endif
}

static void change_back(struct control *control)
{
    struct changed at = {0};

    while (next_changed(control, &at)) {
        const struct partition *partition = changed_partition(control, &at);
        if (!partition || is_back(partition, &at))
            continue;
        if (!at.before)
            transaction_run(control, partition, NULL);
        if (!partition_started(partition))
            transaction_change(control, RESOURCE_PARTITION, partition->id.value, 0, at.before);
        else if (!is_edited(control->db, partition))
            hotplug_change(control, partition, at.before);
    }
}

/* All images before, or all but the host's. */
static int undo(struct control *control, const struct apply_image *image,
                const struct audit_change *host, char *text)
{
    int error = 0;

    transaction_begin(control, AUDIT_APPLY, AUDIT_UNDONE, image->begun);
    transaction_text(control, "%.150s", image->text);
    transaction_change(control, RESOURCE_APPLY, 0, 0, image);
    if (host)
        error = host_change(control, audit_change_before(host), text);
    if (error)
        return error;
    change_back(control);
    if (has_edit(control->db) && control->db->edit.state == EDIT_DONE)
        edit_change_back(control);
    return transaction_commit(control, true);
}

static void begin_undoing(struct control *control, int error, const char *why)
{
    const struct audit_change *host = changed_host(control);
    struct apply_image image = control->db->apply;
    char text[PARCLOSE_REASON_MAX] = "";

    if (in_between(control)) {
        if (!image.error)
            decide(control, error, why);
        return;
    }
    bool edit = has_edit(control->db) && control->db->edit.state == EDIT_DONE;
    image.deadline_boottime_ns =
        control_boottime(control) + APPLY_COME_NS + PARCLOSE_MAX_PARTITION_VFS * APPLY_GO_NS;
    image.state = APPLY_UNDOING;
    image.error = error;
    snprintf(image.text, sizeof(image.text), "%s", why);
    int failed = undo(control, &image, host, text);
    if (failed && text[0]) { /* somebody has of it what cannot be taken back */
        log_error("the host's configuration cannot be undone: %s", text);
        snprintf(image.text, sizeof(image.text), "%.60s; host.xml stays in force: %.60s", why,
                 text);
        host = NULL;
        failed = undo(control, &image, NULL, text);
    }
    if (!failed)
        apply_changed(control, host != NULL, edit);
}

/* ---- how far it is */

/* Of one that was stopped for it: 1 until it runs. */
static uint32_t starting(const struct partition *partition, char text[PARCLOSE_REASON_MAX])
{
    if (runs(partition))
        return 0;
    snprintf(text, PARCLOSE_REASON_MAX, "partition %s to run: it is %s", partition->config.name,
             name_of_phase(partition->run.phase));
    return 1;
}

/* VFs that are not where they belong yet; `text`: what the first waits for. */
static uint32_t moving(struct control *control, char text[PARCLOSE_REASON_MAX])
{
    bool back = control->db->apply.state == APPLY_UNDOING;
    struct changed at = {0};
    uint32_t count = 0;

    text[0] = 0;
    while (!count && next_changed(control, &at)) {
        const struct partition *partition = changed_partition(control, &at);
        if (partition && !back && restarts(control, &at))
            count = starting(partition, text);
        else if (partition && at.before)
            count = hotplug_moving(control->db, partition, back ? at.after : at.before,
                                   back ? at.before : at.after, text);
    }
    return count;
}

void apply_text(struct control *control, char text[PARCLOSE_REASON_MAX])
{
    const struct apply_image *apply = &control->db->apply;

    if (apply->state != APPLY_TRIAL)
        snprintf(text, PARCLOSE_REASON_MAX, "%s", apply->text);
    else if (!moving(control, text) && has_edit(control->db) && edit_under_way(control->db))
        snprintf(text, PARCLOSE_REASON_MAX, "attributes of %u VFs", control->db->edit.vfs_count);
}

/* Whether one that was to run has failed, and why. */
static bool has_failed(const struct control *control, char why[PARCLOSE_REASON_MAX])
{
    struct changed at = {0};

    while (next_changed(control, &at)) {
        const struct partition *partition = changed_partition(control, &at);
        if (!partition || !restarts(control, &at) || partition->run.phase != PHASE_FAILED)
            continue;
        snprintf(why, PARCLOSE_REASON_MAX, "partition %s: %.100s", partition->config.name,
                 partition->run.reason[0] ? partition->run.reason
                                          : name_of_exit(partition->run.exit));
        return true;
    }
    return false;
}

/* A control that has just come up does not know yet what is there: others speak first. */
static bool time_is_over(const struct control *control)
{
    uint64_t now = control_boottime(control);

    return now >= control->db->apply.deadline_boottime_ns && control->lead_synced &&
           now >= control->settled_boottime_ns + APPLY_HEAR_NS;
}

static void settle_trial(struct control *control)
{
    const struct db *db = control->db;
    char text[PARCLOSE_REASON_MAX], why[PARCLOSE_REASON_MAX];

    if (db->apply.error) {
        snprintf(why, sizeof(why), "%s", db->apply.text);
        begin_undoing(control, db->apply.error, why);
    } else if (has_failed(control, why)) {
        begin_undoing(control, -ECANCELED, why);
    } else if (has_edit(db) && db->edit.state == EDIT_UNDONE) {
        snprintf(why, sizeof(why), "%s", db->edit.text);
        begin_undoing(control, db->edit.error, why);
    } else if (!moving(control, text)) {
        finish(control);
    } else if (time_is_over(control)) {
        snprintf(why, sizeof(why), "not there in time: %.130s", text);
        begin_undoing(control, -ETIMEDOUT, why);
    }
}

void apply_settle(struct control *control)
{
    const struct db *db = control->db;
    char text[PARCLOSE_REASON_MAX];

    if (!apply_under_way(db) || (has_edit(db) && edit_under_way(db)))
        return;
    if (db->apply.state == APPLY_TRIAL)
        settle_trial(control);
    else if (!moving(control, text) || control_boottime(control) >= db->apply.deadline_boottime_ns)
        finish(control);
}
