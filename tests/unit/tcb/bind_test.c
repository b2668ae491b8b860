/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idle VFs are bound to vfio-pci: the TCB's actions in front of a played kernel, which makes and
 * binds VFs when it is told to, and under which a child may die after any write.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "action.h"
#include "device_write.h"
#include "netlink.h"
#include "nvme.h"
#include "pci/function.h"
#include "tree.h"

#define VFS      3
#define FOR_EVER UINT32_MAX

static char folder[] = "/tmp/parclose-bind-XXXXXX";
static struct tcb_pf_state pf;

/* The kernel's side. */
static struct {
    uint32_t writes, lives; /* how many there were; how many more the child lives to make */
    uint32_t refused;       /* the VF that vfio-pci does not take; VFS: none */
    const char *forbidden;  /* the file that nobody may write; NULL: none */
    jmp_buf death;
} played;

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* Of a path in its folder, or of what is written to drivers_probe. */
static struct bdf vf_of(const char *text)
{
    struct bdf bdf;

    assert_true(function_parse(text, &bdf));
    return bdf;
}

static struct bdf vf_of_path(const char *path)
{
    char text[13] = "";

    memcpy(text, name_of(path) - 13, 12);
    return vf_of(text);
}

/* As the kernel, it says nothing when no driver takes the function. */
static void probe(struct bdf vf)
{
    char text[64];

    tree_read("sys", vf, "driver_override", text, sizeof(text));
    if (!strcmp(text, "vfio-pci") && vf.value != tree_vf(played.refused).value &&
        !access("sys/bus/pci/drivers/vfio-pci", F_OK))
        tree_link("sys", vf, "driver", "../../../../bus/pci/drivers/vfio-pci");
}

int device_write(const struct device_write *w)
{
    const char *name = name_of(w->where);

    assert_int_equal(w->way, WAY_SYSFS);
    if (!played.lives)
        longjmp(played.death, 1);
    played.lives--;
    played.writes++;
    if (played.forbidden && !strcmp(name, played.forbidden))
        return -EACCES;
    if (!strcmp(name, "drivers_probe"))
        probe(vf_of(w->value));
    else
        tree_text("sys", vf_of_path(w->where), name, w->value);
    if (!strcmp(name, "sriov_numvfs"))
        tree_create_vfs("sys", (unsigned)atoi(w->value));
    return 0;
}

void device_write_begin(uint64_t transaction)
{
    assert_int_not_equal(transaction, 0);
    played.writes = 0;
}

uint32_t device_writes(void)
{
    return played.writes;
}

/* ---- what has no part in it */

bool vfio_group_held(uint32_t group)
{
    (void)group;
    return false;
}

int host_use_check(const struct tcb_pf_state *used, struct result *result)
{
    (void)used;
    (void)result;
    return 0;
}

int netlink_read_vf(const char *interface, uint32_t vf, struct vf_attributes *seen)
{
    (void)interface;
    (void)vf;
    *seen = (struct vf_attributes){0};
    return 0;
}

uint32_t netlink_differs(const struct vf_attributes *seen, const struct vf_attributes *desired)
{
    (void)seen;
    (void)desired;
    return 0;
}

int nvme_read(const char *controller, uint32_t vf, struct nvme_secondary *secondary)
{
    (void)controller;
    (void)vf;
    (void)secondary;
    return -ENOENT;
}

/* ---- the stage */

static void begin(uint32_t vfs)
{
    tree_remove("sys");
    tree_make("sys");
    assert_int_equal(mkdir("sys/bus/pci/drivers", 0700), 0);
    assert_int_equal(mkdir("sys/bus/pci/drivers/vfio-pci", 0700), 0);
    memset(&pf, 0, sizeof(pf));
    pf.card = (struct card_config){.name = "net0", .bdf = TREE_PF, .vfs = vfs, .driver = "igb"};
    played.refused = PARCLOSE_MAX_VFS_PER_PF;
    played.forbidden = NULL;
}

/* In a child that dies after so many writes: false. */
static bool run_for(uint32_t action, uint32_t lives, struct result *result)
{
    const struct tcb_apply apply = {
        .transaction = 7, .action = action, .pf = TREE_PF, .vfs = pf.card.vfs};

    played.lives = lives;
    if (setjmp(played.death))
        return false;
    action_run(&pf, &apply, result);
    assert_int_equal(result->writes, played.writes);
    return true;
}

static struct result run(uint32_t action)
{
    static struct result result;

    assert_true(run_for(action, FOR_EVER, &result));
    return result;
}

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
    begin(VFS);
    struct result result = run(ACTION_PF_CREATE_VFS);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 2 + 2 * VFS);
    assert_string_equal(result.text, "");
    assert_all_bound();
    assert_int_equal(run(ACTION_PF_CREATE_VFS).writes, 0);
    result = run(ACTION_PF_BIND_VFS);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
}

static void the_number_of_writes_is_linear(void **state)
{
    (void)state;
    begin(PARCLOSE_MAX_VFS_PER_PF);
    assert_int_equal(run(ACTION_PF_CREATE_VFS).writes, 2 + 2 * PARCLOSE_MAX_VFS_PER_PF);
    assert_all_bound();
    assert_int_equal(run(ACTION_PF_BIND_VFS).writes, 0);
}

/* After each write there is; whoever comes next goes on, and writes nothing twice. */
static void one_that_dies_is_gone_on_for(void **state)
{
    struct result result;
    (void)state;

    for (uint32_t lives = 0; lives < 2 + 2 * VFS; lives++) {
        begin(VFS);
        assert_false(run_for(ACTION_PF_CREATE_VFS, lives, &result));
        result = run(ACTION_PF_CREATE_VFS);
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
        begin(VFS);
        tree_create_vfs("sys", VFS);
        assert_false(run_for(ACTION_PF_BIND_VFS, lives, &result));
        assert_int_equal(lives + run(ACTION_PF_BIND_VFS).writes, 2 * VFS);
        assert_all_bound();
    }
}

/* The VFs are there all the same; who tries again only has it probed. */
static void one_that_does_not_bind_is_said(void **state)
{
    (void)state;
    begin(VFS);
    played.refused = 1;
    struct result result = run(ACTION_PF_CREATE_VFS);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 2 + 2 * VFS);
    assert_string_equal(result.text, "VF 1 does not bind to vfio-pci: Input/output error");
    assert_int_equal(result.bind_errors[1], EIO);
    assert_int_equal(result.bind_errors[0] | result.bind_errors[2], 0);
    assert_true(is_bound(0) && !is_bound(1) && is_bound(2));
    result = run(ACTION_PF_BIND_VFS);
    assert_int_equal(result.error, -EIO);
    assert_int_equal(result.writes, 1);
    played.refused = VFS;
    result = run(ACTION_PF_BIND_VFS);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.bind_errors[1], 0);
    assert_all_bound();
}

static void a_kernel_without_vfio_pci_is_said(void **state)
{
    (void)state;
    begin(VFS);
    assert_int_equal(rmdir("sys/bus/pci/drivers/vfio-pci"), 0);
    const struct result result = run(ACTION_PF_CREATE_VFS);
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
    begin(VFS);
    tree_create_vfs("sys", VFS);
    played.forbidden = "driver_override";
    const struct result result = run(ACTION_PF_BIND_VFS);
    assert_int_equal(result.error, -EACCES);
    assert_int_equal(result.writes, VFS);
    assert_int_equal(result.bind_errors[2], EACCES);
}

/* By what root has written, by a driver of the host, by a monitor, or as one too many. */
static void what_is_not_ours_is_left_alone(void **state)
{
    char text[32];
    (void)state;

    begin(VFS);
    tree_create_vfs("sys", VFS + 1);
    tree_text("sys", tree_vf(0), "driver_override", "igbvf\n");
    tree_link("sys", tree_vf(1), "driver", "../../../../bus/pci/drivers/igbvf");
    pf.vfs[2].holder.value = 1;
    const struct result result = run(ACTION_PF_BIND_VFS);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
    tree_read("sys", tree_vf(0), "driver_override", text, sizeof(text));
    assert_string_equal(text, "igbvf\n");
    pf.vfs[2].holder.value = 0;
    assert_int_equal(run(ACTION_PF_BIND_VFS).writes, 2);
    assert_true(is_bound(2) && !is_bound(VFS));
}

/* Who has the VF by definition has it whatever root wrote; that is done by its activation. */
static void a_partition_takes_one_that_root_meant_for_the_host(void **state)
{
    (void)state;
    begin(VFS);
    tree_create_vfs("sys", VFS);
    tree_text("sys", tree_vf(0), "driver_override", "igbvf\n");
    pf.vfs[0].owner = (struct owner){.kind = OWNER_GUEST, .partition = {1}};
    const struct result result = run(ACTION_VF_ACTIVATE);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.verified, VERIFIED_YES);
    assert_int_equal(result.writes, 2);
    assert_true(is_bound(0) && !is_bound(1));
}

/* The activation finds the binding done. */
static void one_that_is_bound_is_activated_without_a_write(void **state)
{
    (void)state;
    begin(VFS);
    run(ACTION_PF_CREATE_VFS);
    pf.vfs[0].owner = (struct owner){.kind = OWNER_GUEST, .partition = {1}};
    pf.vfs[0].verified = VERIFIED_NO;
    const struct result result = run(ACTION_VF_ACTIVATE);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.writes, 0);
}

/* ---- beside it: a driver that hangs when it is unbound */

static void a_driver_that_would_hang_is_not_unbound(void **state)
{
    static const uint32_t actions[] = {ACTION_PF_RESTART, ACTION_PF_RESET, ACTION_PF_DISABLE,
                                       ACTION_PF_RENEW};

    (void)state;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        begin(VFS);
        pf.recovery = RECOVERY_FAILED;
        const struct result result = run(actions[i]);
        assert_int_equal(result.error, -ENOTRECOVERABLE);
        assert_non_null(strstr(result.text, "restart the host"));
        assert_int_equal(result.writes, 0);
    }
}

static int group_setup(void **state)
{
    (void)state;
    return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    tree_remove("sys");
    return chdir("/") || rmdir(folder) ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vfs_are_bound_when_they_are_made),
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
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
