/* SPDX-License-Identifier: Apache-2.0 */
/* What the beginning of an order (orders.c) and its end (orders_end.c) say alike. */
#pragma once

#include "control.h"

/* Boot is to restart SR-PCIM. */
void orders_tell_boot(struct control *control);

/* That a PF is to have VFs or none, and may sleep, is said with its card. */
void orders_tell_state(struct control *control);

/* The answer to an edit of devices.xml that was an order. */
void orders_say_edited(struct control *control, uint64_t id, int error, uint64_t transaction,
                       const char *text);
