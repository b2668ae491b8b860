/* SPDX-License-Identifier: Apache-2.0 */
/* Counters per vCPU, for people: KVM's own by their names, and what main served by device. */
#pragma once

#include "parclose/session.h"

/* Exits that main carried out, one count for each access. */
enum exit_counter {
    COUNT_UART = 0,
    COUNT_POWER = 1,
    COUNT_PCI_PORT = 2,
    COUNT_PORT_OTHER = 3, /* nothing is there */
    COUNT_ECAM = 4,
    COUNT_MEMORY = 5, /* BARs, MSI-X tables, and where nothing is */
    COUNT_DEBUG = 6,
    EXIT_COUNTERS
};

struct monitor;

/* Main only. Leaves out what the kernel does not have. */
void stats_read(const struct monitor *monitor, struct session_stats *stats);
