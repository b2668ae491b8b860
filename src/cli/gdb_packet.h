/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of gdb's remote protocol (GDB manual, "Overview" of the remote serial protocol):
 * $DATA#SUM, "+" and "-" for taken and wrong, 0x03 for an interrupt; "}" in DATA is an escape.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET_MAX 0x4000 /* bytes of DATA, as we tell gdb */

enum gdb_event {
    GDB_NOTHING,   /* yet */
    GDB_PACKET,    /* whole and right */
    GDB_WRONG,     /* its sum, or it is too long */
    GDB_AGAIN,     /* "-": what was sent last is wanted again */
    GDB_INTERRUPT, /* 0x03 */
};

struct gdb_input {
    enum { GDB_BETWEEN, GDB_DATA, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
    uint8_t sum, said; /* as counted, as told */
    bool too_long;
    size_t size;
    char bytes[GDB_PACKET_MAX + 1]; /* of the packet, without escapes; a NUL behind them */
};

/* One byte of the stream. After GDB_PACKET `bytes` and `size` stand until the next one. */
enum gdb_event gdb_input_byte(struct gdb_input *input, uint8_t byte);

/* DATA that needs no escape, framed, to `frame` of at least size + 4 bytes; how many. */
size_t gdb_frame(const char *data, size_t size, char *frame);

/* ---- hexadecimal, both ways */

/* A number and nothing else of it; false: there is none, or more than 64 bits. Moves on `at`. */
bool gdb_take_hex(const char **at, uint64_t *value);

/* 2 × size characters, no NUL. */
void gdb_put_bytes(char *text, const void *bytes, size_t size);

/* `size` bytes out of as many pairs; false: they are none. */
bool gdb_get_bytes(const char *text, void *bytes, size_t size);
