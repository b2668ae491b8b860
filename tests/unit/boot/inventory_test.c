/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory is sealed, and says what the kernel says. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host.h"
#include "names/pcpu_set.h"
#include "parclose/msg_boot.h"

static struct inventory inventory;
static int file;

static int setup(void **state)
{
    (void)state;
    file = host_inventory();
    return file < 0                                                             ? file
           : pread(file, &inventory, sizeof(inventory), 0) == sizeof(inventory) ? 0
                                                                                : -1;
}

static int teardown(void **state)
{
    (void)state;
    return close(file);
}

static void nobody_can_change_it(void **state)
{
    struct stat status;
    (void)state;

    assert_int_equal(fcntl(file, F_GET_SEALS),
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_int_equal(fstat(file, &status), 0);
    assert_int_equal(status.st_size, sizeof(inventory));
    assert_int_equal(pwrite(file, "x", 1, 0), -1);
}

/* As many as "present" says, which is more than are online when one is taken offline. */
static uint32_t present(void)
{
    char text[PCPU_SET_TEXT_MAX] = "";
    struct pcpu_set set;
    uint32_t count = 0;
    int list = open("/sys/devices/system/cpu/present", O_RDONLY | O_CLOEXEC);

    assert_true(read(list, text, sizeof(text) - 1) > 0);
    close(list);
    assert_int_equal(pcpu_set_parse(text, &set), 0);
    for (uint32_t i = 0; i < PARCLOSE_MAX_PCPUS; i++)
        count += pcpu_set_has(&set, i);
    return count;
}

static void every_pcpu_is_in_it_once(void **state)
{
    (void)state;
    assert_true(inventory.magic == INVENTORY_MAGIC);
    assert_int_equal(inventory.pcpus_count, present());
    for (uint32_t i = 1; i < inventory.pcpus_count; i++)
        assert_true(inventory.pcpus[i - 1].pcpu < inventory.pcpus[i].pcpu);
}

static void memory_is_that_of_its_nodes(void **state)
{
    uint64_t bytes = 0;
    (void)state;

    assert_in_range(inventory.nodes_count, 1, PARCLOSE_MAX_NODES);
    for (uint32_t i = 0; i < inventory.nodes_count; i++)
        bytes += inventory.nodes[i].memory_bytes;
    assert_true(bytes == (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_can_change_it),
        cmocka_unit_test(every_pcpu_is_in_it_once),
        cmocka_unit_test(memory_is_that_of_its_nodes),
    };
    return cmocka_run_group_tests_name("inventory", tests, setup, teardown);
}
