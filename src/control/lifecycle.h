/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition's life in transactions: defined, started with all its resources or none, stopped, and
 * released when its monitor is gone. Each refuses with a negative errno and, in `text`, what is
 * wrong and what to do; nothing is changed then.
 *
 *   undefined ─define→ DEFINED ─start→ STARTING [→ WAITING] → RUNNING [─stop→ STOPPING]
 *                      ▲                                          └─gone→ [RELEASING] ─┐
 *                      └──────────────── in good order, or on order ──────────────────┤
 *                      FAILED ◄───────────────────────────────────────────────────────┤
 *                      STARTING, with all that it has ◄─── its guest reboots ─────────┘
 */
#pragma once

#include "control.h"

#define STOP_TIMEOUT_MS_MAX 600000
/* How long after its time-out a guest that lead should have forced is waited for; the deadline in
 * its running data is the end of this. */
#define STOP_GRACE_NS (UINT64_C(5) * 1000000000)

int partition_define(struct control *control, const struct control_partition_define *request,
                     char text[PARCLOSE_REASON_MAX]);
int partition_undefine(struct control *control, const struct control_partition_name *request,
                       char text[PARCLOSE_REASON_MAX]);
/* -ESTALE: something that it selected changed since its snapshot (since.h); `text` says what. */
int partition_start(struct control *control, const struct control_partition_start *request,
                    char text[PARCLOSE_REASON_MAX]);
int partition_stop(struct control *control, const struct control_partition_stop *request,
                   char text[PARCLOSE_REASON_MAX]);

/* Whether a partition that does not run may have this definition, on a host that is so. */
int lifecycle_judge(struct control *control, const struct host_config *host,
                    const struct partition_config *config, char text[PARCLOSE_REASON_MAX]);

/* Whether nobody has a VF that a partition wants. */
int lifecycle_vf_free(struct control *control, const struct partition *partition,
                      const struct partition_vf *wanted, char text[PARCLOSE_REASON_MAX]);

/* The partition that a request names; NULL, and what is wrong in `error` and `text`. */
struct partition *lifecycle_named(struct control *control, const char *name,
                                  char text[PARCLOSE_REASON_MAX], int *error);
struct state_time lifecycle_now(const struct control *control);

/* Stops all and then the host's infrastructure. */
int control_shutdown(struct control *control, const struct control_plain *request,
                     char text[PARCLOSE_REASON_MAX]);

/* Orders the infrastructure's end once a shutdown has nothing left to wait for. */
void shutdown_finish(struct control *control);

/* Ends a started partition on control's own account; it will be FAILED for `reason`. */
void partition_fail(struct control *control, struct partition *partition, const char *reason);

/* The same without a failure: its guest has its time, if it runs. */
void partition_end(struct control *control, struct partition *partition, const char *reason);

/* Its monitor is gone: everything it had goes back, once no server has a channel of it attached. */
void partition_gone(struct control *control, struct partition *partition, enum exit_reason exit,
                    const char *reason);

/* A server has let go of a channel of it: if it was the last, a release that waited goes on. */
void partition_detached(struct control *control, struct partition *partition);

/* Running data of one whose guest has not run and whose monitor is to begin anew: it is ended, and
 * then as after a reboot. */
struct partition_run lifecycle_restarting(const struct control *control,
                                          const struct partition *partition);
