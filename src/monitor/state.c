/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include <time.h>

#include "sys.h"

void state_enter(struct state_board *board, enum partition_state state)
{
    if (state_is(board, state))
        return;
    board->times[state] = (struct state_time){
        .realtime_ns = sys_clock_ns(CLOCK_REALTIME),
        .boottime_ns = sys_clock_ns(CLOCK_BOOTTIME),
    };
    board->event_ns = sys_clock_ns(CLOCK_MONOTONIC);
    board->entered |= STATE_BIT(state);
    board->dirty = true;
}
