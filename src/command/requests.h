/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to control that have no answer yet. Each is kept whole until its answer came and sent
 * again, with the same id, on each new link; control answers a committed id alike.
 *
 * Example: START goes out with id 7; control commits it and is killed before its answer. The new
 * link comes up, 7 is sent again, control finds 7 in its log and answers with the same result.
 *
 * An answer waits for the snapshot that has its transaction: who hears that a partition is started
 * and looks at it sees it started.
 *
 * A client may bring the id of its request: then it can ask again by way of command's successor,
 * too, and control answers alike.
 */
#pragma once

#include "parclose/msg_control_command.h"
#include "wire/frame.h"

#define REQUESTS_MAX CONTROL_UNANSWERED_MAX

/* `frame`: the answer, for its files. */
typedef void request_done(void *context, const struct control_result *result, struct frame *frame);

/* Sends now; -ENOTCONN is no error here: requests_resend() will. `file`: goes along; -1: none. */
typedef int request_send(void *context, const void *message, int file);

struct request;

struct requests {
    struct request *first;
    size_t count;
    uint64_t seen;    /* the last transaction of the latest snapshot */
    uint64_t next_id; /* random at first, so that no successor repeats a predecessor's */
    request_send *send;
    void *send_context;
};

void requests_init(struct requests *requests, request_send *send, void *context);

/* Fills in the header (type, size, id), copies, sends. -ENOBUFS: too many are unanswered. */
int requests_add(struct requests *requests, uint16_t type, void *message, size_t size,
                 request_done *done, void *context);

/* The same with an id of the client's; 0: it brings none. -EALREADY: a request with this id is
 * under way for somebody else. One that nobody waits for any more is taken over with its answer. */
int requests_add_as(struct requests *requests, uint64_t id, uint16_t type, void *message,
                    size_t size, request_done *done, void *context);

/* The same with a file, which stays the caller's. */
int requests_add_file(struct requests *requests, uint64_t id, uint16_t type, void *message,
                      size_t size, int file, request_done *done, void *context);

/* Whether one of this type has no answer yet. */
bool requests_pending(const struct requests *requests, uint16_t type);

/* All of them again, in order: on a new link. */
void requests_resend(struct requests *requests);

/* Finds the request and calls its done, now or when the snapshot comes. -EBADMSG when the message
 * is not what it must be; an answer that nobody waits for (any more) is no error. */
int requests_answer(struct requests *requests, struct frame *frame);

/* A new snapshot has everything up to this transaction: what waited for it is answered. */
void requests_snapshot(struct requests *requests, uint64_t transaction);

/* Nobody wants to know any more: the answers to all with this context are dropped. */
void requests_forget(struct requests *requests, const void *context);
