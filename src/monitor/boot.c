/* SPDX-License-Identifier: Apache-2.0 */
#include "boot.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "acpi.h"
#include "bzimage.h"
#include "layout.h"
#include "sys.h"

#define LOADER_TYPE 0xff
#define ROM_END     0x100000
#define PAGE_TABLE  0x003 /* present, writable */
#define PAGE_2M     0x083 /* and large */

/* ---- files ---- */

static int file_size(int fd, uint64_t *size)
{
    struct stat st = {.st_size = 0};
    long rc = sys_fstat(fd, &st);

    if (rc < 0)
        return (int)rc;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0)
        return -EINVAL;
    *size = (uint64_t)st.st_size;
    return 0;
}

static int read_all(int fd, void *to, uint64_t size, uint64_t offset)
{
    uint8_t *at = to;

    while (size) {
        long got = sys_pread(fd, at, size, offset);

        if (got <= 0)
            return got < 0 ? (int)got : -EIO; /* it became shorter meanwhile */
        at += got;
        offset += (uint64_t)got;
        size -= (uint64_t)got;
    }
    return 0;
}

static int load_part(const struct guest_memory *memory, int fd, uint64_t gpa, uint64_t size,
                     uint64_t offset)
{
    void *to = memory_at(memory, (struct gpa){gpa}, size);

    return to ? read_all(fd, to, size, offset) : -ENOMEM;
}

static int load_kernel(const struct boot_config *config, const struct guest_memory *memory,
                       uint8_t *head, struct bzimage *image)
{
    uint64_t size = 0;
    int rc = file_size(config->kernel, &size);

    if (rc == 0 && size < BZIMAGE_HEAD)
        rc = -ENOEXEC;
    if (rc == 0)
        rc = read_all(config->kernel, head, BZIMAGE_HEAD, 0);
    if (rc == 0)
        rc = bzimage_parse(head, size, image);
    if (rc == 0)
        rc = load_part(memory, config->kernel, image->load, image->payload_size,
                       image->payload_offset);
    return rc;
}

static int load_initrd(const struct boot_config *config, const struct guest_memory *memory,
                       const struct bzimage *image, uint64_t *initrd, uint64_t *size)
{
    int rc = 0;

    *size = 0;
    if (config->initrd >= 0)
        rc = file_size(config->initrd, size);
    if (rc == 0)
        rc = bzimage_place(image, memory_extent(memory, 0).size, *size, initrd);
    if (rc == 0 && *size)
        rc = load_part(memory, config->initrd, *initrd, *size, 0);
    return rc;
}

/* ---- tables for the entry ---- */

static void write_gdt(const struct guest_memory *memory)
{
    static const uint64_t gdt[4] = {0, 0, UINT64_C(0x00af9b000000ffff),
                                    UINT64_C(0x00cf93000000ffff)};

    memcpy(memory_at(memory, (struct gpa){LAYOUT_GDT}, sizeof(gdt)), gdt, sizeof(gdt));
}

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

static void add_range(struct boot_params *params, uint64_t start, uint64_t end, uint32_t type)
{
    if (end > start)
        params->e820_table[params->e820_entries++] =
            (struct boot_e820_entry){.addr = start, .size = end - start, .type = type};
}

static void write_memory_map(struct boot_params *params, const struct guest_memory *memory)
{
    struct memory_extent low = memory_extent(memory, 0), high = memory_extent(memory, 1);
    const uint32_t ram = 1, reserved = 2;

    add_range(params, 0, LAYOUT_LOW_END, ram);
    add_range(params, LAYOUT_LOW_END, ROM_END, reserved);
    add_range(params, LAYOUT_HIGH_START, low.size, ram);
    add_range(params, LAYOUT_ECAM, LAYOUT_ECAM + LAYOUT_ECAM_SIZE, reserved);
    add_range(params, high.gpa.value, high.gpa.value + high.size, ram);
}

static int write_cmdline(const struct guest_memory *memory, const struct bzimage *image,
                         const char *cmdline)
{
    size_t length = strlen(cmdline);
    char *to = memory_at(memory, (struct gpa){LAYOUT_CMDLINE}, length + 1);

    if (length > image->cmdline_max || !to)
        return -E2BIG;
    memcpy(to, cmdline, length + 1);
    return 0;
}

static void write_zero_page(const struct guest_memory *memory, const struct bzimage *image,
                            const uint8_t *head, uint64_t initrd, uint64_t initrd_size)
{
    struct boot_params *params =
        memory_at(memory, (struct gpa){LAYOUT_ZERO_PAGE}, sizeof(struct boot_params));

    memset(params, 0, sizeof(*params));
    memcpy((uint8_t *)params + BZIMAGE_HEADER, head + BZIMAGE_HEADER, image->header_size);
    params->hdr.type_of_loader = LOADER_TYPE;
    params->hdr.code32_start = (uint32_t)image->load;
    params->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
    params->hdr.ramdisk_image = (uint32_t)initrd;
    params->hdr.ramdisk_size = (uint32_t)initrd_size;
    params->acpi_rsdp_addr = LAYOUT_ACPI;
    write_memory_map(params, memory);
}

static int write_acpi(const struct guest_memory *memory, uint32_t vcpus)
{
    struct acpi_config config = {.vcpus = vcpus, .pci64 = memory_pci64(memory)};
    struct gpa gpa = {LAYOUT_ACPI};
    int rc = acpi_write(&config, memory_at(memory, gpa, LAYOUT_ACPI_SIZE), LAYOUT_ACPI_SIZE, gpa);

    return rc < 0 ? rc : 0;
}

int boot_load(const struct boot_config *config, const struct guest_memory *memory,
              struct boot_entry *entry, const char **what)
{
    static uint8_t head[BZIMAGE_HEAD]; /* main only */
    struct bzimage image;
    uint64_t initrd, initrd_size;
    int rc;

    *what = "kernel";
    rc = load_kernel(config, memory, head, &image);
    if (rc < 0)
        return rc;
    *what = "initrd";
    rc = load_initrd(config, memory, &image, &initrd, &initrd_size);
    if (rc < 0)
        return rc;
    *what = "command line";
    rc = write_cmdline(memory, &image, config->cmdline);
    if (rc < 0)
        return rc;
    *what = "ACPI tables";
    write_zero_page(memory, &image, head, initrd, initrd_size);
    write_gdt(memory);
    write_reset_entry(memory);
    write_page_tables(memory);
    *entry = (struct boot_entry){image.load + BZIMAGE_ENTRY_64, LAYOUT_ZERO_PAGE};
    return write_acpi(memory, config->vcpus);
}
