/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* The pid of a pidfd's process, as the kernel tells it (Documentation/filesystems/proc.rst,
 * fdinfo); -1: it has ended. 0: this is no pidfd, or cannot be told. */
int32_t pidfd_pid(int pidfd);
