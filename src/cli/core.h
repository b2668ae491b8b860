/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest core: ELF64 as gdb, crash and drgn read it (System V ABI, AMD64 supplement; core(5)).
 *
 *   ELF header, program headers
 *   PT_NOTE                  NT_PRSTATUS × vCPU    "CORE": general registers, pid: vCPU + 1
 *                            QEMU × vCPU           "QEMU", type 0: control and segment registers,
 *                                                  by which crash finds a randomized kernel
 *                            VMCOREINFO            the guest's own note, where it was found
 *   PT_LOAD × RAM extent     p_paddr and p_vaddr: guest-physical; the file's pages as they are
 *
 * crash reads the notes with the headers, so they stand before the memory, and takes the file for
 * a kdump because the segments' p_align is 0 (crash, netdump.c). All is written from the front to
 * the back, so that the file can be a pipe: the guest's note is looked for beforehand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parclose/session.h"

#define CORE_PAGE           4096
#define CORE_VMCOREINFO_MAX CORE_PAGE /* bytes of the guest's note, with its header and name */

struct core {
    uint32_t vcpus_count;
    uint32_t extents_count;
    struct session_extent extents[2];
    uint64_t offsets[2]; /* of the extents in the file: multiples of CORE_PAGE */
    uint64_t size;       /* of the file */
    uint8_t vmcoreinfo[CORE_VMCOREINFO_MAX];
    size_t vmcoreinfo_size; /* 0: not found */
};

/* -EINVAL: an extent is empty, odd, or overlaps; no vCPU, or too many. */
int core_begin(struct core *core, const struct session_info *info);

/* Whether a page of RAM is the kernel's vmcoreinfo note; the first that is is kept. */
bool core_look(struct core *core, const uint8_t page[CORE_PAGE]);

/* Places everything: after it only the contents are missing. */
void core_place(struct core *core);

/* All in front of the memory: offsets[0] bytes. */
void core_front(const struct core *core, const struct session_registers *registers, uint8_t *bytes);
