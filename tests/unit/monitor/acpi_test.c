/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables: found from the RSDP as a guest does, checksums right, contents as configured. */
#include <errno.h>

#include "acpi.h"
#include "aml.h"
#include "layout.h"
#include "test.h"
#include "watchdog.h"

#define GPA 0xe0000
#define GIB (UINT64_C(1) << 30)

static uint8_t tables[LAYOUT_ACPI_SIZE];

static uint8_t sum(const uint8_t *bytes, size_t length)
{
    uint8_t total = 0;

    while (length--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

static uint64_t get(const uint8_t *at, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);
    return value;
}

/* A checked table at a guest address. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
    const uint8_t *t = tables + (gpa - GPA);
    uint32_t length;

    assert_in_range(gpa, GPA, GPA + sizeof(tables) - 36);
    length = (uint32_t)get(t + 4, 4);
    assert_memory_equal(t, signature, 4);
    assert_in_range(length, 36, GPA + sizeof(tables) - gpa);
    assert_int_equal(sum(t, length), 0);
    return t;
}

static const uint8_t *xsdt_entry(unsigned index, const char *signature)
{
    const uint8_t *xsdt = table(get(tables + 24, 8), "XSDT");

    return table(get(xsdt + 36 + 8 * (size_t)index, 8), signature);
}

static void write_tables(uint32_t vcpus)
{
    struct acpi_config config = {.vcpus = vcpus,
                                 .memory = {{0, LAYOUT_LOW_MAX}, {LAYOUT_4G, GIB}},
                                 .pci64 = LAYOUT_4G + GIB};

    memset(tables, 0xaa, sizeof(tables));
    assert_true(acpi_write(&config, tables, sizeof(tables), (struct gpa){GPA}) > 0);
}

static void rsdp_has_both_checksums(void **state)
{
    (void)state;
    write_tables(1);
    assert_memory_equal(tables, "RSD PTR ", 8);
    assert_int_equal(sum(tables, 20), 0);
    assert_int_equal(sum(tables, 36), 0);
}

static void fadt_is_hardware_reduced_with_sleep_and_reset(void **state)
{
    const uint8_t *fadt;

    (void)state;
    write_tables(1);
    fadt = xsdt_entry(0, "FACP");
    assert_int_equal(get(fadt + 4, 4), 276);
    assert_true(get(fadt + 112, 4) & 1u << 20);
    assert_true(get(fadt + 112, 4) & 1u << 10);
    assert_int_equal(get(fadt + 120, 8), LAYOUT_SLEEP + 2); /* reset register's address */
    assert_int_equal(get(fadt + 248, 8), LAYOUT_SLEEP);
    assert_int_equal(get(fadt + 260, 8), LAYOUT_SLEEP + 1);
    table(get(fadt + 140, 8), "DSDT");
    assert_int_equal(get(fadt + 140, 8), get(fadt + 40, 4));
}

static void madt_lists_every_vcpu(void **state)
{
    (void)state;
    for (uint32_t vcpus = 1; vcpus <= PARCLOSE_MAX_VCPUS; vcpus++) {
        const uint8_t *madt;
        uint32_t found = 0;

        write_tables(vcpus);
        madt = xsdt_entry(1, "APIC");
        for (size_t at = 44; at < get(madt + 4, 4); at += madt[at + 1])
            found += madt[at] == 0 && madt[at + 3] == found && get(madt + at + 4, 4) == 1;
        assert_int_equal(found, vcpus);
    }
}

static void mcfg_says_where_ecam_is(void **state)
{
    const uint8_t *mcfg;

    (void)state;
    write_tables(1);
    mcfg = xsdt_entry(2, "MCFG");
    assert_int_equal(get(mcfg + 44, 8), LAYOUT_ECAM);
    assert_int_equal(mcfg[54], 0);
    assert_int_equal(mcfg[55], 0);
}

static void srat_has_all_in_one_domain(void **state)
{
    const uint8_t *srat;
    uint32_t processors = 0;
    uint64_t memory = 0;

    (void)state;
    write_tables(3);
    srat = xsdt_entry(3, "SRAT");
    for (size_t at = 48; at < get(srat + 4, 4); at += srat[at + 1]) {
        assert_true(srat[at] <= 1);
        assert_int_equal(srat[at + 1], srat[at] == 0 ? 16 : 40);
        assert_int_equal(srat[at + 2], 0);
        if (srat[at] == 0)
            assert_int_equal(srat[at + 3], processors++);
        else
            memory += get(srat + at + 16, 8);
    }
    assert_int_equal(processors, 3);
    assert_int_equal(memory, LAYOUT_LOW_MAX + GIB);
}

/* A device by its name in the DSDT's bytes, up to the end of the table. */
static const uint8_t *find_device(const char *name)
{
    const uint8_t *dsdt = table(get(xsdt_entry(0, "FACP") + 140, 8), "DSDT");
    const uint8_t *end = dsdt + get(dsdt + 4, 4);
    const uint8_t *at;

    for (at = dsdt; (at = memmem(at, (size_t)(end - at), name, 4)); at++)
        if (at[-5] == 0x5b && at[-4] == 0x82)
            return at;
    return NULL;
}

static void every_vf_has_a_place(void **state)
{
    (void)state;
    write_tables(1);
    for (unsigned i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        const char name[5] = {'V', 'F', '0', (char)('0' + i)};
        const uint8_t *at = find_device(name);

        assert_non_null(at);
        assert_memory_equal(at + 4, "\x08_ADR\x0c", 6);
        assert_int_equal(get(at + 10, 4), (i + 1) << 16);
        assert_memory_equal(at + 14, "\x08_SUN\x0c", 6);
        assert_int_equal(get(at + 20, 4), i + 1);
        assert_memory_equal(at + 28, "_EJ0\x09\x70\x0c", 7); /* one argument; store */
        assert_int_equal(get(at + 35, 4), 1u << i);
        assert_memory_equal(at + 39, "EJEC", 4);
    }
    assert_null(find_device("VF08"));
}

/* Every entry is a register of watchdog.h, accessed whole; what Linux cannot do without is there.
 */
static void wdat_names_the_watchdogs_registers(void **state)
{
    const uint8_t *wdat;
    uint64_t actions = 0;
    uint32_t count;

    (void)state;
    write_tables(1);
    wdat = xsdt_entry(4, "WDAT");
    count = (uint32_t)get(wdat + 64, 4);
    assert_int_equal(get(wdat + 4, 4), 68 + 24 * count);
    assert_int_equal(get(wdat + 36, 4), 32);
    assert_int_equal(get(wdat + 40, 8), 0x000000ffffff00ff); /* no PCI device */
    assert_int_equal(get(wdat + 48, 4), WATCHDOG_PERIOD_MS);
    assert_int_equal(get(wdat + 52, 4), WATCHDOG_COUNT_MAX);
    assert_int_equal(wdat[60], 1); /* enabled */
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = wdat + 68 + 24 * (size_t)i;

        assert_in_range(entry[0], 0, 63);
        actions |= UINT64_C(1) << entry[0];
        assert_int_equal(entry[4], 1);
        assert_int_equal(entry[5], entry[7] * 8);
        assert_true(watchdog_has_port(get(entry + 8, 8) - LAYOUT_WATCHDOG, entry[7]));
    }
    /* reset, set the countdown, start, stop */
    assert_int_equal(actions & (1u << 1 | 1u << 6 | 1u << 9 | 1u << 11),
                     1u << 1 | 1u << 6 | 1u << 9 | 1u << 11);
}

static void too_small_a_place_is_refused(void **state)
{
    struct acpi_config config = {.vcpus = PARCLOSE_MAX_VCPUS, .pci64 = LAYOUT_4G};

    (void)state;
    for (uint32_t size = 0; size < 1000; size++) {
        tables[size] = 0x5a;
        assert_int_equal(acpi_write(&config, tables, size, (struct gpa){GPA}), -ENOSPC);
        assert_int_equal(tables[size], 0x5a);
    }
}

static void aml_lengths_and_ids(void **state)
{
    uint8_t bytes[64];
    struct aml aml = {.bytes = bytes, .size = sizeof(bytes)};
    size_t scope = aml_scope_open(&aml, "\\_SB_");

    (void)state;
    aml_name_eisa(&aml, "_HID", "PNP0A08");
    aml_close(&aml, scope);
    assert_int_equal(bytes[0], 0x10);
    assert_int_equal(bytes[1] & 15, (aml.length - 1) & 15);
    assert_int_equal(bytes[1] >> 6, 2);
    assert_int_equal(bytes[2], (aml.length - 1) >> 4);
    assert_memory_equal(bytes + aml.length - 4, "\x41\xd0\x0a\x08", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rsdp_has_both_checksums),
        cmocka_unit_test(fadt_is_hardware_reduced_with_sleep_and_reset),
        cmocka_unit_test(madt_lists_every_vcpu),
        cmocka_unit_test(mcfg_says_where_ecam_is),
        cmocka_unit_test(srat_has_all_in_one_domain),
        cmocka_unit_test(every_vf_has_a_place),
        cmocka_unit_test(wdat_names_the_watchdogs_registers),
        cmocka_unit_test(too_small_a_place_is_refused),
        cmocka_unit_test(aml_lengths_and_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
