/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's binary statistics of a vCPU (KVM API, 4.133): the plain numbers, by the kernel's names. */
#pragma once

#include <stdint.h>

#include "parclose/session.h"

#define VM_STATS_MAX 64

/* Names of the numbers, at most VM_STATS_MAX; how many. The same for all vCPUs; 0: none. */
uint32_t vm_stats_names(int fd, char names[][STATS_NAME_MAX]);

/* Their values, in that order; what cannot be read is 0. */
void vm_stats_values(int fd, uint64_t *values);

/* Where the number with this name is; 0: not there. */
uint64_t vm_stats_offset(int fd, const char *name);
