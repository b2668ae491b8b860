/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's first state: kernel, initrd, command line, tables in its memory; the registers of its
 * first processor at the kernel's entry. The other processors wait for their start-up message.
 *
 *   bzImage       the 64-bit entry (Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol")
 *   ELF with PVH  the 32-bit entry (Xen docs/misc/pvh.pandoc; hvm_start_info in
 *                 xen/include/public/arch-x86/hvm/start_info.h)
 */
#pragma once

#include "memory.h"
#include "vm.h"

struct boot_config {
    int kernel;
    int initrd; /* -1: none */
    const char *cmdline;
    uint32_t vcpus;
};

enum boot_mode {
    BOOT_LONG = 0,      /* 64 bits, the first 4 GiB mapped one to one; `info` in RSI */
    BOOT_PROTECTED = 1, /* 32 bits, no paging; `info` in EBX */
};

/* Where the first processor begins. */
struct boot_entry {
    enum boot_mode mode;
    uint64_t rip;
    uint64_t info; /* zero page, or hvm_start_info */
};

/* Fills guest memory. On failure *what names the step. */
int boot_load(const struct boot_config *config, const struct guest_memory *memory,
              struct boot_entry *entry, const char **what);

/* CPUID of all, registers of the first. */
int boot_processors(const struct vm *vm, const struct boot_entry *entry);

/* --- the two kinds of kernels: boot_linux.c, boot_pvh.c. `head`: the file's first BOOT_HEAD bytes,
 * zeros where it is shorter; `size`: the file's. */
#define BOOT_HEAD 4096

int boot_linux(const struct boot_config *config, const struct guest_memory *memory,
               const uint8_t head[BOOT_HEAD], uint64_t size, struct boot_entry *entry,
               const char **what);
int boot_pvh(const struct boot_config *config, const struct guest_memory *memory,
             const uint8_t head[BOOT_HEAD], uint64_t size, struct boot_entry *entry,
             const char **what);

/* What both have. The command line may have `max` bytes; -E2BIG. */
int boot_cmdline(const struct guest_memory *memory, const char *cmdline, uint64_t max);
void boot_gdt(const struct guest_memory *memory);

enum boot_range_type { /* as in both protocols */
                       RANGE_RAM = 1,
                       RANGE_RESERVED = 2,
};

struct boot_range {
    uint64_t start, size;
    uint32_t type; /* enum boot_range_type */
};

/* The guest's address map; how many ranges. */
#define BOOT_RANGES_MAX 5
uint32_t boot_ranges(const struct guest_memory *memory, struct boot_range ranges[BOOT_RANGES_MAX]);
