/* SPDX-License-Identifier: Apache-2.0 */
#include "bzimage.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "layout.h"

/* Offsets in the file (boot.rst, "The Real-Mode Kernel Header"). */
#define SETUP_SECTS      0x1f1
#define BOOT_FLAG        0x1fe
#define JUMP_LENGTH      0x201 /* the header ends at 0x202 + this byte */
#define MAGIC            0x202
#define VERSION          0x206
#define LOADFLAGS        0x211
#define INITRD_ADDR_MAX  0x22c
#define RELOCATABLE      0x234
#define XLOADFLAGS       0x236
#define CMDLINE_SIZE     0x238
#define PREF_ADDRESS     0x258
#define INIT_SIZE        0x260
#define HEADER_END_LEAST 0x264
#define HEADER_END_MOST  0x290 /* the zero page has its next field there */

#define LOADED_HIGH   0x01
#define XLF_KERNEL_64 0x01
#define VERSION_LEAST 0x020c
#define MAGIC_HDRS    0x53726448
#define PAYLOAD_LEAST 0x1000
#define INIT_MOST     (UINT64_C(1) << 30)

static uint64_t field(const uint8_t *head, unsigned offset, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, head + offset, size);
    return value;
}

static int check_magic(const uint8_t *head)
{
    if (field(head, BOOT_FLAG, 2) != 0xaa55 || field(head, MAGIC, 4) != MAGIC_HDRS)
        return -ENOEXEC;
    if (field(head, VERSION, 2) < VERSION_LEAST || !(head[LOADFLAGS] & LOADED_HIGH))
        return -ENOEXEC;
    if (!(field(head, XLOADFLAGS, 2) & XLF_KERNEL_64) || !head[RELOCATABLE])
        return -ENOEXEC;
    return 0;
}

int bzimage_parse(const uint8_t head[BZIMAGE_HEAD], uint64_t file_size, struct bzimage *out)
{
    uint32_t header_end = 0x202u + head[JUMP_LENGTH];
    uint32_t sectors = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
    struct bzimage image = {
        .payload_offset = (sectors + 1) * UINT64_C(512),
        .load = field(head, PREF_ADDRESS, 8),
        .init_size = field(head, INIT_SIZE, 4),
        .initrd_max = field(head, INITRD_ADDR_MAX, 4),
        .cmdline_max = (uint32_t)field(head, CMDLINE_SIZE, 4),
        .header_size = header_end - BZIMAGE_HEADER,
    };

    if (check_magic(head) || header_end < HEADER_END_LEAST || header_end > HEADER_END_MOST)
        return -ENOEXEC;
    if (file_size < image.payload_offset + PAYLOAD_LEAST)
        return -EFBIG;
    image.payload_size = file_size - image.payload_offset;
    if (image.init_size > INIT_MOST || image.payload_size > image.init_size)
        return -EFBIG;
    if (image.load < LAYOUT_HIGH_START || image.load >= LAYOUT_LOW_MAX || image.load % 4096)
        return -EFBIG;
    *out = image;
    return 0;
}
