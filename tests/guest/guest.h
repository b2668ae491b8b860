/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bare guest of the tests: no library, no interrupts but those that attacks provoke, one to one
 * mapping. It says lines "H: …" on the serial port and ends by the sleep register; a trap that
 * nobody waits for, or a broken promise, ends it by the panic port.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The address map that it attacks (src/monitor/layout.h is for the monitor; a guest knows it from
 * ACPI). */
#define PCI_WINDOW     UINT64_C(0xc0000000)
#define PCI_WINDOW_END UINT64_C(0xe8000000)
#define ECAM           UINT64_C(0xe8000000)
#define ECAM_SIZE      UINT64_C(0x100000)
#define IOAPIC         UINT64_C(0xfec00000)
#define LAPIC          UINT64_C(0xfee00000)
#define PORT_UART      0x3f8
#define PORT_PANIC     0x505
#define PORT_SLEEP     0x600

/* ---- random numbers: the same for the same seed ---- */
void random_seed(uint64_t seed);
uint64_t random64(void);
uint64_t random_below(uint64_t end);
/* Values that break things: all ones, none, one bit, small ones, anything. */
uint64_t random_value(void);

/* ---- text ---- */
void say(const char *text);
void say_number(const char *name, uint64_t value);
void say_line(const char *text);                         /* a whole line */
_Noreturn void broken(const char *what, uint64_t value); /* a promise is: says so and panics */
_Noreturn void power_off(void);

/* ---- traps (trap.c) ---- */
extern uint64_t traps_caught, traps_nmi;
void traps_begin(void);

/* Each does one thing and comes back whatever happens; false: it trapped. */
bool try_read(uint64_t address, unsigned size, uint64_t *value);
bool try_write(uint64_t address, unsigned size, uint64_t value);
bool try_rdmsr(uint32_t msr, uint64_t *value);
bool try_wrmsr(uint32_t msr, uint64_t value);
bool try_hypercall(bool intel, uint64_t nr, const uint64_t arguments[4], uint64_t *result);
bool try_code(const void *code);

/* ---- ports ---- */
static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t in_port(uint16_t port, unsigned size)
{
    uint32_t value = 0;

    if (size == 1)
        __asm__ volatile("inb %1, %b0" : "+a"(value) : "Nd"(port));
    else if (size == 2)
        __asm__ volatile("inw %1, %w0" : "+a"(value) : "Nd"(port));
    else
        __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t read_mem(uint64_t address, unsigned size)
{
    switch (size) {
    case 1:
        return *(volatile uint8_t *)address;
    case 2:
        return *(volatile uint16_t *)address;
    case 4:
        return *(volatile uint32_t *)address;
    default:
        return *(volatile uint64_t *)address;
    }
}

static inline void write_mem(uint64_t address, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)address = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)address = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)address = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)address = value;
        break;
    }
}

/* ---- the second processor (processor.c): runs a function again and again, in a loop ---- */
bool second_start(void);
void second_do(void (*function)(void)); /* NULL: nothing */
uint64_t second_rounds(void);
void send_ipi(uint32_t apic, uint32_t command);

/* ---- attacks: one file each group. `steps` says how long. ---- */
void attack_ports(uint64_t steps);
void attack_strings(uint64_t steps);
void attack_memory(uint64_t steps);
void attack_ecam(uint64_t steps);
void attack_bars(uint64_t steps);
void attack_decode(uint64_t steps);
void attack_msix(uint64_t steps);
void attack_reset(uint64_t steps);
void attack_queues(uint64_t steps);
void attack_registers(uint64_t steps);
void attack_calls(uint64_t steps);
void attack_wild(uint64_t steps);
void attack_processors(uint64_t steps);
void attack_triple(uint64_t steps);
