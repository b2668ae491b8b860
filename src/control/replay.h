/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rebuilds the map from the audit log.
 *
 * An entry of this boot of the host is applied as it was when it was made: before images compared,
 * then all after images or none. Of an entry of an earlier boot only what outlives a boot is
 * applied: the host's configuration, definitions, and what partitions were doing; pCPUs, memory,
 * devices and actions of another boot mean nothing now. After the last entry, reset_after_boot()
 * makes one RESET transaction of this boot: what ran is defined and stopped, and the host's own
 * pCPUs and memory are reserved anew.
 */
#pragma once

#include "control.h"

/* An audit_visit; the context is the control. */
int replay_entry(void *control, const struct audit_entry *entry);

/* An audit_load: one resource of a snapshot, by the same rules. */
int replay_snapshot(void *control, const struct audit_snapshot *snapshot,
                    const struct audit_change *change);

/* The RESET of a new boot; nothing when the log's last entry is of this boot. */
int reset_after_boot(struct control *control, char text[PARCLOSE_REASON_MAX]);

/* For a first start in the same boot: a shutdown that was accepted is over, and how partitions
 * ended is forgotten, so that those with autostart start. What may still run is left alone. */
int reset_after_shutdown(struct control *control);
