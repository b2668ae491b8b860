/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that are not sealed, of the wrong size, or with a field out of range. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "descriptor.h"
#include "test.h"

#define ALL (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct partition_descriptor d, out;

static int setup(void **state)
{
    (void)state;
    d = (struct partition_descriptor){.magic = DESCRIPTOR_MAGIC,
                                      .version = DESCRIPTOR_VERSION,
                                      .size = sizeof(d),
                                      .partition = {1},
                                      .vcpus_count = 1,
                                      .memory_node = UINT32_MAX,
                                      .memory_bytes = 256 << 20};
    return 0;
}

static int read_back(size_t size, int seals)
{
    int fd = memfd_create("d", MFD_ALLOW_SEALING), rc;

    assert_int_equal(write(fd, &d, size), size);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    rc = descriptor_read(fd, &out);
    close(fd);
    return rc;
}

static void sealed_and_whole(void **state)
{
    (void)state;
    assert_int_equal(read_back(sizeof(d), ALL), 0);
    assert_memory_equal(&d, &out, sizeof(d));
}

static void a_missing_seal(void **state)
{
    static const int seals[] = {F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL};

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(read_back(sizeof(d), ALL & ~seals[i]), -EPERM);
}

static void the_wrong_size(void **state)
{
    (void)state;
    assert_int_equal(read_back(sizeof(d) - 1, ALL), -EINVAL);
    assert_int_equal(read_back(0, ALL), -EINVAL);
}

static void not_a_memfd(void **state)
{
    (void)state;
    assert_int_equal(descriptor_read(-1, &out), -EPERM);
    assert_int_equal(descriptor_read(0, &out), -EPERM);
}

static void fields_out_of_range(void **state)
{
#define REFUSE(field, value)                                                                       \
    do {                                                                                           \
        setup(state);                                                                              \
        d.field = (value);                                                                         \
        assert_int_equal(descriptor_check(&d), -EINVAL);                                           \
    } while (0)
    REFUSE(magic, 0);
    REFUSE(version, DESCRIPTOR_VERSION + 1);
    REFUSE(size, 8);
    REFUSE(vcpus_count, 0);
    REFUSE(vcpus_count, PARCLOSE_MAX_VCPUS + 1);
    REFUSE(vfs_count, PARCLOSE_MAX_PARTITION_VFS + 1);
    REFUSE(memory_bytes, 0);
    REFUSE(memory_bytes, UINT64_MAX);
    REFUSE(memory_node, PARCLOSE_MAX_NODES);
    setup(state);
    memset(d.cmdline, 'x', sizeof(d.cmdline));
    assert_int_equal(descriptor_check(&d), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sealed_and_whole, setup),
        cmocka_unit_test_setup(a_missing_seal, setup),
        cmocka_unit_test_setup(the_wrong_size, setup),
        cmocka_unit_test_setup(not_a_memfd, setup),
        cmocka_unit_test_setup(fields_out_of_range, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
