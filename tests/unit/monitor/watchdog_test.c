/* SPDX-License-Identifier: Apache-2.0 */
/* The watchdog's registers, as a driver uses them and as nobody should, and how its time passes. */
#include <time.h>

#include "monitor.h"
#include "sys.h"
#include "test.h"

#define MS     UINT64_C(1000000)
#define PERIOD (WATCHDOG_PERIOD_MS * MS)
#define NOW    (1000 * PERIOD)

static void put(struct watchdog *w, uint64_t offset, uint16_t value, uint64_t now)
{
    assert_int_equal(watchdog_access(w, offset, true, value, now), 0);
}

static uint16_t get(struct watchdog *w, uint64_t offset, uint64_t now)
{
    return watchdog_access(w, offset, false, 0, now);
}

static void registers_have_their_sizes(void **state)
{
    unsigned found = 0;

    (void)state;
    for (uint64_t offset = 0; offset < 16; offset++)
        for (unsigned size = 0; size <= 8; size++)
            found += watchdog_has_port(offset, size);
    assert_int_equal(found, 4);
    assert_true(watchdog_has_port(WATCHDOG_CONTROL, 1) && watchdog_has_port(WATCHDOG_RESET, 1));
    assert_true(watchdog_has_port(WATCHDOG_COUNT, 2) && watchdog_has_port(WATCHDOG_LEFT, 2));
    assert_false(watchdog_has_port(UINT64_MAX, 1));
}

static void it_stands_until_it_is_started(void **state)
{
    struct watchdog w = {.count = 0};

    (void)state;
    assert_int_equal(watchdog_wait_ms(&w, NOW), -1);
    put(&w, WATCHDOG_RESET, 1, NOW);
    put(&w, WATCHDOG_COUNT, 30, NOW);
    put(&w, WATCHDOG_LEFT, 5, NOW);
    put(&w, WATCHDOG_CONTROL, 0xfffe, NOW);
    assert_int_equal(w.deadline_ns, 0);
    assert_int_equal(get(&w, WATCHDOG_CONTROL, NOW), 0);
    assert_int_equal(get(&w, WATCHDOG_LEFT, NOW), 0);
    assert_int_equal(get(&w, WATCHDOG_COUNT, NOW), 30);
}

static void it_counts_and_is_reset(void **state)
{
    struct watchdog w = {.count = 30};

    (void)state;
    put(&w, WATCHDOG_CONTROL, 1, NOW);
    assert_int_equal(get(&w, WATCHDOG_CONTROL, NOW), 1);
    assert_int_equal(get(&w, WATCHDOG_LEFT, NOW), 30);
    assert_int_equal(get(&w, WATCHDOG_LEFT, NOW + 29 * PERIOD + 1), 1);
    assert_int_equal(watchdog_wait_ms(&w, NOW), 3001);
    put(&w, WATCHDOG_RESET, 1, NOW + 29 * PERIOD);
    assert_int_equal(get(&w, WATCHDOG_LEFT, NOW + 29 * PERIOD), 30);
    put(&w, WATCHDOG_COUNT, 7, NOW + 30 * PERIOD); /* from the next reset on */
    assert_int_equal(get(&w, WATCHDOG_LEFT, NOW + 30 * PERIOD), 29);
    put(&w, WATCHDOG_RESET, 0, NOW + 30 * PERIOD);
    assert_int_equal(get(&w, WATCHDOG_LEFT, NOW + 30 * PERIOD), 7);
    put(&w, WATCHDOG_CONTROL, 0, NOW + 31 * PERIOD);
    assert_int_equal(watchdog_wait_ms(&w, NOW + 99 * PERIOD), -1);
}

/* Main never sleeps for nothing, nor beyond the deadline, whatever the guest chose. */
static void every_count_is_bounded(void **state)
{
    (void)state;
    for (uint32_t count = 0; count <= WATCHDOG_COUNT_MAX; count++) {
        struct watchdog w = {.count = (uint16_t)count};
        uint64_t periods = count ? count : 1;

        put(&w, WATCHDOG_CONTROL, 1, NOW);
        assert_int_equal(w.deadline_ns - NOW, periods * PERIOD);
        assert_int_equal(get(&w, WATCHDOG_LEFT, NOW), periods);
        assert_int_equal(watchdog_wait_ms(&w, NOW), periods * WATCHDOG_PERIOD_MS + 1);
        assert_int_equal(watchdog_wait_ms(&w, w.deadline_ns), 1);
        assert_int_equal(get(&w, WATCHDOG_LEFT, w.deadline_ns + PERIOD), 0);
    }
}

static void its_end_is_the_partitions(void **state)
{
    static struct monitor m;
    uint64_t now = sys_clock_ns(CLOCK_MONOTONIC);

    (void)state;
    watchdog_look(&m);
    assert_int_equal(m.end.reason, EXIT_NONE);
    m.watchdog.deadline_ns = now + 1000000 * PERIOD;
    watchdog_look(&m);
    assert_int_equal(m.end.reason, EXIT_NONE);
    m.watchdog.deadline_ns = now;
    m.debugger.state = DEBUGGER_STOPPED; /* the guest can do nothing about it */
    watchdog_look(&m);
    assert_int_equal(m.end.reason, EXIT_NONE);
    assert_true(m.watchdog.deadline_ns > now);
    m.debugger.state = DEBUGGER_RUNNING;
    m.watchdog.deadline_ns = now;
    m.frozen = true; /* nor now */
    watchdog_look(&m);
    assert_int_equal(m.end.reason, EXIT_NONE);
    assert_true(m.watchdog.deadline_ns > now);
    m.frozen = false;
    m.watchdog.deadline_ns = now;
    watchdog_look(&m);
    assert_int_equal(m.end.reason, EXIT_WATCHDOG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_have_their_sizes),
        cmocka_unit_test(it_stands_until_it_is_started),
        cmocka_unit_test(it_counts_and_is_reset),
        cmocka_unit_test(every_count_is_bounded),
        cmocka_unit_test(its_end_is_the_partitions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
