/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "pci/driver_table.h"

/*
 * Whether the bit of an interface's registers that its driver sets when it goes up is set: 1, 0, or
 * a negative errno: -ENODATA: no such bit is known, or the driver's layout is another one. Waits
 * for the rtnl lock: for children only.
 */
int registers_up(const char *interface, const struct driver_registers *known);
