/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partition descriptor as it comes in: seals, size and every field checked, then copied, so
 * that nothing of it can change (parclose/descriptor.h).
 */
#pragma once

#include "parclose/descriptor.h"

/* -EPERM: not sealed; -EINVAL: a field is out of range. */
int descriptor_read(int fd, struct partition_descriptor *out);

/* The fields alone; pure. */
int descriptor_check(const struct partition_descriptor *descriptor);
