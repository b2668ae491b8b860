/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* All of it to a blocking file, over interruptions and partial writes. 0, or a negative errno:
 * then a part may have been written. */
int write_all(int fd, const void *bytes, size_t size);
