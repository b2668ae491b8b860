/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a partition's descriptor: sealed, of the right size, and every field within its range. */
#pragma once

#include <stdbool.h>

#include "parclose/descriptor.h"

/* Reads it out of the memfd. 0, or -EINVAL when anything about it is wrong. */
int descriptor_take(int file, struct partition_descriptor *descriptor);

/* Whether a partition that has a monitor by `old` may have it by `now`: another name, kind of
 * monitor, number of vCPUs or size of memory would be another partition's. */
bool descriptor_follows(const struct partition_descriptor *old,
                        const struct partition_descriptor *now);
