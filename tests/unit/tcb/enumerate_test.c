/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PF that was reset while it had no driver, in front of a played kernel: it is removed and found
 * anew before a driver binds it, and nothing of it is touched for less.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pci/function.h"
#include "played_kernel.h"
#include "tree.h"

static const char *const all[] = {"remove <- 1", "rescan <- 1", "bind <- 0000:01:00.0"};

static void check_log(const char *const lines[], size_t count)
{
    assert_int_equal(played.writes, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(played.log[i], lines[i]);
}

static void assert_bound(void)
{
    struct pf_observed now = {0};

    function_observe_pf("sys", TREE_PF, &now);
    assert_string_equal(now.driver, "igb");
    assert_false(function_forgot("sys", TREE_PF));
}

/* Without a driver, and the kernel's reset of its link behind it. */
static void begin(void)
{
    played_begin(0);
    tree_unlink("sys", TREE_PF, "driver");
    tree_forget("sys", TREE_PF, 0);
}

static void it_is_enumerated_anew_and_bound(void **state)
{
    (void)state;
    begin();
    assert_int_equal(played_run(ACTION_PF_BIND, 0).error, 0);
    check_log(all, 3);
    assert_bound();
    assert_int_equal(played_run(ACTION_PF_BIND, 0).writes, 0);
}

static void the_kernel_may_bind_it_at_once(void **state)
{
    (void)state;
    begin();
    played.probes = "igb";
    assert_int_equal(played_run(ACTION_PF_RESTART, 0).error, 0);
    check_log(all, 2);
    assert_bound();
}

/* It has another driver now, which is somebody's wish, as ever. */
static void with_another_driver_it_is_left_alone(void **state)
{
    (void)state;
    begin();
    played.probes = "vfio-pci";
    const struct result result = played_run(ACTION_PF_BIND, 0);
    assert_int_equal(result.error, -EBUSY);
    assert_string_equal(result.text, "driver vfio-pci is bound to it: Device or resource busy");
    check_log(all, 2);
}

/* Its own driver, which had no time to mend it, is taken from it by a restart and a reset. */
static void a_restart_and_a_reset_do_it(void **state)
{
    static const uint32_t actions[] = {ACTION_PF_RESTART, ACTION_PF_RESET};
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        played_begin(0);
        tree_forget("sys", TREE_PF, 0);
        assert_int_equal(played_run(actions[i], 0).error, 0);
        assert_int_equal(played.writes, 4);
        assert_string_equal(played.log[0], "unbind <- 0000:01:00.0");
        for (size_t line = 0; line < 3; line++)
            assert_string_equal(played.log[1 + line], all[line]);
        assert_bound();
    }
}

static void one_that_remembers_is_bound_as_it_is(void **state)
{
    (void)state;
    played_begin(0);
    tree_unlink("sys", TREE_PF, "driver");
    assert_int_equal(played_run(ACTION_PF_BIND, 0).error, 0);
    check_log(&all[2], 1);
}

/* What it is to be does not matter: with a driver it is its driver's. */
static void one_that_has_its_driver_is_not_touched(void **state)
{
    (void)state;
    played_begin(0);
    tree_forget("sys", TREE_PF, 0);
    assert_int_equal(played_run(ACTION_PF_BIND, 0).error, 0);
    assert_int_equal(played.writes, 0);
}

static void vfs_that_are_left_keep_it(void **state)
{
    (void)state;
    begin();
    tree_create_vfs("sys", 2);
    tree_forget("sys", TREE_PF, 0);
    const struct result result = played_run(ACTION_PF_BIND, 0);
    assert_int_equal(result.error, -EBUSY);
    assert_string_equal(result.text,
                        "it was reset without a driver, and its 2 VFs keep it from being "
                        "enumerated anew: Device or resource busy");
    assert_int_equal(result.writes, 0);
}

static void one_that_cannot_be_removed_is_not_looked_for(void **state)
{
    (void)state;
    begin();
    played.forbidden = "remove";
    const struct result result = played_run(ACTION_PF_BIND, 0);
    assert_int_equal(result.error, -EACCES);
    assert_string_equal(result.text, "remove <- 1: Permission denied");
    check_log(all, 1);
}

static void one_that_does_not_come_back_is_told_of(void **state)
{
    (void)state;
    begin();
    played.lost = true;
    const struct result result = played_run(ACTION_PF_BIND, 0);
    assert_int_equal(result.error, -ENODEV);
    assert_string_equal(result.text,
                        "it was removed, and is not found on its bus again: No such device");
    check_log(all, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_enumerated_anew_and_bound),
        cmocka_unit_test(the_kernel_may_bind_it_at_once),
        cmocka_unit_test(with_another_driver_it_is_left_alone),
        cmocka_unit_test(a_restart_and_a_reset_do_it),
        cmocka_unit_test(one_that_remembers_is_bound_as_it_is),
        cmocka_unit_test(one_that_has_its_driver_is_not_touched),
        cmocka_unit_test(vfs_that_are_left_keep_it),
        cmocka_unit_test(one_that_cannot_be_removed_is_not_looked_for),
        cmocka_unit_test(one_that_does_not_come_back_is_told_of),
    };
    return cmocka_run_group_tests(tests, played_setup, played_teardown);
}
