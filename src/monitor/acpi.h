/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's ACPI tables (ACPI 6.5, hardware-reduced): RSDP, XSDT, FADT, MADT, MCFG, SRAT, WDAT,
 * DSDT.
 *
 * They say what the partition always has: processors and memory, in one proximity domain because
 * its memory is of one node, I/O APIC, PCI host bridge with its windows, a hot-plug place for each
 * VF, serial port, power button, panic port, watchdog, sleep and reset registers. VFs are found by
 * scanning the bus, so the tables do not depend on them.
 *
 * Hot-plug (Linux drivers/pci/hotplug/acpiphp_glue.c): a place has _ADR, _SUN and _EJ0. It has no
 * _STA: configuration space says whether a VF is there, and is asked at once.
 */
#pragma once

#include <stdint.h>

#include "parclose/ids.h"

struct acpi_memory {
    uint64_t start, size; /* size 0: none */
};

struct acpi_config {
    uint32_t vcpus;
    struct acpi_memory memory[2];
    uint64_t pci64; /* first address of the 64-bit PCI window */
};

/*
 * Writes all tables into bytes[0, size), which the guest sees at gpa; the RSDP is first.
 * Returns the length used or -ENOSPC.
 */
int acpi_write(const struct acpi_config *config, uint8_t *bytes, uint32_t size, struct gpa gpa);
