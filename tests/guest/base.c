/* SPDX-License-Identifier: Apache-2.0 */
/* Text, random numbers, and what the compiler wants. */
#include "guest.h"

static uint64_t state = 1;

void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);

void *memset(void *to, int value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

void random_seed(uint64_t seed)
{
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 8; i++)
        (void)random64();
}

/* xorshift64* */
uint64_t random64(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t random_below(uint64_t end)
{
    return random64() % end;
}

uint64_t random_value(void)
{
    switch (random_below(6)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return UINT64_C(1) << random_below(64);
    case 3:
        return random_below(65536);
    case 4:
        return random64() & UINT32_MAX;
    default:
        return random64();
    }
}

/* Attacks leave the port in any state: each line sets it up again. */
static void uart_begin(void)
{
    out8(PORT_UART + 3, 0x03);
    out8(PORT_UART + 4, 0x03);
    out8(PORT_UART + 1, 0x00);
}

void say(const char *text)
{
    if (*text == '\n')
        uart_begin();
    for (; *text; text++)
        out8(PORT_UART, (uint8_t)*text);
}

void say_number(const char *name, uint64_t value)
{
    char digits[21];
    unsigned at = sizeof(digits) - 1;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    say(name);
    say("=");
    say(digits + at);
    say(" ");
}

void say_line(const char *text)
{
    say(text);
    say("\r\n");
}

_Noreturn void broken(const char *what, uint64_t value)
{
    say("\nH: BROKEN ");
    say_number(what, value);
    say_line("");
    for (;;)
        out8(PORT_PANIC, 1);
}

_Noreturn void power_off(void)
{
    for (;;)
        out8(PORT_SLEEP, 0x34);
}
