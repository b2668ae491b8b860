/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration space: what passes, what is ours, what is hidden; hostile capability chains. */
#include "msix.h"
#include "pci_config.h"
#include "test.h"

static uint8_t raw[PCI_CONFIG_SIZE];
static struct pci_bar bars[PCI_BARS];
static struct pci_config config;

static void put(unsigned offset, uint32_t value, unsigned size)
{
    memcpy(raw + offset, &value, size);
}

/* A VF with PM, MSI, MSI-X, PCIe; AER, SR-IOV, DSN. */
static int setup(void **state)
{
    (void)state;
    memset(raw, 0, sizeof(raw));
    memset(bars, 0, sizeof(bars));
    put(0x00, 0x10ca8086, 4);
    put(0x06, 0x10, 2);
    put(0x08, 0x02000001, 4);
    put(0x10, 0x0000000c, 4);
    put(0x30, 0xfffff801, 4);
    put(0x34, 0x40, 1);
    put(0x3d, 1, 1);
    put(0x40, 0x00035001, 4); /* PM → 0x50 */
    put(0x50, 0x01807005, 4); /* MSI → 0x70 */
    put(0x70, 0x0002a011, 4); /* MSI-X, three vectors → 0xa0 */
    put(0x74, 3, 4);
    put(0x78, 0x2003, 4);
    put(0xa0, 0x00020010, 4);  /* PCIe */
    put(0x100, 0x15020001, 4); /* AER → 0x150 */
    put(0x150, 0x1a010010, 4); /* SR-IOV → 0x1a0 */
    put(0x1a0, 0x00010003, 4); /* DSN */
    bars[0] = (struct pci_bar){0x4000, 0xc};
    bars[3] = (struct pci_bar){0x4000, 0x0};
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msix = 3, .msi = 1});
    return 0;
}

static uint32_t read_ours(uint32_t offset, unsigned size)
{
    return pci_config_read(&config, offset, size, 0xdddddddd);
}

static void identity_is_ours_and_read_only(void **state)
{
    (void)state;
    assert_int_equal(read_ours(0, 4), 0x10ca8086);
    assert_int_equal(pci_config_write(&config, 0, 4, 0), 0);
    assert_int_equal(read_ours(0, 4), 0x10ca8086);
    assert_int_equal(read_ours(8, 4), 0x02000001);
}

static void command_and_status_pass(void **state)
{
    (void)state;
    assert_int_equal(read_ours(4, 4), 0xdddddddd);
    assert_int_equal(pci_config_write(&config, 4, 4, 6), 15);
}

static void rom_and_pin_are_hidden(void **state)
{
    (void)state;
    assert_int_equal(read_ours(0x30, 4), 0);
    pci_config_write(&config, 0x30, 4, UINT32_MAX);
    assert_int_equal(read_ours(0x30, 4), 0);
    assert_int_equal(read_ours(0x3d, 1), 0);
}

static void bars_tell_their_size(void **state)
{
    (void)state;
    pci_config_write(&config, 0x10, 4, UINT32_MAX);
    pci_config_write(&config, 0x14, 4, UINT32_MAX);
    assert_int_equal(read_ours(0x10, 4), 0xffffc00c);
    assert_int_equal(read_ours(0x14, 4), 0xffffffff);
    pci_config_write(&config, 0x1c, 4, UINT32_MAX);
    assert_int_equal(read_ours(0x1c, 4), 0xffffc000);
    pci_config_write(&config, 0x18, 4, UINT32_MAX); /* there is none */
    assert_int_equal(read_ours(0x18, 4), 0);
}

static void bars_keep_their_address(void **state)
{
    (void)state;
    pci_config_set_bar(&config, 0, UINT64_C(0x123456788000));
    assert_true(pci_config_bar(&config, 0) == UINT64_C(0x123456788000));
    pci_config_write(&config, 0x11, 1, 0x40); /* one byte of it */
    assert_true(pci_config_bar(&config, 0) == UINT64_C(0x123456784000));
}

static void io_and_odd_bars_are_hidden(void **state)
{
    (void)state;
    bars[1] = (struct pci_bar){0x20, 1};
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msix = 3, .msi = 1});
    pci_config_write(&config, 0x14, 4, UINT32_MAX);
    bars[5] = (struct pci_bar){0x1000, 4}; /* 64-bit, and no register left for its upper half */
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msix = 3, .msi = 1});
    pci_config_set_bar(&config, 5, UINT64_MAX);
    assert_true(pci_config_bar(&config, 5) == 0xfffff000);
    assert_int_equal(read_ours(0x28, 4), 0);
}

/* Walks as a guest does. */
static int chain(uint8_t ids[8])
{
    uint32_t at = read_ours(0x34, 1);
    int count = 0;

    while (at && count < 8) {
        ids[count++] = (uint8_t)read_ours(at, 1);
        at = read_ours(at + 1, 1);
    }
    return count;
}

static void msi_is_cut_out_of_the_chain(void **state)
{
    uint8_t ids[8];

    (void)state;
    assert_int_equal(chain(ids), 3);
    assert_memory_equal(ids, "\x01\x11\x10", 3);
    assert_int_equal(read_ours(0x50, 4), 0);
    assert_false(pci_config_passes(&config, 0x50, 4));
}

/* The capability as it comes without MSI-X: shown without masks, address of 32 or of 64 bits. */
static void begin_msi(uint32_t flags, uint32_t vectors)
{
    put(0x52, flags, 2);
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msi = vectors});
}

static void msi_is_ours_without_msix(void **state)
{
    uint8_t ids[8];

    (void)state;
    begin_msi(0x0186, 8); /* 64-bit, masks, 8 vectors */
    assert_int_equal(chain(ids), 3);
    assert_memory_equal(ids, "\x01\x05\x10", 3);
    assert_int_equal(read_ours(0x52, 2), 0x0086);
    assert_false(pci_config_passes(&config, 0x50, 24));
    for (unsigned at = 0x50; at < 0x68; at += 4)
        assert_int_equal(pci_config_write(&config, at, 4, UINT32_MAX), 0);
    assert_int_equal(read_ours(0x50, 4), 0x00f7a005);
    assert_int_equal(read_ours(0x54, 4), 0xfffffffc);
    assert_int_equal(read_ours(0x58, 4), 0xffffffff);
    assert_int_equal(read_ours(0x5c, 4), 0x0000ffff);
    assert_int_equal(read_ours(0x60, 4), 0); /* no masks */
    assert_int_equal(read_ours(0x64, 4), 0);
}

static void msi_of_32_bits(void **state)
{
    struct msi msi;

    (void)state;
    begin_msi(0x0106, 8);
    assert_int_equal(read_ours(0x52, 2), 0x0006);
    pci_config_write(&config, 0x54, 4, 0xfee01003);
    pci_config_write(&config, 0x58, 4, 0xffff4041);
    pci_config_write(&config, 0x5c, 4, UINT32_MAX);
    pci_config_write(&config, 0x52, 2, 0x0021);
    msi = pci_config_msi(&config);
    assert_true(msi.address == 0xfee01000);
    assert_int_equal(msi.data, 0x4041);
    assert_int_equal(msi.enable, 2);
    assert_true(msi.on);
    assert_int_equal(read_ours(0x58, 4), 0x4041);
    assert_int_equal(read_ours(0x5c, 4), 0);
    pci_config_reset(&config);
    assert_int_equal(read_ours(0x52, 2), 0x0006);
    assert_false(pci_config_msi(&config).on);
}

/* What the kernel cannot give is not shown. */
static void fewer_vectors_of_msi(void **state)
{
    (void)state;
    begin_msi(0x008a, 32);
    assert_int_equal(read_ours(0x52, 2), 0x008a);
    pci_config_set_vectors(&config, 1);
    assert_int_equal(read_ours(0x52, 2), 0x0080);
}

static void only_what_governs_vectors(void **state)
{
    (void)state;
    begin_msi(0x0086, 8);
    assert_false(pci_config_is_vectors(&config, 0x50, 2));
    assert_false(pci_config_is_vectors(&config, 0x5e, 2));
    assert_true(pci_config_is_vectors(&config, 0x50, 4));
    assert_true(pci_config_is_vectors(&config, 0x54, 4));
    assert_true(pci_config_is_vectors(&config, 0x5c, 2));
}

/* It would reach beyond the space. */
static void msi_at_the_edge_is_hidden(void **state)
{
    (void)state;
    put(0x34, 0xf4, 1);
    put(0xf4, 0x00800005, 4);
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msi = 1});
    assert_int_equal(config.msi, 0);
    assert_int_equal(read_ours(0x34, 1), 0);
}

static void ext_chain_has_no_sriov(void **state)
{
    (void)state;
    assert_int_equal(read_ours(0x100, 2), 1);
    assert_int_equal(read_ours(0x102, 2) >> 4, 0x1a0);
    assert_int_equal(read_ours(0x150, 4), 0);
    assert_int_equal(read_ours(0x1a0, 2), 3);
    assert_int_equal(read_ours(0x1a2, 2) >> 4, 0);
    assert_true(pci_config_passes(&config, 0x104, 4));
}

static void hidden_first_ext_cap_keeps_the_chain(void **state)
{
    (void)state;
    put(0x100, 0x15010010, 4); /* SR-IOV first */
    put(0x150, 0x00010003, 4); /* then DSN */
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msix = 3, .msi = 1});
    assert_int_equal(read_ours(0x100, 2), 0);
    assert_int_equal(read_ours(0x102, 2) >> 4, 0x150);
    assert_int_equal(read_ours(0x150, 2), 3);
}

static void msix_control_is_ours(void **state)
{
    (void)state;
    assert_int_equal(read_ours(0x72, 2), 2);
    assert_int_equal(pci_config_write(&config, 0x72, 2, 0xffff), 0);
    assert_int_equal(read_ours(0x72, 2), 0xc002);
    assert_int_equal(pci_config_msix_control(&config), MSIX_CTRL_ENABLE | MSIX_CTRL_MASK_ALL);
    assert_int_equal(read_ours(0x74, 4), 3);
    assert_int_equal(pci_config_write(&config, 0x74, 4, 0), 0);
    assert_int_equal(read_ours(0x74, 4), 3);
}

static void loops_end(void **state)
{
    uint8_t ids[8];

    (void)state;
    put(0x71, 0x40, 1); /* MSI-X → PM again */
    put(0x150, 0x10010010, 4);
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msix = 3, .msi = 1});
    assert_int_equal(chain(ids), 2);
    put(0x34, 0x04, 1); /* into the header */
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msix = 3, .msi = 1});
    assert_int_equal(chain(ids), 0);
}

static void capabilities_at_the_edge_stay_inside(void **state)
{
    (void)state;
    put(0x34, 0xfc, 1);
    put(0xfc, 0x00000010, 4);
    put(0x100, 0xffc10001, 4);
    put(0xffc, 0x00010001, 4);
    pci_config_begin(&config, raw, bars, (struct pci_vectors){.msix = 3, .msi = 1});
    assert_true(pci_config_passes(&config, 0xfe, 2));
    assert_int_equal(read_ours(0xffc, 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(identity_is_ours_and_read_only, setup),
        cmocka_unit_test_setup(command_and_status_pass, setup),
        cmocka_unit_test_setup(rom_and_pin_are_hidden, setup),
        cmocka_unit_test_setup(bars_tell_their_size, setup),
        cmocka_unit_test_setup(bars_keep_their_address, setup),
        cmocka_unit_test_setup(io_and_odd_bars_are_hidden, setup),
        cmocka_unit_test_setup(msi_is_cut_out_of_the_chain, setup),
        cmocka_unit_test_setup(msi_is_ours_without_msix, setup),
        cmocka_unit_test_setup(msi_of_32_bits, setup),
        cmocka_unit_test_setup(fewer_vectors_of_msi, setup),
        cmocka_unit_test_setup(only_what_governs_vectors, setup),
        cmocka_unit_test_setup(msi_at_the_edge_is_hidden, setup),
        cmocka_unit_test_setup(ext_chain_has_no_sriov, setup),
        cmocka_unit_test_setup(hidden_first_ext_cap_keeps_the_chain, setup),
        cmocka_unit_test_setup(msix_control_is_ours, setup),
        cmocka_unit_test_setup(loops_end, setup),
        cmocka_unit_test_setup(capabilities_at_the_edge_stay_inside, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
