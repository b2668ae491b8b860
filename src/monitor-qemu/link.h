/* SPDX-License-Identifier: Apache-2.0 */
/* Lead's messages and what is said to lead. */
#pragma once

#include "monitor.h"

/* There is something to read. */
void link_serve(struct monitor *monitor);

/* Says STATE when there is news. */
void link_tell(struct monitor *monitor);

/* The last word. */
void link_say_exit(struct monitor *monitor);
