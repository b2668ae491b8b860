/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a Linux bzImage, checked (Linux Documentation/arch/x86/boot.rst, protocol 2.12 and
 * later: relocatable, 64-bit entry). The file is hostile: every size is checked against the file
 * and the guest's memory before it is used.
 */
#pragma once

#include <stdint.h>

#define BZIMAGE_HEAD     4096  /* bytes of the file that parse wants to see */
#define BZIMAGE_HEADER   0x1f1 /* setup header: offset in the file and in the zero page */
#define BZIMAGE_ENTRY_64 0x200 /* 64-bit entry, from the start of the protected-mode part */

struct bzimage {
    uint64_t payload_offset; /* protected-mode part in the file */
    uint64_t payload_size;
    uint64_t load;        /* preferred address */
    uint64_t init_size;   /* memory wanted from load on */
    uint64_t initrd_max;  /* highest address of an initrd's last byte */
    uint32_t cmdline_max; /* without the NUL */
    uint32_t header_size; /* bytes of the setup header to copy to the zero page */
};

/* -ENOEXEC: not such an image; -EFBIG: its sizes contradict the file's. */
int bzimage_parse(const uint8_t head[BZIMAGE_HEAD], uint64_t file_size, struct bzimage *out);
