/* SPDX-License-Identifier: Apache-2.0 */
/* A bzImage at its 64-bit entry: boot_linux() of boot.h. */
#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "boot.h"
#include "boot_file.h"
#include "bzimage.h"
#include "layout.h"

#define LOADER_TYPE 0xff
#define PAGE_TABLE  0x003 /* present, writable */
#define PAGE_2M     0x083 /* and large */

_Static_assert(BOOT_HEAD >= BZIMAGE_HEAD, "the header is in the head");

/* The first 4 GiB, one to one, in pages of 2 MiB. */
static void write_page_tables(const struct guest_memory *memory)
{
    uint64_t *pml4 = memory_at(memory, (struct gpa){LAYOUT_PAGE_TABLES}, UINT64_C(6) * 4096);
    uint64_t *pdpt = pml4 + 512;
    uint64_t *directories = pdpt + 512;

    pml4[0] = (LAYOUT_PAGE_TABLES + 4096) | PAGE_TABLE;
    for (uint64_t i = 0; i < 4; i++)
        pdpt[i] = (LAYOUT_PAGE_TABLES + 4096 * (2 + i)) | PAGE_TABLE;
    for (uint64_t i = 0; i < UINT64_C(4) * 512; i++)
        directories[i] = i << 21 | PAGE_2M;
}

static void write_zero_page(const struct guest_memory *memory, const struct bzimage *image,
                            const uint8_t *head, uint64_t initrd, uint64_t initrd_size)
{
    struct boot_params *params =
        memory_at(memory, (struct gpa){LAYOUT_ZERO_PAGE}, sizeof(struct boot_params));
    struct boot_range ranges[BOOT_RANGES_MAX];

    memset(params, 0, sizeof(*params));
    memcpy((uint8_t *)params + BZIMAGE_HEADER, head + BZIMAGE_HEADER, image->header_size);
    params->hdr.type_of_loader = LOADER_TYPE;
    params->hdr.code32_start = (uint32_t)image->load;
    params->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
    params->hdr.ramdisk_image = (uint32_t)initrd;
    params->hdr.ramdisk_size = (uint32_t)initrd_size;
    params->acpi_rsdp_addr = LAYOUT_ACPI;
    params->e820_entries = (uint8_t)boot_ranges(memory, ranges);
    for (uint32_t i = 0; i < params->e820_entries; i++)
        params->e820_table[i] =
            (struct boot_e820_entry){ranges[i].start, ranges[i].size, ranges[i].type};
}

int boot_linux(const struct boot_config *config, const struct guest_memory *memory,
               const uint8_t head[BOOT_HEAD], uint64_t size, struct boot_entry *entry,
               const char **what)
{
    struct bzimage image;
    uint64_t initrd, initrd_size;

    int rc = bzimage_parse(head, size, &image);
    if (rc == 0)
        rc = boot_file_load(memory, config->kernel, image.load, image.payload_size,
                            image.payload_offset);
    if (rc < 0)
        return rc;
    *what = "initrd";
    rc = boot_file_initrd(memory, config->initrd, image.load + image.init_size, image.initrd_max,
                          &initrd, &initrd_size);
    if (rc < 0)
        return rc;
    *what = "command line";
    rc = boot_cmdline(memory, config->cmdline, image.cmdline_max);
    if (rc < 0)
        return rc;
    write_zero_page(memory, &image, head, initrd, initrd_size);
    write_page_tables(memory);
    *entry = (struct boot_entry){BOOT_LONG, image.load + BZIMAGE_ENTRY_64, LAYOUT_ZERO_PAGE};
    return 0;
}
