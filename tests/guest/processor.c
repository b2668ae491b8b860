/* SPDX-License-Identifier: Apache-2.0 */
/* The second processor. */
#include "guest.h"

#define SECOND_AT 0x7000 /* as in start.S */

extern const uint8_t second[], second_end[];
void second_main(void);
static volatile bool alive;
static void (*volatile job)(void);
static volatile uint64_t rounds;

void second_main(void)
{
    traps_begin();
    alive = true;
    for (;;) {
        void (*function)(void) = job;

        if (function)
            function();
        else
            __asm__ volatile("pause");
        rounds++;
    }
}

void send_ipi(uint32_t apic, uint32_t command)
{
    write_mem(LAPIC + 0x310, 4, apic << 24);
    write_mem(LAPIC + 0x300, 4, command);
}

/* True when it runs, also from before. */
bool second_start(void)
{
    if (alive)
        return true;
    for (const uint8_t *from = second; from < second_end; from++)
        *(volatile uint8_t *)(SECOND_AT + (uint64_t)(from - second)) = *from;
    send_ipi(1, 0x4500);
    for (unsigned i = 0; i < 200; i++)
        (void)in_port(0x80, 1);
    send_ipi(1, 0x4600 | SECOND_AT >> 12);
    for (unsigned i = 0; i < 20000 && !alive; i++)
        (void)in_port(0x80, 1);
    return alive;
}

void second_do(void (*function)(void))
{
    job = function;
}

uint64_t second_rounds(void)
{
    return rounds;
}
