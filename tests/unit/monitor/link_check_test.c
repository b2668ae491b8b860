/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from a hostile lead: wrong type, size, version, number of files, or time. */
#include <errno.h>

#include "link.h"
#include "test.h"

static struct inbox inbox;
static const struct link_row *row;

static int setup(void **state)
{
    (void)state;
    memset(&inbox, 0, sizeof(inbox));
    return 0;
}

static int check(uint16_t type, uint32_t size, uint32_t files, enum monitor_phase phase)
{
    inbox.header = (struct wire_header){WIRE_VERSION, type, size, 1};
    inbox.size = size;
    inbox.files_count = files;
    return link_check(&inbox, phase, &row);
}

#define PLAIN sizeof(struct monitor_plain)
#define ORDER sizeof(struct monitor_vf_order)

static void each_in_its_time(void **state)
{
    (void)state;
    assert_int_equal(check(MONITOR_FILE, 24, 1, PHASE_COLLECT), 0);
    assert_int_equal(check(MONITOR_CREATE, PLAIN, 0, PHASE_COLLECT), 0);
    assert_int_equal(check(MONITOR_CHANNELS, 56, 3, PHASE_BUILT), 0);
    assert_int_equal(check(MONITOR_ATTACHED, PLAIN, 0, PHASE_COMPLETE), 0);
    assert_int_equal(check(MONITOR_ATTACHED, PLAIN, 0, PHASE_ATTACHED), 0);
    assert_int_equal(check(MONITOR_DETACHED, PLAIN, 0, PHASE_COMPLETE), 0);
    assert_int_equal(check(MONITOR_DETACHED, PLAIN, 0, PHASE_ATTACHED), 0);
    assert_int_equal(check(MONITOR_POWER_BUTTON, PLAIN, 0, PHASE_ATTACHED), 0);
    assert_int_equal(check(MONITOR_VF_ADD, ORDER, 2, PHASE_COMPLETE), 0);
    assert_int_equal(check(MONITOR_VF_ADD, ORDER, 2, PHASE_ATTACHED), 0);
    assert_int_equal(check(MONITOR_VF_REMOVE, ORDER, 0, PHASE_ATTACHED), 0);
    assert_int_equal(check(MONITOR_VF_MEND, ORDER, 0, PHASE_ATTACHED), 0);
}

static void not_at_another_time(void **state)
{
    (void)state;
    assert_int_equal(check(MONITOR_FILE, 24, 1, PHASE_BUILT), -EBUSY);
    assert_int_equal(check(MONITOR_FILE, 24, 1, PHASE_ATTACHED), -EBUSY);
    assert_int_equal(check(MONITOR_CREATE, PLAIN, 0, PHASE_ATTACHED), -EBUSY);
    assert_int_equal(check(MONITOR_CHANNELS, 56, 3, PHASE_COLLECT), -EBUSY);
    assert_int_equal(check(MONITOR_CHANNELS, 56, 3, PHASE_COMPLETE), -EBUSY);
    assert_int_equal(check(MONITOR_ATTACHED, PLAIN, 0, PHASE_BUILT), -EBUSY);
    assert_int_equal(check(MONITOR_DETACHED, PLAIN, 0, PHASE_BUILT), -EBUSY);
    for (int phase = PHASE_COLLECT; phase < PHASE_COMPLETE; phase++) {
        assert_int_equal(check(MONITOR_VF_ADD, ORDER, 2, (enum monitor_phase)phase), -EBUSY);
        assert_int_equal(check(MONITOR_VF_REMOVE, ORDER, 0, (enum monitor_phase)phase), -EBUSY);
        assert_int_equal(check(MONITOR_VF_MEND, ORDER, 0, (enum monitor_phase)phase), -EBUSY);
    }
}

static void stop_query_and_button_at_any_time(void **state)
{
    (void)state;
    for (int phase = PHASE_COLLECT; phase <= PHASE_ATTACHED; phase++) {
        assert_int_equal(check(MONITOR_STOP, PLAIN, 0, (enum monitor_phase)phase), 0);
        assert_int_equal(check(MONITOR_QUERY, PLAIN, 0, (enum monitor_phase)phase), 0);
        assert_int_equal(check(MONITOR_POWER_BUTTON, PLAIN, 0, (enum monitor_phase)phase), 0);
    }
}

static void files_too_many_or_few(void **state)
{
    (void)state;
    assert_int_equal(check(MONITOR_FILE, 24, 0, PHASE_COLLECT), -EPROTO);
    assert_int_equal(check(MONITOR_FILE, 24, 2, PHASE_COLLECT), -EPROTO);
    assert_int_equal(check(MONITOR_STOP, PLAIN, 1, PHASE_ATTACHED), -EPROTO);
    assert_int_equal(check(MONITOR_SESSION, 24, 1, PHASE_ATTACHED), 0);
    assert_int_equal(check(MONITOR_SESSION, 24, 0, PHASE_ATTACHED), -EPROTO);
    assert_int_equal(check(MONITOR_SESSION, 24, 2, PHASE_ATTACHED), -EPROTO);
    assert_int_equal(check(MONITOR_CHANNELS, 56, 1, PHASE_BUILT), -EPROTO);
    assert_int_equal(check(MONITOR_CHANNELS, 56, 10, PHASE_BUILT), -EPROTO);
    assert_int_equal(check(MONITOR_VF_ADD, ORDER, 1, PHASE_ATTACHED), -EPROTO);
    assert_int_equal(check(MONITOR_VF_ADD, ORDER, 3, PHASE_ATTACHED), -EPROTO);
    assert_int_equal(check(MONITOR_VF_REMOVE, ORDER, 1, PHASE_ATTACHED), -EPROTO);
}

static void sizes_that_lie(void **state)
{
    (void)state;
    for (uint32_t size = 0; size <= WIRE_MAX; size++)
        if (size != 24)
            assert_int_equal(check(MONITOR_FILE, size, 1, PHASE_COLLECT), -EPROTO);
    (void)check(MONITOR_STOP, PLAIN, 0, PHASE_BUILT);
    inbox.header.size = 4096; /* says more than came */
    assert_int_equal(link_check(&inbox, PHASE_BUILT, &row), -EPROTO);
}

static void types_that_are_not_ours(void **state)
{
    (void)state;
    for (uint32_t type = 0; type <= UINT16_MAX; type++)
        if ((type < MONITOR_FILE || type > MONITOR_QUERY) && type != MONITOR_VF_REMOVE &&
            type != MONITOR_VF_MEND && type != MONITOR_SESSION && type != MONITOR_DETACHED)
            assert_int_equal(check((uint16_t)type, PLAIN, 0, PHASE_ATTACHED), -EPROTO);
}

static void cut_and_other_versions(void **state)
{
    (void)state;
    assert_int_equal(check(MONITOR_STOP, PLAIN, 0, PHASE_BUILT), 0);
    inbox.header.version = WIRE_VERSION + 1;
    assert_int_equal(link_check(&inbox, PHASE_BUILT, &row), -EPROTO);
    inbox.header.version = WIRE_VERSION;
    inbox.cut = true;
    assert_int_equal(link_check(&inbox, PHASE_BUILT, &row), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_in_its_time, setup),
        cmocka_unit_test_setup(not_at_another_time, setup),
        cmocka_unit_test_setup(stop_query_and_button_at_any_time, setup),
        cmocka_unit_test_setup(files_too_many_or_few, setup),
        cmocka_unit_test_setup(sizes_that_lie, setup),
        cmocka_unit_test_setup(types_that_are_not_ours, setup),
        cmocka_unit_test_setup(cut_and_other_versions, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
