/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <string.h>

#include "monitor.h"
#include "vm_stats.h"

static const char *const counters[EXIT_COUNTERS] = {
    [COUNT_UART] = "port_serial",     [COUNT_POWER] = "port_power", [COUNT_PCI_PORT] = "port_pci",
    [COUNT_PORT_OTHER] = "port_none", [COUNT_ECAM] = "memory_ecam", [COUNT_MEMORY] = "memory_pci",
    [COUNT_DEBUG] = "debug",
};

/* What vCPU processes answered by themselves, and how many exits they handed over. */
static const char *const own_names[] = {"port_serial_status", "posted"};
#define OWN (sizeof(own_names) / sizeof(own_names[0]))
_Static_assert(VM_STATS_MAX + EXIT_COUNTERS + OWN <= STATS_NAMES_MAX, "names");

static void add_name(struct session_stats *stats, const char *name)
{
    strncpy(stats->names[stats->names_count++], name, STATS_NAME_MAX - 1);
}

static void add_names(struct session_stats *stats)
{
    stats->kernel_names = stats->names_count;
    for (uint32_t i = 0; i < EXIT_COUNTERS; i++)
        add_name(stats, counters[i]);
    for (uint32_t i = 0; i < OWN; i++)
        add_name(stats, own_names[i]);
}

static void add_values(const struct monitor *m, uint32_t vcpu, uint64_t *values)
{
    for (uint32_t i = 0; i < EXIT_COUNTERS; i++)
        values[i] = m->counts[vcpu][i];
    values[EXIT_COUNTERS] = m->slots[vcpu].line_status;
    values[EXIT_COUNTERS + 1] = atomic_load(&m->slots[vcpu].exits);
}

void stats_read(const struct monitor *m, struct session_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->vcpus_count = m->vm.vcpus_count;
    stats->main_restarts = atomic_load(&m->main_restarts);
    if (m->vm.vcpus_count)
        stats->names_count = vm_stats_names(m->vm.stats[0], stats->names);
    add_names(stats);
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++) {
        stats->pids[i] = atomic_load(&m->vcpu_pids[i]);
        stats->restarts[i] = atomic_load(&m->vcpu_deaths[i]);
        vm_stats_values(m->vm.stats[i], stats->values[i]);
        add_values(m, i, stats->values[i] + stats->kernel_names);
    }
}
