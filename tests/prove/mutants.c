/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that the proof must find, in the place of two functions of control. */
#include "drive.h"
#include "gate.h"
#include "recovery.h"

#ifdef MUTANT_NO_FREEZE
/* A loss between the commit and the acknowledgement changes nothing. */
void __wrap_gate_lost(struct control *control, const struct pf *pf);
void __wrap_gate_lost(struct control *control, const struct pf *pf)
{
    (void)control;
    (void)pf;
}
#endif

#ifdef MUTANT_RECOVERY_THAWS
/* An attach that was committed is ordered again, whatever the PFs are now. */
void __wrap_recovery_from_lead(struct control *control);
void __wrap_recovery_from_lead(struct control *control)
{
    control->lead_synced = true;
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITIONS; i++) {
        struct partition *partition = &control->db->partitions[i];
        if (partition_started(partition))
            drive_partition(control, partition);
    }
}
#endif
