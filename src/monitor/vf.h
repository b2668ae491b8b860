/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One VF on the guest's bus: configuration space, BARs, MSI-X, each in front of its VFIO device.
 *
 * BAR contents are mapped into the guest straight (KVM memory slots) but for the pages that hold
 * the MSI-X table and pending bits. We give each BAR an address before the guest runs; if the guest
 * moves one or switches memory decoding, the slots follow.
 */
#pragma once

#include "irq.h"
#include "vfio.h"

#define VF_PIECES 3 /* directly mapped parts of a BAR: before, between, after two trapped areas */

struct vf_area {
    uint64_t start, end; /* in the BAR; empty when equal */
};

struct vf_bar {
    uint64_t address;           /* where the guest sees it now; 0: nowhere */
    uint64_t mapped[VF_PIECES]; /* slot's guest address, 0: no slot */
    struct vf_area pieces[VF_PIECES];
};

struct vf {
    unsigned index;
    struct vfio_device device;
    struct pci_config config;
    struct msix msix;
    uint32_t table_bar, pba_bar;
    uint64_t table_offset, pba_offset;
    struct vf_bar bars[PCI_BARS];
    bool mastered; /* the guest's driver enabled bus mastering */
};

/* What of a VF's surroundings it uses. */
struct vf_context {
    struct irq_router *router;
    int vm;
    uint64_t pci64; /* start of the 64-bit window */
};

/* Where the next BAR goes, while VFs are added. */
struct vf_windows {
    uint64_t next32, next64;
};

/* The device is open. Everything up to "the guest can find it on its bus". */
int vf_attach(struct vf *vf, const struct vf_context *context, struct vf_windows *windows);

uint32_t vf_config_read(const struct vf *vf, uint32_t offset, unsigned size);
void vf_config_write(struct vf *vf, const struct vf_context *context, uint32_t offset,
                     unsigned size, uint32_t value);

/* The BAR at a guest address, or -1. */
int vf_find_bar(const struct vf *vf, uint64_t address);
uint64_t vf_bar_read(const struct vf *vf, const struct vf_context *context, unsigned bar,
                     uint64_t offset, unsigned size);
void vf_bar_write(struct vf *vf, const struct vf_context *context, unsigned bar, uint64_t offset,
                  unsigned size, uint64_t value);
