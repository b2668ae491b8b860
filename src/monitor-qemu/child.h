/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU as a child: its sockets, its filter, its birth; then our own filter. */
#pragma once

#include "monitor.h"

/* 0 or a negative errno. QEMU begins with nothing but QMP, console and standard error. */
int child_start(struct monitor *monitor);

/* SIGKILL. */
void child_kill(struct monitor *monitor);

/* It has ended: reaps it and says how. */
void child_reap(struct monitor *monitor);
