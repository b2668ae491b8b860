/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply.h"
#include "host.h"
#include "log/log.h"
#include "transaction.h"

static bool outlives_boot(const struct audit_change *change)
{
    return change->kind == RESOURCE_HOST || change->kind == RESOURCE_PARTITION ||
           change->kind == RESOURCE_RUN || change->kind == RESOURCE_CONTROL ||
           change->kind == RESOURCE_APPLY;
}

/* Of a PF, what was wanted of it outlives a boot, what was observed does not. */
static void carry_over(struct control *control, const struct audit_change *change)
{
    const struct pf_image *image = audit_change_after(change);
    struct pf *pf = db_pf(control->db, (struct bdf){(uint32_t)change->key[0]});

    if (outlives_boot(change))
        db_apply(control->db, change, false);
    else if (change->kind == RESOURCE_PF && image && pf && pf->vfs_count)
        pf->image = (struct pf_image){.owner = pf->image.owner,
                                      .in_error = pf->image.in_error,
                                      .disabled = image->disabled,
                                      .idle_power = image->idle_power};
}

static void replay_old(struct control *control, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    while ((change = audit_entry_next(entry, change)))
        carry_over(control, change);
}

static int replay_now(struct control *control, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    while ((change = audit_entry_next(entry, change)))
        if (!db_matches(control->db, change))
            return -ESTALE;
    return db_apply_entry(control->db, entry);
}

int replay_entry(void *context, const struct audit_entry *entry)
{
    struct control *control = context;
    int error = 0;

    /* the first entry of a boot is its RESET: nothing of the earlier ones is left after it */
    control->old_boot = memcmp(entry->boot_id, control->db->boot_id, sizeof(entry->boot_id)) != 0;
    if (control->old_boot)
        replay_old(control, entry);
    else
        error = replay_now(control, entry);
    if (error) /* it had no effect when it was made either; an UNDONE entry follows */
        log_warning("entry %llu of the audit log has no effect: %s",
                    (unsigned long long)entry->sequence, strerror(-error));
    else
        request_remember_entry(control, entry);
    if (!error && !control->old_boot)
        apply_note(control, entry);
    if (!error && !control->old_boot)
        since_note(control, entry);
    return 0;
}

int replay_snapshot(void *context, const struct audit_snapshot *snapshot,
                    const struct audit_change *change)
{
    struct control *control = context;

    control->old_boot =
        memcmp(snapshot->boot_id, control->db->boot_id, sizeof(snapshot->boot_id)) != 0;
    if (change->kind == RESOURCE_REQUEST) {
        request_remember(control, audit_change_after(change));
        return 0;
    }
    if (control->old_boot && !outlives_boot(change)) {
        carry_over(control, change);
        return 0;
    }
    int error = db_apply(control->db, change, false);
    if (error)
        log_warning("a resource of the snapshot before entry %llu is not there any more: %s",
                    (unsigned long long)snapshot->sequence, strerror(-error));
    return 0;
}

static struct partition_run run_reset(const struct partition *partition)
{
    struct partition_run run = {.phase = PHASE_DEFINED,
                                .descriptor_generation = partition->run.descriptor_generation,
                                .enabled = partition->run.enabled};
    return run;
}

/* Running data to its beginning: of all, or only of partitions that are not started. */
static void reset_runs(struct control *control, bool all)
{
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        const struct partition *partition = &control->db->partitions[i];
        struct partition_run run = run_reset(partition);
        if (partition->defined && (all || !partition_started(partition)) &&
            memcmp(&run, &partition->run, sizeof(run)) != 0)
            transaction_run(control, partition, &run);
    }
}

static void reset_serving(struct control *control)
{
    const struct control_image serving = {0};

    if (control->db->control.shutting_down)
        transaction_change(control, RESOURCE_CONTROL, 0, 0, &serving);
}

int reset_after_boot(struct control *control, char text[PARCLOSE_REASON_MAX])
{
    int error = 0;

    if (!control->old_boot)
        return 0;
    control->old_boot = false;
    transaction_begin(control, AUDIT_RESET, AUDIT_BEGUN, 0);
    transaction_text(control, "the host was booted anew");
    reset_serving(control);
    reset_runs(control, true);
    if (control->db->host_set)
        error = host_reserve(control, &control->db->host, text);
    if (error) /* a smaller host than the configured one: it starts, and starts no partition */
        log_error("the host's reservation cannot be made: %s", text);
    return transaction_commit(control, true);
}

int reset_after_shutdown(struct control *control)
{
    transaction_begin(control, AUDIT_RESET, AUDIT_BEGUN, 0);
    transaction_text(control, "started again");
    reset_serving(control);
    reset_runs(control, false);
    return control->entry->changes_count ? transaction_commit(control, true) : 0;
}
