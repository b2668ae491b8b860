/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel as a 64-bit ELF file with a PVH entry, checked (Xen docs/misc/pvh.pandoc; the entry is
 * ELF note 18 of owner "Xen", xen/include/public/elfnote.h). Linux, FreeBSD and small kernels have
 * one. The file is hostile: every size is checked against the file before it is used, and by the
 * caller against the guest's memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PVH_HEAD         4096 /* bytes of the file that parse wants to see: all program headers */
#define PVH_NOTES        4096 /* of its notes at most so many bytes are looked at */
#define PVH_SEGMENTS_MAX 16

struct pvh_segment {
    uint64_t offset, file_size; /* in the file */
    uint64_t paddr, memory_size;
};

struct pvh {
    uint32_t segments_count;
    struct pvh_segment
        segments[PVH_SEGMENTS_MAX];    /* to be loaded; at or above 1 MiB, below 4 GiB */
    uint64_t end;                      /* of the last one in memory */
    uint64_t notes_offset, notes_size; /* in the file */
};

bool pvh_is_elf(const uint8_t head[PVH_HEAD]);

/* -ENOEXEC: not such a file; -EFBIG: its sizes contradict the file's or the address map. */
int pvh_parse(const uint8_t head[PVH_HEAD], uint64_t file_size, struct pvh *out);

/* The entry that the notes name: inside of a segment. -ENOEXEC: they name none. */
int pvh_entry(const struct pvh *pvh, const uint8_t *notes, uint64_t size, uint32_t *entry);
