/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's watchdog, which the ACPI table WDAT describes ("Watchdog Action Table", Microsoft,
 * 2006; Linux's driver is wdat_wdt). A guest that starts it and does not reset it in time ends
 * with EXIT_WATCHDOG. Registers at LAYOUT_WATCHDOG, each accessed whole:
 *
 *   + 0  1 byte   control  bit 0: it runs; W: set begins the countdown anew, clear stops it
 *   + 1  1 byte   reset    W: a countdown that runs begins anew; R: 0
 *   + 4  2 bytes  count    W: what the next countdown begins with, in periods; 0 is as 1
 *   + 6  2 bytes  left     R: what is left of the one that runs; 0: none does
 *
 * The deadline is a time (CLOCK_MONOTONIC: a host that sleeps counts nothing), so it outlives main.
 * Main looks at it after the exits that are posted: a reset that came in time counts, however late
 * main is. A thaw begins the countdown anew, because the guest could do nothing before; so do a
 * freeze (MONITOR_DETACHED) and a session (session.h) as long as they keep the guest stopped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WATCHDOG_PERIOD_MS 100
#define WATCHDOG_COUNT_MAX 0xffff /* nearly two hours */

#define WATCHDOG_CONTROL 0
#define WATCHDOG_RESET   1
#define WATCHDOG_COUNT   4
#define WATCHDOG_LEFT    6

struct monitor;

struct watchdog {
    uint64_t deadline_ns; /* 0: it does not run */
    uint16_t count;       /* 0 is as 1 */
};

/* Whether there is a register of that size at that offset from LAYOUT_WATCHDOG. */
bool watchdog_has_port(uint64_t offset, unsigned size);

/* The value read, 0 for a write. */
uint16_t watchdog_access(struct watchdog *watchdog, uint64_t offset, bool write, uint16_t value,
                         uint64_t now_ns);

/* Nothing when it does not run. */
void watchdog_restart(struct watchdog *watchdog, uint64_t now_ns);

/* The time, read only when it counts: 0 while the watchdog does not run. */
uint64_t watchdog_clock(const struct watchdog *watchdog);

/* How long main may sleep: milliseconds, at least 1; -1: for ever. */
int64_t watchdog_wait_ms(const struct watchdog *watchdog, uint64_t now_ns);

/* Ends the partition when the countdown is over. */
void watchdog_look(struct monitor *monitor);
