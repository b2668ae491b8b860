/* SPDX-License-Identifier: Apache-2.0 */
/* The MSI-X table: masks, rewritten entries, accesses that do not fit. */
#include "msix.h"
#include "test.h"

static struct msix msix;

static int setup(void **state)
{
    (void)state;
    msix_begin(&msix, 3);
    return 0;
}

static void begins_masked_and_off(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(msix_read(&msix, 16 * (uint64_t)i + 12, 4), 1);
        assert_false(msix_live(&msix, i));
    }
}

static void live_takes_enable_and_both_masks_off(void **state)
{
    (void)state;
    assert_false(msix_write(&msix, 12, 4, 0)); /* not enabled: nothing changes for anybody */
    assert_false(msix_live(&msix, 0));
    msix.control = MSIX_CTRL_ENABLE | MSIX_CTRL_MASK_ALL;
    assert_false(msix_live(&msix, 0));
    msix.control = MSIX_CTRL_ENABLE;
    assert_true(msix_live(&msix, 0));
    assert_false(msix_live(&msix, 1));
    assert_true(msix_write(&msix, 12, 4, 1));
    assert_false(msix_live(&msix, 0));
}

static void rewriting_a_live_entry_is_told(void **state)
{
    (void)state;
    msix.control = MSIX_CTRL_ENABLE;
    assert_false(msix_write(&msix, 16, 4, 0xfee01000)); /* masked: quiet */
    assert_true(msix_write(&msix, 28, 4, 0));
    assert_true(msix_write(&msix, 24, 4, 0x41));
    assert_int_equal(msix_read(&msix, 24, 4), 0x41);
}

static void eight_bytes_at_once(void **state)
{
    (void)state;
    msix_write(&msix, 32, 8, UINT64_C(0x00000001fee01003));
    assert_int_equal(msix_read(&msix, 32, 4), 0xfee01000); /* low bits are zero */
    assert_int_equal(msix_read(&msix, 36, 4), 1);
    assert_true(msix_read(&msix, 32, 8) == UINT64_C(0x00000001fee01000));
}

static void bad_accesses_do_nothing(void **state)
{
    static const struct {
        uint64_t offset;
        unsigned size;
    } bad[] = {{0, 1}, {0, 2}, {2, 4}, {4, 8}, {48, 4}, {47, 4}, {UINT64_MAX - 3, 4}, {0, 3}};
    struct msix before = msix;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(msix_write(&msix, bad[i].offset, bad[i].size, 0));
        assert_true(msix_read(&msix, bad[i].offset, bad[i].size) == UINT64_MAX);
    }
    assert_memory_equal(&before, &msix, sizeof(msix));
}

static void long_tables_are_cut(void **state)
{
    (void)state;
    msix_begin(&msix, 2048);
    assert_int_equal(msix.count, MSIX_VECTORS);
    assert_false(msix_live(&msix, MSIX_VECTORS));
}

static void from_msi(uint8_t enable, bool on, uint64_t address, uint16_t data)
{
    const struct msi msi = {.address = address, .data = data, .enable = enable, .on = on};

    msix_from_msi(&msix, &msi);
}

static unsigned live_count(void)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < MSIX_VECTORS; i++)
        count += msix_live(&msix, i);
    return count;
}

/* Enable says how many; more than there are, and the two reserved values, are all. */
static void msi_gives_what_it_enables(void **state)
{
    static const unsigned counts[] = {1, 2, 4, 8, 8, 8, 8, 8};

    (void)state;
    msix_begin(&msix, 8);
    for (uint8_t enable = 0; enable < 8; enable++) {
        from_msi(enable, true, 0xfee01000, 0x4040);
        assert_int_equal(live_count(), counts[enable]);
        from_msi(enable, false, 0xfee01000, 0x4040);
        assert_int_equal(live_count(), 0);
    }
}

/* The low bits of the data are the vector's number, whatever the guest has there. */
static void msi_numbers_its_data(void **state)
{
    (void)state;
    msix_begin(&msix, 4);
    from_msi(2, true, UINT64_C(0x1fee01003), 0xffff);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(msix.entries[i].words[0], 0xfee01000);
        assert_int_equal(msix.entries[i].words[1], 1);
        assert_int_equal(msix.entries[i].words[2], 0xfffc + i);
    }
    from_msi(0, true, 0xfee01000, 0xffff); /* one vector: its data as it is */
    assert_int_equal(msix.entries[0].words[2], 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(begins_masked_and_off, setup),
        cmocka_unit_test_setup(live_takes_enable_and_both_masks_off, setup),
        cmocka_unit_test_setup(rewriting_a_live_entry_is_told, setup),
        cmocka_unit_test_setup(eight_bytes_at_once, setup),
        cmocka_unit_test_setup(bad_accesses_do_nothing, setup),
        cmocka_unit_test_setup(long_tables_are_cut, setup),
        cmocka_unit_test(msi_gives_what_it_enables),
        cmocka_unit_test(msi_numbers_its_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
