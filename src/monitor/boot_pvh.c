/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF kernel at its PVH entry: boot_pvh() of boot.h. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "boot.h"
#include "boot_file.h"
#include "layout.h"
#include "pvh.h"

#define START_MAGIC   0x336ec578
#define START_VERSION 1 /* the first with a memory map */

/* hvm_start_info and what it points to, in one piece at LAYOUT_ZERO_PAGE. */
struct start_info {
    uint32_t magic, version, flags, modules_count;
    uint64_t modules, cmdline, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "start_info.h");

struct start_module {
    uint64_t paddr, size, cmdline, reserved;
};

struct start_range {
    uint64_t start, size;
    uint32_t type, reserved;
};

struct start_page {
    struct start_info info;
    struct start_module initrd;
    struct start_range ranges[BOOT_RANGES_MAX];
};
_Static_assert(sizeof(struct start_page) <= LAYOUT_CMDLINE - LAYOUT_ZERO_PAGE, "its page");
_Static_assert(BOOT_HEAD >= PVH_HEAD, "the program headers are in the head");

static int read_entry(int kernel, const struct pvh *pvh, uint32_t *entry)
{
    static uint8_t notes[PVH_NOTES]; /* main only */
    int rc = boot_file_read(kernel, notes, pvh->notes_size, pvh->notes_offset);

    return rc < 0 ? rc : pvh_entry(pvh, notes, pvh->notes_size, entry);
}

/* Guest memory is new: what a segment has beyond the file's bytes is zero. */
static int load_segments(const struct guest_memory *memory, int kernel, const struct pvh *pvh)
{
    for (uint32_t i = 0; i < pvh->segments_count; i++) {
        const struct pvh_segment *segment = &pvh->segments[i];
        if (!memory_at(memory, (struct gpa){segment->paddr}, segment->memory_size))
            return -ENOMEM;
        int rc =
            boot_file_load(memory, kernel, segment->paddr, segment->file_size, segment->offset);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void write_start(const struct guest_memory *memory, uint64_t initrd, uint64_t initrd_size)
{
    struct start_page *page =
        memory_at(memory, (struct gpa){LAYOUT_ZERO_PAGE}, sizeof(struct start_page));
    struct boot_range ranges[BOOT_RANGES_MAX];
    uint32_t count = boot_ranges(memory, ranges);

    *page = (struct start_page){
        .info = {.magic = START_MAGIC,
                 .version = START_VERSION,
                 .modules_count = initrd_size != 0,
                 .modules = LAYOUT_ZERO_PAGE + offsetof(struct start_page, initrd),
                 .cmdline = LAYOUT_CMDLINE,
                 .rsdp = LAYOUT_ACPI,
                 .memory_map = LAYOUT_ZERO_PAGE + offsetof(struct start_page, ranges),
                 .memory_map_entries = count},
        .initrd = {.paddr = initrd, .size = initrd_size}};
    for (uint32_t i = 0; i < count; i++)
        page->ranges[i] = (struct start_range){ranges[i].start, ranges[i].size, ranges[i].type, 0};
}

int boot_pvh(const struct boot_config *config, const struct guest_memory *memory,
             const uint8_t head[BOOT_HEAD], uint64_t size, struct boot_entry *entry,
             const char **what)
{
    uint64_t initrd, initrd_size;
    uint32_t address = 0;
    struct pvh pvh;

    int rc = pvh_parse(head, size, &pvh);
    if (rc == 0)
        rc = read_entry(config->kernel, &pvh, &address);
    if (rc == 0)
        rc = load_segments(memory, config->kernel, &pvh);
    if (rc < 0)
        return rc;
    *what = "initrd";
    rc = boot_file_initrd(memory, config->initrd, pvh.end, UINT32_MAX, &initrd, &initrd_size);
    if (rc < 0)
        return rc;
    *what = "command line";
    rc = boot_cmdline(memory, config->cmdline, LAYOUT_LOW_END - LAYOUT_CMDLINE - 1);
    if (rc < 0)
        return rc;
    write_start(memory, initrd, initrd_size);
    *entry = (struct boot_entry){BOOT_PROTECTED, address, LAYOUT_ZERO_PAGE};
    return 0;
}
