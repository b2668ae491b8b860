/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run by the build: writes sandbox_programs.c, the filters of sandbox.h, from the tables of
 * sandbox.c. A program looks at the architecture, then at one row after the other:
 *
 *   number equal?            no: next row
 *   no argument checked      allow
 *   argument one of values?  yes: allow; no: number again, next row
 *   bits of argument clear?  the same
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox_lists.h"

#define PROGRAM_MOST 1024 /* the kernel's limit is 4096 */
#define VALUES_MOST  200  /* a jump has eight bits */

struct program {
    struct sock_filter code[PROGRAM_MOST];
    unsigned length;
};

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "sandbox-generate: %s\n", why);
    exit(1);
}

static void emit(struct program *program, uint16_t code, uint32_t k, unsigned yes, unsigned no)
{
    if (program->length == PROGRAM_MOST || yes > UINT8_MAX || no > UINT8_MAX)
        give_up("a filter is too long");
    program->code[program->length++] = (struct sock_filter){code, (uint8_t)yes, (uint8_t)no, k};
}

static void emit_load(struct program *program, size_t offset)
{
    emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_return(struct program *program, uint32_t verdict)
{
    emit(program, BPF_RET | BPF_K, verdict, 0, 0);
}

/* The argument is in the accumulator; what follows is: allow, then the next row. */
static void emit_check(struct program *program, const struct sandbox_rule *rule)
{
    for (unsigned i = 0; i < rule->values_count; i++) {
        unsigned left = rule->values_count - 1u - i;

        if (rule->bits)
            emit(program, BPF_JMP | BPF_JSET | BPF_K, rule->values[i], 1, 0);
        else
            emit(program, BPF_JMP | BPF_JEQ | BPF_K, rule->values[i], left, left ? 0 : 1);
    }
}

/* After it: the next row, with the call's number in the accumulator again. */
static void emit_rule(struct program *program, const struct sandbox_rule *rule)
{
    unsigned body = rule->argument < 0 ? 1 : 3u + rule->values_count;

    if (rule->argument > 5 || rule->values_count > VALUES_MOST ||
        (rule->bits && rule->values_count != 1) || (rule->argument >= 0 && !rule->values_count))
        give_up("a row that says nothing");
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->number, 0, body);
    if (rule->argument >= 0) {
        emit_load(program, offsetof(struct seccomp_data, args) + 8 * (size_t)rule->argument);
        emit_check(program, rule);
    }
    emit_return(program, SECCOMP_RET_ALLOW);
    if (rule->argument >= 0)
        emit_load(program, offsetof(struct seccomp_data, nr));
}

static void make_program(struct program *program, const struct sandbox_union *filter)
{
    program->length = 0;
    emit_load(program, offsetof(struct seccomp_data, arch));
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    emit_return(program, SECCOMP_RET_KILL_PROCESS);
    emit_load(program, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; filter->lists[i]; i++)
        for (uint32_t j = 0; j < filter->lists[i]->count; j++)
            emit_rule(program, &filter->lists[i]->rules[j]);
    emit_return(program, SECCOMP_RET_KILL_PROCESS);
}

static void write_program(unsigned index, const struct program *program)
{
    printf("\nstatic const struct sock_filter program_%u[] = {\n", index);
    for (unsigned i = 0; i < program->length; i++)
        printf("    {0x%02x, %u, %u, 0x%08x},\n", program->code[i].code, program->code[i].jt,
               program->code[i].jf, program->code[i].k);
    printf("};\n");
}

int main(void)
{
    static struct program programs[SANDBOX_FILTERS];

    printf("/* Written by sandbox_generate.c from sandbox.c. */\n"
           "#include \"sandbox.h\"\n");
    for (unsigned i = 0; i < SANDBOX_FILTERS; i++) {
        make_program(&programs[i], &sandbox_unions[i]);
        write_program(i, &programs[i]);
    }
    printf("\nconst struct sock_fprog sandbox_programs[SANDBOX_FILTERS] = {\n");
    for (unsigned i = 0; i < SANDBOX_FILTERS; i++)
        printf("    {%u, (struct sock_filter *)program_%u},\n", programs[i].length, i);
    printf("};\n");
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
