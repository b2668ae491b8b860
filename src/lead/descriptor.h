/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a partition's descriptor: sealed, of the right size, and every field within its range. */
#pragma once

#include "parclose/descriptor.h"

/* Reads it out of the memfd. 0, or -EINVAL when anything about it is wrong. */
int descriptor_take(int file, struct partition_descriptor *descriptor);
