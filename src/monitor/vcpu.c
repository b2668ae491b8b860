/* SPDX-License-Identifier: Apache-2.0 */
#include "vcpu.h"

#include <errno.h>

#include "layout.h"
#include "sys.h"

/* Signals cut KVM_RUN only around a freeze: the guest's watchdogs must not take it for a hang. */
static void tell_clock(const struct vcpu *vcpu)
{
    atomic_store_explicit(&vcpu->slot->resumed, 0, memory_order_relaxed);
    (void)sys_ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0); /* EINVAL: the guest uses no kvmclock */
}

static void post(const struct vcpu *vcpu, int error)
{
    uint32_t exits = atomic_load_explicit(&vcpu->slot->exits, memory_order_relaxed);

    vcpu->slot->error = error;
    atomic_store_explicit(&vcpu->slot->exits, exits + 1, memory_order_relaxed);
    atomic_store_explicit(&vcpu->slot->state, SLOT_POSTED, memory_order_release);
    sys_event_signal(vcpu->work);
}

/* See pause.h. */
static void wait_released(const struct vcpu *vcpu)
{
    atomic_store(&vcpu->slot->held, 1);
    sys_event_signal(vcpu->work);
    while (atomic_load(&vcpu->slot->hold))
        (void)sys_futex_wait(&vcpu->slot->hold, 1);
    atomic_store(&vcpu->slot->held, 0);
}

static void enter_guest(const struct vcpu *vcpu)
{
    long rc;

    if (atomic_load_explicit(&vcpu->slot->resumed, memory_order_relaxed))
        tell_clock(vcpu);
    rc = sys_ioctl(vcpu->fd, KVM_RUN, 0);
    if (rc == -EINTR || rc == -EAGAIN)
        vcpu->run->exit_reason = SLOT_RUNNING;
    else if (rc < 0)
        post(vcpu, (int)rc);
    if (rc != -EINTR)
        return;
    tell_clock(vcpu);
    if (atomic_load(&vcpu->slot->hold))
        wait_released(vcpu);
}

/* Harmless to do twice: the answer is in place before the exit is over. */
static bool answer_line_status(const struct vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;

    if (run->exit_reason != KVM_EXIT_IO || run->io.port != LAYOUT_UART_STATUS ||
        run->io.direction != KVM_EXIT_IO_IN || run->io.size != 1 || run->io.count != 1)
        return false;
    ((uint8_t *)run)[run->io.data_offset] =
        atomic_load_explicit(vcpu->line_status, memory_order_acquire);
    vcpu->slot->line_status++;
    run->exit_reason = SLOT_RUNNING;
    return true;
}

void vcpu_step(const struct vcpu *vcpu)
{
    uint32_t state = atomic_load_explicit(&vcpu->slot->state, memory_order_acquire);

    switch (state) {
    case SLOT_IDLE:
        if (vcpu->run->exit_reason == SLOT_RUNNING)
            enter_guest(vcpu);
        else if (vcpu->run->exit_reason == KVM_EXIT_INTR ||
                 vcpu->run->exit_reason == KVM_EXIT_UNKNOWN)
            vcpu->run->exit_reason = SLOT_RUNNING; /* killed inside KVM_RUN: it was cut */
        else if (!answer_line_status(vcpu))
            post(vcpu, 0);
        break;
    case SLOT_POSTED:
        (void)sys_futex_wait(&vcpu->slot->state, SLOT_POSTED);
        break;
    default:
        vcpu->run->exit_reason = SLOT_RUNNING;
        atomic_store_explicit(&vcpu->slot->state, SLOT_IDLE, memory_order_release);
        break;
    }
}

_Noreturn void vcpu_run(const struct vcpu *vcpu)
{
    sys_event_signal(vcpu->work); /* the last process may have died between post and signal */
    for (;;)
        vcpu_step(vcpu);
}
