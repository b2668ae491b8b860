/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fifteen states of a partition as one table: what each is called, which event enters it, and
 * whose event it is. A state that another peer claims, or that is claimed too early, is not
 * entered.
 */
#pragma once

#include "db.h"

struct state_entry {
    const char *name;
    enum process_kind from; /* whose message enters it */
    uint16_t event;         /* which message */
};

extern const struct state_entry state_entries[PARTITION_STATES];

/* STATE_BIT()s that the partition is in now. */
uint32_t partition_states(const struct partition *partition);

/* When it entered `state`, from the event's source; zeros when it is not in it. */
struct state_time partition_state_time(const struct partition *partition,
                                       enum partition_state state);

/* Mask of the states that a message of this type enters. */
uint32_t states_entered_by(uint16_t event);
