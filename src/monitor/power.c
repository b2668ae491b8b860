/* SPDX-License-Identifier: Apache-2.0 */
#include "power.h"

#include "layout.h"
#include "monitor.h"

#define SLEEP_GO       0x20
#define PORT_RESET     0xcf9
#define PORT_KEYBOARD  0x64
#define KEYBOARD_RESET 0xfe
#define RESET_GO       0x04
#define PANIC_TOLD     0x01

bool power_has_port(uint64_t port, unsigned size, bool write)
{
    if (size != 1)
        return false;
    return (port >= LAYOUT_SLEEP && port <= LAYOUT_SLEEP + 2) || port == LAYOUT_PANIC ||
           (write && (port == PORT_RESET || port == PORT_KEYBOARD));
}

static void write_port(struct monitor *m, uint64_t port, uint8_t value)
{
    if (port == LAYOUT_SLEEP && value == (SLEEP_GO | LAYOUT_SLEEP_TYPE_5 << 2))
        monitor_end(m, EXIT_POWER_OFF, "the guest powered off", 0);
    else if (port == LAYOUT_SLEEP + 2 && value == LAYOUT_RESET_VALUE)
        monitor_end(m, EXIT_REBOOT, "the guest rebooted", 0);
    else if (port == LAYOUT_PANIC && (value & PANIC_TOLD))
        monitor_end(m, EXIT_PANIC, "the guest panicked", 0);
    else if (port == PORT_RESET && (value & RESET_GO))
        monitor_end(m, EXIT_REBOOT, "the guest reset itself", 0);
    else if (port == PORT_KEYBOARD && value == KEYBOARD_RESET)
        monitor_end(m, EXIT_REBOOT, "the guest reset itself by keyboard controller", 0);
}

uint8_t power_access(struct monitor *m, uint64_t port, bool write, uint8_t value)
{
    if (write)
        write_port(m, port, value);
    return port == LAYOUT_PANIC ? PANIC_TOLD : 0;
}

void power_button(struct monitor *m)
{
    hotplug_button(m);
}
