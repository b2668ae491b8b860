/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a processor offers: model-specific registers, CPUID, hypercalls; and `wild`, `processors`,
 * `triple`, after which nothing of this guest needs to be whole.
 */
#include "guest.h"

#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC    0x800 /* to 0x8ff: messages between processors */
#define MSR_KVM       0x4b564d00
#define KVM_CALL_IPI  10
#define LAPIC_COMMAND (LAPIC + 0x300)
#define GARBAGE       0x20000 /* below 1 MiB: start-up messages point there */
#define GARBAGE_SIZE  0x60000

static uint32_t random_msr(void)
{
    static const uint32_t known[] = {
        0x10,       0x3a,       0x3b,       0x48,       0x49,       0x8b,       0xfe,
        0x174,      0x175,      0x176,      0x179,      0x17a,      0x186,      0x1a0,
        0x1d9,      0x200,      0x250,      0x277,      0x2ff,      0x345,      0x38f,
        0x400,      0x480,      0x6e0,      0xc0000080, 0xc0000081, 0xc0000082, 0xc0000102,
        0xc0000103, 0xc0010000, 0xc0010010, 0xc0010015, 0xc001001f, 0xc0010055, 0xc0010114,
        0xc0010117, 0xc0010140, 0x40000000, 0x40000001, 0x40000020};

    switch (random_below(4)) {
    case 0:
        return known[random_below(sizeof(known) / sizeof(known[0]))];
    case 1:
        return MSR_KVM + (uint32_t)random_below(16);
    case 2:
        return (uint32_t)random_below(0x2000) | (random_below(2) ? 0xc0000000 : 0);
    default:
        return (uint32_t)random64();
    }
}

static void cpuid(uint32_t leaf, uint32_t index)
{
    uint32_t a = leaf, b, c = index, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

void attack_registers(uint64_t steps)
{
    uint64_t value;

    for (uint64_t i = 0; i < steps; i++) {
        uint32_t msr = random_msr();

        cpuid((uint32_t)random_value() | (random_below(2) ? 0x80000000 : 0),
              (uint32_t)random_below(8));
        (void)try_rdmsr(msr, &value);
        if (msr == MSR_APIC_BASE || (msr >= MSR_X2APIC && msr < MSR_X2APIC + 0x100))
            continue;
        (void)try_wrmsr(msr, random_value());
        if (msr >= MSR_KVM && msr < MSR_KVM + 16)
            (void)try_wrmsr(msr, 0); /* or KVM writes into our memory for ever */
    }
}

void attack_calls(uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t nr = random_below(4) ? random_below(16) : random64(), result;
        uint64_t arguments[4] = {random_value(), random_value(), random_value(), random_value()};

        if ((uint32_t)nr == KVM_CALL_IPI)
            arguments[3] &= ~UINT64_C(0x700); /* a fixed vector: SMI and INIT are `wild`'s */
        (void)try_hypercall(random_below(2), nr, arguments, &result);
    }
}

/* ---- the end ---- */

static void fill_garbage(void)
{
    for (uint64_t i = 0; i < GARBAGE_SIZE; i += 8)
        *(volatile uint64_t *)(GARBAGE + i) = random64();
}

/* The other processors begin in random bytes, again and again. */
void attack_processors(uint64_t steps)
{
    fill_garbage();
    for (uint64_t i = 0; i < steps; i++) {
        uint32_t apic = 1 + (uint32_t)random_below(3);

        send_ipi(apic, 0x4500); /* INIT */
        send_ipi(apic, 0x4600 | (GARBAGE >> 12) | (uint32_t)random_below(GARBAGE_SIZE >> 12));
        for (uint64_t wait = random_below(1000); wait; wait--)
            (void)in_port(0x80, 1);
    }
}

static void wild_step(void)
{
    uint64_t value;

    switch (random_below(8)) {
    case 0:
        (void)try_write(LAPIC + random_below(0x40) * 16, 4, random_value());
        break;
    case 1:
        (void)try_write(IOAPIC, 4, random_below(0x40));
        (void)try_write(IOAPIC + 0x10, 4, random_value());
        break;
    case 2:
        (void)try_wrmsr(random_msr(), random_value());
        break;
    case 3:
        (void)try_wrmsr(MSR_X2APIC + (uint32_t)random_below(0x100), random_value());
        break;
    case 4:
        out8((uint16_t)random64(), (uint8_t)random64());
        break;
    case 5:
        (void)try_read(random_value(), 8, &value);
        break;
    default:
        (void)try_code((void *)(GARBAGE + random_below(GARBAGE_SIZE - 64)));
        break;
    }
}

/* Everything, and random bytes as code. */
void attack_wild(uint64_t steps)
{
    fill_garbage();
    for (uint64_t i = 0; i < steps; i++)
        wild_step();
}

void attack_triple(uint64_t steps)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = {0, 0};

    (void)steps;
    __asm__ volatile("lidt %0\n\tint3" : : "m"(nothing));
}
