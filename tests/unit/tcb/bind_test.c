/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idle VFs are bound to vfio-pci by a played kernel, which makes and binds VFs when it is told to,
 * and under which a child may die after any write.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pci/function.h"
#include "played_kernel.h"
#include "tree.h"

#define VFS 3

static bool is_bound(uint32_t index)
{
    struct vf_observed vf;

    return !function_observe_vf("sys", TREE_PF, index, false, &vf) &&
           !strcmp(vf.driver, "vfio-pci");
}

static void assert_all_bound(void)
{
    for (uint32_t i = 0; i < pf.card.vfs; i++)
        assert_true(is_bound(i));
}

/* ---- the tests */

/* autoprobe, numvfs, and two for each VF; what is so is not written again, by neither action. */
static void vfs_are_bound_when_they_are_made(void **state)
{
    (void)state;
    played_begin(VFS);
    struct result result = played_run(ACTION_PF_CREATE_VFS, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 2 + 2 * VFS);
    assert_string_equal(result.text, "");
    assert_all_bound();
    assert_int_equal(played_run(ACTION_PF_CREATE_VFS, 0).writes, 0);
    result = played_run(ACTION_PF_BIND_VFS, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
}

static void the_number_of_writes_is_linear(void **state)
{
    (void)state;
    played_begin(PARCLOSE_MAX_VFS_PER_PF);
    assert_int_equal(played_run(ACTION_PF_CREATE_VFS, 0).writes, 2 + 2 * PARCLOSE_MAX_VFS_PER_PF);
    assert_all_bound();
    assert_int_equal(played_run(ACTION_PF_BIND_VFS, 0).writes, 0);
}

/* After each write there is; whoever comes next goes on, and writes nothing twice. */
static void one_that_dies_is_gone_on_for(void **state)
{
    struct result result;
    (void)state;

    for (uint32_t lives = 0; lives < 2 + 2 * VFS; lives++) {
        played_begin(VFS);
        assert_false(played_run_for(ACTION_PF_CREATE_VFS, 0, lives, &result));
        result = played_run(ACTION_PF_CREATE_VFS, 0);
        assert_int_equal(result.error, 0);
        assert_int_equal(lives + result.writes, 2 + 2 * VFS);
        assert_all_bound();
    }
}

static void nor_does_it_matter_which_action_died(void **state)
{
    struct result result;
    (void)state;

    for (uint32_t lives = 0; lives < 2 * VFS; lives++) {
        played_begin(VFS);
        tree_create_vfs("sys", VFS);
        assert_false(played_run_for(ACTION_PF_BIND_VFS, 0, lives, &result));
        assert_int_equal(lives + played_run(ACTION_PF_BIND_VFS, 0).writes, 2 * VFS);
        assert_all_bound();
    }
}

/* The VFs are there all the same; who tries again only has it probed. */
static void one_that_does_not_bind_is_said(void **state)
{
    (void)state;
    played_begin(VFS);
    played.refused = 1;
    struct result result = played_run(ACTION_PF_CREATE_VFS, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 2 + 2 * VFS);
    assert_string_equal(result.text, "VF 1 does not bind to vfio-pci: Input/output error");
    assert_int_equal(result.bind_errors[1], EIO);
    assert_int_equal(result.bind_errors[0] | result.bind_errors[2], 0);
    assert_true(is_bound(0) && !is_bound(1) && is_bound(2));
    result = played_run(ACTION_PF_BIND_VFS, 0);
    assert_int_equal(result.error, -EIO);
    assert_int_equal(result.writes, 1);
    played.refused = VFS;
    result = played_run(ACTION_PF_BIND_VFS, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.bind_errors[1], 0);
    assert_all_bound();
}

static void a_kernel_without_vfio_pci_is_said(void **state)
{
    (void)state;
    played_begin(VFS);
    assert_int_equal(rmdir("sys/bus/pci/drivers/vfio-pci"), 0);
    const struct result result = played_run(ACTION_PF_CREATE_VFS, 0);
    assert_int_equal(result.error, 0);
    assert_string_equal(result.text,
                        "VF 0 and 2 more do not bind to vfio-pci: No such file or directory");
    for (uint32_t i = 0; i < VFS; i++)
        assert_int_equal(result.bind_errors[i], ENOENT);
}

/* What it would be bound to then is not known. */
static void one_that_cannot_be_overridden_is_not_probed(void **state)
{
    (void)state;
    played_begin(VFS);
    tree_create_vfs("sys", VFS);
    played.forbidden = "driver_override";
    const struct result result = played_run(ACTION_PF_BIND_VFS, 0);
    assert_int_equal(result.error, -EACCES);
    assert_int_equal(result.writes, VFS);
    assert_int_equal(result.bind_errors[2], EACCES);
}

/* By what root has written, by a driver of the host, by a monitor, or as one too many. */
static void what_is_not_ours_is_left_alone(void **state)
{
    char text[32];
    (void)state;

    played_begin(VFS);
    tree_create_vfs("sys", VFS + 1);
    tree_text("sys", tree_vf(0), "driver_override", "igbvf\n");
    tree_link("sys", tree_vf(1), "driver", "../../../../bus/pci/drivers/igbvf");
    pf.vfs[2].holder.value = 1;
    const struct result result = played_run(ACTION_PF_BIND_VFS, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
    tree_read("sys", tree_vf(0), "driver_override", text, sizeof(text));
    assert_string_equal(text, "igbvf\n");
    pf.vfs[2].holder.value = 0;
    assert_int_equal(played_run(ACTION_PF_BIND_VFS, 0).writes, 2);
    assert_true(is_bound(2) && !is_bound(VFS));
}

/* Who has the VF by definition has it whatever root wrote; that is done by its activation. */
static void a_partition_takes_one_that_root_meant_for_the_host(void **state)
{
    (void)state;
    played_begin(VFS);
    tree_create_vfs("sys", VFS);
    tree_text("sys", tree_vf(0), "driver_override", "igbvf\n");
    pf.vfs[0].owner = (struct owner){.kind = OWNER_GUEST, .partition = {1}};
    const struct result result = played_run(ACTION_VF_ACTIVATE, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.verified, VERIFIED_YES);
    assert_int_equal(result.writes, 2);
    assert_true(is_bound(0) && !is_bound(1));
}

/* The activation finds the binding done. */
static void one_that_is_bound_is_activated_without_a_write(void **state)
{
    (void)state;
    played_begin(VFS);
    played_run(ACTION_PF_CREATE_VFS, 0);
    pf.vfs[0].owner = (struct owner){.kind = OWNER_GUEST, .partition = {1}};
    pf.vfs[0].verified = VERIFIED_NO;
    const struct result result = played_run(ACTION_VF_ACTIVATE, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
}

/* An address that the VF's last owner had, and nobody desires: a look does not take it for as
 * desired, and it is not handed on. What the guest itself chooses stays. */
static void an_address_is_not_left_behind(void **state)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 1, 0}, none[6];
    (void)state;

    played_begin(1);
    played_run(ACTION_PF_CREATE_VFS, 0);
    pf.observed.class = CLASS_NETWORK;
    pf.vfs[0].owner.kind = OWNER_GUEST;
    memcpy(played.attributes[0].mac, mac, sizeof(mac));
    assert_int_equal(played_run(ACTION_NONE, 0).verified, VERIFIED_NO);
    assert_int_equal(played_run(ACTION_VF_ACTIVATE, 0).verified, VERIFIED_YES);
    assert_memory_equal(played.attributes[0].mac, none, sizeof(none));
    memcpy(played.attributes[0].mac, mac, sizeof(mac));
    assert_int_equal(played_run(ACTION_NONE, 0).verified, VERIFIED_YES);
    pf.vfs[0].prepared = false; /* its TCB has begun anew */
    pf.vfs[0].holder.value = 1;
    assert_int_equal(played_run(ACTION_NONE, 0).verified, VERIFIED_YES);
    assert_memory_equal(played.attributes[0].mac, mac, sizeof(mac));
}

/* ---- beside it: a driver that hangs when it is unbound */

static void a_driver_that_would_hang_is_not_unbound(void **state)
{
    static const uint32_t actions[] = {ACTION_PF_RESTART, ACTION_PF_RESET, ACTION_PF_DISABLE,
                                       ACTION_PF_RENEW};

    (void)state;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        played_begin(VFS);
        pf.recovery = RECOVERY_FAILED;
        const struct result result = played_run(actions[i], 0);
        assert_int_equal(result.error, -ENOTRECOVERABLE);
        assert_non_null(strstr(result.text, "restart the host"));
        assert_int_equal(result.writes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vfs_are_bound_when_they_are_made),
        cmocka_unit_test(an_address_is_not_left_behind),
        cmocka_unit_test(a_driver_that_would_hang_is_not_unbound),
        cmocka_unit_test(the_number_of_writes_is_linear),
        cmocka_unit_test(one_that_dies_is_gone_on_for),
        cmocka_unit_test(nor_does_it_matter_which_action_died),
        cmocka_unit_test(one_that_does_not_bind_is_said),
        cmocka_unit_test(a_kernel_without_vfio_pci_is_said),
        cmocka_unit_test(one_that_cannot_be_overridden_is_not_probed),
        cmocka_unit_test(what_is_not_ours_is_left_alone),
        cmocka_unit_test(a_partition_takes_one_that_root_meant_for_the_host),
        cmocka_unit_test(one_that_is_bound_is_activated_without_a_write),
    };
    return cmocka_run_group_tests(tests, played_setup, played_teardown);
}
