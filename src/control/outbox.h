/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that control says goes out through here, and one invariant is kept here and nowhere else:
 *
 *   No message leaves control while a durable transaction that was committed before it is not on
 *   disk.
 *
 * A durable commit opens a *group*: from then on messages wait in the outbox, in order. When no
 * message is left to handle (or OUTBOX_GROUP_NS later, or when the outbox is full) the group ends:
 * one fdatasync, then everything in the outbox goes. So many transactions share one fdatasync under
 * load, and a lone one is synced as soon as its message was handled.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "parclose/ids.h"

#define OUTBOX_MAX       1024              /* messages; one more ends the group at once */
#define OUTBOX_FILES_MAX 128               /* files in them, all together */
#define OUTBOX_GROUP_NS  UINT64_C(2000000) /* the longest that a group stays open */

struct control;
struct outbox_message;

struct outbox {
    bool open;  /* a group: something durable is not on disk yet */
    bool going; /* its messages are being sent */
    size_t count, files_count;
    struct outbox_message *first, **last; /* last: NULL before the first message */
};

/*
 * Sends to a peer or to boot (PROCESS_BOOT), or keeps a copy for the end of the group. 0,
 * -ENOTCONN: no link to it, its new link will say everything anew; -ENOMEM, or what the link says
 * while no group is open. The files stay the caller's.
 */
int control_send(struct control *control, enum process_kind peer, const void *message,
                 const int *files, size_t files_count);

/* A durable entry was appended: the group is open. */
void outbox_hold(struct control *control);

/* The end of the group: makes the log durable, then sends all. fatal() when the disk fails, and
 * nothing is sent. Nothing is done when no group is open. */
void control_group_end(struct control *control);

/* The link to a peer is gone: what waits for it is dropped. */
void outbox_forget(struct control *control, enum process_kind peer);

void outbox_free(struct outbox *outbox);
