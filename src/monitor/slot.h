/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-over of exits from a vCPU process to main: one slot a vCPU, no lock. Either side may be
 * killed at any instruction and is replaced by a process that starts from the top.
 *
 * KVM keeps the guest's half: after an I/O exit its vCPU waits for the next KVM_RUN, which takes
 * the data from kvm_run and completes the instruction. So an exit is finished exactly once when
 * KVM_RUN is called exactly once after it, with the answer in kvm_run. What is under way is told
 * by two words that outlive the processes, kvm_run->exit_reason and slot->state:
 *
 *   exit_reason  state    meaning                           who acts, and how
 *   RUNNING      IDLE     nothing; perhaps KVM_RUN was cut  vCPU: KVM_RUN
 *   any other    IDLE     an exit that nobody has seen      vCPU: state = POSTED, wake main
 *   any other    POSTED   main has it                       main: carry out, answer into kvm_run,
 *                                                           then state = DONE, wake vCPU
 *   any other    DONE     answered                          vCPU: exit_reason = RUNNING
 *   RUNNING      DONE     answered                          vCPU: state = IDLE
 *
 * The vCPU writes RUNNING before state = IDLE, and the kernel writes exit_reason only in KVM_RUN:
 * each row is left by one store, and every store is by the process that the row names. A wake-up
 * may be lost with the process that owed it: each new process, of either side, first wakes the
 * other.
 *
 * Example: the guest reads a port. KVM_RUN returns; the vCPU process dies before it posts. The new
 * one sees (IO, IDLE) and posts. It dies again; the third sees (IO, POSTED) and waits; main
 * answers; (IO, DONE) → (RUNNING, DONE), dies; the fourth → (RUNNING, IDLE) and KVM_RUN: the guest
 * has its value, once. Killed inside KVM_RUN, a process leaves (RUNNING, IDLE) or, when the kernel
 * was just done, (IO, IDLE): both are rows above.
 *
 * Main dies while it carries out a posted exit: the new main carries it out again. Device registers
 * bear that (configuration space, MSI-X table, BARs hold what was written last); the serial port
 * and its ring do not, so main keeps a copy of both from before (see bus.h) and goes back to it.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define SLOT_RUNNING UINT32_C(0xffffffff) /* in kvm_run->exit_reason: no exit is under way */

enum slot_state {
    SLOT_IDLE = 0,
    SLOT_POSTED = 1,
    SLOT_DONE = 2,
};

struct exit_slot {
    _Atomic uint32_t state;   /* enum slot_state; the futex of both sides */
    int32_t error;            /* KVM_RUN's, when it failed; 0: kvm_run says what happened */
    _Atomic uint32_t exits;   /* seen by the vCPU process */
    _Atomic uint32_t resumed; /* main: the vCPU was frozen; tell the guest's clock */
    _Atomic uint32_t hold;    /* main: stay out of the guest, see pause.h; a futex */
    _Atomic uint32_t held;    /* the vCPU does */
    uint64_t line_status;     /* exits that the vCPU process answered itself */
} __attribute__((aligned(64)));
