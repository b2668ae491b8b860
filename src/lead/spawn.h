/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spawning helper: a child of lead, forked before lead loads its own filter, because a filter
 * is inherited through exec and a monitor needs other calls than lead. It does one thing: starts
 * the monitor's executable with what a request says, and answers with its pid and pidfd.
 * It ends when lead does; the monitors stay.
 */
#pragma once

#include <stdint.h>

#include "kinds.h"
#include "parclose/ids.h"
#include "wire/frame.h"

#define SPAWN_REQUEST 0x7e01
#define SPAWN_ANSWER  0x7e02

/* files: the monitor's end of its link, the cgroup to be born in */
struct spawn_request {
    struct wire_header header;
    struct partition_id partition;
    uint32_t uid;
    uint32_t kind; /* index into the helper's kinds */
    uint32_t reserved;
    uint64_t memory_lock; /* RLIMIT_MEMLOCK, bytes */
};

/* file, when error is 0: the pidfd */
struct spawn_answer {
    struct wire_header header;
    struct partition_id partition;
    int32_t error;
    uint32_t pid;
    uint32_t reserved;
};

/* Forks the helper, for these kinds; returns lead's end of a SEQPACKET pair, or a negative errno.
 */
int spawn_helper_start(const struct monitor_kind *kinds, size_t count);
