/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System-call allow-lists, one filter a kind of process. What a filter does not allow kills the
 * process (which the spawner then replaces, within its budget).
 *
 * A filter is inherited and can only be narrowed, so the spawner's must hold all that the processes
 * which it may still have to make need; each of them narrows it to its own list before it does
 * anything else. What the spawner itself calls after sealing is the list sandbox_spawner_own.
 *
 * The filters are made at build time of the tables in sandbox.c (sandbox_lists.h): what is linked
 * here is BPF as constant data. They are depth; the boundary is the partition: all its processes
 * share one address space.
 */
#pragma once

#include <linux/filter.h>

enum sandbox_filter {
    SANDBOX_VCPU = 0,
    SANDBOX_MAIN = 1,          /* once the guest may run */
    SANDBOX_MAIN_BUILD = 2,    /* until the channels are there */
    SANDBOX_SPAWNER = 3,       /* once the guest may run */
    SANDBOX_SPAWNER_BUILD = 4, /* the VM's creation */
    SANDBOX_FILTERS
};

/* Generated. */
extern const struct sock_fprog sandbox_programs[SANDBOX_FILTERS];

/* Adds the filter to those that the process has. Negative errno. */
int sandbox_enter(enum sandbox_filter filter);

/* Once, first thing: no new privileges, not dumpable. */
int sandbox_begin(void);
