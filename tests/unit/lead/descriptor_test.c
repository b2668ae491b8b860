/* SPDX-License-Identifier: Apache-2.0 */
/* Lead takes a descriptor only when it is sealed, whole, and every field is within its range. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "descriptor.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct partition_descriptor good(void)
{
    struct partition_descriptor d = {
        .magic = DESCRIPTOR_MAGIC,
        .version = DESCRIPTOR_VERSION,
        .size = sizeof(d),
        .generation = 1,
        .partition = {3},
        .uid = 0x70000003,
        .vcpus_count = 2,
        .vfs_count = 1,
        .memory_bytes = UINT64_C(256) << 20,
        .memory_node = UINT32_MAX,
        .name = "web",
        .monitor = "native",
        .kernel = "/boot/vmlinuz",
        .cmdline = "console=ttyS0",
    };
    d.vcpus[0].pcpu = 1;
    d.vcpus[1].pcpu = 2;
    return d;
}

static int take(const void *bytes, size_t size, int seals)
{
    struct partition_descriptor taken;
    int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, size), size);
    assert_int_equal(fcntl(file, F_ADD_SEALS, seals), 0);
    int error = descriptor_take(file, &taken);
    close(file);
    return error;
}

static void a_good_one_is_taken(void **state)
{
    struct partition_descriptor d = good();
    (void)state;
    assert_int_equal(take(&d, sizeof(d), SEALS), 0);
}

static void each_missing_seal_is_refused(void **state)
{
    static const int seals[] = {F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL};
    struct partition_descriptor d = good();
    (void)state;

    for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++)
        assert_int_not_equal(take(&d, sizeof(d), SEALS & ~seals[i]), 0);
}

static void any_other_size_is_refused(void **state)
{
    struct {
        struct partition_descriptor d;
        char more;
    } longer = {.d = good()};
    (void)state;

    assert_int_not_equal(take(&longer, sizeof(longer.d) - 1, SEALS), 0);
    assert_int_not_equal(take(&longer, sizeof(longer.d) + 1, SEALS), 0);
    assert_int_not_equal(take(&longer, 0, SEALS), 0);
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct partition_descriptor d = good();                                                    \
        change;                                                                                    \
        assert_int_not_equal(take(&d, sizeof(d), SEALS), 0);                                       \
    } while (0)

static void every_number_out_of_range_is_refused(void **state)
{
    (void)state;
    REFUSED(d.magic++);
    REFUSED(d.version++);
    REFUSED(d.size--);
    REFUSED(d.partition.value = 0);
    REFUSED(d.partition.value = PARCLOSE_MAX_PARTITIONS + 1);
    REFUSED(d.uid = 0);
    REFUSED(d.uid++);
    REFUSED(d.vcpus_count = 0);
    REFUSED(d.vcpus_count = PARCLOSE_MAX_VCPUS + 1);
    REFUSED(d.vcpus_count = UINT32_MAX);
    REFUSED(d.vcpus[1].pcpu = UINT32_MAX);
    REFUSED(d.vfs_count = PARCLOSE_MAX_PARTITION_VFS + 1);
    REFUSED(d.memory_bytes = 0);
    REFUSED(d.memory_bytes = UINT64_MAX);
}

/* One with shared processors instead. */
static struct partition_descriptor shared(void)
{
    struct partition_descriptor d = good();

    d.weight = 100;
    d.shared_pcpus.words[0] = 6;
    d.vcpus[0].pcpu = d.vcpus[1].pcpu = DESCRIPTOR_SHARED;
    return d;
}

static void with_a_weight_all_processors_are_shared(void **state)
{
    const struct partition_descriptor whole = shared();
    (void)state;

    assert_int_equal(take(&whole, sizeof(whole), SEALS), 0);
    REFUSED(d = shared(); d.weight = 10001);
    REFUSED(d = shared(); d.vcpus[1].pcpu = 1);
    REFUSED(d = shared(); d.shared_pcpus.words[0] = 0);
    REFUSED(d.weight = 100);
    REFUSED(d.shared_pcpus.words[15] = 1);
    REFUSED(d.firmware = FIRMWARE_UEFI);
}

static void every_bad_channel_is_refused(void **state)
{
    struct partition_descriptor whole = good();
    (void)state;

    whole.channels_count = 1;
    whole.channels[0] = (struct partition_channel){
        .name = "disk", .kind = CHANNEL_DEVICE_BLOCK, .server = "/run/disk.sock"};
    assert_int_equal(take(&whole, sizeof(whole), SEALS), 0);
    REFUSED(d = whole; d.channels_count = PARCLOSE_MAX_CHANNELS + 1);
    REFUSED(d = whole; d.channels[0].kind = CHANNEL_DEVICES);
    REFUSED(d = whole; d.channels[0].mode = CHANNEL_MODES);
    REFUSED(d = whole; d.channels[0].name[0] = '/');
    REFUSED(d = whole; d.channels[0].server[0] = 0);
    REFUSED(d = whole; memset(d.channels[0].server, '/', CHANNEL_SERVER_MAX));
    REFUSED(d = whole; d.channels[0].reserved = 1);
}

/* One whose own went offline. */
static void a_vcpu_without_a_pcpu_runs_on_shared_ones(void **state)
{
    struct partition_descriptor one = shared();
    (void)state;

    one.weight = 0;
    assert_int_equal(take(&one, sizeof(one), SEALS), 0);
    one.vcpus[0].pcpu = 1;
    assert_int_equal(take(&one, sizeof(one), SEALS), 0);
    REFUSED(d = one; d.shared_pcpus.words[0] = 0);
    REFUSED(d = one; d.vcpus[1].pcpu = 2);
}

static void every_bad_text_is_refused(void **state)
{
    (void)state;
    REFUSED(strcpy(d.name, "../x"));
    REFUSED(strcpy(d.name, ""));
    REFUSED(memset(d.name, 'a', sizeof(d.name)));
    REFUSED(strcpy(d.kernel, ""));
    REFUSED(strcpy(d.kernel, "boot/vmlinuz"));
    REFUSED(memset(d.kernel, '/', sizeof(d.kernel)));
    REFUSED(strcpy(d.initrd, "initrd"));
    REFUSED(memset(d.initrd, '/', sizeof(d.initrd)));
    REFUSED(memset(d.cmdline, 'a', sizeof(d.cmdline)));
    REFUSED(strcpy(d.monitor, "xen"));
    REFUSED(memset(d.monitor, 'a', sizeof(d.monitor)));
    REFUSED(strcpy(d.variables, "/v"));
    REFUSED(strcpy(d.disk, "/d"));
}

static void a_firmware_needs_no_kernel(void **state)
{
    struct partition_descriptor uefi = good();
    (void)state;

    strcpy(uefi.monitor, "qemu");
    uefi.firmware = FIRMWARE_UEFI;
    strcpy(uefi.variables, "/v");
    strcpy(uefi.disk, "/d");
    uefi.kernel[0] = uefi.cmdline[0] = 0;
    assert_int_equal(take(&uefi, sizeof(uefi), SEALS), 0);
    REFUSED(d = uefi; d.firmware = GUEST_FIRMWARES);
    REFUSED(d = uefi; d.channels_count = 1; strcpy(d.channels[0].name, "disk");
            strcpy(d.channels[0].server, "/run/disk.sock"));
    REFUSED(d = uefi; d.firmware = FIRMWARE_BIOS);
    REFUSED(d = uefi; strcpy(d.kernel, "/k"); d.firmware = FIRMWARE_BIOS);
    REFUSED(d = uefi; strcpy(d.disk, "disk"));
    REFUSED(d = uefi; memset(d.disk, '/', sizeof(d.disk)));
    REFUSED(d = uefi; strcpy(d.variables, "vars"));
    REFUSED(d = uefi; memset(d.variables, '/', sizeof(d.variables)));
}

static void what_is_no_memory_file_is_refused(void **state)
{
    struct partition_descriptor taken;
    int file = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    (void)state;

    assert_int_not_equal(descriptor_take(file, &taken), 0);
    assert_int_not_equal(descriptor_take(-1, &taken), 0);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_is_taken),
        cmocka_unit_test(each_missing_seal_is_refused),
        cmocka_unit_test(any_other_size_is_refused),
        cmocka_unit_test(every_number_out_of_range_is_refused),
        cmocka_unit_test(with_a_weight_all_processors_are_shared),
        cmocka_unit_test(a_vcpu_without_a_pcpu_runs_on_shared_ones),
        cmocka_unit_test(every_bad_channel_is_refused),
        cmocka_unit_test(every_bad_text_is_refused),
        cmocka_unit_test(a_firmware_needs_no_kernel),
        cmocka_unit_test(what_is_no_memory_file_is_refused),
    };
    return cmocka_run_group_tests_name("descriptor", tests, NULL, NULL);
}
