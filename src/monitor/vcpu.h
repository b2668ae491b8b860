/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU process: KVM_RUN and the hand-over of exits, nothing else. Four system calls; no C
 * library, no signal handler (so no signal stack either), no lock.
 */
#pragma once

#include "slot.h"
#include "vm.h"

struct vcpu {
    int fd;   /* KVM's */
    int work; /* eventfd: main has something to do */
    struct kvm_run *run;
    struct exit_slot *slot;
};

/* Runs until the process is killed. Starts from any row of slot.h. */
_Noreturn void vcpu_run(const struct vcpu *vcpu);

/* One step of it, for tests. */
void vcpu_step(const struct vcpu *vcpu);
