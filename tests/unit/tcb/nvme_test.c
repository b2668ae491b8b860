/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondary controllers of an NVMe PF: the admin commands as they reach the kernel's ioctl, whose
 * place is taken here, and the list as the controller answers it, byte by byte of NVM Express Base
 * Specification 1.4 (5.15.2.16, Secondary Controller List; 5.22, Virtualization Management).
 */
#include <errno.h>
#include <linux/nvme_ioctl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "nvme.h"

#define LIST_MAX 127 /* entries of one answer */
#define VFS      PARCLOSE_MAX_VFS_PER_PF

int __wrap_ioctl(int file, unsigned long request, struct nvme_admin_cmd *admin);

static struct {
    struct nvme_admin_cmd last;
    unsigned commands;
    int result;           /* of the ioctl: < 0 is errno, > 0 the controller's status */
    uint8_t list[4096];   /* the answer, if it is not made of… */
    unsigned controllers; /* …so many that it has: id and VF number from 1 */
} played;

static void put(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static uint8_t *entry(unsigned index)
{
    return played.list + 32 + 32 * (size_t)index;
}

static void fill(unsigned index, unsigned id, unsigned state, unsigned queues, unsigned vectors)
{
    memset(entry(index), 0xee, 32); /* what is reserved is not looked at */
    put(entry(index), id);
    put(entry(index) + 2, 0); /* its primary controller's id */
    entry(index)[4] = (uint8_t)state;
    put(entry(index) + 8, id); /* virtual function number */
    put(entry(index) + 10, queues);
    put(entry(index) + 12, vectors);
}

/* Those from this id on, as many as the list takes. Odd VFs are online. */
static void list_from(unsigned first)
{
    first = first ? first : 1;
    unsigned count = first > played.controllers ? 0 : played.controllers + 1 - first;

    memset(played.list, 0, sizeof(played.list));
    played.list[0] = (uint8_t)(count < LIST_MAX ? count : LIST_MAX);
    for (unsigned i = 0; i < played.list[0]; i++)
        fill(i, first + i, (first + i) & 1, 300 + first + i, 600 + first + i);
}

int __wrap_ioctl(int file, unsigned long request, struct nvme_admin_cmd *admin)
{
    assert_true(file >= 0);
    assert_int_equal(request, NVME_IOCTL_ADMIN_CMD);
    played.last = *admin;
    played.commands++;
    if (played.result < 0) {
        errno = -played.result;
        return -1;
    }
    if (admin->opcode == 0x06 && !played.result) {
        assert_int_equal(admin->data_len, sizeof(played.list));
        if (played.controllers)
            list_from(admin->cdw10 >> 16);
        memcpy((void *)(uintptr_t)admin->addr, played.list, sizeof(played.list));
    }
    return played.result;
}

static int setup(void **state)
{
    (void)state;
    memset(&played, 0, sizeof(played));
    return 0;
}

static int look(uint32_t vf, struct nvme_secondary *secondary)
{
    memset(secondary, 0x55, sizeof(*secondary));
    return nvme_read("/dev/null", vf, secondary);
}

/* ---- what is read */

static void the_list_is_asked_for(void **state)
{
    struct nvme_secondary seen;
    (void)state;

    played.controllers = 4;
    assert_int_equal(look(2, &seen), 0);
    assert_int_equal(played.commands, 1);
    assert_int_equal(played.last.opcode, 0x06);       /* Identify */
    assert_int_equal(played.last.cdw10 & 0xff, 0x15); /* CNS */
    assert_in_range(played.last.cdw10 >> 16, 0, 3);   /* CNTID: from no later one on */
    assert_int_equal(played.last.nsid, 0);
    assert_int_equal(played.last.cdw11, 0);
    assert_true(played.last.timeout_ms > 0);
}

static void what_each_controller_has_is_read(void **state)
{
    struct nvme_secondary seen;
    (void)state;

    fill(0, 1, 0, 2, 1);
    fill(1, 2, 1, 0x1234, 0x4321);
    fill(2, 3, 0xfe, 0, 0); /* reserved bits of its state */
    played.list[0] = 3;
    assert_int_equal(look(0, &seen), 0);
    assert_false(seen.online);
    assert_int_equal(seen.queues, 2);
    assert_int_equal(seen.vectors, 1);
    assert_int_equal(look(1, &seen), 0);
    assert_true(seen.online);
    assert_int_equal(seen.queues, 0x1234);
    assert_int_equal(seen.vectors, 0x4321);
    assert_int_equal(look(2, &seen), 0);
    assert_false(seen.online);
    assert_int_equal(seen.queues, 0);
    assert_int_equal(seen.vectors, 0);
}

/* One list has 127 of them. */
static void those_that_no_first_list_has_are_read(void **state)
{
    struct nvme_secondary seen;
    (void)state;

    played.controllers = VFS;
    for (uint32_t vf = 0; vf < VFS; vf++) {
        assert_int_equal(look(vf, &seen), 0);
        assert_int_equal(seen.online, (vf + 1) & 1);
        assert_int_equal(seen.queues, 300 + vf + 1);
        assert_int_equal(seen.vectors, 600 + vf + 1);
    }
    assert_int_equal(look(VFS, &seen), -ENOENT);
}

static void one_that_is_not_there(void **state)
{
    struct nvme_secondary seen;
    (void)state;

    assert_int_equal(look(0, &seen), -ENOENT);
    fill(0, 1, 1, 2, 1);
    fill(1, 2, 1, 2, 1); /* beyond the list's end */
    played.list[0] = 1;
    assert_int_equal(look(0, &seen), 0);
    assert_int_equal(look(1, &seen), -ENOENT);
}

/* A number of entries that cannot be: no more is read than the list has. */
static void a_list_that_says_too_much(void **state)
{
    struct nvme_secondary seen;
    (void)state;

    for (unsigned i = 0; i < LIST_MAX; i++)
        fill(i, 1000 + i, 1, 2, 1);
    fill(LIST_MAX - 1, VFS, 1, 7, 8); /* the last that there can be */
    played.list[0] = 0xff;
    assert_int_equal(look(VFS - 1, &seen), 0);
    assert_int_equal(seen.queues, 7);
    assert_int_equal(look(0, &seen), -ENOENT);
}

/* By its id alone another VF's would be taken from it. */
static void an_id_that_another_vf_has(void **state)
{
    struct nvme_secondary seen;
    (void)state;

    fill(0, 1, 1, 2, 1);
    put(entry(0) + 8, 2);
    played.list[0] = 1;
    assert_int_equal(look(0, &seen), -ENOENT);
}

static void what_fails_is_said(void **state)
{
    struct nvme_secondary seen;
    (void)state;

    assert_int_equal(nvme_read("/nowhere/nvme0", 0, &seen), -ENOENT);
    assert_int_equal(nvme_manage("/nowhere/nvme0", 0, NVME_ACTION_ONLINE, 0, 0), -ENOENT);
    assert_int_equal(played.commands, 0);
    played.controllers = 1;
    played.result = -EINTR;
    assert_int_equal(look(0, &seen), -EINTR);
    assert_int_equal(nvme_manage("/dev/null", 0, NVME_ACTION_ONLINE, 0, 0), -EINTR);
    played.result = 0x4002; /* invalid field, do not retry */
    assert_int_equal(look(0, &seen), -EREMOTEIO);
    assert_int_equal(nvme_manage("/dev/null", 0, NVME_ACTION_ONLINE, 0, 0), -EREMOTEIO);
}

/* ---- what is composed */

/* CDW10: controller 31:16, resource type 10:8, action 3:0; CDW11: number of resources 15:0. */
static void check_manage(uint32_t vf, uint32_t action, uint32_t resource, uint32_t count)
{
    played.commands = 0;
    assert_int_equal(nvme_manage("/dev/null", vf, action, resource, count), 0);
    assert_int_equal(played.commands, 1);
    const struct nvme_admin_cmd expected = {.opcode = 0x1c,
                                            .cdw10 = played.last.cdw10,
                                            .cdw11 = count,
                                            .timeout_ms = played.last.timeout_ms};
    assert_memory_equal(&played.last, &expected, sizeof(expected)); /* and nothing else */
    assert_int_equal(played.last.cdw10 & 0xf, action);
    assert_int_equal(played.last.cdw10 >> 4 & 0xf, 0);
    assert_int_equal(played.last.cdw10 >> 8 & 0x7, resource);
    assert_int_equal(played.last.cdw10 >> 11 & 0x1f, 0);
    assert_int_equal(played.last.cdw10 >> 16, vf + 1);
    assert_true(played.last.timeout_ms > 0);
}

static void each_management_is_composed(void **state)
{
    static const uint32_t vfs[] = {0, 3, VFS - 1};
    (void)state;

    for (size_t i = 0; i < sizeof(vfs) / sizeof(vfs[0]); i++) {
        check_manage(vfs[i], 7, 0, 0);      /* secondary controller offline */
        check_manage(vfs[i], 8, 0, 2);      /* assign: VQ resources */
        check_manage(vfs[i], 8, 1, 0xffff); /* and VI resources */
        check_manage(vfs[i], 9, 0, 0);      /* online */
    }
    assert_int_equal(NVME_ACTION_OFFLINE, 7);
    assert_int_equal(NVME_ACTION_ASSIGN, 8);
    assert_int_equal(NVME_ACTION_ONLINE, 9);
    assert_int_equal(NVME_RESOURCE_VQ, 0);
    assert_int_equal(NVME_RESOURCE_VI, 1);
}

#define played_unit(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        played_unit(the_list_is_asked_for),
        played_unit(what_each_controller_has_is_read),
        played_unit(those_that_no_first_list_has_are_read),
        played_unit(one_that_is_not_there),
        played_unit(a_list_that_says_too_much),
        played_unit(an_id_that_another_vf_has),
        played_unit(what_fails_is_said),
        played_unit(each_management_is_composed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
