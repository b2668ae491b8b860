/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every port, every width, one by one and as strings; memory that nothing answers, and everything
 * that the host emulates. What would end the partition by its own wish is left out: `wild` has it.
 */
#include "guest.h"

#define PORT_RESET    0xcf9
#define PORT_KEYBOARD 0x64
#define IOAPIC_MODE   UINT64_C(0x700) /* of a redirection entry: SMI and INIT are `wild`'s */
#define LAPIC_COMMAND 0x300

static uint8_t buffer[8192];

static uint8_t harmless(uint16_t port, uint8_t value)
{
    switch (port) {
    case PORT_SLEEP:
        return value & 0xdf;
    case PORT_SLEEP + 2:
        return value & 0xfe;
    case PORT_PANIC:
        return value & 0xfe;
    case PORT_RESET:
        return value & 0xfb;
    case PORT_KEYBOARD:
        return value & 0x7f;
    default:
        return value;
    }
}

static uint16_t random_port(void)
{
    static const uint16_t known[] = {0x20,  0x21,  0x40,       0x43,           0x60,   0x61,  0x64,
                                     0x70,  0x71,  0x80,       0x92,           0xa0,   0xa1,  0xb2,
                                     0x4d0, 0x4d1, PORT_PANIC, PORT_SLEEP,     0x601,  0x602, 0xcf8,
                                     0xcf9, 0xcfb, 0xcfc,      0xcfd,          0xcfe,  0xcff, 0x510,
                                     0x511, 0x514, 0x402,      PORT_UART + 1,  0x3fa,  0x3fb, 0x3fc,
                                     0x3fd, 0x3fe, 0x3ff,      PORT_SLEEP - 1, 0xffff, 0xfffe};

    if (random_below(2))
        return known[random_below(sizeof(known) / sizeof(known[0]))];
    return (uint16_t)random64();
}

static void write_port(uint16_t port, unsigned size, uint32_t value)
{
    if (size == 1)
        out8(port, harmless(port, (uint8_t)value));
    else if (size == 2)
        out16(port, (uint16_t)value);
    else
        out32(port, value);
}

/* All 65,536 once, then at random. */
void attack_ports(uint64_t steps)
{
    for (uint32_t port = 0; port < 0x10000; port += 1 + (uint32_t)random_below(32))
        (void)in_port((uint16_t)port, 1);
    for (uint64_t i = 0; i < steps; i++) {
        unsigned size = 1u << random_below(3);
        uint16_t port = random_port();

        if (random_below(2))
            write_port(port, size, (uint32_t)random_value());
        else
            (void)in_port(port, size);
    }
}

static void string_in(uint16_t port, unsigned size, void *to, uint64_t count)
{
    if (size == 1)
        __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
    else if (size == 2)
        __asm__ volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
    else
        __asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static void string_out(uint16_t port, unsigned size, const void *from, uint64_t count)
{
    if (size == 1)
        __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
    else if (size == 2)
        __asm__ volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
    else
        __asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

/* Up to 8,000 bytes from an odd place over a page's end; the serial port's flood the console. */
void attack_strings(uint64_t steps)
{
    for (uint64_t i = 0; i < steps / 8 + 1; i++) {
        unsigned size = 1u << random_below(3);
        uint64_t at = random_below(200), count = random_below(8000 / size);
        uint16_t port = random_port();

        if (random_below(2)) {
            string_in(port, size, buffer + at, count);
            continue;
        }
        for (uint64_t k = 0; k < sizeof(buffer); k++)
            buffer[k] = harmless(port, (uint8_t)random64());
        string_out(port, size, buffer + at, count);
    }
}

static uint64_t random_address(void)
{
    static const uint64_t near[] = {PCI_WINDOW,
                                    PCI_WINDOW_END,
                                    ECAM,
                                    ECAM + ECAM_SIZE,
                                    IOAPIC,
                                    IOAPIC + 0x10,
                                    IOAPIC + 0x1000,
                                    LAPIC,
                                    LAPIC + 0x1000,
                                    UINT64_C(0xfed00000),
                                    UINT64_C(0xfffbc000),
                                    UINT64_C(0xfffc0000),
                                    UINT64_C(0xfffffff0),
                                    UINT64_C(0x100000000),
                                    UINT64_C(0x140000000),
                                    UINT64_C(0x7ffffffff)};
    uint64_t base = near[random_below(sizeof(near) / sizeof(near[0]))];

    switch (random_below(4)) {
    case 0:
        return base + random_below(0x1000);
    case 1:
        return base - 1 - random_below(16); /* over its start */
    case 2:
        return (base + random_below(0x100000)) | 0xffd; /* over a page's end */
    default:
        return PCI_WINDOW + random_below(PCI_WINDOW_END - PCI_WINDOW);
    }
}

static bool in_page(uint64_t address, uint64_t page)
{
    return address + 8 > page && address < page + 0x1000;
}

static void write_memory(uint64_t address, unsigned size, uint64_t value)
{
    if (in_page(address, LAPIC))
        address = LAPIC + (LAPIC_COMMAND + 0x20) + (address & 0xff); /* no message to itself */
    if (in_page(address, IOAPIC))
        value &= ~(IOAPIC_MODE | IOAPIC_MODE << 16 | IOAPIC_MODE << 32);
    (void)try_write(address, size, value);
}

void attack_memory(uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        unsigned size = 1u << random_below(4);
        uint64_t address = random_address(), value = random_value();

        if (address < PCI_WINDOW)
            continue;
        if (random_below(2))
            write_memory(address, size, value);
        else
            (void)try_read(address, size, &value);
    }
}
