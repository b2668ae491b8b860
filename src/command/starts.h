/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts of partitions, one after the other: the selection of one must be in the snapshot before
 * the next is made.
 *
 *   QUEUED → SYNCING (files read, control brought to them) → CHOOSING (the snapshot shows the
 *   definition) → SENT → done; with -ESTALE, which says that the snapshot was old, CHOOSING again
 *   from a newer one, at most STARTS_ATTEMPTS times.
 *
 * Autostart is the same for each definition that asks for it, whose partition was never started
 * since control's first start; a failed one is not tried again by itself.
 */
#pragma once

#include <systemd/sd-event.h>

#include "parclose/msg_control_command.h"

#define STARTS_ATTEMPTS 8
#define STARTS_MAX      256
#define STARTS_WAIT_US  (10 * UINT64_C(1000000)) /* for a snapshot that shows what was asked */

struct command;
struct start;

/* error 0, -EALREADY: it is started already, or why it is not, in words in `text`. */
typedef void start_done(void *context, int error, uint64_t transaction, const char *text);

/* An autostart of this life of command. */
struct autostart {
    char name[PARCLOSE_NAME_MAX];
    bool ended;
    char text[PARCLOSE_REASON_MAX]; /* why it failed; "" */
};

struct starts {
    struct command *command;
    struct start *first; /* the one that is under way, then those that wait for it */
    bool advancing;
    sd_event_source *deadline;
    size_t tried_count;
    struct autostart tried[PARCLOSE_MAX_PARTITIONS];
};

void starts_init(struct starts *starts, struct command *command);

/* `done` may be called within. `id`: the client's for its request; 0: none. -ENOBUFS: too many are
 * waiting. */
int starts_add(struct starts *starts, const char *name, uint64_t id,
               const struct requester *requester, start_done *done, void *context);

/* A new snapshot is there. */
void starts_snapshot(struct starts *starts);

/* Nobody wants to know any more; the start goes on. */
void starts_forget(struct starts *starts, const void *context);

/* What became of a partition's autostart; NULL: none was tried in this life. */
const struct autostart *starts_autostart(const struct starts *starts, const char *name);
