/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's configuration in the map: cards (their PFs and VFs are the interconnect's), and what
 * is kept for the host itself: the first pCPUs, and the first memory, in the order of the nodes.
 */
#pragma once

#include "control.h"

/* HOST_SET: refused when it would take a card, a VF, a pCPU or memory from a started partition. */
int host_set(struct control *control, const struct control_host_set *request,
             char text[PARCLOSE_REASON_MAX]);

/* Its parts, for a transaction that changes more than the host: whether it may be, with the map as
 * it is; whether VFs of a started partition's definition would mean what they mean now; what it
 * changes; and, committed, what all others are told. */
int host_judge(struct control *control, const struct host_config *host,
               char text[PARCLOSE_REASON_MAX]);
int host_keeps_vfs(struct control *control, const struct host_config *host,
                   const struct partition_config *config, char text[PARCLOSE_REASON_MAX]);
int host_change(struct control *control, const struct host_config *host,
                char text[PARCLOSE_REASON_MAX]);
void host_changed(struct control *control);

/* Adds to the transaction in the making what changes from the map's owners to what `host` keeps
 * for itself. -EBUSY: a partition has some of it. */
int host_reserve(struct control *control, const struct host_config *host,
                 char text[PARCLOSE_REASON_MAX]);

/* Whose a pCPU of the map is when no guest has it. */
struct owner host_pcpu_owner(const struct db *db, const struct pcpu *pcpu);

/* Boot learns the watchdog's time. */
void host_tell_boot(struct control *control);
