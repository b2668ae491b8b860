/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID: topology of the partition, no nested virtualization. */
#include "cpuid.h"
#include "test.h"

static union cpuid_table table;

static struct kvm_cpuid_entry2 *find(uint32_t function, uint32_t index)
{
    for (uint32_t i = 0; i < table.list.nent; i++)
        if (table.list.entries[i].function == function && table.list.entries[i].index == index)
            return &table.list.entries[i];
    fail();
    return NULL;
}

static int setup(void **state)
{
    static const uint32_t functions[] = {1, 0xb, 0x80000001, 0x80000008, 0x8000000a, 0x8000001e};

    (void)state;
    memset(&table, 0, sizeof(table));
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        table.list.entries[table.list.nent++] = (struct kvm_cpuid_entry2){
            .function = functions[i], .eax = 0x123, .ebx = 0xffffffff, .ecx = 0xffffffff};
    return 0;
}

static void apic_ids_follow_the_index(void **state)
{
    (void)state;
    cpuid_adjust(&table, 2, 3);
    assert_int_equal(find(1, 0)->ebx >> 24, 2);
    assert_int_equal(find(1, 0)->ebx >> 16 & 0xff, 3);
    assert_int_equal(find(0xb, 0)->edx, 2);
    assert_int_equal(find(0xb, 1)->ebx, 3);
    assert_int_equal(find(0xb, 1)->eax, 2);
    assert_int_equal(find(0xb, 1)->ecx, 0x201);
    assert_int_equal(find(0xb, 2)->ebx, 0);
    assert_int_equal(find(0x80000008, 0)->ecx & 0xffff, 2 | 2 << 12);
    assert_int_equal(find(0x8000001e, 0)->eax, 2);
}

static void nested_virtualization_is_hidden(void **state)
{
    (void)state;
    cpuid_adjust(&table, 0, 1);
    assert_false(find(1, 0)->ecx & 1u << 5);
    assert_false(find(0x80000001, 0)->ecx & 1u << 2);
    assert_int_equal(find(0x8000000a, 0)->eax, 0);
    assert_true(find(1, 0)->ecx & 1u << 31);
    assert_false(find(1, 0)->edx & 1u << 28);
}

static void a_full_table_stays_inside(void **state)
{
    (void)state;
    table.list.nent = CPUID_ENTRIES;
    cpuid_adjust(&table, 0, 32);
    assert_int_equal(table.list.nent, CPUID_ENTRIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(apic_ids_follow_the_index, setup),
        cmocka_unit_test_setup(nested_virtualization_is_hidden, setup),
        cmocka_unit_test_setup(a_full_table_stays_inside, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
