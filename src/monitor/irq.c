/* SPDX-License-Identifier: Apache-2.0 */
#include "irq.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "layout.h"
#include "sys.h"

static union {
    struct kvm_irq_routing table;
    uint8_t bytes[sizeof(struct kvm_irq_routing) +
                  (LAYOUT_GSIS + IRQ_VECTORS) * sizeof(struct kvm_irq_routing_entry)];
} routing; /* main only, built anew for each use */

static void add_pin(uint32_t gsi)
{
    routing.table.entries[routing.table.nr++] = (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_IRQCHIP,
        .u.irqchip = {.irqchip = KVM_IRQCHIP_IOAPIC, .pin = gsi},
    };
}

static void add_message(uint32_t gsi, const struct irq_message *message)
{
    routing.table.entries[routing.table.nr++] = (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = {.address_lo = (uint32_t)message->address,
                  .address_hi = (uint32_t)(message->address >> 32),
                  .data = message->data},
    };
}

static int write_routes(const struct irq_router *router)
{
    routing.table.nr = 0;
    routing.table.flags = 0;
    for (uint32_t pin = 0; pin < LAYOUT_GSIS; pin++)
        add_pin(pin);
    for (uint32_t i = 0; i < IRQ_VECTORS; i++)
        if (router->messages[i].address)
            add_message(LAYOUT_GSIS + i, &router->messages[i]);
    return (int)sys_ioctl_ptr(router->vm, KVM_SET_GSI_ROUTING, &routing);
}

static int tie(const struct irq_router *router, int event, uint32_t gsi, bool on)
{
    struct kvm_irqfd irqfd = {
        .fd = (uint32_t)event, .gsi = gsi, .flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

    return (int)sys_ioctl_ptr(router->vm, KVM_IRQFD, &irqfd);
}

static int make_line(const struct irq_router *router, int *event, uint32_t gsi)
{
    *event = (int)sys_eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
    return *event < 0 ? *event : tie(router, *event, gsi, true);
}

int irq_begin(struct irq_router *router, int vm)
{
    int rc;

    router->vm = vm;
    rc = write_routes(router);
    if (rc >= 0)
        rc = make_line(router, &router->uart, LAYOUT_GSI_UART);
    if (rc >= 0)
        rc = make_line(router, &router->event, LAYOUT_GSI_EVENT);
    return rc;
}

static size_t first_of(unsigned vf)
{
    return (size_t)vf * MSIX_VECTORS;
}

int irq_attach(struct irq_router *router, unsigned vf, const struct msix *msix)
{
    int *vectors = router->vectors + first_of(vf);

    for (uint32_t i = 0; i < msix->count; i++) {
        int event = (int)sys_eventfd(EFD_CLOEXEC | EFD_NONBLOCK);

        if (event < 0)
            return event;
        vectors[i] = event;
    }
    return 0;
}

/* Ties first: what a closed eventfd leaves behind in KVM goes only some time later. */
void irq_detach(struct irq_router *router, unsigned vf)
{
    size_t first = first_of(vf);

    for (size_t i = first; i < first + MSIX_VECTORS; i++) {
        int event = router->vectors[i];

        if (event)
            (void)tie(router, event, (uint32_t)(LAYOUT_GSIS + i), false);
        router->vectors[i] = 0;
        atomic_signal_fence(memory_order_seq_cst); /* forgotten before its number is free */
        if (event)
            (void)sys_close(event);
    }
    memset(router->messages + first, 0, MSIX_VECTORS * sizeof(router->messages[0]));
    (void)write_routes(router); /* else they stay, and nothing leads to them */
}

void irq_forget(struct irq_router *router, unsigned vf)
{
    size_t first = first_of(vf);

    for (size_t i = first; i < first + MSIX_VECTORS; i++)
        if (router->vectors[i])
            sys_event_clear(router->vectors[i]);
}

/* The message that the guest wrote; true when the kernel does not have it yet. */
static bool learn_message(struct irq_message *message, const struct msix_entry *entry)
{
    uint64_t address = (uint64_t)entry->words[1] << 32 | entry->words[0];
    bool news = message->address != address || message->data != entry->words[2];

    message->address = address;
    message->data = entry->words[2];
    return news;
}

/* Routes first, then ties: a vector is never tied to a stale message. */
int irq_follow(struct irq_router *router, unsigned vf, const struct msix *msix)
{
    struct irq_message *messages = router->messages + first_of(vf);
    const int *vectors = router->vectors + first_of(vf);
    bool news = false;
    int rc = 0;

    for (uint32_t i = 0; i < msix->count; i++)
        if (msix_live(msix, i))
            news |= learn_message(&messages[i], &msix->entries[i]);
    if (news)
        rc = write_routes(router);
    for (uint32_t i = 0; i < msix->count && rc >= 0; i++) {
        bool live = msix_live(msix, i);

        if (live == messages[i].tied)
            continue;
        rc = tie(router, vectors[i], LAYOUT_GSIS + vf * MSIX_VECTORS + i, live);
        if (rc == -EBUSY && live)
            rc = 0; /* tied by a main that died before it could note it */
        if (rc >= 0)
            messages[i].tied = live;
    }
    return rc;
}

uint64_t irq_pending(const struct irq_router *router, unsigned vf, const struct msix *msix)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < msix->count; i++) {
        struct pollfd p = {.fd = router->vectors[vf * MSIX_VECTORS + i], .events = POLLIN};

        if (!msix_live(msix, i) && sys_poll(&p, 1, 1) == 1 && (p.revents & POLLIN))
            bits |= UINT64_C(1) << i;
    }
    return bits;
}
