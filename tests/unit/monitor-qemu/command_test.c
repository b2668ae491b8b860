/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's command line: what is on it, and that it fits whatever the descriptor says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"

static struct command command;

static struct partition_descriptor describe(void)
{
    struct partition_descriptor d = {.vcpus_count = 2,
                                     .memory_bytes = UINT64_C(256) << 20,
                                     .name = "web",
                                     .cmdline = "console=ttyS0,115200 quiet"};
    return d;
}

static bool has(const char *option, const char *value)
{
    for (size_t i = 0; i + 1 < command.count; i++)
        if (!strcmp(command.arguments[i], option) && strstr(command.arguments[i + 1], value))
            return true;
    return false;
}

static void it_is_held_and_sealed(void **state)
{
    const struct partition_descriptor d = describe();
    const struct command_images images = {.kernel = true};
    bool held = false;
    (void)state;

    assert_int_equal(command_build(&command, &d, &images), 0);
    for (size_t i = 0; i < command.count; i++)
        held |= !strcmp(command.arguments[i], "-S");
    assert_true(held);
    assert_null(command.arguments[command.count]);
    assert_true(has("-sandbox", "on,"));
    assert_true(has("-sandbox", "spawn=deny"));
    assert_true(has("-sandbox", "elevateprivileges=deny"));
    assert_true(has("-append", "console=ttyS0,115200 quiet"));
    assert_true(has("-action", "reboot=shutdown"));
    assert_true(has("-m", "256M"));
    assert_false(has("-initrd", ""));
    assert_false(has("-blockdev", ""));
    assert_false(has("-device", "root-port"));
}

static void a_firmware_and_a_disk(void **state)
{
    const struct partition_descriptor d = describe();
    const struct command_images images = {.firmware = true, .variables = true, .disk = true};
    (void)state;

    assert_int_equal(command_build(&command, &d, &images), 0);
    assert_true(has("-machine", "pflash0=firmware,pflash1=variables"));
    assert_true(has("-blockdev", "node-name=firmware,read-only=on"));
    assert_true(has("-blockdev", "node-name=variables,read-only=off"));
    assert_true(has("-device", "drive=disk"));
    assert_false(has("-kernel", ""));
    assert_false(has("-append", ""));
}

static void the_longest_fits(void **state)
{
    struct partition_descriptor d = describe();
    const struct command_images images = {true, true, true, true, true};
    (void)state;

    memset(d.name, 'a', sizeof(d.name) - 1);
    memset(d.cmdline, 'a', sizeof(d.cmdline) - 1);
    d.cmdline[sizeof(d.cmdline) - 1] = 0;
    d.vcpus_count = PARCLOSE_MAX_VCPUS;
    d.vfs_count = PARCLOSE_MAX_PARTITION_VFS;
    d.memory_bytes = UINT64_C(1) << 44;
    assert_int_equal(command_build(&command, &d, &images), 0);
    assert_true(has("-device", "id=port7,"));
    assert_true(has("-m", "16777216M"));
}

static void vfs_have_names(void **state)
{
    char path[BROKER_PATH_MAX];
    (void)state;

    command_vf_folder(path, (struct bdf){0x1000183});
    assert_string_equal(path, COMMAND_VFS "/0100:01:10.3");
    command_group(path, 7);
    assert_string_equal(path, "/dev/vfio/7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_held_and_sealed),
        cmocka_unit_test(a_firmware_and_a_disk),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(vfs_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
