/* SPDX-License-Identifier: Apache-2.0 */
/* What a PF is believed to say of its own resets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "played_kernel.h"

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
        cmocka_unit_test(what_failed_says_nothing_of_the_sign),
    };
    return cmocka_run_group_tests_name("tcb-resets", tests, played_setup, played_teardown);
}
