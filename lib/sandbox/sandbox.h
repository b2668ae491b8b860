/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last step of every daemon's start: no new privileges, and a system-call allow-list. User,
 * groups, capabilities and mount namespace were already taken away by boot before exec.
 */
#pragma once

#include <stddef.h>

/*
 * Loads a filter that permits the calls an event loop needs plus `extra` (SCMP_SYS numbers);
 * mmap and mprotect never with PROT_EXEC. Anything else kills the process. 0 or a negative errno.
 */
int sandbox_seal(const int *extra, size_t extra_count);
