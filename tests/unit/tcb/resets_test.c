/* SPDX-License-Identifier: Apache-2.0 */
/* What a PF is believed to say of its own resets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "pci/function.h"
#include "played_kernel.h"
#include "tree.h"

static bool renewed(uint32_t says)
{
    const struct result result = {.reset = says};

    return resets_take(&pf, ACTION_PF_RENEW, &result);
}

static void a_card_that_always_says_so_is_not_asked(void **state)
{
    (void)state;
    played_begin(1);
    assert_false(renewed(RESET_YES));
    assert_false(pf.reset);
    assert_true(pf.sign_lies);
    renewed(RESET_NO); /* it does not: somebody had reset it while it was renewed */
    assert_false(pf.sign_lies);
}

/* Somebody resets it while it is renewed. */
static void one_that_was_known_to_live_is_reset_again(void **state)
{
    (void)state;
    played_begin(1);
    assert_false(renewed(RESET_NO));
    assert_true(renewed(RESET_YES));
    assert_true(pf.reset);
    assert_false(pf.sign_lies);
    assert_true(renewed(RESET_NO));
    assert_false(pf.reset);
}

static void arm(bool on)
{
    tree_msix("sys", 0, on);
}

/* A guest has VF 0, armed. */
static void begin_armed(const char *driver)
{
    played_begin(1);
    assert_int_equal(played_run(ACTION_PF_CREATE_VFS, 0).error, 0);
    function_observe_pf("sys", TREE_PF, &pf.observed);
    pf.observed.link_up = 1;
    snprintf(pf.observed.driver, sizeof(pf.observed.driver), "%s", driver);
    pf.vfs[0].present = true;
    pf.vfs[0].owner = (struct owner){.kind = OWNER_GUEST, .partition = {1}};
    pf.vfs[0].holder.value = 1;
    assert_int_equal(function_observe_vf("sys", TREE_PF, 0, false, &pf.vfs[0].observed), 0);
    arm(true);
}

static void looked(uint32_t says)
{
    const struct result result = {.reset = says};

    resets_take(&pf, ACTION_LOOK, &result);
}

/* And the PF was seen to live after that. */
static void begin_telling(const char *driver)
{
    begin_armed(driver);
    assert_true(resets_tick(&pf));
    looked(RESET_NO);
}

static void interrupts_tell_once_the_pf_was_seen_to_live(void **state)
{
    static const char *const drivers[] = {"igb", "nvme"};

    (void)state;
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        begin_telling(drivers[i]);
        assert_false(resets_tick(&pf));
        arm(false);
        assert_true(resets_tick(&pf));
        arm(true); /* by a guest that begins anew */
        assert_true(resets_tick(&pf));
        looked(RESET_YES);
        assert_true(pf.reset);
        assert_true(resets_tick(&pf));
    }
}

/* Reset, renewed, and reset again before its VF is mended, all between two ticks. */
static void those_that_a_reset_took_meanwhile_tell_nothing(void **state)
{
    (void)state;
    begin_telling("igb");
    arm(false);
    assert_false(renewed(RESET_NO));
    arm(true);
    assert_true(resets_tick(&pf));
}

static void nor_do_those_that_it_took_while_the_pf_was_busy(void **state)
{
    (void)state;
    begin_telling("igb");
    pf.busy = ACTION_PF_RENEW;
    arm(false);
    assert_false(resets_tick(&pf));
    arm(true);
    assert_false(resets_tick(&pf));
    pf.busy = 0;
    assert_false(renewed(RESET_NO)); /* it may have read before they were armed again */
    assert_true(resets_tick(&pf));
}

static void what_failed_says_nothing_of_the_sign(void **state)
{
    const struct result failed = {.error = -5, .reset = RESET_YES};

    (void)state;
    played_begin(1);
    assert_true(resets_take(&pf, ACTION_PF_RENEW, &failed));
    assert_true(pf.reset);
    assert_false(pf.sign_lies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_that_always_says_so_is_not_asked),
        cmocka_unit_test(one_that_was_known_to_live_is_reset_again),
        cmocka_unit_test(interrupts_tell_once_the_pf_was_seen_to_live),
        cmocka_unit_test(those_that_a_reset_took_meanwhile_tell_nothing),
        cmocka_unit_test(nor_do_those_that_it_took_while_the_pf_was_busy),
        cmocka_unit_test(what_failed_says_nothing_of_the_sign),
    };
    return cmocka_run_group_tests_name("tcb-resets", tests, played_setup, played_teardown);
}
