/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the filters of sandbox.h are made of, as tables. To allow a call, add a row to a list in
 * sandbox.c.
 *
 * Checked arguments are compared in their low 32 bits: only arguments that the kernel takes as 32
 * bits (a command, an operation), or whose flags all lie there, may be named.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sandbox.h"

struct sandbox_rule {
    int32_t number;
    int32_t argument; /* -1: any arguments */
    bool bits;        /* values[0] is a mask of bits that must be clear */
    uint8_t values_count;
    const uint32_t *values; /* else one of these */
};

struct sandbox_list {
    const struct sandbox_rule *rules;
    uint32_t count;
};

extern const struct sandbox_list sandbox_vcpu;
extern const struct sandbox_list sandbox_main_sealed;
extern const struct sandbox_list sandbox_main_build;
extern const struct sandbox_list sandbox_spawner_own;
extern const struct sandbox_list sandbox_spawner_build;
extern const struct sandbox_list sandbox_birth; /* what a new process calls before it narrows */

#define SANDBOX_LISTS_MOST 6

/* A filter allows what one of its lists allows. NULL ends it. */
struct sandbox_union {
    const struct sandbox_list *lists[SANDBOX_LISTS_MOST + 1];
};

extern const struct sandbox_union sandbox_unions[SANDBOX_FILTERS];
