/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw configuration space as sysfs gives it, read only. Layout: PCI Local Bus Specification 3.0
 * chapter 6; extended capabilities: PCI Express Base Specification chapter 7.
 * Devices are hostile: every walk is bounded, every offset checked.
 */
#pragma once

#include <stddef.h>

#include "parclose/device.h"

#define CONFIG_SPACE_SIZE 4096
#define CONFIG_COMMAND    0x04
#define CONFIG_BARS       0x10
#define CONFIG_POINTER    0x34
#define COMMAND_MEMORY    0x0002
#define COMMAND_MASTER    0x0004

/* Reads up to `size` bytes at `offset`; returns how many, or a negative errno. */
int config_space_read(int folder, uint32_t offset, void *bytes, size_t size);

/* The capability `id` of the first 256 bytes: its offset, 0 when there is none. */
uint32_t config_space_capability(const uint8_t *config, size_t size, uint8_t id);

/* The extended capability `id`: its offset, 0 when there is none. `config` may be short. */
uint32_t config_space_extended(const uint8_t *config, size_t size, uint16_t id);

/* The SR-IOV capability at `offset` (64 bytes at `bytes`). */
void config_space_sriov(const uint8_t bytes[64], uint32_t offset, struct sriov_capability *sriov);

/* Device serial number capability as 16 hexadecimal digits; "" when there is none. */
void config_space_serial(const uint8_t *config, size_t size, char text[CARD_SERIAL_MAX]);

#define CAPABILITY_MSIX 0x11
#define MSIX_CONTROL    2 /* Message Control, in the capability */
#define MSIX_ENABLE     0x8000

#define EXTENDED_SERIAL 0x0003
#define EXTENDED_SRIOV  0x0010
