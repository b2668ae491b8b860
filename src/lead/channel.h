/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a partition's channels to their servers' sockets. The monitor says which are
 * wanted, and cannot open them itself; each is connected to and handed over, again and again, less
 * and less often, until it is wanted no more.
 */
#pragma once

#include "lead.h"

/* Once in each lead, with the monitor's link. */
int channel_watch(struct partition *partition, sd_event *event);

/* Whether what a monitor says of its channels can be so. */
bool channel_state_ok(const struct monitor_state *state);

/* The monitor has said its state. */
void channel_follow(struct partition *partition);
