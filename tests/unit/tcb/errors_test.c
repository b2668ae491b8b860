/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of PCI errors, by recorded uevents and a played /sys: when a PF has one that
 * it did not recover from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tcb.h"
#include "tree.h"
#include "uevent.h"

#define BRIDGE ((struct bdf){0x0010})

static struct tcb tcb;
static struct tcb_pf_state pf;
static char folder[] = "/tmp/parclose-errors-XXXXXX";
static unsigned told;

void picture_changed(struct tcb *picture, struct tcb_pf_state *changed, uint64_t event_ns)
{
    assert_ptr_equal(picture, &tcb);
    assert_ptr_equal(changed, &pf);
    (void)event_ns;
    told++;
}

uint64_t tcb_now_ns(void)
{
    return 1;
}

static void counts(struct bdf bdf, unsigned correctable, unsigned nonfatal, unsigned fatal)
{
    const struct {
        const char *file, *total;
        unsigned count;
    } files[] = {{"aer_dev_correctable", "COR", correctable},
                 {"aer_dev_nonfatal", "NONFATAL", nonfatal},
                 {"aer_dev_fatal", "FATAL", fatal}};
    char text[128];

    for (size_t i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "Undefined 0\nDLP %u\nTOTAL_ERR_%s %u\n", files[i].count,
                 files[i].total, files[i].count);
        tree_text("sys", bdf, files[i].file, text);
    }
}

static int setup(void **state)
{
    (void)state;
    tree_make("sys");
    tree_create_vfs("sys", 2);
    counts(TREE_PF, 5, 1, 0);
    pf = (struct tcb_pf_state){.card = {.bdf = TREE_PF}};
    for (unsigned i = 0; i < 2; i++) {
        pf.vfs[i].present = true;
        pf.vfs[i].observed.bdf = tree_vf(i);
        pf.vfs[i].capabilities.aer_offset = 0x100;
    }
    tcb = (struct tcb){.pfs = {&pf}};
    told = 0;
    errors_look(&pf, true);
    pf.observed.errors = pf.errors;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_remove("sys");
    return 0;
}

static void the_first_look_sees_no_news(void **state)
{
    (void)state;
    assert_int_equal(pf.errors.known, 1);
    assert_int_equal(pf.errors.correctable, 5);
    assert_int_equal(pf.errors.nonfatal, 1);
    assert_int_equal(pf.recovery, RECOVERY_NONE);
    assert_false(errors_tick(&pf));
}

static void an_uncorrectable_one_is_under_way(void **state)
{
    (void)state;
    counts(TREE_PF, 5, 2, 0);
    assert_true(errors_tick(&pf));
    assert_int_equal(pf.recovery, RECOVERY_UNDER_WAY);
    assert_false(errors_tick(&pf)); /* once */
    counts(TREE_PF, 5, 2, 1);
    assert_true(errors_tick(&pf));
}

/* They may come by the thousand: told when they have waited. */
static void correctable_ones_take_nothing(void **state)
{
    (void)state;
    for (unsigned i = 1; i < CORRECTABLE_TICKS; i++) {
        counts(TREE_PF, 5 + i, 1, 0);
        assert_false(errors_tick(&pf));
    }
    assert_true(errors_tick(&pf));
    assert_int_equal(pf.recovery, RECOVERY_NONE);
    pf.observed.errors = pf.errors;
    assert_false(errors_tick(&pf));
}

/* The kernel has the drivers of the whole card recover. */
static void an_error_of_a_vf_in_use_is_its_pfs_too(void **state)
{
    (void)state;
    pf.vfs[1].holder.value = 3;
    counts(tree_vf(0), 0, 0, 0);
    counts(tree_vf(1), 0, 0, 0);
    errors_look(&pf, true);
    counts(tree_vf(0), 0, 7, 0); /* nobody has it: by an event, or the next look at everything */
    assert_false(errors_tick(&pf));
    assert_true(errors_look(&pf, true));
    errors_set(&pf, RECOVERY_NONE);
    counts(tree_vf(1), 0, 1, 0);
    assert_true(errors_tick(&pf));
    assert_int_equal(pf.recovery, RECOVERY_UNDER_WAY);
    assert_int_equal(pf.vfs[1].errors.nonfatal, 1);
}

/* A card that is new at the address begins at 0: no error. */
static void counts_that_fall_are_no_news(void **state)
{
    (void)state;
    counts(TREE_PF, 0, 0, 0);
    assert_false(errors_look(&pf, true));
    tree_unlink("sys", TREE_PF, "aer_dev_fatal");
    assert_false(errors_look(&pf, true));
    assert_int_equal(pf.errors.known, 0);
    counts(TREE_PF, 9, 9, 9);
    assert_false(errors_look(&pf, true));
    assert_int_equal(pf.recovery, RECOVERY_NONE);
}

/* ---- uevents, as Linux 6.12 sends them */

#define UEVENT(path, slot, error, online)                                                          \
    "change@" path "\0ACTION=change\0DEVPATH=" path "\0SUBSYSTEM=pci\0ERROR_EVENT=" error          \
    "\0DEVICE_ONLINE=" online "\0DRIVER=igb\0PCI_CLASS=20000\0PCI_ID=8086:10C9\0PCI_SUBSYS_ID="    \
    "8086:A03C\0PCI_SLOT_NAME=" slot                                                               \
    "\0MODALIAS=pci:v00008086d000010C9sv00008086sd0000A03Cbc02sc00i00\0SEQNUM=2127"
#define AT_PF "/devices/pci0000:00/0000:00:02.0/0000:01:00.0"

static void one_of_error_recovery(void **state)
{
    static const char recorded[] = UEVENT(AT_PF, "0000:01:00.0", "SUCCESSFUL_RECOVERY", "1");
    char bytes[sizeof(recorded)];
    struct uevent event;
    (void)state;

    memcpy(bytes, recorded, sizeof(bytes));
    assert_true(uevent_parse(bytes, sizeof(bytes) - 1, &event));
    assert_string_equal(event.action, "change");
    assert_string_equal(event.path, AT_PF);
    assert_string_equal(event.error, "SUCCESSFUL_RECOVERY");
}

static void any_other(void **state)
{
    static const char recorded[] =
        "bind@" AT_PF "\0ACTION=bind\0DEVPATH=" AT_PF "\0SUBSYSTEM=pci\0DRIVER=igb\0SEQNUM=2128";
    char bytes[sizeof(recorded)];
    struct uevent event;
    (void)state;

    memcpy(bytes, recorded, sizeof(bytes));
    assert_true(uevent_parse(bytes, sizeof(bytes) - 1, &event));
    assert_string_equal(event.action, "bind");
    assert_string_equal(event.error, "");
}

/* What a driver makes of its device comes and goes with the driver: the card does not. */
static void one_of_what_a_driver_made(void **state)
{
    struct uevent event = {.action = "remove", .path = AT_PF};
    (void)state;

    assert_true(uevent_is_of(&event, TREE_PF));
    assert_false(uevent_is_of(&event, BRIDGE));
    event.path = AT_PF "/nvme/nvme0";
    assert_false(uevent_is_of(&event, TREE_PF));
    event.path = "/devices/pci0000:00/0000:00:02.0";
    assert_false(uevent_is_of(&event, TREE_PF));
    event.path = "";
    assert_false(uevent_is_of(&event, TREE_PF));
}

/* Cut off at each place, and in memory of just its size: nothing is read beyond it. */
static void one_that_is_cut_off(void **state)
{
    static const char recorded[] = UEVENT(AT_PF, "0000:01:00.0", "FAILED_RECOVERY", "0");
    struct uevent event;
    (void)state;

    for (size_t size = 0; size < sizeof(recorded); size++) {
        char *bytes = malloc(size + 1);
        memcpy(bytes, recorded, size);
        assert_int_equal(uevent_parse(bytes, size, &event), size > strlen("change"));
        free(bytes);
    }
}

static void a_recovery_takes_what_was_counted_before(void **state)
{
    (void)state;
    counts(TREE_PF, 5, 2, 0);
    errors_event(&tcb, TREE_PF, "BEGIN_RECOVERY");
    assert_int_equal(pf.recovery, RECOVERY_UNDER_WAY);
    errors_event(&tcb, TREE_PF, "SUCCESSFUL_RECOVERY");
    assert_int_equal(pf.recovery, RECOVERY_NONE);
    assert_int_equal(told, 2);
    assert_false(errors_tick(&pf));
    counts(TREE_PF, 5, 3, 0); /* the next one */
    assert_true(errors_tick(&pf));
    assert_int_equal(pf.recovery, RECOVERY_UNDER_WAY);
}

static void a_recovery_of_another_function_is_none(void **state)
{
    (void)state;
    counts(TREE_PF, 5, 2, 0);
    errors_tick(&pf);
    errors_event(&tcb, tree_vf(0), "SUCCESSFUL_RECOVERY");
    errors_event(&tcb, (struct bdf){0x0200}, "SUCCESSFUL_RECOVERY");
    errors_event(&tcb, TREE_PF, "SOMETHING_NEW");
    assert_int_equal(pf.recovery, RECOVERY_UNDER_WAY);
    assert_int_equal(told, 0);
}

/* The kernel says it of the bridge alone. */
static void a_failure_above_it_is_its_own(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sys/devices", 0700), 0);
    assert_int_equal(mkdir("sys/devices/pci0000:00", 0700), 0);
    assert_int_equal(mkdir("sys/devices/pci0000:00/0000:00:02.0", 0700), 0);
    assert_int_equal(rename("sys/bus/pci/devices/0000:01:00.0", "sys" AT_PF), 0);
    assert_int_equal(symlink("../../.." AT_PF, "sys/bus/pci/devices/0000:01:00.0"), 0);
    errors_event(&tcb, (struct bdf){0x0018}, "FAILED_RECOVERY");
    assert_int_equal(pf.recovery, RECOVERY_NONE);
    errors_event(&tcb, BRIDGE, "FAILED_RECOVERY");
    assert_int_equal(pf.recovery, RECOVERY_FAILED);
    errors_set(&pf, RECOVERY_NONE);
    errors_event(&tcb, TREE_PF, "FAILED_RECOVERY");
    assert_int_equal(pf.recovery, RECOVERY_FAILED);
    assert_int_equal(told, 2);
}

static void one_without_an_end_has_failed(void **state)
{
    int ticks = 1;
    (void)state;

    counts(TREE_PF, 5, 2, 0);
    assert_true(errors_tick(&pf));
    while (!errors_tick(&pf))
        ticks++;
    assert_int_equal(pf.recovery, RECOVERY_FAILED);
    assert_in_range(ticks, 60, 120);
}

#define on_tree(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_tree(the_first_look_sees_no_news),
        on_tree(an_uncorrectable_one_is_under_way),
        on_tree(correctable_ones_take_nothing),
        on_tree(an_error_of_a_vf_in_use_is_its_pfs_too),
        on_tree(counts_that_fall_are_no_news),
        cmocka_unit_test(one_of_error_recovery),
        cmocka_unit_test(any_other),
        cmocka_unit_test(one_of_what_a_driver_made),
        cmocka_unit_test(one_that_is_cut_off),
        on_tree(a_recovery_takes_what_was_counted_before),
        on_tree(a_recovery_of_another_function_is_none),
        on_tree(a_failure_above_it_is_its_own),
        on_tree(one_without_an_end_has_failed),
    };

    if (!mkdtemp(folder) || chdir(folder) < 0)
        return 2;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
