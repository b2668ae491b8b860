/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts into the guest: one eventfd a line, tied to a GSI by KVM_IRQFD; what a GSI means (a
 * pin of the I/O APIC, or an MSI message) is in the kernel's routing table.
 *
 * A VF's vector is tied while the guest can take it, and untied while it is masked: meanwhile the
 * device's signals stay counted in the eventfd, which is thus the vector's pending bit; KVM injects
 * at once what it finds there when the vector is tied again. The device itself is set up once, with
 * all its vectors, when the VF is attached: nothing the guest does can lose one. MSI goes the same
 * way, by the table that msix_from_msi makes of it; but a function that has fewer vectors uses them
 * otherwise, so it is set up anew when the guest enables another number of them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "msix.h"
#include "parclose/channel.h"

#define IRQ_VECTORS ((PARCLOSE_MAX_PARTITION_VFS + PARCLOSE_MAX_CHANNELS) * MSIX_VECTORS)

struct irq_message {
    uint64_t address;
    uint32_t data;
    bool tied;
};

struct irq_router {
    int vm;
    int uart;                                 /* eventfds of the lines */
    int event;                                /* of the generic event device */
    int vectors[IRQ_VECTORS];                 /* eventfds; 0: none (0 is the monitor's stdin) */
    struct irq_message messages[IRQ_VECTORS]; /* as the kernel knows them */
};

/* The lines: eventfds made and tied. Negative errno. */
int irq_begin(struct irq_router *router, int vm);

/* Makes the eventfds of a VF's vectors. */
int irq_attach(struct irq_router *router, unsigned vf, const struct msix *msix);

/* Unties and closes them all, as far as they are there; routes go with them. */
void irq_detach(struct irq_router *router, unsigned vf);

/* The function was reset: signals that were not delivered are gone. */
void irq_forget(struct irq_router *router, unsigned vf);

/* Brings routes and ties of one VF in line with its MSI-X table. */
int irq_follow(struct irq_router *router, unsigned vf, const struct msix *msix);

/* Bit n: vector first + n has a signal that was not delivered (for the pending bit array). */
uint64_t irq_pending(const struct irq_router *router, unsigned vf, const struct msix *msix);
