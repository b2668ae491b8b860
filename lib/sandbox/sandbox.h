/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last step of every daemon's start: no new privileges, and a system-call allow-list. User,
 * groups, capabilities and mount namespace were already taken away by boot before exec.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Loads a filter that permits the calls an event loop needs plus `extra` (SCMP_SYS numbers);
 * mmap and mprotect never with PROT_EXEC. Anything else kills the process. 0 or a negative errno.
 */
int sandbox_seal(const int *extra, size_t extra_count);

/*
 * The same for a child that only computes: `calls`, memory as above, and nothing else. A filter
 * that is loaded already stays in force beside it.
 */
int sandbox_seal_only(const int *calls, size_t count);

/*
 * The last step of a child that has all its input in memory and parses what is hostile: no file but
 * `keep` (-1: none), no capability, bounded memory (bytes) and time of processor (seconds), and no
 * call but those of an allocator, write and exit. uid 0 is still the owner of what belongs to root,
 * but nothing can be opened. 0 or a negative errno.
 */
int sandbox_compute_only(int keep, uint64_t memory_max, unsigned seconds_max);

/*
 * For those who start other programs, which inherit the filter: everything is permitted but
 * `calls`, which fail with EPERM. Needs CAP_SYS_ADMIN; no_new_privs stays as it is.
 */
int sandbox_refuse(const int *calls, size_t count);
