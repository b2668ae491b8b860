/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the console ring (parclose/console.h) and the socket that is the guest's serial port in
 * QEMU. The guest never waits for a reader; typed bytes wait in the ring until QEMU takes them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parclose/console.h"

struct console {
    int socket;  /* our end, non-blocking; -1: none */
    int out, in; /* eventfds */
    struct console_ring *ring;
    uint64_t out_head, in_tail;
    bool full; /* QEMU takes no more for now */
};

/* Maps the ring. 0 or a negative errno. */
int console_open(struct console *console, int ring, int out, int in);

/* The guest wrote: into the ring. */
void console_read(struct console *console);

/* Somebody typed, or there is room again. */
void console_write(struct console *console);
