/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot of the map for command (parclose/snapshot.h). */
#pragma once

#include "control.h"

/* Builds one and sends it; nothing without a link to command. */
void snapshot_publish(struct control *control);
