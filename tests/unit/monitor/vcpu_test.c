/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU as a process, killed again and again. The guest, real mode, asks for a number at port
 * 0x20 and says it at port 0x21, for ever; each must come once, in order (slot.h). Needs /dev/kvm.
 */
#include <fcntl.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "sys.h"
#include "test.h"
#include "vcpu.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define KILLS       40
#define EXITS_APART 25 /* exits served between two kills */
#define CODE        0x1000

static struct vm vm = {.vcpus_count = 1};
static struct exit_slot slot;
static struct vcpu vcpu;
static struct birth_place place;
static uint16_t asked, said;
static _Atomic uint8_t line_status;

static void begin(void *unused)
{
    (void)unused;
    (void)sys_call3(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0); /* does not outlive a failed test */
    vcpu_run(&vcpu);
}

static int make_guest(void)
{
    static const uint8_t code[] = {0xe5, 0x20,  /* in ax, 0x20 */
                                   0xe7, 0x21,  /* out 0x21, ax */
                                   0xeb, 0xfa}; /* again */
    uint8_t *memory =
        mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {.memory_size = 0x10000,
                                                 .userspace_addr = (uint64_t)memory};
    struct kvm_regs regs = {.rip = CODE, .rflags = 2};
    struct kvm_sregs sregs;

    vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (vm.kvm < 0 || vm_create(&vm, false) < 0)
        return -1;
    memcpy(memory + CODE, code, sizeof(code));
    if (sys_ioctl_ptr(vm.fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ||
        sys_ioctl_ptr(vm.vcpus[0], KVM_GET_SREGS, &sregs) < 0)
        return -1;
    sregs.cs.base = sregs.cs.selector = 0;
    if (sys_ioctl_ptr(vm.vcpus[0], KVM_SET_SREGS, &sregs) < 0 ||
        sys_ioctl_ptr(vm.vcpus[0], KVM_SET_REGS, &regs) < 0)
        return -1;
    return vm_prime(&vm);
}

/* The part of main. */
static void serve(void)
{
    struct pollfd p = {.fd = vcpu.work, .events = POLLIN};
    uint16_t *data;

    assert_int_equal(poll(&p, 1, 20000), 1);
    sys_event_clear(vcpu.work);
    if (atomic_load(&slot.state) != SLOT_POSTED)
        return; /* posted twice by two processes: signalled twice, served once */
    assert_int_equal(slot.error, 0);
    data = (uint16_t *)((uint8_t *)vcpu.run + vcpu.run->io.data_offset);
    assert_int_equal(vcpu.run->exit_reason, KVM_EXIT_IO);
    if (vcpu.run->io.direction == KVM_EXIT_IO_IN) {
        assert_int_equal(asked, said); /* never asked twice for one number */
        *data = ++asked;
    } else {
        assert_int_equal(vcpu.run->io.port, 0x21);
        assert_int_equal(*data, (uint16_t)(said + 1));
        said++;
    }
    atomic_store(&slot.state, SLOT_DONE);
    sys_futex_wake(&slot.state);
}

static void exits_are_finished_once(void **state)
{
    (void)state;
    vcpu = (struct vcpu){vm.vcpus[0], eventfd(0, EFD_NONBLOCK), vm.runs[0], &slot, &line_status};
    vm.runs[0]->exit_reason = SLOT_RUNNING;
    assert_int_equal(birth_prepare(&place), 0);
    for (int i = 0; i < KILLS; i++) {
        int pidfd;
        long pid = birth(&place, -1, begin, NULL, &pidfd);

        assert_true(pid > 0);
        for (int n = 0; n < EXITS_APART; n++)
            serve();
        usleep((useconds_t)(i * 37 % 400)); /* in KVM_RUN, before a post, or waiting for us */
        kill((pid_t)pid, SIGKILL);
        assert_int_equal(waitpid((pid_t)pid, NULL, 0), pid);
        close(pidfd);
    }
    print_message("%d numbers, %d processes killed\n", said, KILLS);
    assert_true(said >= KILLS * EXITS_APART / 2 - KILLS);
}

/* Its statistics are where the API says; a vCPU that never ran has left the guest never. */
static void exits_are_counted(void **state)
{
    (void)state;
    if (vm.stats[0] < 0 || vm_exits(&vm, 0) < 0) {
        print_message("SKIP: this /dev/kvm counts no exits\n");
        skip();
    }
    assert_true(vm_exits(&vm, 0) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exits_are_finished_once),
        cmocka_unit_test(exits_are_counted),
    };

    if (SANITIZED) {
        puts("SKIP: sanitizers know only threads");
        return 77;
    }
    if (access("/dev/kvm", R_OK | W_OK) < 0 || make_guest() < 0) {
        puts("SKIP: no /dev/kvm that runs a real-mode guest");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
