/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotation of the audit log: the whole map goes into a snapshot, and the log goes on in a new
 * segment (store/audit_log.h says how, and what a crash between its steps leaves). The head of the
 * chain goes to the journal, so that a log that was changed later as a whole shows, too.
 */
#pragma once

#include "control.h"

/* When idle: rotates if the last segment is larger than host.xml says. A disk that is full is
 * tried again after a while. */
void rotate_when_due(struct control *control);

/* Rotates now, if there is an entry since the last time. 0, -EALREADY: none; or what the log says,
 * which then goes on in its segment, or is broken (every later call fails). */
int rotate(struct control *control);
