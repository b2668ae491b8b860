/* SPDX-License-Identifier: Apache-2.0 */
#include "recovery.h"

#include "drive.h"
#include "gate.h"
#include "lifecycle.h"
#include "processors.h"

/* Brings together what is committed and what is. */
static void reconcile(struct control *control, struct partition *partition)
{
    const struct lead_monitor *monitor = &partition->monitor;
    char text[PARCLOSE_REASON_MAX];

    if (partition->run.attach == ATTACH_COMMITTED && monitor->frozen &&
        !gate_open(control->db, partition, text))
        gate_undo(control, partition, false, text);
    else if (partition->run.attach == ATTACH_COMMITTED && !monitor->frozen)
        gate_attached(control, partition, monitor->event_ns);
}

static void not_said(struct control *control, struct partition *partition)
{
    /* a start that was committed before this first run of control, and nothing of it is there */
    bool first =
        control->first_start && partition->run.start_transaction < control->first_transaction;

    partition->monitor = (struct lead_monitor){0};
    if (partition->run.phase == PHASE_RELEASING)
        partition_detached(control, partition);
    else if (partition->run.phase == PHASE_STOPPING)
        partition_gone(control, partition, EXIT_STOPPED, "");
    else if (first)
        partition_gone(control, partition, EXIT_NONE, "");
    else if (partition->run.created)
        partition_gone(control, partition, EXIT_MONITOR_DIED, "its monitor is gone");
    else
        drive_partition(control, partition);
}

void recovery_from_lead(struct control *control)
{
    control->lead_synced = true;
    for (size_t i = 0; i < control->db->partitions_end; i++) {
        struct partition *partition = &control->db->partitions[i];
        if (!partition_started(partition))
            continue;
        if (!partition->said) {
            not_said(control, partition);
            continue;
        }
        reconcile(control, partition);
        partition->processors_due = processors_stale(partition);
        drive_partition(control, partition);
    }
    control->first_start = false;
    processors_mend(control);
}
