/* SPDX-License-Identifier: Apache-2.0 */
/* The filters at work, each in a process of its own. What they mean is sandbox_program_test.c. */
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"
#include "sys.h"
#include "test.h"

/* How a process ends that enters a filter and makes one call: its signal, or 0 after exit_group. */
static int try_call(enum sandbox_filter filter, long nr, long a, long b, long c)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        sandbox_begin();
        if (sandbox_enter(filter) < 0)
            sys_exit(1);
        sys_call3(nr, a, b, c);
        sys_call3(SYS_exit_group, 0, 0, 0); /* sanitizers hook what does not return */
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void vcpu_may_run_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(try_call(SANDBOX_VCPU, SYS_ioctl, -1, KVM_RUN, 0), 0);
    assert_int_equal(try_call(SANDBOX_VCPU, SYS_ioctl, -1, KVM_KVMCLOCK_CTRL, 0), 0);
    assert_int_equal(try_call(SANDBOX_VCPU, SYS_ioctl, -1, KVM_SET_REGS, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_VCPU, SYS_ioctl, -1, KVM_IRQFD, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_VCPU, SYS_read, -1, 0, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_VCPU, SYS_openat, -1, 0, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_VCPU, SYS_clone3, 0, 0, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_VCPU, SYS_mmap, 0, 4096, PROT_READ), SIGSYS);
}

static void main_has_no_run_and_no_birth(void **state)
{
    (void)state;
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_ioctl, -1, KVM_IRQFD, 0), 0);
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_ioctl, -1, KVM_RUN, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_clone3, 0, 0, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_clone, 0, 0, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_openat, -1, 0, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_socket, 0, 0, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_execve, 0, 0, 0), SIGSYS);
    assert_int_equal(try_call(SANDBOX_MAIN_BUILD, SYS_execve, 0, 0, 0), SIGSYS);
}

static void no_filter_maps_code(void **state)
{
    (void)state;
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_mmap, 0, 0, PROT_READ), 0);
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_mmap, 0, 0, PROT_READ | PROT_EXEC), SIGSYS);
    assert_int_equal(try_call(SANDBOX_MAIN_BUILD, SYS_mmap, 0, 0, PROT_READ | PROT_EXEC), SIGSYS);
    assert_int_equal(try_call(SANDBOX_MAIN, SYS_mprotect, 0, 0, PROT_EXEC), SIGSYS);
}

static void x32_calls_are_no_way_around(void **state)
{
    (void)state;
    assert_int_equal(try_call(SANDBOX_VCPU, 0x40000000 | SYS_write, -1, 0, 0), SIGSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vcpu_may_run_and_no_more),
        cmocka_unit_test(main_has_no_run_and_no_birth),
        cmocka_unit_test(no_filter_maps_code),
        cmocka_unit_test(x32_calls_are_no_way_around),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
