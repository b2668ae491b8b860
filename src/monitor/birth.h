/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a process of the monitor comes to be: clone3 with CLONE_VM | CLONE_FILES and without
 * CLONE_THREAD, on a stack with a guard page below it, with a thread block of its own that holds
 * just what the compiler's stack protector reads.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define BIRTH_STACK UINT64_C(65536)

struct birth_place {
    uint8_t *stack; /* its low end */
    uint64_t thread_block[16] __attribute__((aligned(64)));
};

/* Makes the stack. */
int birth_prepare(struct birth_place *place);

/*
 * A new process runs function(argument), which must not return. Its cgroup: the directory file,
 * or -1 for the caller's. *pidfd becomes readable when it has died. Returns the pid or an errno.
 * The place may be used again once the process has been waited for.
 */
long birth(struct birth_place *place, int cgroup, void (*function)(void *), void *argument,
           int *pidfd);
