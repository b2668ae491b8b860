/* SPDX-License-Identifier: Apache-2.0 */
/* The host's SR-IOV-capable physical functions, for who writes a configuration. Reads only. */
#pragma once

#include <stddef.h>

#include "parclose/device.h"

/* One PF as `parclose host init` proposes it. */
struct pci_scan_card {
    struct bdf bdf;
    uint32_t class;    /* enum function_class */
    uint32_t totalvfs; /* what the driver offers, at most what the card can; never 0 */
    uint16_t vendor;
    uint16_t device;
    char driver[DRIVER_NAME_MAX]; /* "": none is bound */
    char serial[CARD_SERIAL_MAX]; /* device serial number capability, hex; "": none */
};

/*
 * Fills `cards` in order of address: at most `max`; PFs beyond are left out. `root` is "/sys", or a
 * test's own tree. Returns how many, or a negative errno when there are no PCI devices to list.
 */
int pci_scan(const char *root, struct pci_scan_card *cards, size_t max);
