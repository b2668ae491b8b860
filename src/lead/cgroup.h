/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition's cgroups (v2): parclose.slice/NAME/{vm,vcpus/0,vcpus/1,…}. Spawner and main live in
 * vm, each vCPU process in its own leaf with the cpuset of its pCPU, or of the shared ones. Only
 * `vcpus` is ever frozen.
 *
 * Where the vCPUs are threads of a process in vm, vm, vcpus and the leaves are threaded (cgroup v2,
 * "Threads"), so that the threads of one process may be in different ones; memory is then counted
 * for NAME as a whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "kinds.h"
#include "parclose/descriptor.h"

struct cgroup {
    int folder; /* NAME */
    int freeze; /* vcpus/cgroup.freeze */
    int events; /* vcpus/cgroup.events: EPOLLPRI at each change */
};

#define CGROUP_NONE ((struct cgroup){-1, -1, -1})

/* Makes parclose.slice and switches the controllers on. 0 or a negative errno; once, before all. */
int cgroup_begin(void);

/*
 * Makes the partition's cgroups, frozen, with the cpusets of the descriptor and the limits of its
 * kind of monitor; its user may move its own children, or threads, from vm to a leaf. On error
 * nothing is left, and `what` says what failed.
 */
int cgroup_make(struct cgroup *cgroup, const struct partition_descriptor *descriptor,
                const struct monitor_kind *kind, const char **what);

/* Opens what is there already. */
int cgroup_open(struct cgroup *cgroup, const char *name);
void cgroup_close(struct cgroup *cgroup);

/* The cpusets that the descriptor says; its vCPUs are the same as at cgroup_make(). */
int cgroup_set_pcpus(const struct cgroup *cgroup, const struct partition_descriptor *descriptor);

/* Freezes or thaws the vCPUs; done when cgroup_frozen() says so. */
int cgroup_set_frozen(const struct cgroup *cgroup, bool frozen);
/* 1, 0 or a negative errno. */
int cgroup_frozen(const struct cgroup *cgroup);

/* A directory file for clone3(CLONE_INTO_CGROUP); the caller's. */
int cgroup_vm(const struct cgroup *cgroup);
int cgroup_vcpu(const struct cgroup *cgroup, uint32_t vcpu);

/* SIGKILL to every process in it. */
int cgroup_kill(const struct cgroup *cgroup);
/* Removes all of it. -EBUSY while a process is left; 0 when there is none. */
int cgroup_remove(const char *name, uint32_t vcpus);
