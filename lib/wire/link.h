/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link: one end of a SEQPACKET pair in an sd-event loop, with the table of what may arrive on it
 * and a bounded queue of what could not be sent yet. Never blocks.
 */
#pragma once

#include <systemd/sd-event.h>

#include "wire/frame.h"

/* What may wait for a slow peer; more ends the link. The picture of the largest host, 64 PFs with
 * 256 VFs each, is 7 MiB in one burst, and has no files. */
#define LINK_QUEUE_BYTES_MAX (8 << 20) /* of memory */
#define LINK_QUEUE_FILES_MAX 1024

struct link;

/*
 * Called once when the link ends: error 0: the peer closed it; -EBADMSG, -EPERM, or what a handler
 * returned: the peer broke the protocol; -ENOBUFS: it does not read. The link is gone after it.
 */
typedef void link_ended(void *context, int error);

/* What a link does with what happens on it. All must outlive the link. */
struct link_table {
    const struct frame_row *rows;
    size_t rows_count;
    void *rows_context; /* for the handlers of the rows */
    link_ended *ended;
    void *ended_context;
};

/* Takes the socket, on success only. */
int link_new(struct link **link, sd_event *event, int socket, const struct link_table *table);

/* A peer that may be hostile is heard `most` times in so many µs, no more: the rest waits in its
 * socket, and all others are heard. The end of the link, too, waits for its turn. 0 or a negative
 * errno. */
int link_set_pace(struct link *link, uint64_t interval_us, unsigned most);

/* Sends or queues; files are duplicated when queued. -EPIPE when the peer is gone. */
int link_send(struct link *link, const void *message, const int *files, size_t files_count);

/* How many messages wait for the peer to read; 0: all that was sent is in the peer's socket. */
size_t link_queued(const struct link *link);

/* The session state that `permitted` of the table is checked against; 0 at first. */
void link_set_state(struct link *link, unsigned state);

/* Closes without calling `ended`. NULL is fine. Safe within a handler of the same link. */
void link_free(struct link *link);
