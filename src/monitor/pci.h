/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's PCI bus 0: a host bridge at 00:00.0; at devices 1..PARCLOSE_MAX_PARTITION_VFS one
 * place each for a VF; from device 16 on one each for a channel. An empty place reads as all ones.
 * Reached through ECAM and, since it is cheap and stock kernels try it first, ports 0xcf8 and
 * 0xcfc.
 */
#pragma once

#include "channel.h"
#include "memory.h"
#include "parclose/ids.h"
#include "vf.h"

struct pci_bus {
    uint32_t latch; /* port 0xcf8 */
    struct pci_config bridge;
    struct channel_set *channels;
    struct vf_context context;
    uint64_t look_ns;                          /* CLOCK_MONOTONIC of the next look at the VFs */
    bool dirty;                                /* a guest has begun with one of them */
    struct vf vfs[PARCLOSE_MAX_PARTITION_VFS]; /* place n is device n + 1 */
};

/* `groups`: KVM's VFIO device, or why there is none. */
void pci_begin(struct pci_bus *bus, struct irq_router *router, const struct guest_memory *memory,
               struct channel_set *channels, int vm, int groups);

/* The place of a VF that is on the bus; -1: it is not. */
int pci_find(const struct pci_bus *bus, struct bdf bdf);

/*
 * Puts the VF of an open group on the bus, at the first free place, which is returned. The VF then
 * has the group file, and the container file unless the bus had a container already: see its
 * members. -ENOSPC: the bus is full. On failure *what names the step.
 */
int pci_add(struct pci_bus *bus, int container, int group, struct bdf bdf, const char **what);

/* Takes a VF off the bus; everything of it is closed. */
void pci_remove(struct pci_bus *bus, unsigned place);

/*
 * In a new main, while it has mapped nothing: undoes what a dead one left half done, and closes
 * each VFIO file that neither a VF nor `files` (count; -1: none) has. True if there was anything.
 */
bool pci_recover(struct pci_bus *bus, const int *files, unsigned count);

/* Looks at each VF when it is time, four times a second. True: one was reset (vf_was_reset). */
bool pci_look(struct pci_bus *bus, uint64_t now_ns);

/* Whether there is one that can be looked at; how long it is until then. */
bool pci_looks(const struct pci_bus *bus);
int64_t pci_wait_ms(const struct pci_bus *bus, uint64_t now_ns);

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
