/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels: memory of a partition that another process serves it by (R-CHAN-2). A partition has
 * its channels from start to release. How often servers have one attached is in the map and in the
 * log: one more, durable, before the memory's files leave control; one less when the server says
 * that it let go of them. A partition whose monitor is gone keeps all it has (PHASE_RELEASING)
 * until nobody has a channel of it attached: no memory is anybody else's while a server can still
 * write to it.
 *
 * After control's restart the log's count stands until the server has said on its new link what it
 * holds. Files that were on their way on the old link died with it, and files that a dead server
 * held died with it, so what is said is what is:
 *
 *   log 1, command says HELD db, SYNC: it still serves the console: nothing to do.
 *
 *   log 1, command says SYNC: the files were lost with control, or command was restarted: detached,
 *   and a release that waited for it goes on.
 *
 *   log 0, command says HELD db: cannot be (the count is durable before the files leave): taken as
 *   true.
 *
 * The channels of the definition are attached by their connections, which lead makes and watches
 * (src/lead/channel.h): lead's latest word says which, and is not in the log. It is as sure as that
 * of a monitor, which outlives lead the same way; until lead has said it, after a restart of
 * either, nothing is released.
 */
#pragma once

#include "control.h"
#include "parclose/msg_control_command.h"

/* The console of a partition that starts, or ends: a change of the transaction under way. */
void channels_make(struct control *control, const struct partition *partition);
void channels_end(struct control *control, const struct partition *partition);

/* The console's files are about to go to command. */
int channel_attach(struct control *control, struct partition *partition,
                   const struct requester *requester);

/* A new link to command: nothing is said of what it holds. */
void channels_unsaid(struct control *control);

/* Rows of command's table. */
int on_channel_held(void *control, struct frame *frame);
int on_channel_sync(void *control, struct frame *frame);
int on_channel_detached(void *control, struct frame *frame);
