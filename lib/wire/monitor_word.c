/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/monitor_word.h"

#include <stddef.h>

#include "wire/frame.h"

static bool seated_before(const struct vf_seat *seats, size_t end, struct bdf vf)
{
    for (size_t i = 0; i < end; i++)
        if (seats[i].marks && seats[i].vf.value == vf.value)
            return true;
    return false;
}

bool monitor_seats_ok(const struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS])
{
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        if (seats[i].marks & ~VF_MARKS)
            return false;
        if (seats[i].marks && (!seats[i].vf.value || seated_before(seats, i, seats[i].vf)))
            return false;
    }
    return true;
}

bool monitor_channels_ok(const struct channel_status channels[PARCLOSE_MAX_CHANNELS])
{
    for (size_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++)
        if (channels[i].state >= CHANNEL_STATES || channels[i].wants >= CHANNEL_WANTS ||
            !frame_error_ok(channels[i].error))
            return false;
    return true;
}

uint32_t monitor_vf_marks(const struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS], struct bdf vf)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        if (seats[i].marks && seats[i].vf.value == vf.value)
            return seats[i].marks;
    return 0;
}
