/* SPDX-License-Identifier: Apache-2.0 */
/* A proposal is from anybody: one that is not sealed, not whole or not right is none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config_check.h"
#include "config/proposal.h"

#define ALL_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct proposal proposal, read_back;
static char reason[PARCLOSE_REASON_MAX];

static int setup(void **state)
{
    (void)state;
    memset(&proposal, 0, sizeof(proposal));
    proposal.magic = PROPOSAL_MAGIC;
    proposal.version = PROPOSAL_VERSION;
    proposal.host_given = 1;
    host_config_defaults(&proposal.host);
    proposal.partitions_count = 2;
    for (uint32_t i = 0; i < 2; i++)
        proposal.partitions[i] = (struct partition_config){.name = {(char)('a' + i)},
                                                           .vcpus = 1,
                                                           .memory_mib = 64,
                                                           .monitor = "native",
                                                           .kernel = "/k"};
    proposal.edits_count = 2;
    proposal.edits[1].index = 1;
    return 0;
}

static void refused(int error)
{
    assert_int_equal(proposal_check(&proposal, reason), error);
    assert_true(reason[0]);
}

static void comes_back_as_it_was(void **state)
{
    int fd = proposal_seal(&proposal);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(proposal_open(fd, &read_back, reason), 0);
    assert_memory_equal(&read_back, &proposal, sizeof(proposal));
    close(fd);
}

static int file_of(size_t size, unsigned seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(write(fd, &proposal, sizeof(proposal)), sizeof(proposal));
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void no_sealed_file_of_its_size(void **state)
{
    static const struct {
        size_t size;
        unsigned seals;
        int error;
    } rows[] = {
        {sizeof(proposal), ALL_SEALS & ~(unsigned)F_SEAL_WRITE, -EPERM},
        {sizeof(proposal), ALL_SEALS & ~(unsigned)F_SEAL_SHRINK, -EPERM},
        {sizeof(proposal), 0, -EPERM},
        {sizeof(proposal) - 1, ALL_SEALS, -EBADMSG},
        {sizeof(proposal) + 1, ALL_SEALS, -EBADMSG},
        {0, ALL_SEALS, -EBADMSG},
    };
    int ends[2];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = file_of(rows[i].size, rows[i].seals);
        assert_int_equal(proposal_open(fd, &read_back, reason), rows[i].error);
        close(fd);
    }
    assert_int_equal(proposal_open(-1, &read_back, reason), -EPERM);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(proposal_open(ends[0], &read_back, reason), -EPERM); /* and does not block */
    close(ends[0]);
    close(ends[1]);
}

static void a_head_that_is_wrong(void **state)
{
    uint32_t *const numbers[] = {&proposal.version, &proposal.host_given,
                                 &proposal.partitions_count, &proposal.edits_count};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint32_t good = *numbers[i];
        *numbers[i] = 1000;
        refused(-EBADMSG);
        *numbers[i] = UINT32_MAX;
        refused(-EBADMSG);
        *numbers[i] = good;
    }
    proposal.magic++;
    refused(-EBADMSG);
}

static void a_configuration_that_is_wrong(void **state)
{
    (void)state;
    memset(proposal.partitions[1].kernel, 'x', sizeof(proposal.partitions[1].kernel));
    refused(-EINVAL);
    setup(NULL);
    proposal.partitions[1].vfs_count = UINT32_MAX;
    refused(-EINVAL);
    setup(NULL);
    proposal.host.cards_count = UINT32_MAX;
    refused(-EINVAL);
    proposal.host_given = 0; /* then nobody looks at it */
    assert_int_equal(proposal_check(&proposal, reason), 0);
}

static void twice_the_same(void **state)
{
    (void)state;
    proposal.partitions[1].name[0] = 'a';
    refused(-EINVAL);
    setup(NULL);
    proposal.edits[1].index = 0;
    refused(-EINVAL);
    proposal.edits[1].index = PARCLOSE_MAX_VFS_PER_PF;
    refused(-EBADMSG);
    proposal.edits[1].index = 1;
    proposal.edits[1].after.vlan = 5000;
    proposal.edits[1].after.present = VF_ATTR_VLAN;
    refused(-EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(comes_back_as_it_was, setup),
        cmocka_unit_test_setup(no_sealed_file_of_its_size, setup),
        cmocka_unit_test_setup(a_head_that_is_wrong, setup),
        cmocka_unit_test_setup(a_configuration_that_is_wrong, setup),
        cmocka_unit_test_setup(twice_the_same, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
