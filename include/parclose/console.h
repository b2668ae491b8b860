/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console channel: one memfd of CONSOLE_SIZE with a ring each way, made by lead, mapped by the
 * partition's monitor and by command. It outlives either; the guest never waits for a reader.
 * Lead seals its size (F_SEAL_SHRINK, F_SEAL_GROW): a monitor cannot pull it from under command.
 *
 * Positions count bytes since the start and only grow; index = position % CONSOLE_RING. Each side
 * treats the other's positions as hostile: masks indices and clamps differences.
 *   output: monitor writes out[], then out_head (release), then the out eventfd. The last
 *           CONSOLE_RING bytes are always there to read: a new reader gets the scroll-back.
 *   input:  command writes in[] while in_head - in_tail < CONSOLE_RING, then in_head (release),
 *           then the in eventfd; the monitor advances in_tail.
 */
#pragma once

#include <stdint.h>

#define CONSOLE_RING 65536

struct console_ring {
    _Atomic uint64_t out_head;
    uint8_t pad0[56];
    _Atomic uint64_t in_head;
    uint8_t pad1[56];
    _Atomic uint64_t in_tail;
    uint8_t pad2[4096 - 136];
    uint8_t out[CONSOLE_RING];
    uint8_t in[CONSOLE_RING];
};
#define CONSOLE_SIZE (4096 + 2 * CONSOLE_RING)
_Static_assert(sizeof(struct console_ring) == CONSOLE_SIZE, "shared-memory size");
