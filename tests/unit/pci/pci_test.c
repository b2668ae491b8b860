/* SPDX-License-Identifier: Apache-2.0 */
/* lib/pci against a played /sys and hostile configuration spaces. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pci/capabilities.h"
#include "pci/config_space.h"
#include "pci/driver_table.h"
#include "pci/function.h"
#include "pci/pci_scan.h"
#include "tree.h"

static char root[64];

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/parclose-pci-XXXXXX");
    assert_non_null(mkdtemp(root));
    tree_make(root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_remove(root);
    return 0;
}

/* ---- configuration space */

static void header(uint8_t *config, size_t offset, unsigned id, unsigned next)
{
    config[offset] = (uint8_t)id;
    config[offset + 1] = (uint8_t)(id >> 8);
    config[offset + 2] = (uint8_t)(1 | (next & 0xf) << 4);
    config[offset + 3] = (uint8_t)(next >> 4);
}

static void a_list_in_a_circle_ends(void **state)
{
    uint8_t config[CONFIG_SPACE_SIZE] = {0};
    (void)state;

    header(config, 0x100, 1, 0x200);
    header(config, 0x200, 2, 0x100);
    assert_int_equal(config_space_extended(config, sizeof(config), EXTENDED_SRIOV), 0);
}

static void a_list_that_leaves_the_space_ends(void **state)
{
    uint8_t config[CONFIG_SPACE_SIZE] = {0};
    (void)state;

    header(config, 0x100, 1, 0xfff);
    header(config, 0xffc, EXTENDED_SRIOV, 0);
    assert_int_equal(config_space_extended(config, sizeof(config), EXTENDED_SRIOV), 0xffc);
    assert_int_equal(config_space_extended(config, 0x100, EXTENDED_SRIOV), 0);
    assert_int_equal(config_space_extended(config, 0xffd, EXTENDED_SRIOV), 0);
    header(config, 0x100, 1, 0x40); /* back into the legacy space */
    assert_int_equal(config_space_extended(config, sizeof(config), EXTENDED_SRIOV), 0);
}

static void all_ones_is_no_list(void **state)
{
    uint8_t config[CONFIG_SPACE_SIZE];
    char serial[CARD_SERIAL_MAX];
    (void)state;

    memset(config, 0xff, sizeof(config));
    assert_int_equal(config_space_extended(config, sizeof(config), 0xffff), 0);
    config_space_serial(config, sizeof(config), serial);
    assert_string_equal(serial, "");
}

/* Every one-byte change of a good space, and every length of it: no crash, no read outside. */
static void no_damage_reads_outside(void **state)
{
    (void)state;
    for (size_t size = 0; size < 0x1a0; size += 3) {
        uint8_t *config = malloc(size ? size : 1);
        char serial[CARD_SERIAL_MAX];
        assert_non_null(config);
        for (size_t i = 0; i < size; i++)
            config[i] = (uint8_t)(i * 7 + size);
        if (size >= 0x104)
            header(config, 0x100, EXTENDED_SERIAL, 0x140);
        config_space_extended(config, size, EXTENDED_SRIOV);
        config_space_serial(config, size, serial);
        free(config);
    }
}

/* ---- functions */

/* It came before anybody saw that the other had gone: nothing of that one is left. */
static void another_card_at_the_address_is_seen(void **state)
{
    struct pf_observed pf = {0};
    uint8_t config[4096] = {0x86, 0x80, 0x20, 0x15, [0x34] = 0x40};
    (void)state;

    tree_create_vfs(root, 7);
    function_observe_pf(root, TREE_PF, &pf);
    config[0x100] = 0x10; /* SR-IOV, the only extended capability */
    config[0x102] = 0x01;
    config[0x100 + 0x0e] = 3; /* TotalVFs */
    tree_write(root, TREE_PF, "config", config, sizeof(config));
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.sriov.offset, 0x100);
    assert_int_equal(pf.sriov.total_vfs, 3);
    assert_int_equal(pf.sriov.num_vfs, 0);
    assert_string_equal(pf.serial, "");
    config[0x100] = 0x03; /* a serial number instead */
    config[0x104] = 0x42;
    tree_write(root, TREE_PF, "config", config, sizeof(config));
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.sriov.offset, 0);
    assert_int_equal(pf.sriov.total_vfs, 0);
    assert_string_equal(pf.serial, "0000000000000042");
}

/* BARs 0 (32 bits), 2 and 3 (64 bits, a multiple of 4 GiB), 4 (of ports); 5 has no address. */
static void one_that_forgot_its_addresses_is_told_apart(void **state)
{
    static const uint32_t bars[6] = {TREE_BAR, 0, 0x0000000c, 0x38, 0xc001, 0};
    uint8_t config[64] = {0x86, 0x80};
    (void)state;

    assert_false(function_forgot(root, TREE_PF));
    tree_text(root, TREE_PF, "resource",
              "0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
              "0x0000003800000000 0x0000003800003fff 0x000000000014220c\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
              "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
              "0x0000000000000000 0x0000000000003fff 0x0000000020040200\n");
    memcpy(config + 0x10, bars, sizeof(bars));
    tree_write(root, TREE_PF, "config", config, sizeof(config));
    assert_false(function_forgot(root, TREE_PF));
    for (unsigned i = 0; i < 6; i++) {
        tree_forget(root, TREE_PF, i);
        assert_int_equal(function_forgot(root, TREE_PF), i == 0 || i == 3 || i == 4);
        tree_write(root, TREE_PF, "config", config, sizeof(config));
    }
    tree_write(root, TREE_PF, "config", config, 0x20); /* one that is not read is not judged */
    assert_false(function_forgot(root, TREE_PF));
    memset(config, 0xff, sizeof(config)); /* it does not answer: that is something else */
    tree_write(root, TREE_PF, "config", config, sizeof(config));
    assert_false(function_forgot(root, TREE_PF));
    tree_pull(root, TREE_PF);
    assert_false(function_forgot(root, TREE_PF));
}

static void a_pf_is_seen_as_it_is(void **state)
{
    struct pf_observed pf = {0};
    (void)state;

    tree_create_vfs(root, 7);
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.vendor, 0x8086);
    assert_int_equal(pf.device, 0x10c9);
    assert_int_equal(pf.class, CLASS_NETWORK);
    assert_int_equal(pf.answers, 1);
    assert_int_equal(pf.link_up, 1);
    assert_int_equal(pf.numvfs, 7);
    assert_int_equal(pf.iommu_group, 12);
    assert_int_equal(pf.node, 1);
    assert_string_equal(pf.driver, "igb");
    assert_string_equal(pf.netdev, "pf0");
    assert_string_equal(pf.serial, "0123456789abcdef");
    assert_int_equal(pf.sriov.offset, TREE_SRIOV);
    assert_int_equal(pf.sriov.num_vfs, 7);
    assert_int_equal(pf.sriov.total_vfs, 8);
    assert_int_equal(pf.sriov.control, SRIOV_CTRL_VF_ENABLE | SRIOV_CTRL_VF_MSE);
    assert_int_equal(pf.sriov.first_vf_offset, 128);
    assert_int_equal(pf.sriov.vf_stride, 2);
    assert_int_equal(pf.sriov.vf_device_id, 0x10ca);
    assert_int_equal(pf.bars[0].address, 0xfe000000);
    assert_int_equal(pf.bars[0].size, 0x20000);
    assert_int_equal(pf.bars[1].size, 0);
}

static void power_is_what_the_kernel_says(void **state)
{
    static const struct {
        const char *control, *status;
        uint32_t seen_control, seen_status;
    } rows[] = {{"on\n", "active\n", POWER_ON, POWER_AWAKE},
                {"auto\n", "active\n", POWER_AUTO, POWER_AWAKE},
                {"auto\n", "suspended\n", POWER_AUTO, POWER_ASLEEP},
                {"auto\n", "suspending\n", POWER_AUTO, POWER_ASLEEP},
                {"on\n", "resuming\n", POWER_ON, POWER_ASLEEP},
                {"on\n", "error\n", POWER_ON, POWER_ERROR},
                {"on\n", "unsupported\n", POWER_ON, POWER_STATUS_UNKNOWN},
                {"", "", POWER_CONTROL_UNKNOWN, POWER_STATUS_UNKNOWN},
                {"a word that is much too long", "another one", POWER_CONTROL_UNKNOWN,
                 POWER_STATUS_UNKNOWN}};
    struct pf_observed pf = {0};
    (void)state;

    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.power_control, POWER_CONTROL_UNKNOWN);
    assert_int_equal(pf.power_status, POWER_STATUS_UNKNOWN);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tree_text(root, TREE_PF, "power/control", rows[i].control);
        tree_text(root, TREE_PF, "power/runtime_status", rows[i].status);
        function_observe_pf(root, TREE_PF, &pf);
        assert_int_equal(pf.power_control, rows[i].seen_control);
        assert_int_equal(pf.power_status, rows[i].seen_status);
    }
}

/* Configuration space that nobody reads reads as before: here it is spoilt meanwhile. */
static void one_that_may_sleep_is_not_disturbed(void **state)
{
    static const uint8_t spoilt[4096] = {0xff, 0xff};
    struct pf_observed pf = {0};
    struct vf_observed vf = {0};
    (void)state;

    tree_create_vfs(root, 2);
    tree_text(root, TREE_PF, "power/control", "auto");
    tree_text(root, TREE_PF, "power/runtime_status", "suspended");
    function_observe_pf(root, TREE_PF, &pf); /* never read before: once */
    assert_int_equal(pf.answers, 1);
    assert_int_equal(function_observe_vf(root, TREE_PF, 0, false, &vf), 0);
    assert_int_equal(vf.answers, 1);
    tree_write(root, TREE_PF, "config", spoilt, sizeof(spoilt));
    tree_write(root, tree_vf(0), "config", spoilt, 32);
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.answers, 1);
    assert_int_equal(pf.sriov.num_vfs, 2);
    assert_string_equal(pf.serial, "0123456789abcdef");
    assert_int_equal(function_observe_vf(root, TREE_PF, 0, true, &vf), 0);
    assert_int_equal(vf.answers, 1);
    assert_int_equal(function_observe_vf(root, TREE_PF, 0, false, &vf), 0);
    assert_int_equal(vf.answers, 0);
    pf.open_vfs = 1; /* then it may not sleep: whatever its power/control says, it is looked at */
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.answers, 0);
}

/* With the driver the VFs may go, which their number may not show. */
static void another_driver_is_looked_at_though_it_may_sleep(void **state)
{
    struct pf_observed pf = {0};
    (void)state;

    tree_text(root, TREE_PF, "power/control", "auto");
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.sriov.num_vfs, 0);
    tree_create_vfs(root, 2); /* and so are other VFs */
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.sriov.num_vfs, 2);
    tree_unlink(root, TREE_PF, "driver");
    tree_write(root, TREE_PF, "config", (uint8_t[4096]){0x86, 0x80}, 4096);
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.sriov.num_vfs, 0);
}

static void a_node_that_nobody_knows_is_no_node(void **state)
{
    struct pf_observed pf = {0};
    (void)state;

    tree_text(root, TREE_PF, "numa_node", "-1\n");
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.node, UINT32_MAX);
    tree_unlink(root, TREE_PF, "numa_node");
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.node, UINT32_MAX);
}

static void a_pf_that_is_not_there_has_nothing(void **state)
{
    struct pf_observed pf = {.answers = 1};
    (void)state;

    function_observe_pf(root, (struct bdf){0x0300}, &pf);
    assert_int_equal(pf.bdf.value, 0x0300);
    assert_int_equal(pf.vendor, 0);
    assert_int_equal(pf.answers, 0);
}

static void a_vf_answers_by_its_capability_pointer(void **state)
{
    struct vf_observed vf;
    uint8_t dead[64];
    (void)state;

    tree_create_vfs(root, 2);
    tree_link(root, tree_vf(1), "driver", "../../../../bus/pci/drivers/vfio-pci");
    assert_int_equal(function_observe_vf(root, TREE_PF, 1, false, &vf), 0);
    assert_int_equal(vf.bdf.value, tree_vf(1).value);
    assert_int_equal(vf.answers, 1);
    assert_int_equal(vf.iommu_group, 21);
    assert_string_equal(vf.driver, "vfio-pci");
    memset(dead, 0xff, sizeof(dead));
    tree_write(root, tree_vf(1), "config", dead, sizeof(dead));
    assert_int_equal(function_observe_vf(root, TREE_PF, 1, false, &vf), 0);
    assert_int_equal(vf.answers, 0);
    assert_true(function_observe_vf(root, TREE_PF, 2, false, &vf) < 0);
}

/* The "(null)" of the kernel is nobody's name; what is bound is seen by its driver. */
static void a_vf_may_be_meant_for_the_host(void **state)
{
    static const char *const not [] = {"(null)\n", "\n", "", "vfio-pci\n"};
    struct vf_observed vf;
    (void)state;

    tree_create_vfs(root, 1);
    for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++) {
        tree_text(root, tree_vf(0), "driver_override", not [i]);
        assert_int_equal(function_observe_vf(root, TREE_PF, 0, false, &vf), 0);
        assert_int_equal(vf.for_host, 0);
    }
    tree_text(root, tree_vf(0), "driver_override",
              "a_name_that_is_longer_than_any_that_the_field_has_room_for\n");
    assert_int_equal(function_observe_vf(root, TREE_PF, 0, false, &vf), 0);
    assert_int_equal(vf.for_host, 1);
    tree_link(root, tree_vf(0), "driver", "/drivers/igbvf");
    assert_int_equal(function_observe_vf(root, TREE_PF, 0, false, &vf), 0);
    assert_int_equal(vf.for_host, 0);
}

/* The kernel's words are long and odd at times; a picture never overflows. */
static void odd_files_are_survived(void **state)
{
    struct pf_observed pf = {0};
    char line[3000];
    (void)state;

    memset(line, 'f', sizeof(line));
    tree_write(root, TREE_PF, "resource", line, sizeof(line));
    tree_write(root, TREE_PF, "vendor", line, sizeof(line));
    tree_text(root, TREE_PF, "net/pf0/flags", "");
    tree_link(root, TREE_PF, "driver",
              "/drivers/a-name-that-is-much-too-long-for-the-field-it-goes-to");
    function_observe_pf(root, TREE_PF, &pf);
    assert_non_null(memchr(pf.driver, 0, sizeof(pf.driver)));
    assert_int_equal(pf.link_up, 0);
    assert_int_equal(pf.bars[0].size, 0);
}

static void a_carrier_by_the_operational_state(void **state)
{
    static const struct {
        const char *operstate;
        uint32_t carrier;
    } cases[] = {{"up\n", 1},    {"unknown\n", 1}, {"down\n", 0}, {"lowerlayerdown\n", 0},
                 {"upper\n", 0}, {"", 0}};
    struct pf_observed pf = {0};
    (void)state;

    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.carrier, 0); /* it does not say */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tree_text(root, TREE_PF, "net/pf0/operstate", cases[i].operstate);
        function_observe_pf(root, TREE_PF, &pf);
        assert_int_equal(pf.carrier, cases[i].carrier);
        assert_int_equal(pf.link_up, 1);
    }
}

static void an_nvme_is_up_when_it_is_live(void **state)
{
    struct pf_observed pf = {0};
    (void)state;

    tree_text(root, TREE_PF, "class", "0x010802\n");
    tree_text(root, TREE_PF, "nvme/nvme0/state", "connecting\n");
    function_observe_pf(root, TREE_PF, &pf);
    assert_int_equal(pf.class, CLASS_NVME);
    assert_string_equal(pf.netdev, "nvme0");
    assert_int_equal(pf.link_up, 0);
    tree_text(root, TREE_PF, "nvme/nvme0/state", "live\n");
    assert_true(function_link_up(root, &pf));
}

static void addresses_are_whole_or_none(void **state)
{
    struct bdf bdf;
    (void)state;

    assert_true(function_parse("0001:02:1f.7", &bdf));
    assert_int_equal(bdf.value, 0x102ff);
    assert_false(function_parse("0000:01:00.8", &bdf));
    assert_false(function_parse("0000:01:20.0", &bdf));
    assert_false(function_parse("0000:1:00.0", &bdf));
    assert_false(function_parse("", &bdf));
}

/* ---- scan */

static void any_function_is_seen(void **state)
{
    struct function_observed function;
    (void)state;

    tree_create_vfs(root, 1);
    assert_int_equal(function_observe(root, TREE_PF, &function), 0);
    assert_int_equal(function.class_code, 0x020000);
    assert_int_equal(function.node, 1);
    assert_int_equal(function.iommu_group, 12);
    assert_int_equal(function.pf.value, 0);
    assert_string_equal(function.driver, "igb");
    assert_int_equal(function_observe(root, tree_vf(0), &function), 0);
    assert_int_equal(function.pf.value, TREE_PF.value);
    assert_int_equal(function_observe(root, (struct bdf){0x0300}, &function), -ENOENT);
}

static void a_scan_finds_what_has_sriov(void **state)
{
    struct pci_scan_card cards[4];
    (void)state;

    tree_text(root, (struct bdf){0x0200}, "vendor", "0x1234\n");
    tree_text(root, (struct bdf){0x0300}, "sriov_totalvfs", "0\n");
    assert_int_equal(pci_scan(root, cards, 4), 1);
    assert_int_equal(cards[0].bdf.value, TREE_PF.value);
    assert_int_equal(cards[0].totalvfs, 7);
    assert_int_equal(cards[0].class, CLASS_NETWORK);
    assert_int_equal(cards[0].vendor, 0x8086);
    assert_int_equal(cards[0].device, 0x10c9);
    assert_string_equal(cards[0].driver, "igb");
    assert_string_equal(cards[0].serial, "0123456789abcdef");
    assert_int_equal(pci_scan(root, cards, 0), 0);
    assert_true(pci_scan("/nowhere", cards, 4) < 0);
}

/* ---- translation, isolation, errors */

static void read_capabilities(const uint8_t *config, size_t size,
                              struct function_capabilities *capabilities)
{
    tree_write(root, TREE_PF, "config", config, size);
    int folder = function_open(root, TREE_PF);

    assert_true(folder >= 0);
    capabilities_read(folder, capabilities);
    close(folder);
}

static void translation_and_isolation_are_decoded(void **state)
{
    uint8_t config[CONFIG_SPACE_SIZE] = {0};
    struct function_capabilities seen;
    (void)state;

    header(config, 0x100, 0x0001, 0x150);
    config[0x105] = 0x40;
    config[0x110] = 0x01;
    header(config, 0x150, 0x000d, 0x160);
    config[0x154] = 0x5f;
    config[0x156] = 0x1d;
    header(config, 0x160, 0x000f, 0);
    config[0x164] = 0x20;
    config[0x167] = 0x80;
    read_capabilities(config, sizeof(config), &seen);
    assert_int_equal(seen.aer_offset, 0x100);
    assert_int_equal(seen.aer_uncorrectable, 0x4000);
    assert_int_equal(seen.aer_correctable, 1);
    assert_int_equal(seen.acs_offset, 0x150);
    assert_int_equal(seen.acs_capability, 0x5f);
    assert_int_equal(seen.acs_control, 0x1d);
    assert_int_equal(seen.ats_offset, 0x160);
    assert_int_equal(seen.ats_capability, 0x20);
    assert_int_equal(seen.ats_control, ATS_CONTROL_ENABLE);
    read_capabilities(config, 0x166, &seen); /* cut in the middle of a register */
    assert_int_equal(seen.acs_offset, 0x150);
    assert_int_equal(seen.ats_offset, 0);
    header(config, 0x160, 0x000f, 0x100); /* in a circle */
    read_capabilities(config, sizeof(config), &seen);
    assert_int_equal(seen.ats_offset, 0x160);
    read_capabilities(config, 0, &seen);
    assert_int_equal(seen.aer_offset | seen.acs_offset | seen.ats_offset, 0);
}

static void errors_are_counted_by_the_kernel(void **state)
{
    struct error_counts counts;
    (void)state;

    int folder = function_open(root, TREE_PF);
    aer_counts_read(folder, &counts);
    assert_false(counts.known);
    tree_text(root, TREE_PF, "aer_dev_correctable", "RxErr 2\nBadTLP 1\nTOTAL_ERR_COR 3\n");
    tree_text(root, TREE_PF, "aer_dev_nonfatal", "Undefined 0\nTOTAL_ERR_NONFATAL 5\n");
    tree_text(root, TREE_PF, "aer_dev_fatal", "nothing of the kind");
    aer_counts_read(folder, &counts);
    assert_false(counts.known);
    tree_text(root, TREE_PF, "aer_dev_fatal", "TOTAL_ERR_FATAL 18446744073709551615\n");
    aer_counts_read(folder, &counts);
    assert_true(counts.known);
    assert_int_equal(counts.correctable, 3);
    assert_int_equal(counts.nonfatal, 5);
    assert_true(counts.fatal == UINT64_MAX);
    close(folder);
}

static void a_capability_is_found_in_the_first_256_bytes(void **state)
{
    uint8_t config[256] = {[CONFIG_POINTER] = 0x43, [0x40] = 1, [0x41] = 0x50};
    (void)state;

    assert_int_equal(config_space_capability(config, sizeof(config), CAPABILITY_MSIX), 0);
    config[0x50] = CAPABILITY_MSIX;
    assert_int_equal(config_space_capability(config, sizeof(config), CAPABILITY_MSIX), 0x50);
    assert_int_equal(config_space_capability(config, 0x53, CAPABILITY_MSIX), 0);
    assert_int_equal(config_space_capability(config, 0x20, CAPABILITY_MSIX), 0);
    config[0x50] = 5;
    config[0x51] = 0x40; /* a ring */
    assert_int_equal(config_space_capability(config, sizeof(config), CAPABILITY_MSIX), 0);
    config[0x51] = 0x10; /* into the header */
    config[0x10] = CAPABILITY_MSIX;
    assert_int_equal(config_space_capability(config, sizeof(config), CAPABILITY_MSIX), 0);
    memset(config, 0xff, sizeof(config)); /* it does not answer */
    assert_int_equal(config_space_capability(config, sizeof(config), CAPABILITY_MSIX), 0);
}

static void of_unknown_drivers_nothing_is_known(void **state)
{
    const char no_end[4] = {'n', 'v', 'm', 'e'};
    (void)state;

    assert_int_equal(driver_facts("nvme", 8)->unbind, UNBIND_KEEPS);
    assert_int_equal(driver_facts("nvme", 8)->restart, RESTART_REBIND);
    assert_int_equal(driver_facts("igb", 4)->unbind, UNBIND_DESTROYS);
    assert_int_equal(driver_facts("mlx5_core", 20)->restart, RESTART_RELOAD);
    assert_int_equal(driver_facts("igbvf", 8)->unbind, UNBIND_UNKNOWN);
    assert_int_equal(driver_facts("", 8)->restart, RESTART_NONE);
    assert_int_equal(driver_facts(no_end, 4)->unbind, UNBIND_UNKNOWN);
    assert_string_equal(driver_unbind_name(99), "unknown");
    assert_int_equal(driver_facts("igb", 4)->renew, RENEW_LINK);
    assert_int_equal(driver_facts("nvme", 8)->renew, RENEW_CONTROLLERS);
    assert_int_equal(driver_facts("igbvf", 8)->renew, RENEW_UNKNOWN);
    assert_string_equal(driver_renew_name(99), "unknown");
    assert_int_equal(driver_facts("igb", 4)->error, ERROR_STUCK);
    assert_int_equal(driver_facts("igbvf", 8)->error, ERROR_UNKNOWN);
    assert_string_equal(driver_error_name(99), "unknown");
}

static void stuck_is_who_failed_with_its_queues_on(void **state)
{
    struct pf_observed pf = {.driver = "igb", .link_up = 1};
    (void)state;

    assert_true(driver_stuck(&pf, RECOVERY_FAILED));
    assert_false(driver_stuck(&pf, RECOVERY_UNDER_WAY));
    pf.link_up = 0;
    assert_false(driver_stuck(&pf, RECOVERY_FAILED));
    pf = (struct pf_observed){.driver = "ixgbe", .link_up = 1};
    assert_false(driver_stuck(&pf, RECOVERY_FAILED));
}

#define with_tree(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_in_a_circle_ends),
        cmocka_unit_test(a_list_that_leaves_the_space_ends),
        cmocka_unit_test(all_ones_is_no_list),
        cmocka_unit_test(no_damage_reads_outside),
        cmocka_unit_test(addresses_are_whole_or_none),
        with_tree(one_that_forgot_its_addresses_is_told_apart),
        with_tree(a_pf_is_seen_as_it_is),
        with_tree(another_card_at_the_address_is_seen),
        with_tree(power_is_what_the_kernel_says),
        with_tree(one_that_may_sleep_is_not_disturbed),
        with_tree(another_driver_is_looked_at_though_it_may_sleep),
        with_tree(a_node_that_nobody_knows_is_no_node),
        with_tree(a_pf_that_is_not_there_has_nothing),
        with_tree(a_vf_answers_by_its_capability_pointer),
        with_tree(a_vf_may_be_meant_for_the_host),
        with_tree(odd_files_are_survived),
        with_tree(a_carrier_by_the_operational_state),
        with_tree(an_nvme_is_up_when_it_is_live),
        with_tree(any_function_is_seen),
        with_tree(a_scan_finds_what_has_sriov),
        with_tree(translation_and_isolation_are_decoded),
        with_tree(errors_are_counted_by_the_kernel),
        cmocka_unit_test(a_capability_is_found_in_the_first_256_bytes),
        cmocka_unit_test(of_unknown_drivers_nothing_is_known),
        cmocka_unit_test(stuck_is_who_failed_with_its_queues_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
