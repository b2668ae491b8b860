/* SPDX-License-Identifier: Apache-2.0 */
#include "pci.h"

static struct {
    uint32_t bars[PCI_BARS], command;
    bool present;
} saved[PCI_DEVICES];

bool pci_present(unsigned device)
{
    return config_read(device, 0, 4) != UINT32_MAX;
}

unsigned pci_capability(unsigned device, uint8_t id)
{
    unsigned at = config_read(device, 0x34, 1);

    for (unsigned i = 0; i < 48 && at >= 0x40; i++) {
        if (config_read(device, at, 1) == id)
            return at;
        at = config_read(device, at + 1, 1);
    }
    return 0;
}

struct pci_bar_place pci_bar(unsigned device, unsigned index)
{
    unsigned at = BAR0 + 4 * index;
    uint32_t low = config_read(device, at, 4), high = 0, command = config_read(device, COMMAND, 2);
    struct pci_bar_place place = {.wide = index < 5 && (low & 6) == 4};

    config_write(device, COMMAND, 2, command & ~COMMAND_MEMORY);
    config_write(device, at, 4, UINT32_MAX);
    uint64_t mask = config_read(device, at, 4) & ~UINT32_C(15);
    config_write(device, at, 4, low);
    if (place.wide)
        high = config_read(device, at + 4, 4);
    config_write(device, COMMAND, 2, command);
    if (!mask || low & 1)
        return (struct pci_bar_place){0, 0, false};
    place.address = (uint64_t)high << 32 | (low & ~UINT32_C(15));
    place.size = (uint32_t)~mask + UINT64_C(1);
    return place;
}

void pci_bar_set(unsigned device, const struct pci_bar_place *place, unsigned index,
                 uint64_t address)
{
    config_write(device, BAR0 + 4 * index, 4, (uint32_t)address);
    if (place->wide)
        config_write(device, BAR0 + 4 * index + 4, 4, (uint32_t)(address >> 32));
}

void pci_enable(unsigned device, bool on)
{
    uint32_t both = COMMAND_MEMORY | COMMAND_MASTER, command = config_read(device, COMMAND, 2);

    config_write(device, COMMAND, 2, on ? command | both : command & ~both);
}

void pci_save(void)
{
    for (unsigned device = 1; device < PCI_DEVICES; device++) {
        saved[device].present = pci_present(device);
        saved[device].command = config_read(device, COMMAND, 2);
        for (unsigned i = 0; i < PCI_BARS; i++)
            saved[device].bars[i] = config_read(device, BAR0 + 4 * i, 4);
    }
}

void pci_restore(void)
{
    for (unsigned device = 1; device < PCI_DEVICES; device++) {
        if (!saved[device].present)
            continue;
        for (unsigned i = 0; i < PCI_BARS; i++)
            config_write(device, BAR0 + 4 * i, 4, saved[device].bars[i]);
        config_write(device, COMMAND, 2, saved[device].command);
    }
}
