/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message on a SEQPACKET socket: sending, receiving with files, and the check of a received one
 * against the receiver's table. Knows no event loop and no process.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parclose/wire.h"

/* A message as it came in. Files not taken (set to -1) by the handler are closed by frame_clear().
 */
struct frame {
    union {
        struct wire_header header;
        uint8_t bytes[WIRE_MAX];
    };
    size_t size;
    int files[WIRE_MAX_FDS];
    size_t files_count;
};

/*
 * A row of a receiver's table: all that may arrive. `permitted` is a mask of the receiver's own
 * session states (1 << state). The handler returns 0, or a negative errno that ends the session.
 */
struct frame_row {
    uint16_t type;
    uint16_t files_min;
    uint16_t files_max;
    uint32_t size; /* exact, header included */
    uint32_t permitted;
    int (*handle)(void *context, struct frame *frame);
};

#define FRAME_ALWAYS UINT32_MAX

/* Fills in a header; `size` is the whole message's. */
struct wire_header frame_header(uint16_t type, size_t size, uint64_t id);

/*
 * Sends without blocking. 0, -EAGAIN when the peer's queue is full, -EPIPE when it is gone, -EINVAL
 * on a size or file count beyond the limits. The files stay the caller's.
 */
int frame_send(int socket, const void *message, const int *files, size_t files_count);

/*
 * Receives one message without blocking. 1, 0 on end of file, -EAGAIN when there is none, -EBADMSG
 * when what came is no message (too long, truncated files, header at odds with the datagram).
 * Received files are close-on-exec and belong to the frame.
 */
int frame_receive(int socket, struct frame *frame);

/*
 * Looks the frame up and calls its handler. -EBADMSG: not in the table, wrong size or number of
 * files; -EPERM: not permitted in `state` (0..31); else what the handler says.
 */
int frame_dispatch(const struct frame_row *rows, size_t rows_count, unsigned state, void *context,
                   struct frame *frame);

/* Closes every file that nobody took. */
void frame_clear(struct frame *frame);

/* Takes file `index` out of the frame; the caller owns it. */
int frame_take(struct frame *frame, size_t index);

/* 1 when `text` of `size` bytes has its NUL within; for every string of a message. */
int frame_string_ok(const char *text, size_t size);

/* 1 when `error` is 0 or a negative errno; for every result in a message. */
int frame_error_ok(int32_t error);
