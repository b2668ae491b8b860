/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spawner: parent of main and of every vCPU process. It takes no input from outside: only
 * orders of main, through shared memory, and the deaths of its children. A dead child is replaced
 * as long as the budget lasts; then the partition ends, with the reason.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum spawner_order {
    ORDER_NONE = 0,
    ORDER_CREATE_VM = 1, /* KVM files, and KVM_RUN once */
    ORDER_VCPUS = 2,     /* the vCPU processes into their cgroups */
    ORDER_SEAL = 3,      /* narrow the filter: no VM, no VFIO set-up any more */
    ORDER_KICK = 4,      /* every vCPU out of KVM_RUN, once */
};

struct spawner_desk {
    _Atomic uint32_t order; /* enum spawner_order; main writes, the spawner clears; a futex */
    int32_t result;
    int event; /* eventfd: there is an order */
};

struct monitor;

/* Main: gives an order, and goes on; the next thing that it says to the spawner is the wait. */
void spawner_ask(struct spawner_desk *desk, enum spawner_order order);

/* Main: waits until what it asked for is carried out. Negative errno. */
int spawner_wait(struct spawner_desk *desk);

/* Both. */
int spawner_order(struct spawner_desk *desk, enum spawner_order order);

/* Does not return: exits when the partition has ended. */
_Noreturn void spawner_run(struct monitor *monitor);
