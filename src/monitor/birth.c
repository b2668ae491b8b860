/* SPDX-License-Identifier: Apache-2.0 */
#include "birth.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "sys.h"

#define GUARD     4096
#define CANARY_AT 5 /* %fs:0x28, as a 64-bit word */

int birth_prepare(struct birth_place *place)
{
    long base = sys_mmap(NULL, GUARD + BIRTH_STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (sys_is_error(base))
        return (int)base;
    base = sys_mmap((void *)(base + GUARD), BIRTH_STACK, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (sys_is_error(base))
        return (int)base;
    place->stack = (uint8_t *)base;
    return 0;
}

static void prepare_thread_block(struct birth_place *place)
{
    uint64_t canary;

    __asm__("mov %%fs:0x28, %0" : "=r"(canary));
    place->thread_block[0] = (uint64_t)place->thread_block; /* %fs:0 points to itself */
    place->thread_block[CANARY_AT] = canary;
}

/* The child leaves the system call on its own stack and must not come back into this frame. */
static long clone_and_call(struct clone_args *args, void (*function)(void *), void *argument)
{
    long result;

    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %[argument], %%rdi\n\t"
                     "call *%[function]\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)SYS_clone3), "D"(args),
                       "S"(sizeof(*args)), [function] "r"(function), [argument] "r"(argument)
                     : "rcx", "r11", "memory");
    return result;
}

long birth(struct birth_place *place, int cgroup, void (*function)(void *), void *argument,
           int *pidfd)
{
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_FILES | CLONE_SETTLS | CLONE_PIDFD,
        .pidfd = (uint64_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)place->stack,
        .stack_size = BIRTH_STACK,
        .tls = (uint64_t)place->thread_block,
    };

    prepare_thread_block(place);
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup;
    }
    return clone_and_call(&args, function, argument);
}
