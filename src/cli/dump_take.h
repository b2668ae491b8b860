/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump is a session (parclose/session.h) that stops the guest, reads and goes away. Whatever
 * happens to us, the socket is closed and the guest goes on.
 */
#pragma once

#include <signal.h>

#include "core.h"
#include "dump_file.h"
#include "session.h"

struct dump {
    struct session session;
    struct dump_file file;
    struct core core;
    struct session_registers registers[PARCLOSE_MAX_VCPUS];
    uint64_t memory_bytes;             /* that the partition has */
    uint64_t stopped_ms;               /* for how long */
    volatile sig_atomic_t interrupted; /* by a signal's handler: -EINTR then */
    const char *what;                  /* went wrong */
};

/*
 * Takes it all into the file: the kernel's vmcoreinfo is looked for while the guest runs, then it
 * is stopped. `session` is open and `memory_bytes` set; the session is closed as soon as the memory
 * is read. A negative errno; `what` then says of what.
 */
int dump_take(struct dump *dump);
