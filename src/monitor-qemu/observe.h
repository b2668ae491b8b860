/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the guest drives what it has. QEMU tells of neither its exits nor a VF's bus mastering by
 * itself: both are looked at four times a second, from the first instruction until both are seen.
 */
#pragma once

#include "monitor.h"

#define OBSERVE_MS 250

/* Opens each VF's configuration space to read. 0 or a negative errno. */
int observe_begin(struct monitor *monitor);

/* Whether observe_look() is due every OBSERVE_MS. */
bool observe_due(const struct monitor *monitor);
void observe_look(struct monitor *monitor);

/* So many vCPUs have made an exit. */
void observe_exits(struct monitor *monitor, size_t vcpus);
