/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU's page tables: each kind of paging, and tables that lead out of memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "paging.h"
#include "test.h"

#define SIZE (UINT64_C(64) << 20)
#define P    UINT64_C(1)    /* present */
#define L    UINT64_C(0x80) /* large */
#define USER UINT64_C(4)
#define NX   (UINT64_C(1) << 63)

static struct guest_memory memory;
static const struct kvm_sregs long_mode = {
    .cr0 = 0x80000001, .cr4 = 0x200020 /* SMAP, PAE */, .efer = 0xd01, .cr3 = 0x1000};

static int setup(void **state)
{
    (void)state;
    return memory_make(&memory, SIZE, UINT32_MAX, PAGES_ORDINARY);
}

static int teardown(void **state)
{
    (void)state;
    munmap(memory.base, memory.size);
    return close(memory.fd);
}

static void put8(uint64_t table, unsigned index, uint64_t entry)
{
    memcpy(memory.base + table + index * 8, &entry, 8);
}

static void put4(uint64_t table, unsigned index, uint32_t entry)
{
    memcpy(memory.base + table + index * 4, &entry, 4);
}

/* UINT64_MAX: nowhere. */
static uint64_t where(const struct kvm_sregs *sregs, uint64_t address)
{
    struct gpa gpa;
    int error = paging_translate(&memory, sregs, address, &gpa);

    assert_true(error == 0 || error == -EFAULT);
    return error ? UINT64_MAX : gpa.value;
}

#define IS(address, gpa) assert_true(where(&sregs, (address)) == (gpa))
#define NOWHERE(address) IS(address, UINT64_MAX)

static void four_levels(void **state)
{
    struct kvm_sregs sregs = long_mode;

    (void)state;
    put8(0x1000, 511, 0x2000 | P);
    put8(0x2000, 510, 0x3000 | P);
    put8(0x3000, 8, 0x4000 | P);
    put8(0x4000, 3, 0x123000 | P | NX);
    put8(0x3000, 9, 0x800000 | P | L);
    put8(0x2000, 511, 0x40000000 | P | L);
    IS(0xffffffff81003abc, 0x123abc);
    IS(0xffffffff81212345, 0x812345);
    IS(0xffffffffc1234567, 0x41234567); /* of 1 GiB; beyond RAM, as the BARs of devices are */
    NOWHERE(0xffffffff81004000);
    NOWHERE(0xffffffff81400000);
    NOWHERE(0);
    NOWHERE(0x0000ffff81003abc); /* not canonical */
    sregs.cr3 |= 0xfff | NX;     /* PCID, and no flush */
    IS(0xffffffff81003abc, 0x123abc);
}

/* SMAP keeps the kernel from a process's pages, not a debugger. */
static void a_process_is_seen_under_smap(void **state)
{
    struct kvm_sregs sregs = long_mode;

    (void)state;
    put8(0x1000, 0, 0x2000 | P | USER);
    put8(0x2000, 0, 0x3000 | P | USER);
    put8(0x3000, 2, 0x4000 | P | USER);
    put8(0x4000, 1, 0x555000 | P | USER);
    IS(0x401760, 0x555760);
}

static void five_levels(void **state)
{
    struct kvm_sregs sregs = long_mode;

    (void)state;
    sregs.cr4 |= 1 << 12;
    put8(0x1000, 1, 0x2000 | P);
    put8(0x2000, 0, 0x3000 | P);
    put8(0x3000, 0, 0x4000 | P);
    put8(0x4000, 0, 0x200000 | P | L);
    IS((UINT64_C(1) << 48) + 0x777, 0x200777);
    NOWHERE(UINT64_C(1) << 56);
}

static void pae(void **state)
{
    struct kvm_sregs sregs = {.cr0 = 0x80000001, .cr4 = 0x20, .cr3 = 0x1060};

    (void)state;
    put8(0x1060, 3, 0x2000 | P);
    put8(0x2000, 0, 0x3000 | P);
    put8(0x2000, 1, 0x400000 | P | L);
    put8(0x3000, 5, 0x999000 | P);
    IS(0xc0005123, 0x999123);
    IS(0xc0212345, 0x412345);
    IS(0xdeadbeefc0005123, 0x999123);
    NOWHERE(0x40000000);
}

static void two_levels(void **state)
{
    struct kvm_sregs sregs = {.cr0 = 0x80000001, .cr4 = 0x10, .cr3 = 0x1000};

    (void)state;
    put4(0x1000, 768, 0x2000 | P);
    put4(0x1000, 769, 0x400000 | P | L);
    put4(0x2000, 1023, 0x888000 | P);
    IS(0xc03ff456, 0x888456);
    IS(0xc0412345, 0x412345);
    sregs.cr4 = 0; /* then no page is large: that one is a table */
    put4(0x400000, 0x12, 0x777000 | P);
    IS(0xc0412345, 0x777345);
}

static void no_paging(void **state)
{
    struct kvm_sregs sregs = {.cr0 = 1, .cr3 = UINT64_MAX};

    (void)state;
    IS(0x7c00, 0x7c00);
    IS(0x1fffffff0, 0xfffffff0);
}

static void tables_that_lead_out_of_memory(void **state)
{
    struct kvm_sregs sregs = long_mode;

    (void)state;
    put8(0x1000, 0, (SIZE & 0x000ffffffffff000) | P);
    NOWHERE(0);
    put8(0x1000, 0, UINT64_MAX & ~L);
    NOWHERE(0);
    sregs.cr3 = SIZE;
    NOWHERE(0);
    sregs.cr3 = UINT64_MAX;
    NOWHERE(UINT64_MAX);
    sregs.cr4 = 0;
    sregs.efer = 0;
    NOWHERE(UINT64_MAX);
}

/* A table that is its own: five entries, and it is over. */
static void anything_ends(void **state)
{
    struct kvm_sregs sregs = long_mode;

    (void)state;
    srand(7);
    for (unsigned i = 0; i < 512; i++)
        put8(0x1000, i, 0x1000 | P);
    IS(0x8040201008, 0x1008);
    for (int i = 0; i < 200000; i++) {
        uint64_t a = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
        put8((uint64_t)(rand() % 4096), (unsigned)rand() % 512, a);
        sregs.cr0 = (uint64_t)rand();
        sregs.cr4 = (uint64_t)rand();
        sregs.efer = (uint64_t)rand();
        sregs.cr3 = rand() % 2 ? a : 0x1000;
        (void)where(&sregs, a);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(four_levels),
        TEST(a_process_is_seen_under_smap),
        TEST(five_levels),
        TEST(pae),
        TEST(two_levels),
        TEST(no_paging),
        TEST(tables_that_lead_out_of_memory),
        TEST(anything_ends),
    };

    return cmocka_run_group_tests_name("monitor-paging", tests, NULL, NULL);
}
