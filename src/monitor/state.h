/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partition states this monitor has entered, and when (parclose/state.h). Only states that a
 * monitor can know; those of lead and control are theirs.
 */
#pragma once

#include <stdbool.h>

#include "parclose/state.h"

struct state_board {
    uint32_t entered;  /* STATE_BIT()s */
    uint64_t event_ns; /* CLOCK_MONOTONIC of the latest */
    bool dirty;        /* lead has not been told yet */
    struct state_time times[PARTITION_STATES];
};

/* Nothing when it is entered already. */
void state_enter(struct state_board *board, enum partition_state state);

static inline bool state_is(const struct state_board *board, enum partition_state state)
{
    return board->entered & STATE_BIT(state);
}
