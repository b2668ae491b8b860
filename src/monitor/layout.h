/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's address map: one list, shared by memory, boot, ACPI and PCI.
 *
 *   0x00001000  GDT, page tables, zero page, command line: what the 64-bit entry needs
 *   0x000e0000  ACPI tables (reserved in the memory map; the RSDP first, where a search finds it)
 *   0x000ffff0  reset entry
 *   0x00100000  RAM, up to LAYOUT_LOW_MAX
 *   0xc0000000  32-bit PCI window; the channels' BARs at its end
 *   0xe8000000  ECAM of bus 0
 *   0xfec00000  I/O APIC; 0xfee00000 local APICs (both in the kernel)
 *   0x100000000 the rest of RAM, then from the next GiB the 64-bit PCI window
 */
#pragma once

#define LAYOUT_GDT         0x1000
#define LAYOUT_PAGE_TABLES 0x2000 /* PML4, PDPT, four page directories */
#define LAYOUT_ZERO_PAGE   0x8000
#define LAYOUT_CMDLINE     0x9000
#define LAYOUT_LOW_END     0x9fc00
#define LAYOUT_ACPI        0xe0000
#define LAYOUT_ACPI_SIZE   0x10000
#define LAYOUT_RESET_ENTRY 0xffff0 /* where firmware begins: a few instructions that reset */
#define LAYOUT_HIGH_START  0x100000

#define LAYOUT_LOW_MAX      UINT64_C(0xc0000000)
#define LAYOUT_PCI_WINDOW   UINT64_C(0xc0000000)
#define LAYOUT_PCI_SIZE     UINT64_C(0x28000000)
#define LAYOUT_CHANNELS     UINT64_C(0xe7f00000)
#define LAYOUT_ECAM         UINT64_C(0xe8000000)
#define LAYOUT_ECAM_SIZE    UINT64_C(0x00100000)
#define LAYOUT_IOAPIC       UINT64_C(0xfec00000)
#define LAYOUT_LAPIC        UINT64_C(0xfee00000)
#define LAYOUT_IDENTITY_MAP UINT64_C(0xfffbc000) /* three pages more: the TSS that KVM wants */
#define LAYOUT_TSS          UINT64_C(0xfffbd000)
#define LAYOUT_4G           UINT64_C(0x100000000)
#define LAYOUT_PCI64_SIZE   UINT64_C(0x400000000) /* 16 GiB */

#define LAYOUT_UART         0x3f8
#define LAYOUT_UART_STATUS  0x3fd /* its line status register */
#define LAYOUT_PANIC        0x505
#define LAYOUT_SLEEP        0x600 /* sleep control, sleep status, reset: one byte each */
#define LAYOUT_WATCHDOG     0x608 /* watchdog.h: 8 bytes */
#define LAYOUT_EVENTS       0x610 /* events for the guest's ACPI code: hotplug.h */
#define LAYOUT_GSI_UART     4
#define LAYOUT_GSI_EVENT    5  /* generic event device: power button, VFs that come and go */
#define LAYOUT_GSIS         24 /* pins of the I/O APIC; above them: the VFs' vectors */
#define LAYOUT_RESET_VALUE  1
#define LAYOUT_SLEEP_TYPE_5 5
