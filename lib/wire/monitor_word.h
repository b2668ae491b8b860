/* SPDX-License-Identifier: Apache-2.0 */
/* What a monitor says of its partition, and lead, control and command all read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parclose/channel.h"
#include "parclose/state.h"

/* Whether it can be so: every mark and every state is one, and a VF has one place. */
bool monitor_seats_ok(const struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS]);
bool monitor_channels_ok(const struct channel_status channels[PARCLOSE_MAX_CHANNELS]);

/* The marks of a VF (enum vf_mark); 0: it has no place on the guest's bus. */
uint32_t monitor_vf_marks(const struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS], struct bdf vf);
