/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devlink says of health reporters. The messages are made as the kernel makes them
 * (net/devlink/health.c): no driver of the lab has a reporter, and Debian's kernel no netdevsim to
 * record them from.
 */
#include <linux/devlink.h>
#include <netlink/genl/genl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devlink.h"

static void put_reporter(struct nl_msg *message, const char *name, uint8_t state)
{
    struct nlattr *nest = nla_nest_start(message, DEVLINK_ATTR_HEALTH_REPORTER);

    assert_int_equal(nla_put_string(message, DEVLINK_ATTR_HEALTH_REPORTER_NAME, name), 0);
    assert_int_equal(nla_put_u8(message, DEVLINK_ATTR_HEALTH_REPORTER_STATE, state), 0);
    assert_int_equal(nla_put_u64(message, DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT, 3), 0);
    assert_int_equal(nla_put_u64(message, DEVLINK_ATTR_HEALTH_REPORTER_RECOVER_COUNT, 2), 0);
    assert_int_equal(nla_put_u64(message, DEVLINK_ATTR_HEALTH_REPORTER_GRACEFUL_PERIOD, 500), 0);
    assert_int_equal(nla_put_u8(message, DEVLINK_ATTR_HEALTH_REPORTER_AUTO_RECOVER, 1), 0);
    nla_nest_end(message, nest);
}

/* name NULL: of something else than a reporter */
static struct nl_msg *message_of(const char *bus, const char *device, const char *name,
                                 uint8_t state)
{
    struct nl_msg *message = nlmsg_alloc();

    assert_non_null(message);
    assert_non_null(genlmsg_put(message, 0, 0, 24, 0, 0, DEVLINK_CMD_HEALTH_REPORTER_RECOVER,
                                DEVLINK_GENL_VERSION));
    assert_int_equal(nla_put_string(message, DEVLINK_ATTR_BUS_NAME, bus), 0);
    assert_int_equal(nla_put_string(message, DEVLINK_ATTR_DEV_NAME, device), 0);
    if (name)
        put_reporter(message, name, state);
    return message;
}

static bool parsed(struct nl_msg *message, struct bdf *bdf, struct health_reporter *reporter)
{
    bool said = devlink_parse(nlmsg_hdr(message), bdf, reporter);

    nlmsg_free(message);
    return said;
}

static void a_reporter_of_a_pf(void **state)
{
    struct health_reporter reporter;
    struct bdf bdf;
    (void)state;

    assert_true(parsed(message_of("pci", "0000:3b:00.1", "fw_fatal", 1), &bdf, &reporter));
    assert_int_equal(bdf.value, 0x3b01);
    assert_string_equal(reporter.name, "fw_fatal");
    assert_int_equal(reporter.error, 1);
    assert_true(parsed(message_of("pci", "0000:3b:00.1", "fw_fatal", 0), &bdf, &reporter));
    assert_int_equal(reporter.error, 0);
    assert_true(parsed(message_of("pci", "0000:3b:00.1", "a_name_that_is_much_too_long", 1), &bdf,
                       &reporter));
    assert_string_equal(reporter.name, "a_name_that_is_much");
}

static void what_is_of_no_pf_says_nothing(void **state)
{
    struct health_reporter reporter;
    struct bdf bdf;
    (void)state;

    assert_false(parsed(message_of("netdevsim", "netdevsim1", "dummy", 1), &bdf, &reporter));
    assert_false(parsed(message_of("pci", "eth0", "tx", 1), &bdf, &reporter));
    assert_false(parsed(message_of("pci", "0000:3b:00.1", NULL, 0), &bdf, &reporter));
    assert_false(parsed(message_of("pci", "0000:3b:00.1", "", 1), &bdf, &reporter));
}

/* Each byte that is missing, and each that is another one, in memory of just that size. */
static void a_message_that_is_cut_or_wrong(void **state)
{
    struct nl_msg *message = message_of("pci", "0000:3b:00.1", "fw", 1);
    const struct nlmsghdr *whole = nlmsg_hdr(message);
    struct health_reporter reporter;
    struct bdf bdf;
    (void)state;

    for (uint32_t size = NLMSG_HDRLEN; size <= whole->nlmsg_len; size++) {
        struct nlmsghdr *cut = malloc(size);
        assert_non_null(cut);
        memcpy(cut, whole, size);
        cut->nlmsg_len = size;
        bool said = devlink_parse(cut, &bdf, &reporter);
        assert_true(!said || reporter.name[0]);
        free(cut);
    }
    for (uint32_t at = NLMSG_HDRLEN; at < whole->nlmsg_len; at++)
        for (unsigned value = 0; value < 256; value += 5) {
            uint8_t *wrong = malloc(whole->nlmsg_len);
            assert_non_null(wrong);
            memcpy(wrong, whole, whole->nlmsg_len);
            wrong[at] = (uint8_t)value;
            devlink_parse((struct nlmsghdr *)(void *)wrong, &bdf, &reporter);
            assert_non_null(memchr(reporter.name, 0, sizeof(reporter.name)));
            free(wrong);
        }
    nlmsg_free(message);
}

static void the_first_in_error_is_told(void **state)
{
    struct health_reporters all = {0};
    (void)state;

    assert_null(health_bad(&all));
    health_set(&all, &(struct health_reporter){"tx", 0});
    health_set(&all, &(struct health_reporter){"fw", 1});
    health_set(&all, &(struct health_reporter){"fw_fatal", 1});
    assert_string_equal(health_bad(&all)->name, "fw");
    health_set(&all, &(struct health_reporter){"fw", 0});
    assert_string_equal(health_bad(&all)->name, "fw_fatal");
    health_set(&all, &(struct health_reporter){"fw_fatal", 0});
    assert_null(health_bad(&all));
    assert_int_equal(all.count, 3);
}

static void more_than_there_is_room_for(void **state)
{
    struct health_reporters all = {0};
    (void)state;

    for (int i = 0; i < 2 * HEALTH_REPORTERS_MAX; i++) {
        struct health_reporter reporter = {.error = i >= HEALTH_REPORTERS_MAX};
        snprintf(reporter.name, sizeof(reporter.name), "r%d", i);
        health_set(&all, &reporter);
    }
    assert_int_equal(all.count, HEALTH_REPORTERS_MAX);
    assert_null(health_bad(&all));
    health_set(&all, &(struct health_reporter){"r3", 1});
    assert_string_equal(health_bad(&all)->name, "r3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reporter_of_a_pf),
        cmocka_unit_test(what_is_of_no_pf_says_nothing),
        cmocka_unit_test(a_message_that_is_cut_or_wrong),
        cmocka_unit_test(the_first_in_error_is_told),
        cmocka_unit_test(more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
