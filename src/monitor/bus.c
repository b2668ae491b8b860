/* SPDX-License-Identifier: Apache-2.0 */
#include "bus.h"

#include <string.h>
#include <time.h>

#include "console.h"
#include "debug.h"
#include "layout.h"
#include "monitor.h"
#include "power.h"
#include "sys.h"
#include "text.h"

#define PCI_PORT      0xcf8
#define ATTEMPTS_MOST 2

struct access {
    uint64_t address;
    unsigned size;
    bool write;
    uint64_t value;
    uint64_t *counts; /* enum exit_counter */
};

/* ---- ports ---- */

static bool in_range(uint64_t address, uint64_t start, uint64_t length)
{
    return address >= start && address - start < length;
}

static void uart_access(struct monitor *m, struct access *a)
{
    unsigned reg = (unsigned)(a->address - LAYOUT_UART);

    if (a->write)
        console_port_write(m, reg, (uint8_t)a->value);
    else
        a->value = console_port_read(m, reg);
}

static void pci_access(struct monitor *m, struct access *a)
{
    unsigned offset = (unsigned)(a->address - PCI_PORT);

    if (a->write)
        pci_port_write(&m->pci, offset, a->size, (uint32_t)a->value);
    else
        a->value = pci_port_read(&m->pci, offset, a->size);
}

static void watchdog_port(struct monitor *m, struct access *a)
{
    a->value = watchdog_access(&m->watchdog, a->address - LAYOUT_WATCHDOG, a->write,
                               (uint16_t)a->value, sys_clock_ns(CLOCK_MONOTONIC));
}

static void port_access(struct monitor *m, struct access *a)
{
    if (!a->write)
        a->value = UINT64_MAX;
    if (in_range(a->address, LAYOUT_UART, 8) && a->size == 1) {
        a->counts[COUNT_UART]++;
        uart_access(m, a);
    } else if (power_has_port(a->address, a->size, a->write)) {
        a->counts[COUNT_POWER]++;
        a->value = power_access(m, a->address, a->write, (uint8_t)a->value);
    } else if (watchdog_has_port(a->address - LAYOUT_WATCHDOG, a->size)) {
        a->counts[COUNT_POWER]++;
        watchdog_port(m, a);
    } else if (in_range(a->address, PCI_PORT, 8)) {
        a->counts[COUNT_PCI_PORT]++;
        pci_access(m, a);
    } else if (hotplug_has_port(a->address, a->size)) {
        a->counts[COUNT_POWER]++;
        a->value = hotplug_access(m, a->address, a->write, (uint32_t)a->value);
    } else {
        a->counts[COUNT_PORT_OTHER]++;
    }
}

/* One I/O exit is `count` accesses to the same port, their data one after the other. */
static void serve_io(struct monitor *m, struct kvm_run *run, uint64_t *counts)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    unsigned size = run->io.size;

    if (size != 1 && size != 2 && size != 4)
        return;
    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        struct access a = {.address = run->io.port,
                           .size = size,
                           .write = run->io.direction == KVM_EXIT_IO_OUT,
                           .counts = counts};

        if (a.write)
            memcpy(&a.value, data, size);
        port_access(m, &a);
        if (!a.write)
            memcpy(data, &a.value, size);
    }
}

/* ---- memory ---- */

static void memory_access(struct monitor *m, struct access *a)
{
    uint64_t offset = a->address - LAYOUT_ECAM;

    a->counts[in_range(a->address, LAYOUT_ECAM, LAYOUT_ECAM_SIZE) ? COUNT_ECAM : COUNT_MEMORY]++;
    if (in_range(a->address, LAYOUT_ECAM, LAYOUT_ECAM_SIZE)) {
        if (a->write)
            pci_ecam_write(&m->pci, offset, a->size, a->value);
        else
            a->value = pci_ecam_read(&m->pci, offset, a->size);
    } else if (a->write) {
        (void)pci_memory_write(&m->pci, a->address, a->size, a->value);
    } else {
        (void)pci_memory_read(&m->pci, a->address, a->size, &a->value);
    }
}

static void serve_mmio(struct monitor *m, struct kvm_run *run, uint64_t *counts)
{
    struct access a = {.address = run->mmio.phys_addr,
                       .size = run->mmio.len,
                       .write = run->mmio.is_write,
                       .value = UINT64_MAX,
                       .counts = counts};

    if (a.size > sizeof(run->mmio.data) || a.size == 0)
        return;
    if (a.write) {
        a.value = 0;
        memcpy(&a.value, run->mmio.data, a.size);
    }
    memory_access(m, &a);
    if (!a.write)
        memcpy(run->mmio.data, &a.value, a.size);
}

/* ---- exits ---- */

static void end_unknown(struct monitor *m, const struct kvm_run *run)
{
    struct text text = {.length = 0};

    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
        text_number(text_add(&text, "KVM internal error "), run->internal.suberror);
    else
        text_number(text_add(&text, "unexpected KVM exit "), run->exit_reason);
    monitor_end(m, EXIT_MONITOR_ERROR, text.line, 0);
}

static void serve_exit(struct monitor *m, uint32_t vcpu)
{
    struct kvm_run *run = m->vm.runs[vcpu];
    int32_t error = m->slots[vcpu].error;

    if (error) {
        monitor_end(m, EXIT_MONITOR_ERROR, "KVM_RUN failed", error);
        return;
    }
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        serve_io(m, run, m->counts[vcpu]);
        break;
    case KVM_EXIT_MMIO:
        serve_mmio(m, run, m->counts[vcpu]);
        break;
    case KVM_EXIT_DEBUG:
        m->counts[vcpu][COUNT_DEBUG]++;
        debug_exit(m, vcpu);
        break;
    case KVM_EXIT_SHUTDOWN:
        monitor_end(m, EXIT_REBOOT, "triple fault", 0);
        break;
    default:
        end_unknown(m, run);
        break;
    }
}

static void answer_ones(struct kvm_run *run)
{
    if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
        memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
    else if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN)
        memset((uint8_t *)run + run->io.data_offset, 0xff, (size_t)run->io.size * run->io.count);
}

/* True when the exit is to be carried out. */
static bool journal_open(struct monitor *m, uint32_t vcpu)
{
    struct exit_journal *j = &m->journal;
    uint32_t exit = atomic_load_explicit(&m->slots[vcpu].exits, memory_order_relaxed);

    if (j->vcpu == vcpu + 1 && j->exit == exit) {
        m->console = j->before;
        return ++j->attempts < ATTEMPTS_MOST;
    }
    j->vcpu = 0;
    atomic_signal_fence(memory_order_seq_cst);
    j->before = m->console;
    j->attempts = 0;
    j->exit = exit;
    atomic_signal_fence(memory_order_seq_cst); /* the copy is whole before it counts */
    j->vcpu = vcpu + 1;
    return true;
}

static void serve_slot(struct monitor *m, uint32_t vcpu)
{
    struct exit_slot *slot = &m->slots[vcpu];

    if (journal_open(m, vcpu)) {
        serve_exit(m, vcpu);
    } else {
        text_log("an access that main does not survive is answered with ones", 0);
        answer_ones(m->vm.runs[vcpu]);
    }
    if (m->end.reason)
        return; /* the vCPU stays where it is */
    if (debug_caught(m, vcpu)) {
        m->journal.vcpu = 0;
        return; /* so does this one, for the debugger */
    }
    atomic_store_explicit(&slot->state, SLOT_DONE, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    m->journal.vcpu = 0;
    (void)sys_futex_wake(&slot->state);
}

/* The exit that the last main was at comes first, unless that main had answered it. */
static void finish_last(struct monitor *m)
{
    uint32_t vcpu = m->journal.vcpu - 1;

    if (m->journal.vcpu == 0)
        return;
    if (atomic_load(&m->slots[vcpu].state) == SLOT_POSTED)
        serve_slot(m, vcpu);
    m->journal.vcpu = 0;
}

void bus_begin(struct monitor *m)
{
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++)
        (void)sys_futex_wake(&m->slots[i].state);
}

void bus_serve(struct monitor *m)
{
    finish_last(m);
    for (uint32_t i = 0; i < m->vm.vcpus_count && !m->end.reason; i++)
        if (atomic_load_explicit(&m->slots[i].state, memory_order_acquire) == SLOT_POSTED &&
            !debug_caught(m, i))
            serve_slot(m, i);
}
