/* SPDX-License-Identifier: Apache-2.0 */
#include "acpi.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "aml.h"
#include "layout.h"
#include "watchdog.h"

#define OEM_ID       "PCLOSE"
#define OEM_TABLE_ID "PARCLOSE"

#define HEADER_SIZE 36
#define RSDP_SIZE   36

/* Offsets in the FADT (ACPI 6.5, table 5.9). */
#define FADT_SIZE          276
#define FADT_DSDT          40
#define FADT_BOOT_ARCH     109
#define FADT_FLAGS         112
#define FADT_RESET_REG     116
#define FADT_RESET_VALUE   128
#define FADT_MINOR         131
#define FADT_X_DSDT        140
#define FADT_SLEEP_CONTROL 244
#define FADT_SLEEP_STATUS  256
#define FADT_HYPERVISOR    268

#define BOOT_ARCH_NO_VGA 0x04
#define BOOT_ARCH_NO_RTC 0x20
#define FLAG_WBINVD      (1u << 0)
#define FLAG_PWR_BUTTON  (1u << 4) /* a control method, not a fixed register */
#define FLAG_SLP_BUTTON  (1u << 5)
#define FLAG_RESET_REG   (1u << 10)
#define FLAG_HW_REDUCED  (1u << 20)

/* What is told of a device (ACPI 6.5, 5.6.6). */
#define NOTIFY_CHECK   0x01 /* it may have come */
#define NOTIFY_EJECT   0x03 /* it is to go */
#define NOTIFY_PRESSED 0x80

#define PLACE_NAME 11 /* where the last name of place_path() begins */

struct table {
    struct aml *out;
    size_t start;
};

/* Fields of letters have no NUL. */
static void put_letters(uint8_t *at, const char *letters)
{
    while (*letters)
        *at++ = (uint8_t)*letters++;
}

static void checksum(uint8_t *bytes, size_t length, size_t at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[at] = (uint8_t)-sum;
}

/* The header that all tables but the RSDP share (ACPI 6.5, table 5.4). */
static struct table table_open(struct aml *out, const char signature[4], unsigned revision)
{
    struct table table;

    while (out->length % 16 && !out->full)
        aml_byte(out, 0);
    table = (struct table){out, out->length};
    aml_bytes(out, signature, 4);
    aml_number(out, 0, 4); /* length: at close */
    aml_byte(out, revision);
    aml_byte(out, 0); /* checksum: at close */
    aml_bytes(out, OEM_ID, 6);
    aml_bytes(out, OEM_TABLE_ID, 8);
    aml_number(out, 1, 4);
    aml_bytes(out, "PCLS", 4);
    aml_number(out, 1, 4);
    return table;
}

/* Returns the table's guest address offset. */
static uint32_t table_close(struct table table)
{
    uint8_t *bytes = table.out->bytes + table.start;
    uint32_t length = (uint32_t)(table.out->length - table.start);

    if (table.out->full)
        return 0;
    memcpy(bytes + 4, &length, 4);
    checksum(bytes, length, 9);
    return (uint32_t)table.start;
}

/* A path from the root: how many names, and each of four letters. */
static const char *place_path(unsigned place)
{
    static char path[] = "\\\x2f\x03_SB_PCI0VF00";

    path[sizeof(path) - 2] = (char)('0' + place);
    return path;
}

static void dsdt_place(struct aml *aml, unsigned place)
{
    size_t device = aml_device_open(aml, place_path(place) + PLACE_NAME);
    size_t method;

    aml_name_integer(aml, "_ADR", (place + 1) << 16);
    aml_name_integer(aml, "_SUN", place + 1);
    method = aml_method_open(aml, "_EJ0", 1);
    aml_set(aml, "EJEC", 1u << place);
    aml_close(aml, method);
    aml_close(aml, device);
}

/* The registers of hotplug.h. */
static void dsdt_events(struct aml *aml)
{
    static const char *const names[] = {"ARRV", "WANT", "EJEC", "BTTN"};

    aml_ports(aml, "EVTR", LAYOUT_EVENTS, names, 4);
}

static void dsdt_pci(struct aml *aml, const struct acpi_config *config)
{
    size_t device = aml_device_open(aml, "PCI0");
    struct aml_resources crs;

    aml_name_eisa(aml, "_HID", "PNP0A08");
    aml_name_eisa(aml, "_CID", "PNP0A03");
    aml_name_integer(aml, "_UID", 0);
    aml_name_integer(aml, "_SEG", 0);
    aml_name_integer(aml, "_BBN", 0);
    crs = aml_resources_open(aml);
    aml_window_bus(aml, 0, 0);
    aml_io(aml, 0xcf8, 8);
    aml_window_io(aml, 0x1000, 0xffff);
    aml_window_memory(aml, LAYOUT_PCI_WINDOW, LAYOUT_PCI_SIZE);
    aml_window_memory(aml, config->pci64, LAYOUT_PCI64_SIZE);
    aml_resources_close(aml, crs);
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        dsdt_place(aml, i);
    aml_close(aml, device);
}

/* Linux uses ECAM only where ACPI reserves it. */
static void dsdt_board(struct aml *aml)
{
    size_t device = aml_device_open(aml, "MBRD");
    struct aml_resources crs;

    aml_name_eisa(aml, "_HID", "PNP0C02");
    crs = aml_resources_open(aml);
    aml_memory32(aml, (uint32_t)LAYOUT_ECAM, (uint32_t)LAYOUT_ECAM_SIZE);
    aml_resources_close(aml, crs);
    aml_close(aml, device);
}

static void dsdt_uart(struct aml *aml)
{
    size_t device = aml_device_open(aml, "COM1");
    struct aml_resources crs;

    aml_name_eisa(aml, "_HID", "PNP0501");
    aml_name_integer(aml, "_UID", 0);
    crs = aml_resources_open(aml);
    aml_io(aml, LAYOUT_UART, 8);
    aml_irq(aml, LAYOUT_GSI_UART);
    aml_resources_close(aml, crs);
    aml_close(aml, device);
}

static void notify_if(struct aml *aml, unsigned local, uint32_t mask, const char *device,
                      unsigned value)
{
    size_t block = aml_if_open(aml, local, mask);

    aml_notify(aml, device, value);
    aml_close(aml, block);
}

/* What came is taken, then told. A VF that went and one that came to the same place: in this order.
 */
static void dsdt_event_method(struct aml *aml)
{
    size_t method = aml_method_open(aml, "_EVT", 1);

    aml_take(aml, "ARRV", 0);
    aml_take(aml, "WANT", 1);
    aml_take(aml, "BTTN", 2);
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        notify_if(aml, 1, 1u << i, place_path(i), NOTIFY_EJECT);
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++)
        notify_if(aml, 0, 1u << i, place_path(i), NOTIFY_CHECK);
    notify_if(aml, 2, 1, "PWRB", NOTIFY_PRESSED);
    aml_close(aml, method);
}

/* The power button, and the event device whose interrupt tells of it (ACPI 6.5, 5.6.9). */
static void dsdt_button(struct aml *aml)
{
    size_t device = aml_device_open(aml, "PWRB");
    struct aml_resources crs;

    aml_name_eisa(aml, "_HID", "PNP0C0C");
    aml_name_integer(aml, "_UID", 0);
    aml_close(aml, device);

    device = aml_device_open(aml, "GEDV");
    aml_name_string(aml, "_HID", "ACPI0013");
    aml_name_integer(aml, "_UID", 0);
    crs = aml_resources_open(aml);
    aml_interrupt(aml, LAYOUT_GSI_EVENT);
    aml_resources_close(aml, crs);
    dsdt_event_method(aml);
    aml_close(aml, device);
}

/* The port by which a guest tells that it panicked (Linux driver pvpanic-mmio). */
static void dsdt_panic(struct aml *aml)
{
    size_t device = aml_device_open(aml, "PEVT");
    struct aml_resources crs;

    aml_name_string(aml, "_HID", "QEMU0001");
    crs = aml_resources_open(aml);
    aml_io(aml, LAYOUT_PANIC, 1);
    aml_resources_close(aml, crs);
    aml_close(aml, device);
}

static uint32_t write_dsdt(struct aml *aml, const struct acpi_config *config)
{
    struct table table = table_open(aml, "DSDT", 2);
    size_t scope = aml_scope_open(aml, "\\_SB_");
    size_t package;

    dsdt_events(aml);
    dsdt_pci(aml, config);
    dsdt_board(aml);
    dsdt_uart(aml);
    dsdt_button(aml);
    dsdt_panic(aml);
    aml_close(aml, scope);
    package = aml_package_open(aml, "\\_S5_", 4);
    aml_number(aml, 0x0a | LAYOUT_SLEEP_TYPE_5 << 8, 2);
    for (int i = 1; i < 4; i++)
        aml_byte(aml, 0x00); /* ZeroOp */
    aml_close(aml, package);
    return table_close(table);
}

/* Generic address structure: one byte-wide I/O port (ACPI 6.5, 5.2.3.2). */
static void put_port(uint8_t *at, uint16_t port)
{
    const uint8_t gas[12] = {1, 8, 0, 1, (uint8_t)port, (uint8_t)(port >> 8)};

    memcpy(at, gas, sizeof(gas));
}

static uint32_t write_fadt(struct aml *aml, uint64_t dsdt)
{
    static const uint32_t flags =
        FLAG_WBINVD | FLAG_PWR_BUTTON | FLAG_SLP_BUTTON | FLAG_RESET_REG | FLAG_HW_REDUCED;
    static const uint8_t zero[FADT_SIZE - HEADER_SIZE];
    struct table table = table_open(aml, "FACP", 6);
    uint8_t *bytes = aml->bytes + table.start;

    aml_bytes(aml, zero, sizeof(zero));
    if (aml->full)
        return 0;
    memcpy(bytes + FADT_DSDT, &dsdt, 4);
    memcpy(bytes + FADT_X_DSDT, &dsdt, 8);
    memcpy(bytes + FADT_FLAGS, &flags, 4);
    bytes[FADT_BOOT_ARCH] = BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_RTC;
    bytes[FADT_RESET_VALUE] = LAYOUT_RESET_VALUE;
    bytes[FADT_MINOR] = 5;
    put_port(bytes + FADT_SLEEP_CONTROL, LAYOUT_SLEEP);
    put_port(bytes + FADT_SLEEP_STATUS, LAYOUT_SLEEP + 1);
    put_port(bytes + FADT_RESET_REG, LAYOUT_SLEEP + 2);
    put_letters(bytes + FADT_HYPERVISOR, OEM_TABLE_ID);
    return table_close(table);
}

static uint32_t write_madt(struct aml *aml, uint32_t vcpus)
{
    struct table table = table_open(aml, "APIC", 5);

    aml_number(aml, LAYOUT_LAPIC, 4);
    aml_number(aml, 0, 4); /* no 8259s */
    for (uint32_t i = 0; i < vcpus; i++) {
        aml_number(aml, 0x0800, 2); /* local APIC */
        aml_byte(aml, i);
        aml_byte(aml, i);
        aml_number(aml, 1, 4); /* enabled */
    }
    aml_number(aml, 0x0c01, 2); /* I/O APIC, id 0 */
    aml_number(aml, 0, 2);
    aml_number(aml, LAYOUT_IOAPIC, 4);
    aml_number(aml, 0, 4);
    aml_number(aml, 0x0604, 2); /* LINT1 of all processors is NMI */
    aml_byte(aml, 0xff);
    aml_number(aml, 0, 2);
    aml_byte(aml, 1);
    return table_close(table);
}

static uint32_t write_mcfg(struct aml *aml)
{
    struct table table = table_open(aml, "MCFG", 1);

    aml_number(aml, 0, 8);
    aml_number(aml, LAYOUT_ECAM, 8);
    aml_number(aml, 0, 8); /* segment 0, buses 0..0, reserved */
    return table_close(table);
}

/* ACPI 6.5, 5.2.16: a processor by its local APIC, and a range of memory, each of domain 0. */
static uint32_t write_srat(struct aml *aml, const struct acpi_config *config)
{
    struct table table = table_open(aml, "SRAT", 3);

    aml_number(aml, 1, 4);
    aml_number(aml, 0, 8);
    for (uint32_t i = 0; i < config->vcpus; i++) {
        aml_number(aml, 0x1000, 2); /* processor, 16 bytes */
        aml_byte(aml, 0);
        aml_byte(aml, i);
        aml_number(aml, 1, 4); /* enabled */
        aml_number(aml, 0, 8);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!config->memory[i].size)
            continue;
        aml_number(aml, 0x2801, 2); /* memory, 40 bytes */
        aml_number(aml, 0, 6);
        aml_number(aml, config->memory[i].start, 8);
        aml_number(aml, config->memory[i].size, 8);
        aml_number(aml, 0, 4);
        aml_number(aml, 1, 4); /* enabled */
        aml_number(aml, 0, 8);
    }
    return table_close(table);
}

/* What the guest can do with the watchdog, and by which register. */
struct wdat_entry {
    uint8_t action;
    uint8_t instruction;
    uint8_t offset; /* from LAYOUT_WATCHDOG */
    uint8_t width;  /* bytes: 1, 2 */
    uint32_t value, mask;
};

#define WDAT_ENABLED   0x01
#define WDAT_IS_VALUE  0x00 /* whether the masked register is that value */
#define WDAT_COUNTDOWN 0x01 /* read it */
#define WDAT_SET_VALUE 0x02
#define WDAT_SET_COUNT 0x03

static const struct wdat_entry wdat_entries[] = {
    {0x01, WDAT_SET_VALUE, WATCHDOG_RESET, 1, 1, 0xff},   /* reset */
    {0x04, WDAT_COUNTDOWN, WATCHDOG_LEFT, 2, 0, 0xffff},  /* what is left */
    {0x05, WDAT_COUNTDOWN, WATCHDOG_COUNT, 2, 0, 0xffff}, /* what it begins with */
    {0x06, WDAT_SET_COUNT, WATCHDOG_COUNT, 2, 0, 0xffff}, /* set that */
    {0x08, WDAT_IS_VALUE, WATCHDOG_CONTROL, 1, 1, 1},     /* does it run? */
    {0x09, WDAT_SET_VALUE, WATCHDOG_CONTROL, 1, 1, 1},    /* start */
    {0x0a, WDAT_IS_VALUE, WATCHDOG_CONTROL, 1, 0, 1},     /* does it stand? */
    {0x0b, WDAT_SET_VALUE, WATCHDOG_CONTROL, 1, 0, 1},    /* stop */
};

static void put_wdat_entry(struct aml *aml, const struct wdat_entry *entry)
{
    aml_byte(aml, entry->action);
    aml_byte(aml, entry->instruction);
    aml_number(aml, 0, 2);
    aml_byte(aml, 1); /* generic address: an I/O port */
    aml_byte(aml, entry->width * 8u);
    aml_byte(aml, 0);
    aml_byte(aml, entry->width); /* access size: 1 byte, 2: word */
    aml_number(aml, (uint64_t)LAYOUT_WATCHDOG + entry->offset, 8);
    aml_number(aml, entry->value, 4);
    aml_number(aml, entry->mask, 4);
}

/* The watchdog is no PCI device, runs in no sleep state (there is none), and can be used. */
static uint32_t write_wdat(struct aml *aml)
{
    const size_t count = sizeof(wdat_entries) / sizeof(wdat_entries[0]);
    struct table table = table_open(aml, "WDAT", 1);

    aml_number(aml, 32, 4); /* bytes up to the entries */
    aml_number(aml, 0xff, 2);
    aml_bytes(aml, "\xff\xff\xff", 3);
    aml_number(aml, 0, 3);
    aml_number(aml, WATCHDOG_PERIOD_MS, 4);
    aml_number(aml, WATCHDOG_COUNT_MAX, 4);
    aml_number(aml, 1, 4);
    aml_number(aml, WDAT_ENABLED, 4);
    aml_number(aml, count, 4);
    for (size_t i = 0; i < count; i++)
        put_wdat_entry(aml, &wdat_entries[i]);
    return table_close(table);
}

static uint32_t write_xsdt(struct aml *aml, const uint32_t *tables, unsigned count, struct gpa gpa)
{
    struct table table = table_open(aml, "XSDT", 1);

    for (unsigned i = 0; i < count; i++)
        aml_number(aml, gpa.value + tables[i], 8);
    return table_close(table);
}

static void write_rsdp(uint8_t *bytes, uint64_t xsdt)
{
    memset(bytes, 0, RSDP_SIZE);
    put_letters(bytes, "RSD PTR ");
    put_letters(bytes + 9, OEM_ID);
    bytes[15] = 2;
    bytes[20] = RSDP_SIZE;
    memcpy(bytes + 24, &xsdt, 8);
    checksum(bytes, 20, 8);
    checksum(bytes, RSDP_SIZE, 32);
}

int acpi_write(const struct acpi_config *config, uint8_t *bytes, uint32_t size, struct gpa gpa)
{
    struct aml aml = {.bytes = bytes, .size = size, .length = RSDP_SIZE, .full = size < RSDP_SIZE};
    uint32_t tables[5];
    uint32_t xsdt;

    tables[0] = write_fadt(&aml, gpa.value + write_dsdt(&aml, config));
    tables[1] = write_madt(&aml, config->vcpus);
    tables[2] = write_mcfg(&aml);
    tables[3] = write_srat(&aml, config);
    tables[4] = write_wdat(&aml);
    xsdt = write_xsdt(&aml, tables, 5, gpa);
    if (aml.full)
        return -ENOSPC;
    write_rsdp(bytes, gpa.value + xsdt);
    return (int)aml.length;
}
