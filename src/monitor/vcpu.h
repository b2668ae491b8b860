/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU process: KVM_RUN and the hand-over of exits, nothing else. Four system calls; no C
 * library, no signal handler (so no signal stack either), no lock. One port it answers by itself,
 * as Linux reads it before each character of its log: the serial port's line status, which main
 * keeps in a byte for it.
 */
#pragma once

#include "slot.h"
#include "vm.h"

struct vcpu {
    int fd;   /* KVM's */
    int work; /* eventfd: main has something to do */
    struct kvm_run *run;
    struct exit_slot *slot;
    const _Atomic uint8_t *line_status; /* of the serial port, as main last saw it */
};

/* Runs until the process is killed. Starts from any row of slot.h. */
_Noreturn void vcpu_run(const struct vcpu *vcpu);

/* One step of it, for tests. */
void vcpu_step(const struct vcpu *vcpu);
