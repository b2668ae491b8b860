/* SPDX-License-Identifier: Apache-2.0 */
/* A file's bytes in the guest's memory: where they belong, nothing beside them, and files that end
 * early. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot_file.h"
#include "test.h"

#define AT   UINT64_C(0x100234) /* in the guest */
#define FROM 0x1fe1             /* in the file */
#define SIZE 0x5003

static struct guest_memory memory;
static uint8_t bytes[FROM + SIZE];
static int file;

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251 + 1);
    file = memfd_create("kernel", MFD_CLOEXEC);
    assert_int_equal(write(file, bytes, sizeof(bytes)), sizeof(bytes));
    return memory_make(&memory, MEMORY_MIN, UINT32_MAX, PAGES_ORDINARY);
}

static int teardown(void **state)
{
    (void)state;
    close(file);
    munmap(memory.base, memory.size);
    return close(memory.fd);
}

static void all_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(boot_file_load(&memory, file, AT, SIZE, FROM), 0);
    assert_memory_equal(memory.base + AT, bytes + FROM, SIZE);
    assert_int_equal(memory.base[AT - 1], 0);
    assert_int_equal(memory.base[AT + SIZE], 0);
}

static void nothing(void **state)
{
    (void)state;
    assert_int_equal(boot_file_load(&memory, file, AT, 0, FROM), 0);
    assert_int_equal(memory.base[AT], 0);
}

static void the_file_ends_early(void **state)
{
    (void)state;
    assert_int_equal(boot_file_load(&memory, file, AT, SIZE + 0x2000, FROM), -EIO);
    assert_int_equal(boot_file_load(&memory, file, AT, 1, UINT64_C(1) << 40), -EIO);
}

static void memory_ends_early(void **state)
{
    (void)state;
    assert_int_equal(boot_file_load(&memory, file, MEMORY_MIN - SIZE + 1, SIZE, FROM), -ENOMEM);
    assert_int_equal(boot_file_load(&memory, file, UINT64_MAX, SIZE, FROM), -ENOMEM);
    assert_int_equal(memory.base[MEMORY_MIN - 1], 0);
}

/* Huge pages' files take no write(): there it is read. */
static void huge_pages(void **state)
{
    struct guest_memory huge = memory;

    (void)state;
    huge.fd = memfd_create("guest", MFD_CLOEXEC | MFD_HUGETLB);
    if (huge.fd < 0)
        skip(); /* a kernel without them */
    assert_int_equal(boot_file_load(&huge, file, AT, SIZE, FROM), 0);
    assert_memory_equal(memory.base + AT, bytes + FROM, SIZE);
    close(huge.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_ends_early, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_ends_early, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_pages, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
