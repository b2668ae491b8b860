/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a partition's vCPUs have done: counts from its monitor, asked for now and never kept, and
 * what the host's scheduler says of their processes (/proc/PID/stat and schedstat).
 *
 * {"answered": true, "main_restarts": 0, "vcpus": [{"vcpu": 0, "pid": …, "pcpu": …, "restarts": …,
 *   "exits": …, "guest_ns": …, "steal_ns": …, "kernel": {"io_exits": …}, "monitor": {…}}]}
 *
 * Counts are since the partition's start; times since that of the vCPU's present process. A monitor
 * that does not answer within a second: {"answered": false}.
 */
#pragma once

#include "cli.h"

/* Of a partition with a monitor. */
json_t *statistics_ask(const struct cli *cli, const char *name);

/* The members above out of an answer that session_stats_ok() found right. */
struct session_stats;
json_t *statistics_json(const struct session_stats *stats);
