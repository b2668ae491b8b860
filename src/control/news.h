/* SPDX-License-Identifier: Apache-2.0 */
/*
 * News of VFs that a guest has (an error, a request of the host's kernel for it, a reset under it),
 * as its monitor says them: each is an entry of the audit log. A monitor that was taken over says
 * them without end: of one partition 32 a minute are noted, so that it does not push the history
 * out of the log.
 */
#pragma once

#include "control.h"

/* One more may be noted now; counted. */
bool news_may(struct control *control, struct partition *partition);

/* What `message` says that the one before did not. Noted, no more: the guest goes on. A control
 * that was started anew notes it once more. */
void news_note(struct control *control, struct partition *partition,
               const struct lead_monitor *message);
