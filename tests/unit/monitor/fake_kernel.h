/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel as the monitor's devices see it, made up: KVM's memory slots and interrupt routes,
 * VFIO devices with registers and configuration space, eventfds, one regular file. What the monitor
 * asks for is checked as the promise says, and a breach aborts:
 *
 *   a memory slot    lies in a window for BARs, maps bytes of that device's BAR and no trapped page
 *   a route, a tie   only with GSIs and eventfds that there are; at most as many as the kernel
 * takes device accesses  of 1 to 8 bytes within a region
 *
 * The monitor's sources are built with PARCLOSE_FAKE_KERNEL for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_BARS      6
#define FAKE_VM        100
#define FAKE_DEVICE    200 /* and the following: devices */
#define FAKE_GROUP     300 /* the group of device n is FAKE_GROUP + n */
#define FAKE_FILE      400
#define FAKE_CONTAINER 500
#define FAKE_GROUPS    501  /* KVM's VFIO device */
#define FAKE_EVENT     1000 /* and the following: eventfds */
#define FAKE_BAR_MOST  (UINT64_C(1) << 16)

struct fake_device {
    uint64_t bar_size[FAKE_BARS];
    bool bar_maps[FAKE_BARS];
    uint8_t config[4096];
    uint32_t vectors;             /* of MSI-X */
    uint32_t msi, msi_room;       /* vectors of MSI; how many the kernel can give; 0: all */
    uint32_t armed, kernel_armed; /* vectors that are on: in the device, and as the kernel knows */
    unsigned table_bar;           /* where its MSI-X table is */
    uint64_t table_start, table_end;
    int refusal;   /* of its group: what joining a container gives */
    bool no_reset; /* it was opened, but not reset before */
};

struct fake_kernel {
    struct fake_device *devices;
    unsigned devices_count;
    uint64_t window64;   /* start of the 64-bit window */
    const uint8_t *file; /* what FAKE_FILE has, then zeros up to file_size */
    size_t file_bytes;
    uint64_t file_size;
};

extern struct fake_kernel fake;

/* Forgets slots, routes, ties, eventfds. */
void fake_begin(void);

/* An eventfd of the monitor becomes readable, as by a device. */
void fake_signal(unsigned nth);

/* What a device's signal of this vector becomes: address and data; false: nothing. */
bool fake_delivers(unsigned vf, unsigned vector, uint64_t *address, uint32_t *data);

/* A memory slot has this address. */
bool fake_mapped(uint64_t gpa);

/* Lines of the log, which go nowhere. */
unsigned fake_log_lines(void);

/* Guest memory behind two pages that nobody may touch. */
uint8_t *fake_memory(uint64_t size);

/* Aborts, and says where: what was promised does not hold. */
#define fake_check(good) fake_check_at(good, __FILE__, __LINE__)
void fake_check_at(bool good, const char *file, int line);
