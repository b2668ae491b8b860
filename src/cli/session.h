/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CLI's side of a session (parclose/session.h). The monitor at the other end may be its
 * guest's by now: nothing of what it says is believed without a check, nothing waits for it without
 * a deadline.
 */
#pragma once

#include "cli.h"
#include "parclose/session.h"

struct session {
    int socket;                 /* -1: none */
    uint64_t last_id;           /* of requests */
    bool stopped;               /* STOPPED has come, and was not taken */
    struct session_answer stop; /* it */
};

/* Quietly: 0, or a negative errno (-ESRCH: no monitor; -EPROTO: no file came). */
int session_open(struct session *session, const struct cli *cli, const char *name,
                 const char *kind);

/* The same; what is wrong is said. An exit code. */
int session_begin(struct session *session, const struct cli *cli, const char *name,
                  const char *kind);
void session_close(struct session *session);

/*
 * Asks: fills in the header and sends `data` behind it. `answer` is checked (its own type and id),
 * its data, at most `size` bytes, are in `out`. Bytes of data, or a negative errno: the monitor's
 * own, -ETIMEDOUT, -EPIPE: the session has ended, -EBADMSG: the answer is none.
 */
long session_ask(struct session *session, struct session_request *request, const void *data,
                 size_t data_size, struct session_answer *answer, void *out, size_t size,
                 uint64_t deadline_ms);

/* Waits for STOPPED; taken then. 0, -ETIMEDOUT, -EPIPE, -EBADMSG. */
int session_wait_stop(struct session *session, struct session_answer *stop, uint64_t deadline_ms);

/* A counters' picture that is within its bounds. */
bool session_stats_ok(const struct session_stats *stats);
