/* SPDX-License-Identifier: Apache-2.0 */
/* From files to a guest: the steps that the partition's states stand for, in their order. */
#pragma once

#include "monitor.h"

/* CREATE: checks what was given, makes the memory, starts QEMU. 0 or a negative errno, and what. */
int steps_create(struct monitor *monitor, const char **what);

/* Each vCPU's thread goes into its frozen cgroup. 0 or a negative errno. */
int steps_place(struct monitor *monitor, const uint32_t tids[PARCLOSE_MAX_VCPUS]);

/* CHANNELS: takes the files: container, then one group a VF. 0 or a negative errno. */
int steps_channels(struct monitor *monitor, const struct bdf *vfs, const int *files,
                   uint32_t count);

/* All VFs are on the bus. 0 or a negative errno. */
int steps_plugged(struct monitor *monitor);

/* `cont` was answered. */
void steps_running(struct monitor *monitor);

/* QEMU says why it is about to end (ShutdownCause in qapi/run-state.json). */
void steps_shutdown(struct monitor *monitor, const char *reason);

/* QEMU has ended, with this status of waitid(2). */
void steps_ended(struct monitor *monitor, int code, int status);
