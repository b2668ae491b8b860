/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boot finds on the host and prepares there: directories, the command line's socket, cgroups,
 * kernel modules, the inventory. Functions return a file or 0, or a negative errno.
 */
#pragma once

#include <sys/types.h>

#include "kinds.h"

/* The layout's directories, with their owners. */
int host_directories(const struct layout *layout);

/* RUN/command.sock, listening. */
int host_listen(const struct layout *layout);

/* vfio-pci and KVM, as far as the host has them; waits for modprobe, some seconds at most. */
void host_modules(void);

/* A sealed memfd: struct inventory of msg_boot.h. */
int host_inventory(void);

/* Boot's own cgroup, or one below the root when it is in the root; O_PATH. -ENOENT: no cgroup2. */
int host_cgroup(void);

/* cgroup.procs, or cgroup.kill, of NAME below it, made if need be; opened for writing. */
int host_cgroup_file(int cgroup, const char *name, const char *file);

/* The ids of a user; NULL: root. */
int host_user(const char *name, uid_t *uid, gid_t *gid);
