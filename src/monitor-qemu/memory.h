/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory: a memfd of the full size, bound to its NUMA node, its size sealed. */
#pragma once

#include <stdint.h>

/* `node` UINT32_MAX: any; `pages`: enum memory_pages; huge ones are taken now. The file, or -errno.
 */
int memory_make(uint64_t size, uint32_t node, uint32_t pages);
