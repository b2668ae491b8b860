/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs of a running guest come and go: lead's orders on one side (msg_lead_monitor.h), the guest's
 * ACPI code on the other (acpi.h). The guest finds a new VF, and gives one up, as any Linux does by
 * its ACPI hot-plug driver: Notify, scan of the place, _EJ0.
 *
 * The events' registers, dwords at LAYOUT_EVENTS; bit n is place n, device n + 1 of bus 0:
 *
 *   + 0  arrived  R: a VF is new here; W: these are seen
 *   + 4  wanted   R: the VF is asked for, or is gone already; W: these are seen
 *   + 8  eject    R: 0; W: the guest has done with these
 *   + 12 button   R: bit 0 the power button was pressed; W: bit 0 is seen
 *
 * Each is cleared by writing what was read, so that an access that is carried out twice (bus.h)
 * does what it does once. An interrupt (LAYOUT_GSI_EVENT) says that one of them is not 0; it comes
 * again when a write leaves something in its register, and each second until all is seen: a guest
 * that boots has no driver for it yet, and an edge at a masked pin is lost.
 *
 * An ejection that nobody asked for changes nothing: the VF stays on the bus, and is found again by
 * who looks. A time-out is lead's: who does not give a VF up loses it by force.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parclose/msg_lead_monitor.h"

#define HOTPLUG_ANSWERS 8

struct hotplug {
    uint32_t arrived, wanted, button;
    uint64_t again_ns; /* CLOCK_MONOTONIC: when the interrupt comes again; 0: all is seen */
    struct {
        bool due;
        struct monitor_vf_result message;
    } answers[HOTPLUG_ANSWERS]; /* a ninth that is due takes the place of the first */
};

struct monitor;
struct inbox;

/* Handlers of link.h. */
int hotplug_add(struct monitor *monitor, struct inbox *inbox);
int hotplug_remove(struct monitor *monitor, struct inbox *inbox);
int hotplug_mend(struct monitor *monitor, struct inbox *inbox);

/* VF_ADD or VF_REMOVE is answered with an error, and not carried out. */
void hotplug_refuse(struct monitor *monitor, const struct inbox *inbox, int error);

/* Once in each main, first thing: no half VF is left by the last one. */
void hotplug_recover(struct monitor *monitor);

/* The registers. size 4 only. */
bool hotplug_has_port(uint64_t port, unsigned size);
uint32_t hotplug_access(struct monitor *monitor, uint64_t port, bool write, uint32_t value);

/* Presses the guest's power button. */
void hotplug_button(struct monitor *monitor);

/* Once in each round of main: the interrupt again when it is time; and how long until then, -1: for
 * ever. */
void hotplug_again(struct monitor *monitor, uint64_t now_ns);
int64_t hotplug_wait_ms(const struct monitor *monitor, uint64_t now_ns);

/* What STATE says of them. */
void hotplug_seats(const struct monitor *monitor, struct vf_seat seats[PARCLOSE_MAX_PARTITION_VFS]);
