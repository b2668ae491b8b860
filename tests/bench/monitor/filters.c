/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many system calls a process may make, by the seccomp filters that the kernel has for it.
 *
 * usage: bench-filters PID…   prints one number a process; "none" where it has no filter
 *
 * A call is allowed when every filter can return ALLOW (or LOG) for its number with some arguments:
 * the program is walked with the number and the architecture known and all else unknown; where it
 * tests what is unknown, both ways are taken. It has no loops, so each instruction is walked at
 * most once a state of the accumulator.
 */
#include <err.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* x86-64 has the numbers 0 to 334 and 424 to 462 (Linux 6.12, syscall_64.tbl). */
#define OLD_END   335
#define NEW_BEGIN 424
#define NEW_END   463
#define FILTERS   16

struct program {
    struct sock_filter code[BPF_MAXINSNS];
    unsigned length;
};

/* What the accumulator has. */
struct value {
    bool known;
    uint32_t is;
};

struct walk {
    const struct program *program;
    uint32_t number;
    bool seen[BPF_MAXINSNS]; /* with the accumulator unknown */
};

static struct value load(const struct walk *walk, uint32_t offset)
{
    if (offset == offsetof(struct seccomp_data, nr))
        return (struct value){true, walk->number};
    if (offset == offsetof(struct seccomp_data, arch))
        return (struct value){true, AUDIT_ARCH_X86_64};
    return (struct value){false, 0};
}

static bool holds(const struct sock_filter *jump, uint32_t value)
{
    switch (BPF_OP(jump->code)) {
    case BPF_JEQ:
        return value == jump->k;
    case BPF_JGT:
        return value > jump->k;
    case BPF_JGE:
        return value >= jump->k;
    default:
        return value & jump->k;
    }
}

static bool may_allow(struct walk *walk, unsigned at, struct value value)
{
    for (; at < walk->program->length; at++) {
        const struct sock_filter *i = &walk->program->code[at];

        if (!value.known) {
            if (walk->seen[at])
                return false; /* was walked, and did not allow */
            walk->seen[at] = true;
        }
        switch (BPF_CLASS(i->code)) {
        case BPF_LD:
            value = load(walk, i->k);
            break;
        case BPF_ALU:
            value.known = false;
            break;
        case BPF_JMP:
            if (BPF_OP(i->code) == BPF_JA) {
                at += i->k;
            } else if (value.known && BPF_SRC(i->code) == BPF_K) {
                at += holds(i, value.is) ? i->jt : i->jf;
            } else {
                if (may_allow(walk, at + 1 + i->jt, value))
                    return true;
                at += i->jf;
            }
            break;
        case BPF_RET:
            return (i->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW ||
                   (i->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_LOG;
        default:
            errx(1, "a filter with instruction 0x%x", i->code);
        }
    }
    errx(1, "a filter without an end");
}

static bool allows(const struct program *program, uint32_t number)
{
    static struct walk walk;

    memset(&walk, 0, sizeof(walk));
    walk.program = program;
    walk.number = number;
    return may_allow(&walk, 0, (struct value){true, 0});
}

/* The filters of a process that is stopped; how many. */
static unsigned fetch(pid_t pid, struct program programs[FILTERS])
{
    unsigned count = 0;
    long length;

    while ((length = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, (void *)(uintptr_t)count, NULL)) > 0) {
        if (count == FILTERS)
            errx(1, "process %d has more than %u filters", pid, FILTERS);
        programs[count].length = (unsigned)length;
        ptrace(PTRACE_SECCOMP_GET_FILTER, pid, (void *)(uintptr_t)count, programs[count].code);
        count++;
    }
    if (errno != ENOENT && errno != EINVAL) /* no more; none */
        err(1, "filters of process %d", pid);
    return count;
}

static void report(pid_t pid)
{
    static struct program programs[FILTERS];
    unsigned allowed = 0;

    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) ||
        waitpid(pid, NULL, __WALL) != pid)
        err(1, "process %d", pid);
    unsigned count = fetch(pid, programs);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    for (uint32_t number = 0; number < NEW_END; number++) {
        bool all = number < OLD_END || number >= NEW_BEGIN;
        for (unsigned i = 0; i < count && all; i++)
            all = allows(&programs[i], number);
        allowed += all;
    }
    if (count)
        printf("%u\n", allowed);
    else
        printf("none\n");
}

int main(int count, char **values)
{
    if (count < 2)
        errx(2, "usage: bench-filters PID...");
    for (int i = 1; i < count; i++)
        report((pid_t)strtol(values[i], NULL, 10));
    return 0;
}
