/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extended capabilities that say how a function's DMA is translated and isolated, and its
 * error reporting: PCI Express Base Specification, "ATS Extended Capability" (000Fh), "ACS"
 * (000Dh), "Advanced Error Reporting" (0001h). Read header by header, so that a VF costs a few
 * reads; every walk is bounded. The AER counts are the kernel's (Documentation/ABI/testing/
 * sysfs-bus-pci-devices-aer_stats): reading them takes no lock (drivers/pci/pcie/aer.c,
 * aer_stats_dev_attr).
 */
#pragma once

#include "parclose/device.h"

#define ATS_CONTROL_ENABLE 0x8000
#define ATS_CONTROL_STU    0x001f

/* An offset of 0: the function has no such capability, and the rest about it is 0. */
struct function_capabilities {
    uint32_t ats_offset;
    uint16_t ats_capability;
    uint16_t ats_control;
    uint32_t acs_offset;
    uint16_t acs_capability;
    uint16_t acs_control;
    uint32_t aer_offset;
    uint32_t aer_uncorrectable; /* status registers */
    uint32_t aer_correctable;
};

/* `folder`: the function's, of function_open(). What cannot be read is as if it were not there. */
void capabilities_read(int folder, struct function_capabilities *capabilities);

/* Of a PF or VF with AER; known is false for others. */
void aer_counts_read(int folder, struct error_counts *counts);
