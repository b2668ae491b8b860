/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory below and above the hole; addresses that are not RAM. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"
#include "memory.h"
#include "test.h"

static const uint64_t gib = UINT64_C(1) << 30;

static struct guest_memory of_size(uint64_t size)
{
    return (struct guest_memory){.fd = -1, .base = (uint8_t *)0x10000, .size = size};
}

static void small_memory_has_one_part(void **state)
{
    struct guest_memory m = of_size(gib);

    (void)state;
    assert_true(memory_extent(&m, 0).size == gib);
    assert_true(memory_extent(&m, 1).size == 0);
    assert_true(memory_pci64(&m) == LAYOUT_4G);
}

static void large_memory_goes_around_the_hole(void **state)
{
    struct guest_memory m = of_size(5 * gib + (2 << 20));

    (void)state;
    assert_true(memory_extent(&m, 0).size == 3 * gib);
    assert_true(memory_extent(&m, 1).gpa.value == LAYOUT_4G);
    assert_true(memory_extent(&m, 1).offset == 3 * gib);
    assert_true(memory_pci64(&m) == 7 * gib);
}

static void only_ram_has_a_place(void **state)
{
    struct guest_memory m = of_size(4 * gib);

    (void)state;
    assert_ptr_equal(memory_at(&m, (struct gpa){4096}, 1), m.base + 4096);
    assert_ptr_equal(memory_at(&m, (struct gpa){LAYOUT_4G}, gib), m.base + 3 * gib);
    assert_null(memory_at(&m, (struct gpa){LAYOUT_4G}, gib + 1));
    assert_null(memory_at(&m, (struct gpa){3 * gib - 1}, 2)); /* into the hole */
    assert_null(memory_at(&m, (struct gpa){3 * gib}, 1));
    assert_null(memory_at(&m, (struct gpa){UINT64_MAX}, 2));
    assert_null(memory_at(&m, (struct gpa){0}, UINT64_MAX));
}

static void odd_sizes_are_refused(void **state)
{
    struct guest_memory m;

    (void)state;
    assert_int_equal(memory_make(&m, MEMORY_MIN - (2 << 20), UINT32_MAX, PAGES_ORDINARY), -EINVAL);
    assert_int_equal(memory_make(&m, MEMORY_MIN + 4096, UINT32_MAX, PAGES_ORDINARY), -EINVAL);
    assert_int_equal(memory_make(&m, MEMORY_MIN, UINT32_MAX, MEMORY_PAGES), -EINVAL);
    assert_int_equal(memory_make(&m, UINT64_MAX, UINT32_MAX, PAGES_ORDINARY), -EINVAL);
}

static void made_memory_cannot_change_its_size(void **state)
{
    struct guest_memory m;

    (void)state;
    assert_int_equal(memory_make(&m, MEMORY_MIN, UINT32_MAX, PAGES_ORDINARY), 0);
    m.base[MEMORY_MIN - 1] = 1;
    assert_int_equal(ftruncate(m.fd, 0), -1);
    munmap(m.base, m.size);
    close(m.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_memory_has_one_part),
        cmocka_unit_test(large_memory_goes_around_the_hole),
        cmocka_unit_test(only_ram_has_a_place),
        cmocka_unit_test(odd_sizes_are_refused),
        cmocka_unit_test(made_memory_cannot_change_its_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
