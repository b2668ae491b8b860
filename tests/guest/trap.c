/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

struct trap_frame {
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct gate {
    uint16_t low, selector, flags, middle;
    uint32_t high, reserved;
};

extern const uint8_t stubs[];
void guest_trap(struct trap_frame *frame);

uint64_t traps_caught, traps_nmi;
static struct gate gates[256] __attribute__((aligned(16)));
static volatile uint64_t resume; /* where a trap that is waited for goes on */

void traps_begin(void)
{
    const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt = {sizeof(gates) - 1, (uint64_t)gates};

    for (unsigned i = 0; i < 256; i++) {
        uint64_t stub = (uint64_t)stubs + 16 * (uint64_t)i;

        gates[i] = (struct gate){(uint16_t)stub,         8, 0x8e00, (uint16_t)(stub >> 16),
                                 (uint32_t)(stub >> 32), 0};
    }
    __asm__ volatile("lidt %0" : : "m"(idt));
}

void guest_trap(struct trap_frame *frame)
{
    if (frame->vector == 2) { /* an MSI may say so */
        traps_nmi++;
        return;
    }
    if (!resume) {
        say_number("\nH: trap", frame->vector);
        say_number(" error", frame->error);
        broken("a trap that nobody waits for, at", frame->rip);
    }
    traps_caught++;
    frame->rip = resume;
    resume = 0;
}

/* The instruction between the two: when it traps, `resume` is 0 before its end clears it. */
#define TRY(instruction, ...)                                                                      \
    __asm__ volatile("movq $1f, %[resume]\n\t" instruction "\n1:\n\t"                              \
                     "xorl %k[ok], %k[ok]\n\t"                                                     \
                     "xchgq %[ok], %[resume]"                                                      \
                     : [resume] "+m"(resume), __VA_ARGS__)

bool try_read(uint64_t address, unsigned size, uint64_t *value)
{
    uint64_t ok, v = 0;

    if (size == 1)
        TRY("movb (%[a]), %b[v]", [ok] "=&r"(ok), [v] "+&r"(v) : [a] "r"(address) : "memory");
    else if (size == 2)
        TRY("movw (%[a]), %w[v]", [ok] "=&r"(ok), [v] "+&r"(v) : [a] "r"(address) : "memory");
    else if (size == 4)
        TRY("movl (%[a]), %k[v]", [ok] "=&r"(ok), [v] "+&r"(v) : [a] "r"(address) : "memory");
    else
        TRY("movq (%[a]), %[v]", [ok] "=&r"(ok), [v] "+&r"(v) : [a] "r"(address) : "memory");
    *value = v;
    return ok;
}

bool try_write(uint64_t address, unsigned size, uint64_t value)
{
    uint64_t ok;

    if (size == 1)
        TRY("movb %b[v], (%[a])", [ok] "=&r"(ok) : [a] "r"(address), [v] "q"(value) : "memory");
    else if (size == 2)
        TRY("movw %w[v], (%[a])", [ok] "=&r"(ok) : [a] "r"(address), [v] "r"(value) : "memory");
    else if (size == 4)
        TRY("movl %k[v], (%[a])", [ok] "=&r"(ok) : [a] "r"(address), [v] "r"(value) : "memory");
    else
        TRY("movq %[v], (%[a])", [ok] "=&r"(ok) : [a] "r"(address), [v] "r"(value) : "memory");
    return ok;
}

bool try_rdmsr(uint32_t msr, uint64_t *value)
{
    uint64_t ok;
    uint32_t low = 0, high = 0;

    TRY("rdmsr", [ok] "=&r"(ok), "+a"(low), "+d"(high) : "c"(msr) : "memory");
    *value = (uint64_t)high << 32 | low;
    return ok;
}

bool try_wrmsr(uint32_t msr, uint64_t value)
{
    uint64_t ok;

    TRY("wrmsr", [ok] "=&r"(ok)
        : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr)
        : "memory");
    return ok;
}

bool try_hypercall(bool intel, uint64_t nr, const uint64_t arguments[4], uint64_t *result)
{
    uint64_t ok, rax = nr;

    if (intel)
        TRY("vmcall", [ok] "=&r"(ok), "+a"(rax)
            : "b"(arguments[0]), "c"(arguments[1]), "d"(arguments[2]), "S"(arguments[3])
            : "memory");
    else
        TRY("vmmcall", [ok] "=&r"(ok), "+a"(rax)
            : "b"(arguments[0]), "c"(arguments[1]), "d"(arguments[2]), "S"(arguments[3])
            : "memory");
    *result = rax;
    return ok;
}

bool try_code(const void *code)
{
    uint64_t ok;

    TRY("call *%[c]", [ok] "=&r"(ok)
        : [c] "r"(code)
        : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    return ok;
}
