/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's first state: kernel, initrd, command line, tables in its memory; the registers of its
 * first processor at the kernel's 64-bit entry (Linux Documentation/arch/x86/boot.rst, "64-bit Boot
 * Protocol"). The other processors wait for their start-up message.
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

/* Where the first processor begins. */
struct boot_entry {
    uint64_t rip, rsi;
};

/* Fills guest memory. On failure *what names the step. */
int boot_load(const struct boot_config *config, const struct guest_memory *memory,
              struct boot_entry *entry, const char **what);

/* CPUID of all, registers of the first. */
int boot_processors(const struct vm *vm, const struct boot_entry *entry);
