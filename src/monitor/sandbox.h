/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System-call allow-lists, as tables. Anything else kills the process (which the spawner then
 * replaces, within its budget).
 *
 * A filter is inherited and can only be narrowed, so the spawner's must hold all that the processes
 * which it may still have to make need; each of them narrows it to its own list before it does
 * anything else. What the spawner itself calls after sealing is the list sandbox_spawner_own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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
extern const struct sandbox_list sandbox_main_build; /* with main_sealed: until the channels are */
extern const struct sandbox_list sandbox_spawner_own;
extern const struct sandbox_list sandbox_spawner_build; /* the VM's creation */
extern const struct sandbox_list sandbox_birth; /* what a new process calls before it narrows */

/* Adds a filter that allows the union of the lists. Negative errno. */
int sandbox_enter(const struct sandbox_list *const lists[], unsigned count);

/* Once, first thing: no new privileges, not dumpable. */
int sandbox_begin(void);
