/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports by which a guest ends: ACPI sleep and reset registers, the panic port, and the two older
 * ways to reset a PC (port 0xcf9, keyboard controller).
 *
 *   LAYOUT_SLEEP     sleep control  W: bits 2-4 sleep type, bit 5 go (ACPI 6.5, 4.8.3.7)
 *   LAYOUT_SLEEP + 1 sleep status   R: 0
 *   LAYOUT_SLEEP + 2 reset          W: LAYOUT_RESET_VALUE
 *   LAYOUT_PANIC     panic          R: bit 0 panic can be told; W: bit 0 the guest panicked
 *   0xcf9            reset control  W: bit 2 reset
 *   0x64             keyboard       W: 0xfe reset
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct monitor;

bool power_has_port(uint64_t port, unsigned size, bool write);

/* The value read; a write may end the partition. */
uint8_t power_access(struct monitor *monitor, uint64_t port, bool write, uint8_t value);

/* Presses the guest's power button. */
void power_button(struct monitor *monitor);
