/* SPDX-License-Identifier: Apache-2.0 */
#include "pause.h"

#include "debug.h"
#include "monitor.h"
#include "sys.h"

void pause_all(struct monitor *m)
{
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++) {
        m->vm.runs[i]->immediate_exit = 1;
        atomic_store(&m->slots[i].hold, 1);
    }
    /* either a vCPU sees immediate_exit, or we see that it does not stand any more */
    atomic_thread_fence(memory_order_seq_cst);
    (void)spawner_order(&m->desk, ORDER_KICK);
}

bool pause_standing(const struct monitor *m)
{
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++)
        if (!atomic_load(&m->slots[i].held) && !debug_caught(m, i))
            return false;
    return true;
}

void pause_release(struct monitor *m, uint32_t vcpu)
{
    struct exit_slot *slot = &m->slots[vcpu];

    m->vm.runs[vcpu]->immediate_exit = 0;
    atomic_store(&slot->resumed, 1);
    atomic_store(&slot->hold, 0);
    (void)sys_futex_wake(&slot->hold);
}

void pause_release_all(struct monitor *m)
{
    for (uint32_t i = 0; i < m->vm.vcpus_count; i++)
        pause_release(m, i);
}
