/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one process of a kind: its user, capabilities, limits, cgroup and namespaces are what the
 * kind's row says, and file 3 is its link to boot. Nothing else is open but /dev/null at 0 and 1,
 * and boot's standard error.
 */
#pragma once

#include <sys/types.h>

#include "kinds.h"

struct spawn {
    const struct kind *kind;
    const char *libexec;
    uid_t uid;
    gid_t gid;
    int link;    /* for its file 3; stays the caller's */
    int cgroup;  /* its cgroup.procs, opened for writing; -1: stays in boot's */
    int network; /* the empty network namespace, for kinds that do not stay in the host's */
};

/* The pid; *pidfd belongs to the caller. Or a negative errno. What fails later is in the log, and
 * ends the new process with status 127. */
pid_t spawn(const struct spawn *spawn, int *pidfd);

/* An empty network namespace: a file, or a negative errno. Made once, and kept for all that are
 * started later: to make one takes a lock of the kernel (net/core/net_namespace.c, setup_net();
 * rtnl_lock()) that a network driver which hangs may hold. */
int spawn_network(void);

/* Boot's own view: a mount namespace with /sys read-only. */
int spawn_shut_sys(void);
