/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message from lead with its files, as received.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parclose/wire.h"

struct inbox {
    union {
        struct wire_header header;
        uint8_t bytes[WIRE_MAX];
    };
    uint32_t size;
    uint32_t files_count;
    int files[WIRE_MAX_FDS]; /* -1: taken by the handler */
    bool cut;                /* longer, or with more files, than anything permitted */
    bool pending;            /* received, not yet carried out */
};

/* 1: a message; 0: the other end is closed; -EAGAIN: nothing there; negative errno. */
int inbox_receive(struct inbox *inbox, int link);

/* Closes the files that nobody took. */
void inbox_close(struct inbox *inbox);

static inline int inbox_take(struct inbox *inbox, unsigned index)
{
    int fd = inbox->files[index];

    inbox->files[index] = -1;
    return fd;
}
