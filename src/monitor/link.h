/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to lead: what may come, when, with how many files, and who handles it: a table. Sending
 * never waits; what could not be said stays due. No state of the link can stall or end the guest: a
 * message that breaks the rules ends the partition only before the guest has run, later it is
 * dropped with a line in the log.
 */
#pragma once

#include "monitor.h"

struct link_row {
    uint16_t type;
    uint16_t size;
    uint8_t files_least, files_most;
    uint8_t phases; /* 1 << enum monitor_phase */
    int (*handle)(struct monitor *monitor, struct inbox *inbox);
};

/* The row of a message that is permitted now. -EPROTO: not one of ours; -EBUSY: not now. */
int link_check(const struct inbox *inbox, enum monitor_phase phase, const struct link_row **row);

/* All messages that are there; first the one that a dead main had received. */
void link_serve(struct monitor *monitor);

/* Says STATE if it is due. */
void link_tell(struct monitor *monitor);

/* Says EXIT, once. */
void link_say_exit(struct monitor *monitor);
