/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each filter as it is linked into the monitor, run by a small BPF interpreter: for every system
 * call, and for all values of its arguments that mean anything in any row, its verdict is what the
 * tables say. And how many calls a kind of process has.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sandbox_lists.h"
#include "test.h"

#define NUMBERS     601
#define VALUES_MOST 400
#define STRANGE     UINT32_C(0x5a5a5a5a)

/* ---- what a program says ---- */

/* UINT32_MAX: the kernel would not take this program, or it does not end. */
static uint32_t run(const struct sock_filter *code, unsigned length,
                    const struct seccomp_data *data)
{
    uint32_t a = 0;

    for (unsigned at = 0; at < length; at++) {
        const struct sock_filter *f = &code[at];

        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (f->k > sizeof(*data) - 4 || f->k % 4)
                return UINT32_MAX;
            memcpy(&a, (const uint8_t *)data + f->k, 4);
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += a == f->k ? f->jt : f->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            at += a & f->k ? f->jt : f->jf;
            break;
        case BPF_RET | BPF_K:
            return f->k;
        default:
            return UINT32_MAX;
        }
    }
    return UINT32_MAX;
}

/* ---- what the tables say ---- */

static bool row_allows(const struct sandbox_rule *rule, const struct seccomp_data *data)
{
    bool found = false;

    if (rule->number != data->nr)
        return false;
    if (rule->argument < 0)
        return true;
    for (unsigned i = 0; i < rule->values_count; i++)
        found |= rule->bits ? !((uint32_t)data->args[rule->argument] & rule->values[i])
                            : (uint32_t)data->args[rule->argument] == rule->values[i];
    return found;
}

static uint32_t meaning(const struct sandbox_union *filter, const struct seccomp_data *data)
{
    if (data->arch != AUDIT_ARCH_X86_64)
        return SECCOMP_RET_KILL_PROCESS;
    for (unsigned i = 0; filter->lists[i]; i++)
        for (uint32_t j = 0; j < filter->lists[i]->count; j++)
            if (row_allows(&filter->lists[i]->rules[j], data))
                return SECCOMP_RET_ALLOW;
    return SECCOMP_RET_KILL_PROCESS;
}

/* ---- all values that any row of any list has, and their neighbours ---- */

static struct {
    uint32_t values[VALUES_MOST];
    unsigned count;
} interesting;

static void add_value(uint32_t value)
{
    for (unsigned i = 0; i < interesting.count; i++)
        if (interesting.values[i] == value)
            return;
    assert_true(interesting.count < VALUES_MOST);
    interesting.values[interesting.count++] = value;
}

static int find_values(void **state)
{
    const struct sandbox_union *all = &sandbox_unions[SANDBOX_SPAWNER_BUILD];

    (void)state;
    add_value(0);
    add_value(UINT32_MAX);
    for (unsigned bit = 0; bit < 32; bit++)
        add_value(UINT32_C(1) << bit);
    for (unsigned i = 0; all->lists[i]; i++)
        for (uint32_t j = 0; j < all->lists[i]->count; j++)
            for (unsigned k = 0; k < all->lists[i]->rules[j].values_count; k++) {
                uint32_t value = all->lists[i]->rules[j].values[k];

                add_value(value);
                add_value(value - 1);
                add_value(value + 1);
                add_value(~value);
            }
    return 0;
}

/* How many verdicts are not the tables', over the values of one argument. */
static unsigned differences(const struct sock_filter *code, unsigned length,
                            const struct sandbox_union *filter, uint32_t number, unsigned argument)
{
    struct seccomp_data data = {.nr = (int)number, .arch = AUDIT_ARCH_X86_64};
    unsigned bad = 0;

    for (unsigned i = 0; i < 6; i++)
        data.args[i] = (uint64_t)STRANGE << 32 | STRANGE;
    for (unsigned i = 0; i < interesting.count; i++) {
        data.args[argument] = (uint64_t)(i % 2 ? STRANGE : 0) << 32 | interesting.values[i];
        bad += run(code, length, &data) != meaning(filter, &data);
    }
    return bad;
}

static unsigned all_differences(const struct sock_filter *code, unsigned length,
                                const struct sandbox_union *filter)
{
    unsigned bad = 0;

    for (uint32_t number = 0; number < NUMBERS; number++)
        for (unsigned argument = 0; argument < 6; argument++)
            bad += differences(code, length, filter, number, argument);
    return bad;
}

static void verdicts_are_the_tables(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SANDBOX_FILTERS; i++)
        assert_int_equal(all_differences(sandbox_programs[i].filter, sandbox_programs[i].len,
                                         &sandbox_unions[i]),
                         0);
}

static void other_numbers_and_architectures_are_refused(void **state)
{
    static const uint32_t archs[] = {AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < SANDBOX_FILTERS; i++)
        for (uint32_t number = 0; number < NUMBERS; number++) {
            struct seccomp_data x32 = {(int)(0x40000000 | number), AUDIT_ARCH_X86_64, 0, {0}};
            struct seccomp_data negative = {-(int)number - 1, AUDIT_ARCH_X86_64, 0, {0}};

            assert_int_equal(run(sandbox_programs[i].filter, sandbox_programs[i].len, &x32),
                             SECCOMP_RET_KILL_PROCESS);
            assert_int_equal(run(sandbox_programs[i].filter, sandbox_programs[i].len, &negative),
                             SECCOMP_RET_KILL_PROCESS);
            for (unsigned k = 0; k < sizeof(archs) / sizeof(archs[0]); k++) {
                struct seccomp_data other = {(int)number, archs[k], 0, {0}};

                assert_int_equal(run(sandbox_programs[i].filter, sandbox_programs[i].len, &other),
                                 SECCOMP_RET_KILL_PROCESS);
            }
        }
}

/*
 * The test can fail: each instruction of the vCPU's filter, changed a little, is noticed. But for
 * the number's loads: there no later row is of the same number.
 */
static void a_wrong_instruction_is_noticed(void **state)
{
    const struct sock_fprog *program = &sandbox_programs[SANDBOX_VCPU];
    struct sock_filter code[BPF_MAXINSNS];

    (void)state;
    for (unsigned i = 4; i < program->len; i++) { /* the architecture is tested above */
        if (BPF_CLASS(program->filter[i].code) == BPF_LD && program->filter[i].k == 0)
            continue;
        memcpy(code, program->filter, program->len * sizeof(code[0]));
        code[i].k ^= code[i].code == (BPF_RET | BPF_K) ? SECCOMP_RET_ALLOW : 4;
        assert_true(all_differences(code, program->len, &sandbox_unions[SANDBOX_VCPU]) > 0);
        if (BPF_CLASS(code[i].code) != BPF_JMP)
            continue;
        memcpy(code, program->filter, program->len * sizeof(code[0]));
        code[i].jt = program->filter[i].jf;
        code[i].jf = program->filter[i].jt;
        assert_true(all_differences(code, program->len, &sandbox_unions[SANDBOX_VCPU]) > 0);
    }
}

/* ---- how much is allowed ---- */

static bool allowed(enum sandbox_filter filter, uint32_t number, unsigned argument, uint32_t value)
{
    struct seccomp_data data = {.nr = (int)number, .arch = AUDIT_ARCH_X86_64};

    data.args[argument] = value;
    return run(sandbox_programs[filter].filter, sandbox_programs[filter].len, &data) ==
           SECCOMP_RET_ALLOW;
}

/* Numbers that are allowed with some argument. */
static unsigned count_calls(enum sandbox_filter filter)
{
    unsigned count = 0;

    for (uint32_t number = 0; number < NUMBERS; number++) {
        bool any = false;

        for (unsigned argument = 0; argument < 6; argument++)
            for (unsigned i = 0; i < interesting.count && !any; i++)
                any = allowed(filter, number, argument, interesting.values[i]);
        count += any;
    }
    return count;
}

static void few_calls_are_allowed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SANDBOX_FILTERS; i++)
        print_message("filter %u: %u system calls, %u instructions\n", i, count_calls(i),
                      sandbox_programs[i].len);
    assert_in_range(count_calls(SANDBOX_VCPU), 1, 8);
    assert_in_range(count_calls(SANDBOX_MAIN), 1, 16);
    assert_in_range(sandbox_spawner_own.count, 1, 8);
}

/* Only a vCPU process runs the guest, only the spawner gives birth, and nobody runs a program or
 * maps one. */
static void each_kind_has_its_own(void **state)
{
    static const uint32_t nobody[] = {SYS_execve, SYS_execveat, SYS_open,     SYS_openat,
                                      SYS_socket, SYS_connect,  SYS_mprotect, SYS_ptrace,
                                      SYS_clone,  SYS_fork,     SYS_vfork,    SYS_setresuid};

    (void)state;
    assert_true(allowed(SANDBOX_VCPU, SYS_ioctl, 1, KVM_RUN));
    assert_false(allowed(SANDBOX_MAIN, SYS_ioctl, 1, KVM_RUN));
    assert_false(allowed(SANDBOX_MAIN_BUILD, SYS_ioctl, 1, KVM_RUN));
    assert_false(allowed(SANDBOX_MAIN, SYS_clone3, 0, 0));
    assert_false(allowed(SANDBOX_VCPU, SYS_clone3, 0, 0));
    assert_true(allowed(SANDBOX_SPAWNER, SYS_clone3, 0, 0));
    assert_false(allowed(SANDBOX_VCPU, SYS_mmap, 2, 0));
    assert_true(allowed(SANDBOX_MAIN, SYS_mmap, 2, PROT_READ | PROT_WRITE)); /* a VF that comes */
    for (unsigned i = 0; i < SANDBOX_FILTERS; i++) {
        assert_false(allowed(i, SYS_mmap, 2, PROT_READ | PROT_EXEC));
        for (unsigned k = 0; k < sizeof(nobody) / sizeof(nobody[0]); k++)
            assert_false(allowed(i, nobody[k], 0, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_the_tables),
        cmocka_unit_test(other_numbers_and_architectures_are_refused),
        cmocka_unit_test(a_wrong_instruction_is_noticed),
        cmocka_unit_test(few_calls_are_allowed),
        cmocka_unit_test(each_kind_has_its_own),
    };

    return cmocka_run_group_tests(tests, find_values, NULL);
}
