/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's side of sessions (parclose/session.h): who may ask what, as a table. A request is
 * answered at once, or the session is closed; nothing waits for a client. Sessions outlive main, as
 * everything in struct monitor does: the guest stands on, or goes on, as it did. But the one whose
 * request the last main died at is closed: it may be what killed it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "inbox.h"
#include "parclose/session.h"

#define SESSIONS_MOST 4 /* a fifth takes the place of the oldest SESSION_LOOK */

struct session {
    int fd;
    uint32_t kind;    /* enum session_kind; SESSION_NONE: free */
    uint64_t used_ns; /* CLOCK_MONOTONIC of the last request */
};

struct monitor;
struct pollfd;

/* MONITOR_SESSION of the link. */
int session_open(struct monitor *monitor, struct inbox *inbox);

/* Once in each main, before exits are served. */
void session_begin(struct monitor *monitor);

/* For the loop: SESSIONS_MOST entries, and for how many ms at most (-1: for ever). */
int64_t session_wait(const struct monitor *monitor, struct pollfd *fds);
void session_serve(struct monitor *monitor, const struct pollfd *fds);

/* Each time round the loop. */
void session_step(struct monitor *monitor);

/* The kind of the session that stops or debugs the guest; SESSION_NONE: nobody does. */
uint32_t session_owner(const struct monitor *monitor);

struct session_row {
    uint16_t type;
    uint8_t kinds;   /* 1 << enum session_kind */
    uint8_t stopped; /* the session has stopped the guest */
    uint32_t data_least, data_most;
    /* bytes of data in `out`, or a negative errno for the answer */
    long (*handle)(struct monitor *monitor, uint32_t session, const struct session_request *request,
                   size_t data, struct session_answer *answer, uint8_t *out);
};

/* The row of a message that this kind may send; NULL: none, or not of this size. */
const struct session_row *session_row(const struct session_request *request, size_t size,
                                      uint32_t kind, uint32_t vcpus_count);
