/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes into the monitor from others: a kernel image, a VF's configuration space, lead's
 * messages and descriptor; and the guest's register accesses. The first byte says which.
 */
#include <stdlib.h>
#include <string.h>

#include "boot_file.h"
#include "bzimage.h"
#include "descriptor.h"
#include "layout.h"
#include "link.h"
#include "monitor.h"
#include "pci_config.h"
#include "pvh.h"
#include "uart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void monitor_end(struct monitor *monitor, enum exit_reason reason, const char *text, int64_t error)
{
    (void)monitor;
    (void)reason;
    (void)text;
    (void)error;
}

static void check(bool good)
{
    if (!good)
        abort();
}

static void copy(void *to, size_t room, const uint8_t *data, size_t size)
{
    memset(to, 0, room);
    memcpy(to, data, size < room ? size : room);
}

/* What is accepted lies in the file and, when placed, in memory. */
static void fuzz_image(const uint8_t *data, size_t size)
{
    static uint8_t head[BZIMAGE_HEAD];
    const uint64_t file = UINT64_C(8) << 20, ram = UINT64_C(256) << 20, initrd_size = size * 4096;
    struct bzimage image;
    uint64_t initrd;

    copy(head, sizeof(head), data, size);
    if (bzimage_parse(head, file, &image) < 0)
        return;
    check(image.payload_offset + image.payload_size == file);
    check(image.header_size <= 0x290 - BZIMAGE_HEADER);
    if (boot_file_place(image.load + image.init_size, image.initrd_max, ram, initrd_size, &initrd) <
        0)
        return;
    check(image.load + image.payload_size <= ram);
    check(!initrd_size || (initrd >= image.load + image.init_size && initrd + initrd_size <= ram));
}

/* What is accepted lies in the file, above the first MiB and below the hole; so does the entry. */
static void fuzz_elf(const uint8_t *data, size_t size)
{
    static uint8_t head[PVH_HEAD];
    const uint64_t file = UINT64_C(8) << 20;
    struct pvh pvh;
    uint32_t entry;
    bool found = false;

    copy(head, sizeof(head), data, size);
    if (pvh_parse(head, file, &pvh) < 0)
        return;
    check(pvh.segments_count > 0 && pvh.segments_count <= PVH_SEGMENTS_MAX);
    check(pvh.notes_size <= PVH_NOTES && pvh.notes_offset <= file - pvh.notes_size);
    if (pvh_entry(&pvh, data, size, &entry) < 0)
        entry = 0;
    for (uint32_t i = 0; i < pvh.segments_count; i++) {
        const struct pvh_segment *segment = &pvh.segments[i];
        check(segment->file_size <= segment->memory_size);
        check(segment->offset <= file && segment->file_size <= file - segment->offset);
        check(segment->paddr >= LAYOUT_HIGH_START && segment->paddr <= LAYOUT_LOW_MAX &&
              segment->memory_size <= LAYOUT_LOW_MAX - segment->paddr);
        check(segment->paddr + segment->memory_size <= pvh.end);
        found |= entry >= segment->paddr && entry - segment->paddr < segment->file_size;
    }
    check(!entry || found);
}

/* No more vectors than there are; each has its own number in the message. */
static void check_msi(const struct pci_config *config, struct msix *msix)
{
    const struct msi msi = pci_config_msi(config);
    uint32_t live = msix_from_msi(msix, &msi);

    check(live <= msix->count && (msi.on || !live));
    for (uint32_t i = 0; i < MSIX_VECTORS; i++)
        check(msix_live(msix, i) == (i < live));
    for (uint32_t i = 0; i < live; i++)
        check(!(msix->entries[i].words[0] & 3) && msix->entries[i].words[2] <= UINT16_MAX &&
              (msix->entries[i].words[2] & (live - 1)) == i);
}

/* Chains end, and no access leaves the space. */
static void fuzz_config(const uint8_t *data, size_t size)
{
    static uint8_t raw[PCI_CONFIG_SIZE];
    static struct pci_config config;
    struct pci_bar bars[PCI_BARS];
    struct pci_vectors vectors;
    struct msix msix;
    uint32_t at;
    int steps = 0;

    copy(raw, sizeof(raw), data, size);
    for (unsigned i = 0; i < PCI_BARS; i++)
        bars[i] = (struct pci_bar){UINT64_C(1) << (raw[0x10 + 4 * i] & 63), raw[0x11 + 4 * i]};
    vectors = raw[2] & 0x80 ? (struct pci_vectors){.msi = 1u << raw[2] % 6}
                            : (struct pci_vectors){.msix = 1 + raw[2] % MSIX_VECTORS};
    pci_config_begin(&config, raw, bars, vectors);
    msix_begin(&msix, vectors.msi);
    for (at = config.image[0x34]; at; at = config.image[at + 1])
        check(++steps < 64 && at >= 0x40 && at <= 0xfc);
    for (size_t i = 0; i + 4 <= size && i < 512; i += 4) {
        unsigned length = 1u << data[i] % 3;
        uint32_t offset = (uint32_t)(data[i + 1] << 4 | data[i + 2]) % PCI_CONFIG_SIZE & ~3u;

        (void)pci_config_write(&config, offset, length, data[i + 3] * 0x01010101u);
        (void)pci_config_read(&config, offset, length, UINT32_MAX);
        check_msi(&config, &msix);
    }
}

static void fuzz_link(const uint8_t *data, size_t size)
{
    static struct inbox inbox;
    const struct link_row *row;

    copy(inbox.bytes, sizeof(inbox.bytes), data, size);
    inbox.size = (uint32_t)(size < WIRE_MAX ? size : WIRE_MAX);
    inbox.files_count = size ? data[size - 1] % (WIRE_MAX_FDS + 1) : 0;
    for (int phase = PHASE_COLLECT; phase <= PHASE_ATTACHED; phase++)
        if (link_check(&inbox, (enum monitor_phase)phase, &row) == 0)
            check(row->size == inbox.size && row->files_most >= inbox.files_count);
}

static void fuzz_descriptor(const uint8_t *data, size_t size)
{
    static struct partition_descriptor descriptor;

    copy(&descriptor, sizeof(descriptor), data, size);
    if (descriptor_check(&descriptor) == 0)
        check(descriptor.vcpus_count <= PARCLOSE_MAX_VCPUS &&
              strnlen(descriptor.cmdline, PARCLOSE_CMDLINE_MAX) < PARCLOSE_CMDLINE_MAX);
}

static void fuzz_registers(const uint8_t *data, size_t size)
{
    struct uart uart = {.ier = 0};
    struct msix msix;

    msix_begin(&msix, size ? data[0] : 0);
    for (size_t i = 0; i + 4 <= size; i += 4) {
        unsigned length = 1u << data[i] % 5;
        uint64_t offset = (uint64_t)(data[i + 1] << 8 | data[i + 2]);

        if (data[i] & 0x80)
            msix.control = (uint16_t)(data[i + 3] << 8);
        (void)msix_write(&msix, offset, length, data[i + 3] * UINT64_C(0x0101010101010101));
        (void)msix_read(&msix, offset, length);
        (void)msix_live(&msix, data[i + 2]);
        (void)uart_write(&uart, data[i + 1] & 7, data[i + 3]);
        uart_receive(&uart, data[i + 2]);
        (void)uart_read(&uart, data[i + 2] & 7);
        check(uart_room(&uart) <= UART_FIFO);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(const uint8_t *, size_t) = {
        fuzz_image, fuzz_config, fuzz_link, fuzz_descriptor, fuzz_registers, fuzz_elf};

    if (size > 0)
        targets[data[0] % 6](data + 1, size - 1);
    return 0;
}
