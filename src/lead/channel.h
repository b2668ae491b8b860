/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a partition's channels to their servers' sockets. The monitor says which are
 * wanted, and cannot open them itself; each is connected to and handed over, again and again, less
 * and less often, until it is wanted no more.
 *
 * Of each connection lead keeps an end, and boot with it, so that the server is seen to let go
 * (R-CHAN-2): a server that has answered may have memory of the partition until the kernel says
 * that it has closed its end, or died. Meanwhile its channel gets no other server, which would
 * share the rings with it; and a partition whose monitor is gone is not cleared away. A server is
 * told the end, as it would see a closed connection, when the monitor wants another one, and when
 * the monitor is gone.
 */
#pragma once

#include "lead.h"

/* Once in each lead, with the monitor's link, and with what a predecessor had connected. */
int channel_watch(struct partition *partition, sd_event *event);

/* Whether what a monitor says of its channels can be so. */
bool channel_state_ok(const struct monitor_state *state);

/* The monitor has said its state. */
void channel_follow(struct partition *partition);

/* Whose servers may have memory of the partition: 1 << index. */
uint32_t channel_attached(const struct partition *partition);

/* The monitor is gone: its servers are told the end. Whether one has still to let go: then
 * monitor_clear() is called when it has. */
bool channel_release(struct partition *partition);

/* Watches nothing any more. The files are the partition's. */
void channel_forget(struct partition *partition);
