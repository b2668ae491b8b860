/* SPDX-License-Identifier: Apache-2.0 */
/* A bzImage's header with sizes that lie: each lie is refused. */
#include <errno.h>

#include "boot_file.h"
#include "bzimage.h"
#include "layout.h"
#include "test.h"

#define FILE_SIZE 8000000

static uint8_t head[BZIMAGE_HEAD];
static struct bzimage image;

static void put(unsigned offset, uint64_t value, unsigned size)
{
    memcpy(head + offset, &value, size);
}

/* As Debian's kernels have it. */
static int setup(void **state)
{
    (void)state;
    memset(head, 0, sizeof(head));
    put(0x1f1, 27, 1);
    put(0x1fe, 0xaa55, 2);
    put(0x201, 0x6a, 1);
    put(0x202, 0x53726448, 4);
    put(0x206, 0x020f, 2);
    put(0x211, 1, 1);
    put(0x22c, 0x7fffffff, 4);
    put(0x230, 0x200000, 4);
    put(0x234, 1, 1);
    put(0x236, 0x7f, 2);
    put(0x238, 2047, 4);
    put(0x258, 0x1000000, 8);
    put(0x260, 0x3a00000, 4);
    return 0;
}

static int parse(uint64_t size)
{
    return bzimage_parse(head, size, &image);
}

static int place(uint64_t ram, uint64_t size, uint64_t *initrd)
{
    return boot_file_place(image.load + image.init_size, image.initrd_max, ram, size, initrd);
}

static void good_header(void **state)
{
    uint64_t initrd;

    (void)state;
    assert_int_equal(parse(FILE_SIZE), 0);
    assert_int_equal(image.payload_offset, 28 * 512);
    assert_int_equal(image.payload_size, FILE_SIZE - 28 * 512);
    assert_int_equal(place(256 << 20, 4000000, &initrd), 0);
    assert_int_equal(initrd, ((256 << 20) - 4000000) & ~4095);
}

static void sectors_zero_means_four(void **state)
{
    (void)state;
    put(0x1f1, 0, 1);
    assert_int_equal(parse(FILE_SIZE), 0);
    assert_int_equal(image.payload_offset, 5 * 512);
}

static void not_a_kernel(void **state)
{
    static const struct {
        unsigned offset, size;
        uint64_t value;
    } lies[] = {{0x1fe, 2, 0}, {0x202, 4, 0},    {0x206, 2, 0x020b}, {0x211, 1, 0},
                {0x234, 1, 0}, {0x236, 2, 0x7e}, {0x201, 1, 0x10},   {0x201, 1, 0xff}};

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        setup(state);
        put(lies[i].offset, lies[i].value, lies[i].size);
        assert_int_equal(parse(FILE_SIZE), -ENOEXEC);
    }
}

static void sizes_that_contradict_the_file(void **state)
{
    (void)state;
    assert_int_equal(parse(28 * 512), -EFBIG);
    assert_int_equal(parse(0), -EFBIG);
    assert_int_equal(parse(0x3a00000 + 28 * 512 + 1), -EFBIG); /* more than init_size holds */
    assert_int_equal(parse(UINT64_MAX), -EFBIG);
    put(0x260, 0xffffffff, 4);
    assert_int_equal(parse(FILE_SIZE), -EFBIG);
}

static void load_addresses_out_of_range(void **state)
{
    static const uint64_t bad[] = {0, 0x1000, 0xfffff, 0x1000001, LAYOUT_LOW_MAX, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(0x258, bad[i], 8);
        assert_int_equal(parse(FILE_SIZE), -EFBIG);
    }
}

static void what_does_not_fit_memory(void **state)
{
    uint64_t initrd;

    (void)state;
    assert_int_equal(parse(FILE_SIZE), 0);
    assert_int_equal(place(64 << 20, 0, &initrd), -ENOMEM);
    assert_int_equal(place(256 << 20, 256 << 20, &initrd), -ENOMEM);
    assert_int_equal(place(256 << 20, UINT64_MAX, &initrd), -ENOMEM);
    assert_int_equal(place(256 << 20, (256 << 20) - 0x4a00000, &initrd), -ENOMEM);
}

static void initrd_stays_below_its_limit(void **state)
{
    uint64_t initrd;

    (void)state;
    assert_int_equal(parse(FILE_SIZE), 0);
    assert_int_equal(place(LAYOUT_LOW_MAX, 4096, &initrd), 0);
    assert_int_equal(initrd, 0x7ffff000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_header, setup),
        cmocka_unit_test_setup(sectors_zero_means_four, setup),
        cmocka_unit_test_setup(not_a_kernel, setup),
        cmocka_unit_test_setup(sizes_that_contradict_the_file, setup),
        cmocka_unit_test_setup(load_addresses_out_of_range, setup),
        cmocka_unit_test_setup(what_does_not_fit_memory, setup),
        cmocka_unit_test_setup(initrd_stays_below_its_limit, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
