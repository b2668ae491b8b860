/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply.h"
#include "counts.h"
#include "drive.h"
#include "host.h"
#include "lifecycle.h"
#include "log/log.h"
#include "orders.h"
#include "replay.h"
#include "rotate.h"
#include "snapshot.h"
#include "transaction.h"

#define SETTLE_NS      UINT64_C(1000000000)
#define AGAIN_AFTER_NS UINT64_C(100000000)
#define SYNC_AFTER_NS  UINT64_C(1000000000)

uint64_t control_boottime(const struct control *control)
{
    return control->effects->clock_ns(control->effects_context, CLOCK_BOOTTIME);
}

void control_changed(struct control *control)
{
    if (!control->changed)
        control->effects->changed(control->effects_context);
    control->changed = true;
}

static void earlier(uint64_t *earliest, uint64_t deadline)
{
    if (deadline && (!*earliest || deadline < *earliest))
        *earliest = deadline;
}

void control_arm(struct control *control)
{
    uint64_t earliest = control->sync_boottime_ns, now = control_boottime(control);

    for (size_t i = 0; i < control->db->partitions_end; i++) {
        const struct partition *partition = &control->db->partitions[i];
        if (!partition_started(partition))
            continue;
        earlier(&earliest, partition->run.deadline_boottime_ns);
        earlier(&earliest, partition->retry_boottime_ns);
    }
    earlier(&earliest, orders_deadline(control));
    if (apply_under_way(control->db))
        earlier(&earliest, control->db->apply.deadline_boottime_ns);
    if (control->db->control.shutting_down && !control->shutdown_told)
        earlier(&earliest, control->db->control.shutdown_boottime_ns);
    /* one that is over and still stands could not be dealt with (a full disk): not in a busy loop
     */
    if (earliest && earliest <= now)
        earliest = now + AGAIN_AFTER_NS;
    control->effects->timer(control->effects_context, earliest);
}

void control_idle(struct control *control)
{
    char text[PARCLOSE_REASON_MAX];

    control->changed = false;
    apply_settle(control);
    counts_look(control);
    snapshot_publish(control);
    since_published(control);
    if (db_check(control->db, text))
        log_error("the resource map is wrong: %s", text);
    rotate_when_due(control);
    int error = audit_log_reserve(control->log);
    if (error == -ENOSPC)
        log_warning("the audit log's disk is full");
    else if (error)
        control->effects->fatal(control->effects_context);
}

/* What was only noted (transaction.h) is made durable after a while, so that it costs the gate's
 * own commit nothing when much is going on. */
static void sync_notes(struct control *control)
{
    if (!control->sync_boottime_ns || control->sync_boottime_ns > control_boottime(control))
        return;
    outbox_hold(control); /* what they cost is shared, too */
    control_group_end(control);
}

void control_sync_later(struct control *control)
{
    if (control->sync_boottime_ns)
        return;
    control->sync_boottime_ns = control_boottime(control) + SYNC_AFTER_NS;
    control_arm(control);
}

void control_deadline(struct control *control)
{
    for (size_t i = 0; i < control->db->partitions_end; i++)
        if (partition_started(&control->db->partitions[i]))
            drive_deadline(control, &control->db->partitions[i]);
    orders_follow(control);
    apply_settle(control);
    shutdown_finish(control);
    sync_notes(control);
    control_arm(control);
}

static int open_log(struct control *control, int directory, char *text)
{
    const struct audit_visitor visitor = {
        .load = replay_snapshot, .visit = replay_entry, .context = control};
    struct audit_opened opened;
    int error = audit_log_open(&control->log, directory, control->db->boot_id, &visitor, &opened);

    if (error == -EUCLEAN)
        snprintf(text, PARCLOSE_REASON_MAX,
                 "audit log: entry %llu %s (file %s%020llu): restore it, or "
                 "parclose db cut --before %llu",
                 (unsigned long long)opened.bad_entry, audit_damage_text(opened.damage),
                 AUDIT_SEGMENT_PREFIX, (unsigned long long)opened.segment,
                 (unsigned long long)opened.bad_entry);
    else if (error)
        snprintf(text, PARCLOSE_REASON_MAX, "the audit log cannot be opened: %s", strerror(-error));
    else if (opened.damaged_snapshot)
        log_warning("audit log: snapshot %llu is damaged, an older one was taken",
                    (unsigned long long)opened.damaged_snapshot);
    if (!error && opened.cut_bytes)
        log_warning("audit log: torn entry %llu was cut off", (unsigned long long)opened.bad_entry);
    if (!error)
        log_info("audit log: %llu entries", (unsigned long long)opened.entries);
    return error;
}

struct control *control_new(const struct effects *effects, void *effects_context)
{
    struct control *control = calloc(1, sizeof(*control));

    if (!control)
        return NULL;
    control->effects = effects;
    control->effects_context = effects_context;
    control->entry = aligned_alloc(8, AUDIT_ENTRY_MAX);
    if (control->entry)
        return control;
    free(control);
    return NULL;
}

int control_start(struct control *control, const struct inventory *inventory, int directory,
                  uint32_t generation, char text[PARCLOSE_REASON_MAX])
{
    text[0] = 0;
    control->first_start = generation == 1;
    /* grows over restarts */
    control->snapshot_generation =
        control->effects->clock_ns(control->effects_context, CLOCK_REALTIME) / 1000;
    int error = db_new(&control->db, inventory);
    if (!error)
        error = open_log(control, directory, text);
    if (!error)
        error = reset_after_boot(control, text);
    if (!error && control->first_start)
        error = reset_after_shutdown(control);
    if (error)
        return error;
    control->first_transaction = transaction_number(control);
    control->settled_boottime_ns = control_boottime(control) + SETTLE_NS;
    host_tell_boot(control);
    control_arm(control);
    control_group_end(control);
    return 0;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    outbox_free(&control->outbox);
    audit_log_close(control->log);
    free(control->trial);
    db_free(control->db);
    free(control->entry);
    free(control);
}
