/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks on configuration space: every register at random; BARs laid where they must not be; a
 * device that is switched off and reset while another processor uses it and it does DMA.
 */
#include "pci.h"

#define EXPRESS_CONTROL 8 /* in the capability */
#define EXPRESS_RESET   0x8000u
#define EXPRESS_CAN     0x10000000u /* device capabilities: function-level reset */
#define PM_CONTROL      4
#define CONFIG_PORT     0xcf8
#define PATTERN         UINT64_C(0x1122334455667788)
#define BIG             UINT64_C(0x10000)

static uint8_t victim[2 * BIG] __attribute__((aligned(BIG))); /* RAM under a BAR */

/* ---- every register ---- */

void attack_ecam(uint64_t steps)
{
    pci_save();
    for (uint64_t i = 0; i < steps; i++) {
        unsigned size = 1u << random_below(4);
        uint64_t offset = random_below(2) ? random_below(4) * 0x8000 + random_below(0x200)
                                          : random_below(ECAM_SIZE - 8);
        uint64_t value = random_value();

        if (random_below(8) == 0) { /* the older way, any bus */
            out32(CONFIG_PORT, (uint32_t)(random64() | 0x80000000));
            out32(CONFIG_PORT + 4, (uint32_t)value);
        } else if (random_below(2)) {
            (void)try_write(ECAM + offset, size, value);
        } else {
            (void)try_read(ECAM + offset, size, &value);
        }
    }
    pci_restore();
    if (config_read(0, 0, 4) != BRIDGE_ID)
        broken("the host bridge is another one", config_read(0, 0, 4));
}

/* ---- BARs ---- */

static uint32_t ioapic_id(void)
{
    write_mem(IOAPIC, 4, 1);
    return (uint32_t)read_mem(IOAPIC + 0x10, 4);
}

/* What a BAR laid over something must not have changed. */
static void check_all(uint32_t lapic, uint32_t ioapic, uint64_t where)
{
    for (uint64_t i = 0; i < sizeof(victim); i += 4096)
        if (*(volatile uint64_t *)(victim + i) != PATTERN + i)
            broken("a BAR hides memory, laid at", where);
    if (config_read(0, 0, 4) != BRIDGE_ID)
        broken("a BAR hides configuration space, laid at", where);
    if (read_mem(LAPIC + 0x30, 4) != lapic)
        broken("a BAR hides the local APIC, laid at", where);
    if (ioapic_id() != ioapic)
        broken("a BAR hides the I/O APIC, laid at", where);
}

#define PLACES 22

/* The nth place, each once; from then on any. */
static uint64_t place_for(uint64_t nth, const struct pci_bar_place *other)
{
    const uint64_t places[PLACES] = {(uint64_t)victim,
                                     (uint64_t)victim + BIG,
                                     0,
                                     0x100000,
                                     ECAM,
                                     ECAM - 0x1000,
                                     ECAM + ECAM_SIZE - 0x4000,
                                     LAPIC,
                                     IOAPIC,
                                     PCI_WINDOW_END - 0x4000,
                                     PCI_WINDOW - 0x4000,
                                     UINT64_C(0xfffbc000),
                                     UINT64_C(0xfffff000),
                                     UINT64_C(0x100000000),
                                     UINT64_C(0x4ffffc000),
                                     UINT64_C(0x500000000),
                                     UINT64_C(1) << 36,
                                     UINT64_C(1) << 52,
                                     UINT64_C(1) << 63,
                                     UINT64_MAX,
                                     other->address,
                                     other->address + 0x1000};

    if (nth < PLACES)
        return places[nth];
    if (random_below(8) == 0)
        return random_value();
    return places[random_below(PLACES)] + random_below(2) * 0x10;
}

static void move_bar(unsigned device, unsigned index, uint64_t nth, uint32_t lapic, uint32_t ioapic)
{
    struct pci_bar_place place = pci_bar(device, index);
    struct pci_bar_place other = pci_bar(device, (unsigned)random_below(PCI_BARS));
    uint64_t where = place_for(nth, &other), value;

    if (!place.size)
        return;
    if (random_below(2))
        pci_enable(device, false);
    pci_bar_set(device, &place, index, where);
    pci_enable(device, true);
    check_all(lapic, ioapic, where);
    if (where >= PCI_WINDOW && where < UINT64_C(0x7ffff0000))
        (void)try_read(where + random_below(place.size) / 4 * 4, 4, &value);
    pci_bar_set(device, &place, index, place.address);
}

void attack_bars(uint64_t steps)
{
    uint32_t lapic = (uint32_t)read_mem(LAPIC + 0x30, 4), ioapic = ioapic_id();

    for (uint64_t i = 0; i < sizeof(victim); i += 4096)
        *(volatile uint64_t *)(victim + i) = PATTERN + i;
    pci_save();
    for (uint64_t i = 0; i < PLACES + steps / 16; i++)
        for (unsigned device = 1; device < PCI_DEVICES; device++)
            for (unsigned index = 0; pci_present(device) && index < PCI_BARS; index++)
                move_bar(device, index, i, lapic, ioapic);
    pci_restore();
    check_all(lapic, ioapic, 0);
}

/* ---- on and off, and reset, in use ---- */

/* Transmit ring 0 of an 82576's VF (datasheet, 7.2 and 8.26); the PF lets it work after a reset
 * message. */
#define VF_STATUS    0x0008
#define VF_MAILBOX   0x0c40
#define VF_MESSAGE   0x0800
#define VF_RING      0x3800 /* base low, high, length */
#define VF_HEAD      0x3810
#define VF_TAIL      0x3818
#define VF_CONTROL   0x3828
#define RING_ENTRIES 256
#define IGBVF_ID     UINT32_C(0x10ca8086)

static struct {
    uint64_t address, command;
} ring[RING_ENTRIES] __attribute__((aligned(4096)));
static volatile uint64_t hammered; /* BAR that the second processor reads */

static void hammer(void)
{
    if (hammered)
        (void)read_mem(hammered + VF_STATUS, 4);
}

static void begin_dma(unsigned device, uint64_t bar)
{
    if (config_read(device, 0, 4) != IGBVF_ID)
        return;
    write_mem(bar + VF_MESSAGE, 4, 1); /* reset */
    write_mem(bar + VF_MAILBOX, 4, 1); /* for the PF */
    for (unsigned i = 0; i < 1000; i++)
        (void)read_mem(bar + VF_STATUS, 4); /* the PF's driver needs a moment */
    write_mem(bar + VF_RING, 4, (uint32_t)(uint64_t)ring);
    write_mem(bar + VF_RING + 4, 4, 0);
    write_mem(bar + VF_RING + 8, 4, sizeof(ring));
    write_mem(bar + VF_CONTROL, 4, UINT32_C(1) << 25);
}

/* Descriptors that point anywhere, of any length and kind. */
static void do_dma(unsigned device, uint64_t bar)
{
    static uint32_t tail;

    if (config_read(device, 0, 4) != IGBVF_ID)
        return;
    for (unsigned i = 0; i < 8; i++, tail = (tail + 1) % RING_ENTRIES) {
        ring[tail].address =
            random_below(2) ? (uint64_t)victim + random_below(BIG) : random_value();
        ring[tail].command =
            random_below(2) ? random64() : (UINT64_C(0x2b) << 24 | random_below(2000));
    }
    write_mem(bar + VF_TAIL, 4, tail);
}

static void attack_device(unsigned device, uint64_t steps, void (*disturb)(unsigned device))
{
    struct pci_bar_place place = pci_bar(device, 0);

    if (!place.size)
        return;
    pci_enable(device, true);
    begin_dma(device, place.address);
    hammered = place.address;
    for (uint64_t i = 0; i < steps; i++) {
        do_dma(device, place.address);
        disturb(device);
    }
    hammered = 0;
    pci_enable(device, true);
}

static void each_device(uint64_t steps, void (*disturb)(unsigned device))
{
    bool two = second_start();

    pci_save();
    second_do(hammer);
    for (unsigned device = 1; device < PCI_DEVICES; device++)
        if (pci_present(device))
            attack_device(device, steps, disturb);
    second_do(NULL);
    pci_restore();
    say_number("\nH: second processor", two);
    say_number("rounds", second_rounds());
    say_line("");
}

static void switch_off_and_on(unsigned device)
{
    config_write(device, COMMAND, 2, (uint32_t)random64() & 0x547);
    if (random_below(2))
        (void)config_read(device, COMMAND, 2);
    pci_enable(device, true);
}

void attack_decode(uint64_t steps)
{
    each_device(steps, switch_off_and_on);
}

static void reset_function(unsigned device)
{
    unsigned express = pci_capability(device, CAP_EXPRESS), pm = pci_capability(device, CAP_PM);

    if (pm && random_below(2)) {
        config_write(device, pm + PM_CONTROL, 2, 3); /* D3hot */
        (void)config_read(device, pm + PM_CONTROL, 2);
        config_write(device, pm + PM_CONTROL, 2, 0);
    }
    if (express && config_read(device, express + 4, 4) & EXPRESS_CAN)
        config_write(device, express + EXPRESS_CONTROL, 2, EXPRESS_RESET);
    if (!pci_present(device))
        broken("a device is gone after its reset", device);
    pci_enable(device, true);
}

/* Each takes the device a tenth of a second. */
void attack_reset(uint64_t steps)
{
    each_device(steps / 50 + 1, reset_function);
}
