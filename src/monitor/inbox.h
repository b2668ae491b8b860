/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message from lead with its files, as received.
 *
 * The kernel writes a message right in here, and forgets it. A main that dies just then leaves
 * `receiving` set and the sender's size in `header`: its successor takes the message as it lies.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "parclose/wire.h"

struct inbox {
    union {
        struct wire_header header;
        uint8_t bytes[WIRE_MAX];
    };
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
    struct iovec part;
    struct msghdr message;
    uint32_t size;
    uint32_t files_count;
    int files[WIRE_MAX_FDS]; /* -1: taken by the handler */
    bool cut;                /* longer, or with more files, than anything permitted */
    bool receiving;          /* the kernel was asked for one */
    bool pending;            /* received, not yet done with */
    bool handled;            /* carried out; its files are still to be closed */
};

/* 1: a message; 0: the other end is closed; -EAGAIN: nothing there; negative errno. */
int inbox_receive(struct inbox *inbox, int link);

/* Takes what a dead main was receiving. */
void inbox_recover(struct inbox *inbox);

/* Closes the files that nobody took. */
void inbox_close(struct inbox *inbox);

static inline int inbox_take(struct inbox *inbox, unsigned index)
{
    int fd = inbox->files[index];

    inbox->files[index] = -1;
    return fd;
}
