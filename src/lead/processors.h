/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's processors: which of them are online, as the kernel says at each change (a uevent of
 * subsystem cpu; what it says is not believed but read again), and the cpusets of the vCPUs when
 * control has changed them for it.
 */
#pragma once

#include "lead.h"

/* Opens what the kernel says it by. Before the seal. */
int processors_watch(struct lead *lead);

/* Tells control which pCPUs are online. */
void processors_tell(struct lead *lead);

/* Row of control's table: a descriptor with other pCPUs. */
int on_processors(void *lead, struct frame *frame);
