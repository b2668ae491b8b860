/* SPDX-License-Identifier: Apache-2.0 */
#include "gdb_packet.h"

#include <string.h>

#define INTERRUPT 0x03
#define ESCAPE    '}'
#define ESCAPED   0x20

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* ---- what comes ---- */

static enum gdb_event between(struct gdb_input *in, uint8_t byte)
{
    if (byte == INTERRUPT)
        return GDB_INTERRUPT;
    if (byte == '-')
        return GDB_AGAIN;
    if (byte == '$') {
        in->state = GDB_DATA;
        in->sum = 0;
        in->size = 0;
        in->too_long = false;
    }
    return GDB_NOTHING;
}

static void keep(struct gdb_input *in, uint8_t byte)
{
    if (in->size < GDB_PACKET_MAX)
        in->bytes[in->size++] = (char)byte;
    else
        in->too_long = true;
}

static void data(struct gdb_input *in, uint8_t byte)
{
    bool escaped = in->state == GDB_ESCAPED;

    if (byte == '#' && !escaped) {
        in->bytes[in->size] = '\0';
        in->state = GDB_SUM_HIGH;
        return;
    }
    in->sum = (uint8_t)(in->sum + byte);
    in->state = GDB_DATA;
    if (escaped)
        keep(in, byte ^ ESCAPED);
    else if (byte == ESCAPE)
        in->state = GDB_ESCAPED;
    else
        keep(in, byte);
}

static enum gdb_event end(struct gdb_input *in, uint8_t byte)
{
    int low = digit((char)byte), high = digit((char)in->said);

    in->state = GDB_BETWEEN;
    return low >= 0 && high >= 0 && in->sum == high * 16 + low && !in->too_long ? GDB_PACKET
                                                                                : GDB_WRONG;
}

enum gdb_event gdb_input_byte(struct gdb_input *in, uint8_t byte)
{
    switch (in->state) {
    case GDB_BETWEEN:
        return between(in, byte);
    case GDB_DATA:
    case GDB_ESCAPED:
        data(in, byte);
        return GDB_NOTHING;
    case GDB_SUM_HIGH:
        in->said = byte;
        in->state = GDB_SUM_LOW;
        return GDB_NOTHING;
    case GDB_SUM_LOW:
        break;
    }
    return end(in, byte);
}

/* ---- what goes ---- */

size_t gdb_frame(const char *bytes, size_t size, char *frame)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + (uint8_t)bytes[i]);
    frame[0] = '$';
    memcpy(frame + 1, bytes, size);
    frame[size + 1] = '#';
    gdb_put_bytes(frame + size + 2, &sum, 1);
    return size + 4;
}

/* ---- hexadecimal ---- */

bool gdb_take_hex(const char **at, uint64_t *value)
{
    const char *from = *at;

    *value = 0;
    for (; digit(**at) >= 0; ++*at) {
        if (*value >> 60)
            return false;
        *value = *value << 4 | (unsigned)digit(**at);
    }
    return *at > from;
}

void gdb_put_bytes(char *text, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;

    for (size_t i = 0; i < size; i++) {
        text[i * 2] = digits[from[i] >> 4];
        text[i * 2 + 1] = digits[from[i] & 15];
    }
}

bool gdb_get_bytes(const char *text, void *bytes, size_t size)
{
    uint8_t *to = bytes;

    for (size_t i = 0; i < size; i++) {
        int high = digit(text[i * 2]), low = high < 0 ? -1 : digit(text[i * 2 + 1]);
        if (low < 0)
            return false;
        to[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}
