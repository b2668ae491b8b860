/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MSI-X table of one VF as the guest sees it (PCI Express Base Specification, 7.7.2). Pure
 * logic. The device's own table is the kernel's (VFIO) and never seen.
 *
 * A function that has MSI alone (7.7.1) has such a table as well, which no guest sees: its entries
 * follow from the one message of its capability.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MSIX_VECTORS       64 /* most that we give to a guest; a larger table is shown shorter */
#define MSIX_ENTRY         16
#define MSIX_CTRL_ENABLE   0x8000
#define MSIX_CTRL_MASK_ALL 0x4000

struct msix_entry {
    uint32_t words[4]; /* address low, high, data, control (bit 0: masked) */
};

struct msix {
    uint32_t count;   /* vectors, 1..MSIX_VECTORS; 0: the function has neither MSI-X nor MSI */
    uint16_t control; /* MSIX_CTRL_* */
    struct msix_entry entries[MSIX_VECTORS];
};

/* As after reset: all masked, not enabled. count is cut to MSIX_VECTORS. */
void msix_begin(struct msix *msix, uint32_t count);

/* Table access; offset from the table's start, size 4 or 8, aligned. Else: all ones, no effect. */
uint64_t msix_read(const struct msix *msix, uint64_t offset, unsigned size);

/* True when the vector it belongs to may now be delivered differently. */
bool msix_write(struct msix *msix, uint64_t offset, unsigned size, uint64_t value);

struct msi {
    uint64_t address;
    uint16_t data;
    uint8_t enable; /* Multiple Message Enable: 2^enable vectors, of those that there are */
    bool on;
};

/* The table becomes what an MSI capability says. How many vectors it enables; 0: it is off. */
uint32_t msix_from_msi(struct msix *msix, const struct msi *msi);

/* May the vector be delivered? */
bool msix_live(const struct msix *msix, uint32_t vector);
