/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration space through ECAM, bus 0, functions 0: as much as the attacks need. */
#pragma once

#include "guest.h"

#define PCI_DEVICES 32
#define PCI_BARS    6

#define COMMAND        0x04
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define BAR0           0x10
#define CAP_PM         0x01
#define CAP_EXPRESS    0x10
#define CAP_MSIX       0x11
#define BRIDGE_ID      UINT32_C(0x00081b36)

static inline uint64_t config_at(unsigned device, unsigned offset)
{
    return ECAM + device * UINT64_C(0x8000) + offset;
}

static inline uint32_t config_read(unsigned device, unsigned offset, unsigned size)
{
    return (uint32_t)read_mem(config_at(device, offset), size);
}

static inline void config_write(unsigned device, unsigned offset, unsigned size, uint32_t value)
{
    write_mem(config_at(device, offset), size, value);
}

bool pci_present(unsigned device);
unsigned pci_capability(unsigned device, uint8_t id); /* 0: none */

struct pci_bar_place {
    uint64_t address; /* 0: no BAR */
    uint64_t size;
    bool wide;
};

struct pci_bar_place pci_bar(unsigned device, unsigned index);
void pci_bar_set(unsigned device, const struct pci_bar_place *place, unsigned index,
                 uint64_t address);

/* Memory and bus mastering. */
void pci_enable(unsigned device, bool on);

/* All BARs and the command register of every function, and back. */
void pci_save(void);
void pci_restore(void);
