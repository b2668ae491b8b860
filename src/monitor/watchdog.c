/* SPDX-License-Identifier: Apache-2.0 */
#include "watchdog.h"

#include <time.h>

#include "monitor.h"
#include "sys.h"

#define NS_PER_MS     UINT64_C(1000000)
#define NS_PER_PERIOD (WATCHDOG_PERIOD_MS * NS_PER_MS)
#define BIT           1

bool watchdog_has_port(uint64_t offset, unsigned size)
{
    if (offset == WATCHDOG_COUNT || offset == WATCHDOG_LEFT)
        return size == 2;
    return offset <= WATCHDOG_RESET && size == 1;
}

static void begin(struct watchdog *w, uint64_t now_ns)
{
    w->deadline_ns = now_ns + (w->count ? w->count : 1) * NS_PER_PERIOD;
}

void watchdog_restart(struct watchdog *w, uint64_t now_ns)
{
    if (w->deadline_ns)
        begin(w, now_ns);
}

/* Rounded up: one that runs has something left. */
static uint16_t left(const struct watchdog *w, uint64_t now_ns)
{
    if (now_ns >= w->deadline_ns)
        return 0;
    return (uint16_t)((w->deadline_ns - now_ns + NS_PER_PERIOD - 1) / NS_PER_PERIOD);
}

static void write_register(struct watchdog *w, uint64_t offset, uint16_t value, uint64_t now_ns)
{
    if (offset == WATCHDOG_CONTROL && (value & BIT))
        begin(w, now_ns);
    else if (offset == WATCHDOG_CONTROL)
        w->deadline_ns = 0;
    else if (offset == WATCHDOG_RESET)
        watchdog_restart(w, now_ns);
    else if (offset == WATCHDOG_COUNT)
        w->count = value;
}

static uint16_t read_register(const struct watchdog *w, uint64_t offset, uint64_t now_ns)
{
    switch (offset) {
    case WATCHDOG_CONTROL:
        return w->deadline_ns != 0;
    case WATCHDOG_COUNT:
        return w->count;
    case WATCHDOG_LEFT:
        return left(w, now_ns);
    default:
        return 0;
    }
}

uint16_t watchdog_access(struct watchdog *w, uint64_t offset, bool write, uint16_t value,
                         uint64_t now_ns)
{
    if (!write)
        return read_register(w, offset, now_ns);
    write_register(w, offset, value, now_ns);
    return 0;
}

uint64_t watchdog_clock(const struct watchdog *w)
{
    return w->deadline_ns ? sys_clock_ns(CLOCK_MONOTONIC) : 0;
}

int64_t watchdog_wait_ms(const struct watchdog *w, uint64_t now_ns)
{
    if (!w->deadline_ns)
        return -1;
    if (now_ns >= w->deadline_ns)
        return 1;
    return sys_ms_until(now_ns, w->deadline_ns);
}

void watchdog_look(struct monitor *m)
{
    uint64_t now_ns = watchdog_clock(&m->watchdog);

    if (m->frozen || m->debugger.state != DEBUGGER_RUNNING)
        watchdog_restart(&m->watchdog, now_ns);
    else if (m->watchdog.deadline_ns && now_ns >= m->watchdog.deadline_ns)
        monitor_end(m, EXIT_WATCHDOG, "the guest's watchdog expired", 0);
}
