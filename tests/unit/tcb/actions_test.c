/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a VF before it is handed over, and in which order: its reset, its attributes, an
 * NVMe VF's resources. In front of a played kernel.
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

#define VFS 3

static void check_log(const char *const lines[], size_t count)
{
    assert_int_equal(played.writes, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(played.log[i], lines[i]);
}

#define CHECK_LOG(...)                                                                             \
    check_log((const char *const[]){__VA_ARGS__},                                                  \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* A partition's, and bound already; its PF's class is another one than network's. */
static void begin(const char *class, uint32_t vfs)
{
    played_begin(vfs);
    tree_text("sys", TREE_PF, "class", class);
    tree_create_vfs("sys", vfs);
    for (uint32_t i = 0; i < vfs; i++) {
        tree_link("sys", tree_vf(i), "driver", "../../../../bus/pci/drivers/vfio-pci");
        pf.vfs[i].present = true;
        pf.vfs[i].owner = (struct owner){.kind = OWNER_GUEST, .partition = {1}};
        assert_int_equal(function_observe_vf("sys", TREE_PF, i, false, &pf.vfs[i].observed), 0);
    }
}

/* ---- its reset */

/* VF 0 has this driver ("": none), and the kernel knows how to reset it. */
static void begin_with_driver(const char *driver)
{
    char target[64];

    begin("0xff0000", 1);
    tree_unlink("sys", tree_vf(0), "driver");
    if (driver[0]) {
        snprintf(target, sizeof(target), "../../../../bus/pci/drivers/%s", driver);
        tree_link("sys", tree_vf(0), "driver", target);
    }
    tree_text("sys", tree_vf(0), "reset", "");
}

static void one_that_is_not_bound_is_reset_once_and_before_all(void **state)
{
    (void)state;
    begin_with_driver("");
    struct result result = played_run(ACTION_VF_ACTIVATE, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.verified, VERIFIED_YES);
    CHECK_LOG("reset <- 1", "driver_override <- vfio-pci", "drivers_probe <- 0000:01:10.0");
    assert_int_equal(played_run(ACTION_VF_ACTIVATE, 0).writes, 0);
}

/* Its opening by VFIO does it, and its closing did. */
static void one_that_is_bound_is_reset_by_vfio(void **state)
{
    (void)state;
    begin_with_driver("vfio-pci");
    const struct result result = played_run(ACTION_VF_ACTIVATE, 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.verified, VERIFIED_YES);
    assert_int_equal(result.writes, 0);
}

static void a_reset_that_fails_refuses_it(void **state)
{
    (void)state;
    begin_with_driver("");
    played.forbidden = "reset";
    for (int i = 0; i < 2; i++) { /* however often it is tried */
        const struct result result = played_run(ACTION_VF_ACTIVATE, 0);
        assert_int_equal(result.error, -EACCES);
        assert_string_equal(result.text, "it does not reset: Permission denied");
        assert_int_equal(result.verified, VERIFIED_NO);
        assert_false(pf.vfs[0].prepared);
        CHECK_LOG("reset <- 1");
    }
    played.forbidden = NULL;
    assert_int_equal(played_run(ACTION_VF_ACTIVATE, 0).error, 0);
}

static void one_that_cannot_be_reset_is_bound(void **state)
{
    (void)state;
    begin_with_driver("");
    tree_unlink("sys", tree_vf(0), "reset");
    assert_int_equal(played_run(ACTION_VF_ACTIVATE, 0).error, 0);
    CHECK_LOG("driver_override <- vfio-pci", "drivers_probe <- 0000:01:10.0");
}

/* Neither its reset nor its attributes are changed under it. */
static void what_the_hosts_driver_has_is_not_touched(void **state)
{
    (void)state;
    begin_with_driver("igbvf");
    tree_text("sys", TREE_PF, "class", "0x020000");
    pf.vfs[0].desired = (struct vf_attributes){.present = VF_ATTR_VLAN, .vlan = 7};
    const struct result result = played_run(ACTION_VF_ACTIVATE, 0);
    assert_int_equal(result.error, -EBUSY);
    assert_string_equal(result.text, "the host's driver igbvf has it: Device or resource busy");
    assert_int_equal(result.writes, 0);
}

/* ---- network attributes */

static struct vf_attributes vlan(uint16_t id)
{
    return (struct vf_attributes){.present = VF_ATTR_VLAN, .vlan = id};
}

static void one_edit_is_one_write_however_many_vfs_there_are(void **state)
{
    const uint32_t edited = 200;
    (void)state;

    begin("0x020000", PARCLOSE_MAX_VFS_PER_PF);
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        pf.vfs[i].desired = vlan(7);
        played.attributes[i].vlan = 7;
        pf.vfs[i].holder.value = 1;
    }
    pf.vfs[edited].desired = vlan(8);
    const struct result result = played_run(ACTION_VF_CONFIGURE, edited);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.verified, VERIFIED_YES);
    CHECK_LOG("VF 200: 0x2");
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        assert_int_equal(played.attributes[i].vlan, i == edited ? 8 : 7);
    assert_int_equal(played_run(ACTION_VF_CONFIGURE, edited).writes, 0);
}

/* ---- NVMe resources */

static void begin_nvme(uint16_t queues, uint16_t vectors)
{
    begin("0x010802", VFS);
    tree_text("sys", TREE_PF, "nvme/nvme0/state", "live\n");
    pf.vfs[1].desired = (struct vf_attributes){.nvme_queues = queues, .nvme_vectors = vectors};
    for (uint32_t i = 0; i < VFS; i++)
        played.secondaries[i] = (struct nvme_secondary){true, 2, 1};
}

static void check_secondary(uint32_t vf, bool online, uint32_t queues, uint32_t vectors)
{
    assert_int_equal(played.secondaries[vf].online, online);
    assert_int_equal(played.secondaries[vf].queues, queues);
    assert_int_equal(played.secondaries[vf].vectors, vectors);
}

static void its_numbers_are_assigned_while_it_is_offline(void **state)
{
    (void)state;
    begin_nvme(5, 3);
    struct result result = played_run(ACTION_VF_ACTIVATE, 1);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.verified, VERIFIED_YES);
    assert_int_equal(result.seen.nvme_queues, 5);
    assert_int_equal(result.seen.nvme_vectors, 3);
    CHECK_LOG("/dev/nvme0 controller of VF 1: action 7, 0 of 0",
              "/dev/nvme0 controller of VF 1: action 8, 5 of 0",
              "/dev/nvme0 controller of VF 1: action 8, 3 of 1",
              "/dev/nvme0 controller of VF 1: action 9, 0 of 0");
    check_secondary(0, true, 2, 1);
    check_secondary(1, true, 5, 3);
    check_secondary(2, true, 2, 1);
    assert_int_equal(played_run(ACTION_VF_ACTIVATE, 1).writes, 0);
}

static void one_that_is_offline_is_not_put_offline(void **state)
{
    (void)state;
    begin_nvme(0, 3);
    played.secondaries[1] = (struct nvme_secondary){false, 0, 0};
    const struct result result = played_run(ACTION_VF_ACTIVATE, 1);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.verified, VERIFIED_YES);
    CHECK_LOG("/dev/nvme0 controller of VF 1: action 8, 2 of 0",
              "/dev/nvme0 controller of VF 1: action 8, 3 of 1",
              "/dev/nvme0 controller of VF 1: action 9, 0 of 0");
    check_secondary(1, true, 2, 3);
}

static void what_has_the_default_numbers_is_left_alone(void **state)
{
    (void)state;
    begin_nvme(0, 0);
    assert_int_equal(played_run(ACTION_VF_ACTIVATE, 1).writes, 0);
    begin_nvme(2, 1);
    assert_int_equal(played_run(ACTION_VF_ACTIVATE, 1).writes, 0);
}

/* Its guest would lose its controller. */
static void one_in_use_is_refused(void **state)
{
    static const uint32_t actions[] = {ACTION_VF_CONFIGURE, ACTION_VF_RENEW, ACTION_VF_ACTIVATE};

    (void)state;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        begin_nvme(5, 3);
        pf.vfs[1].holder.value = 1;
        const struct result result = played_run(actions[i], 1);
        assert_int_equal(result.error, -EBUSY);
        assert_non_null(strstr(result.text, "in use"));
        assert_int_equal(result.writes, 0);
        check_secondary(1, true, 2, 1);
    }
}

/* After a reset of its PF: it does not work anyway, and nobody else brings it back. */
static void one_in_use_that_is_offline_is_brought_back(void **state)
{
    (void)state;
    begin_nvme(5, 3);
    pf.vfs[1].holder.value = 1;
    played.secondaries[1] = (struct nvme_secondary){false, 0, 0};
    assert_int_equal(played_run(ACTION_VF_RENEW, 1).error, 0);
    check_secondary(1, true, 5, 3);
}

/* Whoever has died after any of them: it is gone on for, and never online with other numbers. */
static void one_that_dies_between_is_gone_on_for(void **state)
{
    struct result result;
    (void)state;

    for (uint32_t lives = 0; lives < 4; lives++) {
        begin_nvme(5, 3);
        assert_false(played_run_for(ACTION_VF_ACTIVATE, 1, lives, &result));
        check_secondary(1, lives == 0, lives == 0 || lives > 1 ? (lives ? 5 : 2) : 0,
                        lives == 0  ? 1
                        : lives > 2 ? 3
                                    : 0);
        result = played_run(ACTION_VF_ACTIVATE, 1);
        assert_int_equal(result.error, 0);
        assert_int_equal(result.verified, VERIFIED_YES);
        check_secondary(1, true, 5, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_not_bound_is_reset_once_and_before_all),
        cmocka_unit_test(one_that_is_bound_is_reset_by_vfio),
        cmocka_unit_test(a_reset_that_fails_refuses_it),
        cmocka_unit_test(one_that_cannot_be_reset_is_bound),
        cmocka_unit_test(what_the_hosts_driver_has_is_not_touched),
        cmocka_unit_test(one_edit_is_one_write_however_many_vfs_there_are),
        cmocka_unit_test(its_numbers_are_assigned_while_it_is_offline),
        cmocka_unit_test(one_that_is_offline_is_not_put_offline),
        cmocka_unit_test(what_has_the_default_numbers_is_left_alone),
        cmocka_unit_test(one_in_use_is_refused),
        cmocka_unit_test(one_in_use_that_is_offline_is_brought_back),
        cmocka_unit_test(one_that_dies_between_is_gone_on_for),
    };
    return cmocka_run_group_tests(tests, played_setup, played_teardown);
}
