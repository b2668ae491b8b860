/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 4 KiB of configuration space of one VF as the guest sees it. Pure logic, by table: each byte
 * is either the device's own (VFIO's view of it, "pass"), or ours ("image", with the bits that the
 * guest may change). What no table names is hidden: reads zero, writes are dropped.
 *
 * VFIO already gives a VF the identity that its own registers lack (they read 0xffff), and checks
 * what passes. BARs, MSI-X control and the interrupt line are ours; so is MSI, which is shown where
 * there is no MSI-X, without masks for each vector. VPD, ROM, SR-IOV, ATS, PRI, PASID, ARI are
 * hidden: no VF needs them to work, and each would reach outside the partition. There is no INTx:
 * a VF has none (Single Root I/O Virtualization and Sharing Specification 1.1, 3.4.1: Interrupt Pin
 * reads 0).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "msix.h"

#define PCI_CONFIG_SIZE 4096
#define PCI_BARS        6
#define PCI_MSI_VECTORS 32 /* most that MSI has */

struct pci_bar {
    uint64_t size;  /* a power of two; 0: none */
    uint32_t flags; /* low four bits of the register: I/O, type, prefetchable */
};

struct pci_config {
    uint8_t image[PCI_CONFIG_SIZE];
    uint8_t writable[PCI_CONFIG_SIZE];
    uint8_t pass[PCI_CONFIG_SIZE]; /* 1: the device's */
    uint32_t msix;                 /* offset of the MSI-X capability; 0: none */
    uint32_t msi;                  /* of the MSI capability; 0: none, or there is MSI-X */
    uint32_t express;              /* of the PCI Express capability; 0: none */
    struct pci_bar bars[PCI_BARS];
};

/* Vectors to show; 0: not that capability. MSI: only with msix == 0; a power of two, at most
 * PCI_MSI_VECTORS. */
struct pci_vectors {
    uint32_t msix, msi;
};

/* From the whole space as VFIO shows it. */
void pci_config_begin(struct pci_config *config, const uint8_t raw[PCI_CONFIG_SIZE],
                      const struct pci_bar bars[PCI_BARS], struct pci_vectors vectors);

/* Shows fewer vectors, of that capability which is shown; before the guest sees it. count >= 1;
 * MSI: a power of two. */
void pci_config_set_vectors(struct pci_config *config, uint32_t count);

/*
 * Does a write ask for a function-level reset (PCI Express Base Specification 7.5.3.4, Initiate
 * Function Level Reset)? The device's side of it is VFIO's.
 */
bool pci_config_is_reset(const struct pci_config *config, uint32_t offset, unsigned size,
                         uint32_t value);

/* Our side of a reset: what the guest wrote is gone. */
void pci_config_reset(struct pci_config *config);

/* A root complex's host bridge, with nothing behind these registers. */
void pci_config_host_bridge(struct pci_config *config);

/* Our bytes over those that the device gave. offset + size <= PCI_CONFIG_SIZE, size <= 4. */
uint32_t pci_config_read(const struct pci_config *config, uint32_t offset, unsigned size,
                         uint32_t device);

/* Takes our bytes. Returns a bit for each byte that is the device's to take. */
unsigned pci_config_write(struct pci_config *config, uint32_t offset, unsigned size,
                          uint32_t value);

/* Does any of the bytes pass? */
bool pci_config_passes(const struct pci_config *config, uint32_t offset, unsigned size);

/* What the guest wrote into a BAR. */
uint64_t pci_config_bar(const struct pci_config *config, unsigned bar);
void pci_config_set_bar(struct pci_config *config, unsigned bar, uint64_t address);

uint16_t pci_config_msix_control(const struct pci_config *config);

/* What the guest wrote into its MSI capability; all zero: there is none. */
struct msi pci_config_msi(const struct pci_config *config);

/* Do the bytes touch what governs the vectors? */
bool pci_config_is_vectors(const struct pci_config *config, uint32_t offset, unsigned size);
