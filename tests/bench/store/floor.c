/* SPDX-License-Identifier: Apache-2.0 */
/* The least that the same durability costs: one write into space that is there, one fdatasync. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "contender.h"

#define ROOM (64 << 20)

struct plain {
    int file;
    off_t end;
};

static void *plain_open(const char *folder)
{
    static const char zeros[1 << 20];
    struct plain *plain = calloc(1, sizeof(*plain));
    char path[4096];

    snprintf(path, sizeof(path), "%s/floor", folder);
    plain->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (plain->file < 0)
        err(1, "%s", path);
    for (off_t at = 0; at < ROOM; at += (off_t)sizeof(zeros))
        if (pwrite(plain->file, zeros, sizeof(zeros), at) < 0)
            err(1, "%s", path);
    if (fsync(plain->file))
        err(1, "%s", path);
    return plain;
}

static void plain_transact(void *state, struct audit_entry *entry)
{
    struct plain *plain = state;

    if (plain->end + (off_t)entry->size > ROOM)
        plain->end = 0;
    if (pwrite(plain->file, entry, entry->size, plain->end) < 0 || fdatasync(plain->file))
        err(1, "write");
    plain->end += (off_t)entry->size;
}

static void plain_close(void *state)
{
    close(((struct plain *)state)->file);
    free(state);
}

const struct contender floor_write = {"floor", plain_open, plain_transact, plain_close};
