/* SPDX-License-Identifier: Apache-2.0 */
/* One partition's monitor: its files, its link, what it says, its end. */
#pragma once

#include "lead.h"

/* Makes the slot a partition's; no file is open, no monitor is there. */
void monitor_slot(struct lead *lead, struct partition *partition,
                  const struct partition_descriptor *descriptor);

/* Makes cgroups, console and link, opens kernel and initrd, and asks the helper for the process. */
int monitor_begin(struct partition *partition, char text[PARCLOSE_REASON_MAX]);

/* The process is there: takes the pidfd, hands all files over. */
int monitor_spawned(struct partition *partition, int pidfd);

/* Watches link, pidfd and cgroup of a monitor whose files are all there. */
int monitor_watch(struct partition *partition);

/* Asks it to say its state again. */
void monitor_ask(struct partition *partition);

/* Sends a message without a body beyond its header. */
int monitor_say(struct partition *partition, uint16_t type);

/* Begins, or goes on with, the end: power button, order, kill. */
void monitor_stop(struct partition *partition, bool force, uint32_t timeout_ms);

/* Its processes are gone: cgroups away, then the slot, once no server has memory of it. Again
 * whenever something has happened that this waits for. */
void monitor_clear(struct partition *partition);

/* Closes everything and frees the slot. Tells nobody. */
void monitor_forget(struct partition *partition);
