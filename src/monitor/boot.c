/* SPDX-License-Identifier: Apache-2.0 */
#include "boot.h"

#include <errno.h>
#include <string.h>

#include "acpi.h"
#include "boot_file.h"
#include "layout.h"
#include "pvh.h"

#define ROM_END 0x100000

void boot_gdt(const struct guest_memory *memory)
{
    static const uint64_t gdt[4] = {0, 0, UINT64_C(0x00af9b000000ffff),
                                    UINT64_C(0x00cf93000000ffff)};

    memcpy(memory_at(memory, (struct gpa){LAYOUT_GDT}, sizeof(gdt)), gdt, sizeof(gdt));
}

/*
 * Linux on hardware-reduced ACPI resets through EFI or, without it, by a jump to where a PC's
 * firmware begins, in real mode. Ours writes the reset register.
 */
static void write_reset_entry(const struct guest_memory *memory)
{
    static const uint8_t code[] = {
        0xba,
        (LAYOUT_SLEEP + 2) & 0xff,
        (LAYOUT_SLEEP + 2) >> 8, /* mov dx, reset register */
        0xb0,
        LAYOUT_RESET_VALUE, /* mov al, value */
        0xee,               /* out dx, al */
        0xf4,
        0xeb,
        0xfd, /* hlt, for ever */
    };

    memcpy(memory_at(memory, (struct gpa){LAYOUT_RESET_ENTRY}, sizeof(code)), code, sizeof(code));
}

int boot_cmdline(const struct guest_memory *memory, const char *cmdline, uint64_t max)
{
    size_t length = strlen(cmdline);
    char *to = memory_at(memory, (struct gpa){LAYOUT_CMDLINE}, length + 1);

    if (length > max || !to)
        return -E2BIG;
    memcpy(to, cmdline, length + 1);
    return 0;
}

static uint32_t add_range(struct boot_range *ranges, uint32_t count, uint64_t start, uint64_t size,
                          uint32_t type)
{
    if (size)
        ranges[count++] = (struct boot_range){start, size, type};
    return count;
}

uint32_t boot_ranges(const struct guest_memory *memory, struct boot_range ranges[BOOT_RANGES_MAX])
{
    struct memory_extent low = memory_extent(memory, 0), high = memory_extent(memory, 1);
    uint32_t count = add_range(ranges, 0, 0, LAYOUT_LOW_END, RANGE_RAM);

    count = add_range(ranges, count, LAYOUT_LOW_END, ROM_END - LAYOUT_LOW_END, RANGE_RESERVED);
    count = add_range(ranges, count, LAYOUT_HIGH_START, low.size - LAYOUT_HIGH_START, RANGE_RAM);
    count = add_range(ranges, count, LAYOUT_ECAM, LAYOUT_ECAM_SIZE, RANGE_RESERVED);
    return add_range(ranges, count, high.gpa.value, high.size, RANGE_RAM);
}

static int write_acpi(const struct guest_memory *memory, uint32_t vcpus)
{
    struct memory_extent low = memory_extent(memory, 0), high = memory_extent(memory, 1);
    struct acpi_config config = {.vcpus = vcpus,
                                 .memory = {{low.gpa.value, low.size}, {high.gpa.value, high.size}},
                                 .pci64 = memory_pci64(memory)};
    struct gpa gpa = {LAYOUT_ACPI};
    int rc = acpi_write(&config, memory_at(memory, gpa, LAYOUT_ACPI_SIZE), LAYOUT_ACPI_SIZE, gpa);

    return rc < 0 ? rc : 0;
}

static int read_head(int kernel, uint8_t head[BOOT_HEAD], uint64_t *size)
{
    int rc = boot_file_size(kernel, size);

    memset(head, 0, BOOT_HEAD);
    return rc < 0 ? rc : boot_file_read(kernel, head, *size < BOOT_HEAD ? *size : BOOT_HEAD, 0);
}

int boot_load(const struct boot_config *config, const struct guest_memory *memory,
              struct boot_entry *entry, const char **what)
{
    static uint8_t head[BOOT_HEAD]; /* main only */
    uint64_t size;

    *what = "kernel";
    int rc = read_head(config->kernel, head, &size);
    if (rc < 0)
        return rc;
    rc = pvh_is_elf(head) ? boot_pvh(config, memory, head, size, entry, what)
                          : boot_linux(config, memory, head, size, entry, what);
    if (rc < 0)
        return rc;
    *what = "ACPI tables";
    boot_gdt(memory);
    write_reset_entry(memory);
    return write_acpi(memory, config->vcpus);
}
