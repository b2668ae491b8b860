/* SPDX-License-Identifier: Apache-2.0 */
/* What the small program in the place of a monitor says of itself on its link. */
#pragma once

#include "parclose/wire.h"

#define REPORT_TYPE 0x7f01

/* To write, but the last two. */
#define FAKE_PLACES                                                                                \
    {                                                                                              \
        "/x", "/usr/lib/x", "/vfs/x", "/usr/lib/x86_64-linux-gnu", "/usr/lib/os-release"           \
    }
#define FAKE_TO_WRITE 3

struct report {
    struct wire_header header;
    uint32_t uids[3], gids[3];
    uint32_t groups;
    uint32_t no_new_privileges;
    uint32_t bounding;     /* how many capabilities it could still have */
    uint32_t effective;    /* of effective, permitted and inheritable ones */
    uint32_t open_files;   /* bit per file number below 32 */
    uint32_t more_files;   /* how many from 32 on */
    uint32_t sees;         /* how many entries in its root and where it is */
    uint32_t opens;        /* bit per place of fake_places that it can open */
    uint32_t child_signal; /* 1: SIGCHLD is as a new process has it */
    uint64_t memory_lock;
};
