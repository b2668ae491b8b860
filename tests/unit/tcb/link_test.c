/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of interfaces (put together here as Linux 6.12's rtnl_fill_ifinfo() begins
 * it), and what is then seen of the PF in a played /sys: up, down, without carrier, renamed, gone.
 */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "link_message.h"
#include "pci/function.h"
#include "tcb.h"
#include "tree.h"

#define PF1         ((struct bdf){0x0200})
#define OPER_DOWN   2
#define OPER_UP     6
#define UP          (IFF_UP | IFF_BROADCAST | IFF_MULTICAST)
#define WITH_A_LINK (UP | IFF_RUNNING | 0x10000) /* IFF_LOWER_UP: not in net/if.h */

static struct tcb tcb;
static struct tcb_pf_state pf0, pf1;
static char folder[] = "/tmp/parclose-link-XXXXXX";
static unsigned told[2];

/* Seen at once. */
void picture_changed(struct tcb *picture, struct tcb_pf_state *changed, uint64_t event_ns)
{
    assert_ptr_equal(picture, &tcb);
    assert_int_equal(event_ns, 5);
    assert_true(changed == &pf0 || changed == &pf1);
    told[changed == &pf1]++;
    function_observe_pf("sys", changed->card.bdf, &changed->observed);
}

uint64_t tcb_now_ns(void)
{
    return 5;
}

/* ---- messages */

static uint8_t bytes[4096];
static size_t size;

static void put(uint16_t type, const void *data, size_t length)
{
    const struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(length), .rta_type = type};

    memcpy(bytes + size, &attribute, sizeof(attribute));
    memcpy(bytes + size + RTA_LENGTH(0), data, length);
    size += RTA_SPACE(length);
}

/* Behind those that there are. */
static void say(uint16_t type, const char *interface, unsigned flags, uint8_t operstate)
{
    const struct ifinfomsg link = {
        .ifi_index = 7, .ifi_flags = flags, .ifi_change = type == RTM_DELLINK ? ~0u : 0};
    static const uint32_t mtu = 1500;
    size_t at = size;

    size += NLMSG_SPACE(sizeof(link));
    memcpy(bytes + at + NLMSG_HDRLEN, &link, sizeof(link));
    put(IFLA_IFNAME, interface, strlen(interface) + 1);
    put(IFLA_OPERSTATE, &operstate, sizeof(operstate));
    put(IFLA_MTU, &mtu, sizeof(mtu));
    const struct nlmsghdr header = {.nlmsg_len = (uint32_t)(size - at), .nlmsg_type = type};
    memcpy(bytes + at, &header, sizeof(header));
}

static void hear(void)
{
    memset(told, 0, sizeof(told));
    link_messages(&tcb, bytes, size);
    size = 0;
}

static void sys_says(struct bdf bdf, const char *interface, const char *flags,
                     const char *operstate)
{
    char path[64];

    snprintf(path, sizeof(path), "net/%s/flags", interface);
    tree_text("sys", bdf, path, flags);
    snprintf(path, sizeof(path), "net/%s/operstate", interface);
    tree_text("sys", bdf, path, operstate);
}

static int setup(void **state)
{
    (void)state;
    tree_make("sys");
    tree_make_pf("sys", PF1, "pf1");
    sys_says(TREE_PF, "pf0", "0x1003\n", "up\n");
    sys_says(PF1, "pf1", "0x1003\n", "up\n");
    pf0 = (struct tcb_pf_state){.card = {.bdf = TREE_PF}};
    pf1 = (struct tcb_pf_state){.card = {.bdf = PF1}};
    function_observe_pf("sys", TREE_PF, &pf0.observed);
    function_observe_pf("sys", PF1, &pf1.observed);
    tcb = (struct tcb){.pfs = {[3] = &pf0, [9] = &pf1}};
    size = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_remove("sys");
    return 0;
}

/* ---- tests */

static void up_and_down(void **state)
{
    (void)state;
    assert_int_equal(pf0.observed.link_up, 1);
    sys_says(TREE_PF, "pf0", "0x1002\n", "down\n");
    say(RTM_NEWLINK, "pf0", UP & ~(unsigned)IFF_UP, OPER_DOWN);
    hear();
    assert_int_equal(told[0], 1);
    assert_int_equal(told[1], 0);
    assert_int_equal(pf0.observed.link_up, 0);
    sys_says(TREE_PF, "pf0", "0x1003\n", "up\n");
    say(RTM_NEWLINK, "pf0", WITH_A_LINK, OPER_UP);
    hear();
    assert_int_equal(told[0], 1);
    assert_int_equal(pf0.observed.link_up, 1);
    assert_int_equal(pf0.observed.carrier, 1);
}

static void a_carrier_that_is_lost(void **state)
{
    (void)state;
    sys_says(PF1, "pf1", "0x1003\n", "down\n");
    say(RTM_NEWLINK, "pf1", UP, OPER_DOWN);
    hear();
    assert_int_equal(told[0], 0);
    assert_int_equal(told[1], 1);
    assert_int_equal(pf1.observed.link_up, 1);
    assert_int_equal(pf1.observed.carrier, 0);
}

/* The message has the new name, which is nobody's yet: its uevent ("move") has the device's path.
 * From then on the new name is the PF's. */
static void one_that_is_renamed(void **state)
{
    (void)state;
    say(RTM_NEWLINK, "lan0", WITH_A_LINK, OPER_UP);
    hear();
    assert_int_equal(told[0] + told[1], 0);
    assert_int_equal(rename("sys/bus/pci/devices/0000:01:00.0/net/pf0",
                            "sys/bus/pci/devices/0000:01:00.0/net/lan0"),
                     0);
    picture_changed(&tcb, &pf0, 5);
    assert_string_equal(pf0.observed.netdev, "lan0");
    say(RTM_NEWLINK, "pf0", UP, OPER_DOWN);
    say(RTM_NEWLINK, "lan0", UP, OPER_DOWN);
    hear();
    assert_int_equal(told[0], 1);
}

static void one_that_is_gone(void **state)
{
    (void)state;
    tree_unlink("sys", TREE_PF, "net/pf0/flags");
    tree_unlink("sys", TREE_PF, "net/pf0/operstate");
    assert_int_equal(rmdir("sys/bus/pci/devices/0000:01:00.0/net/pf0"), 0);
    say(RTM_DELLINK, "pf0", 0, OPER_DOWN);
    hear();
    assert_int_equal(told[0], 1);
    assert_int_equal(pf0.observed.link_up, 0);
    assert_string_equal(pf0.observed.netdev, "");
}

/* A PF that has no interface is not meant by a message without a name. */
static void what_is_about_nobody_of_ours(void **state)
{
    (void)state;
    pf1.observed.netdev[0] = 0;
    say(RTM_NEWLINK, "pf00", WITH_A_LINK, OPER_UP);
    say(RTM_NEWLINK, "", WITH_A_LINK, OPER_UP);
    say(RTM_NEWADDR, "pf0", 0, 0);
    say(NLMSG_DONE, "pf0", 0, 0);
    hear();
    assert_int_equal(told[0] + told[1], 0);
}

static void several_at_once(void **state)
{
    (void)state;
    say(RTM_NEWLINK, "eth9", WITH_A_LINK, OPER_UP);
    say(RTM_NEWLINK, "pf1", WITH_A_LINK, OPER_UP);
    say(RTM_NEWADDR, "pf0", 0, 0);
    say(RTM_NEWLINK, "pf0", WITH_A_LINK, OPER_UP);
    say(RTM_NEWLINK, "pf1", WITH_A_LINK, OPER_UP);
    hear();
    assert_int_equal(told[0], 1);
    assert_int_equal(told[1], 2);
}

/* At each place, in memory of just its size, whether its header knows of it or not. A name that is
 * there counts. */
static void one_that_is_cut_off(void **state)
{
    const size_t named = NLMSG_SPACE(sizeof(struct ifinfomsg)) + RTA_LENGTH(sizeof("pf0"));
    (void)state;

    say(RTM_NEWLINK, "pf0", WITH_A_LINK, OPER_UP);
    for (size_t cut = 0; cut <= size; cut++)
        for (unsigned known = 0; known < 2; known++) {
            char *part = malloc(cut + 1) /* never of 0 bytes */, *at = part + 1;
            const uint32_t length = (uint32_t)cut;
            memcpy(at, bytes, cut);
            if (known && cut >= sizeof(length))
                memcpy(at, &length, sizeof(length));
            memset(told, 0, sizeof(told));
            link_messages(&tcb, at, cut);
            assert_int_equal(told[0], cut >= named);
            free(part);
        }
}

/* Lengths that cannot be end it; none is stepped over for ever. */
static void lengths_that_lie(void **state)
{
    const size_t attribute = NLMSG_SPACE(sizeof(struct ifinfomsg));
    char interface[IFNAMSIZ];
    (void)state;

    say(RTM_NEWLINK, "pf0", WITH_A_LINK, OPER_UP);
    for (uint32_t length = 0; length < UINT16_MAX; length++) {
        memcpy(bytes, &length, sizeof(length));
        size_t used = link_message_parse(bytes, size, interface);
        assert_int_equal(used != 0, length >= NLMSG_HDRLEN);
        assert_true(used <= size);
    }
    memcpy(bytes, &(uint32_t){(uint32_t)size}, 4);
    for (uint32_t length = 0; length <= UINT16_MAX; length++) {
        memcpy(bytes + attribute, &(uint16_t){(uint16_t)length}, 2);
        assert_int_equal(link_message_parse(bytes, size, interface), size);
        assert_true(strlen(interface) < IFNAMSIZ);
    }
}

/* Longer than any interface's: cut, so that it is nobody's. */
static void a_name_that_is_too_long(void **state)
{
    char interface[IFNAMSIZ];
    (void)state;

    say(RTM_NEWLINK, "pf0pf0pf0pf0pf0pf0pf0", WITH_A_LINK, OPER_UP);
    assert_int_equal(link_message_parse(bytes, size, interface), size);
    assert_string_equal(interface, "pf0pf0pf0pf0pf0");
}

#define on_tree(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_tree(up_and_down),
        on_tree(a_carrier_that_is_lost),
        on_tree(one_that_is_renamed),
        on_tree(one_that_is_gone),
        on_tree(what_is_about_nobody_of_ours),
        on_tree(several_at_once),
        on_tree(one_that_is_cut_off),
        on_tree(lengths_that_lie),
        on_tree(a_name_that_is_too_long),
    };

    if (!mkdtemp(folder) || chdir(folder) < 0)
        return 2;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
