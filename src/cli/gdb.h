/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gdb's remote protocol in front of a session (GDB manual, "Remote Protocol"): a thread for each
 * vCPU, all of them stop and go together; a step is one vCPU's, the others stand meanwhile.
 *
 * gdb is trusted as little as the monitor: both only reach what a session of this kind may do.
 */
#pragma once

#include <stdio.h>

#include "gdb_packet.h"
#include "session.h"

struct gdb_watch { /* what gdb has put in: a stop says only where */
    uint64_t address;
    uint32_t type; /* of "Z", plus one; 0: free */
};
#define GDB_WATCHES 16 /* "Z0" and "Z1" may share a place */

struct gdb {
    struct session session;
    uint32_t vcpus_count;
    uint32_t vcpu; /* that gdb looks at */
    bool running;  /* gdb waits for a stop */
    bool no_ack;
    bool over;                  /* gdb has let go */
    struct session_answer stop; /* the last one */
    struct gdb_watch watches[GDB_WATCHES];
    struct gdb_input input;
    size_t size; /* of the answer */
    char answer[GDB_PACKET_MAX + 1];
    char frame[GDB_PACKET_MAX + 4]; /* as it was sent last */
    size_t frame_size;
    FILE *out;
};

/* The session, open already, has stopped the guest when this returns 0. A negative errno. */
int gdb_begin(struct gdb *gdb);

/* What gdb said. 0, or a negative errno, by which the session is over. */
int gdb_hear(struct gdb *gdb, const uint8_t *bytes, size_t size);

/* The session's socket has something, and nothing was asked: a stop, or its end. */
int gdb_stopped(struct gdb *gdb);
