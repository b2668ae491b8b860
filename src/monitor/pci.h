/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's PCI bus 0: a host bridge at 00:00.0 and one endpoint a VF from 00:01.0 on. Reached
 * through ECAM and, since it is cheap and stock kernels try it first, ports 0xcf8 and 0xcfc.
 */
#pragma once

#include "memory.h"
#include "parclose/ids.h"
#include "vf.h"

struct pci_bus {
    uint32_t vfs_count;
    uint32_t latch; /* port 0xcf8 */
    struct pci_config bridge;
    struct vf_context context;
    struct vf_windows windows;
    struct vf vfs[PARCLOSE_MAX_PARTITION_VFS];
};

void pci_begin(struct pci_bus *bus, struct irq_router *router, const struct guest_memory *memory,
               int vm);

/* Puts the VF of an open group on the bus. */
int pci_add(struct pci_bus *bus, int group, struct bdf bdf);

/* Every VF's driver has enabled bus mastering. */
bool pci_operating(const struct pci_bus *bus);

/* Offset in ECAM, 0..LAYOUT_ECAM_SIZE - 1; size 1, 2, 4 or 8. */
uint64_t pci_ecam_read(const struct pci_bus *bus, uint64_t offset, unsigned size);
void pci_ecam_write(struct pci_bus *bus, uint64_t offset, unsigned size, uint64_t value);

/* Port 0xcf8 + offset, 0..7. */
uint32_t pci_port_read(const struct pci_bus *bus, unsigned offset, unsigned size);
void pci_port_write(struct pci_bus *bus, unsigned offset, unsigned size, uint32_t value);

/* Memory accesses to BARs that trapped. False: no BAR is there. */
bool pci_memory_read(const struct pci_bus *bus, uint64_t address, unsigned size, uint64_t *value);
bool pci_memory_write(struct pci_bus *bus, uint64_t address, unsigned size, uint64_t value);
