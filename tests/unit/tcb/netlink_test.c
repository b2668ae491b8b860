/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent to set a VF's attributes, what is read of the kernel's answer, and what of it is
 * not as desired. The answers are put together here, attribute by attribute as rtnl_fill_vfinfo()
 * does it (Linux 6.12, net/core/rtnetlink.c); what is sent is taken apart by hand, too.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netlink.h"

#define INDEX    7
#define ALL      0x3fu
#define NOT_SAID UINT32_MAX /* by the driver, as the kernel puts it */

/* ---- an answer */

static struct {
    _Alignas(struct nlmsghdr) uint8_t bytes[1 << 18];
    uint32_t size;
} answer;

static uint32_t put(uint16_t type, const void *data, uint32_t size)
{
    struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type};
    uint32_t at = answer.size;

    memcpy(answer.bytes + at, &attribute, sizeof(attribute));
    if (size)
        memcpy(answer.bytes + at + RTA_LENGTH(0), data, size);
    answer.size += (uint32_t)RTA_SPACE(size);
    return at;
}

static struct rtattr *attribute_at(uint32_t at)
{
    return (struct rtattr *)(void *)(answer.bytes + at);
}

/* As nla_nest_end(): what does not fit into 16 bits is cut off. */
static void end(uint32_t nest)
{
    attribute_at(nest)->rta_len = (uint16_t)(answer.size - nest);
}

static struct nlmsghdr *header(void)
{
    return (struct nlmsghdr *)(void *)answer.bytes;
}

static void begin(void)
{
    static const struct ifinfomsg link = {.ifi_index = INDEX, .ifi_flags = IFF_UP};

    memset(&answer, 0, sizeof(answer));
    *header() = (struct nlmsghdr){.nlmsg_type = RTM_NEWLINK};
    memcpy(NLMSG_DATA(header()), &link, sizeof(link));
    answer.size = NLMSG_SPACE(sizeof(link));
    put(IFLA_IFNAME, "pf0", 4);
}

static void put_stats(void)
{
    static const uint64_t count = 9;
    uint32_t nest = put(IFLA_VF_STATS, NULL, 0);

    for (uint16_t type = IFLA_VF_STATS_RX_PACKETS; type <= IFLA_VF_STATS_TX_DROPPED; type++)
        if (type != IFLA_VF_STATS_PAD)
            put(type, &count, sizeof(count));
    end(nest);
}

static void put_vlan(uint32_t vf, const struct vf_attributes *a)
{
    const struct ifla_vf_vlan_info info = {vf, a->vlan, a->qos, 0x0081}; /* 802.1Q, on the wire */
    uint32_t nest = put(IFLA_VF_VLAN_LIST, NULL, 0);

    put(IFLA_VF_VLAN_INFO, &info, sizeof(info));
    end(nest);
}

/* What is not in `present` of these the driver does not report. */
static uint32_t said(const struct vf_attributes *a, uint32_t bit, uint32_t value)
{
    return a->present & bit ? value : NOT_SAID;
}

static uint32_t put_vf(uint32_t vf, const struct vf_attributes *a, bool stats)
{
    const struct ifla_vf_vlan vlan = {vf, a->vlan, a->qos};
    const struct ifla_vf_rate rate = {vf, a->min_tx_rate, a->max_tx_rate};
    const struct ifla_vf_tx_rate tx_rate = {vf, a->max_tx_rate};
    const struct ifla_vf_spoofchk spoofchk = {vf, said(a, VF_ATTR_SPOOFCHK, a->spoofchk)};
    const struct ifla_vf_link_state link = {vf, a->link_state};
    const struct ifla_vf_rss_query_en rss = {vf, NOT_SAID};
    const struct ifla_vf_trust trust = {vf, said(a, VF_ATTR_TRUST, a->trust)};
    static const struct ifla_vf_broadcast broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    struct ifla_vf_mac mac = {.vf = vf};
    uint32_t nest = put(IFLA_VF_INFO, NULL, 0);

    memcpy(mac.mac, a->mac, sizeof(a->mac));
    put(IFLA_VF_MAC, &mac, sizeof(mac));
    put(IFLA_VF_BROADCAST, &broadcast, sizeof(broadcast));
    put(IFLA_VF_VLAN, &vlan, sizeof(vlan));
    put(IFLA_VF_RATE, &rate, sizeof(rate));
    put(IFLA_VF_TX_RATE, &tx_rate, sizeof(tx_rate));
    put(IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk));
    put(IFLA_VF_LINK_STATE, &link, sizeof(link));
    put(IFLA_VF_RSS_QUERY_EN, &rss, sizeof(rss));
    put(IFLA_VF_TRUST, &trust, sizeof(trust));
    put_vlan(vf, a);
    if (stats)
        put_stats();
    end(nest);
    return nest;
}

static struct vf_attributes every_one(uint8_t seed)
{
    return (struct vf_attributes){.present = ALL,
                                  .mac = {0x52, 0x54, 0, 0, 1, seed},
                                  .vlan = (uint16_t)(100 + seed),
                                  .qos = seed & 7,
                                  .trust = 1,
                                  .spoofchk = 1,
                                  .link_state = IFLA_VF_LINK_STATE_DISABLE,
                                  .min_tx_rate = 10u + seed,
                                  .max_tx_rate = 1000u + seed};
}

/* The list; what follows it is as in each answer. */
static uint32_t put_vfs(uint32_t count, bool stats)
{
    uint32_t list;

    put(IFLA_NUM_VF, &count, sizeof(count));
    list = put(IFLA_VFINFO_LIST, NULL, 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct vf_attributes a = every_one((uint8_t)i);
        put_vf(i, &a, stats);
    }
    end(list);
    return list;
}

static int parse_cut(uint32_t size, uint32_t vf, struct vf_attributes *seen)
{
    header()->nlmsg_len = size;
    struct nl_msg *message = nlmsg_convert(header());
    assert_non_null(message);
    nlmsg_set_proto(message, NETLINK_ROUTE);
    int error = netlink_parse_vf(message, vf, seen);
    nlmsg_free(message);
    return error;
}

static int parse(uint32_t vf, struct vf_attributes *seen)
{
    return parse_cut(answer.size, vf, seen);
}

/* ---- what is read */

static void each_attribute_of_each_vf_is_read(void **state)
{
    struct vf_attributes seen;
    (void)state;

    for (unsigned stats = 0; stats < 2; stats++) {
        begin();
        put_vfs(3, stats);
        for (uint32_t vf = 0; vf < 3; vf++) {
            const struct vf_attributes expected = every_one((uint8_t)vf);
            assert_int_equal(parse(vf, &seen), 0);
            assert_memory_equal(&seen, &expected, sizeof(seen));
        }
        assert_int_equal(parse(3, &seen), -ENODEV);
        assert_int_equal(seen.present, 0);
    }
}

/* Of a new VF of igb: neither rate nor VLAN, and no word about trust. */
static void what_is_not_reported_is_not_present(void **state)
{
    struct vf_attributes seen, new = {.present = VF_ATTR_SPOOFCHK, .spoofchk = 1};
    (void)state;

    begin();
    uint32_t list = put(IFLA_NUM_VF, &(uint32_t){1}, 4);
    list = put(IFLA_VFINFO_LIST, NULL, 0);
    put_vf(0, &new, true);
    end(list);
    assert_int_equal(parse(0, &seen), 0);
    assert_int_equal(seen.present & VF_ATTR_TRUST, 0);
    assert_int_equal(seen.present & VF_ATTR_RATE, 0);
    assert_int_equal(seen.present & VF_ATTR_SPOOFCHK, VF_ATTR_SPOOFCHK);
    new.present = seen.present;
    assert_memory_equal(&seen, &new, sizeof(seen));
}

/* A driver without ndo_get_vf_config; and an interface that is no PF has not even their number. */
static void a_link_without_vfs_has_none(void **state)
{
    struct vf_attributes seen;
    (void)state;

    begin();
    assert_int_equal(parse(0, &seen), -ENODEV);
    put(IFLA_NUM_VF, &(uint32_t){4}, 4);
    assert_int_equal(parse(0, &seen), -ENODEV);
    put(IFLA_VFINFO_LIST, NULL, 0);
    assert_int_equal(parse(0, &seen), -ENODEV);
    header()->nlmsg_type = RTM_NEWADDR;
    assert_int_not_equal(parse(0, &seen), 0);
    header()->nlmsg_type = NLMSG_DONE;
    assert_int_not_equal(parse(0, &seen), 0);
}

/* Everywhere: what is cut off is not there, what is there is right. */
static void one_that_is_cut_off(void **state)
{
    const struct vf_attributes second = every_one(1);
    struct vf_attributes seen;
    (void)state;

    begin();
    put_vfs(2, true);
    for (uint32_t size = NLMSG_HDRLEN; size < answer.size; size++)
        assert_int_not_equal(parse_cut(size, 1, &seen), 0);
    assert_int_equal(parse(1, &seen), 0);
    assert_memory_equal(&seen, &second, sizeof(seen));
}

/* The lengths of what is around it say so, too. */
static void a_list_that_is_cut_off(void **state)
{
    const struct vf_attributes first = every_one(0);
    struct vf_attributes seen;
    (void)state;

    begin();
    uint32_t list = put_vfs(1, false), whole = answer.size, nest = list + RTA_LENGTH(0);
    for (answer.size = nest; answer.size < whole; answer.size++) {
        end(list);
        if (answer.size >= nest + RTA_LENGTH(0))
            end(nest);
        if (parse(0, &seen))
            continue;
        if (seen.present & VF_ATTR_MAC)
            assert_memory_equal(seen.mac, first.mac, sizeof(seen.mac));
        assert_true(!seen.vlan || (seen.vlan == first.vlan && seen.qos == first.qos));
        assert_true(!seen.max_tx_rate || seen.max_tx_rate == first.max_tx_rate);
    }
}

/* An attribute's length has 16 bits: the list of so many fits as it is asked for, and would not
 * with each VF's counters. */
static void all_vfs_of_the_largest_pf_are_read(void **state)
{
    struct vf_attributes seen;
    (void)state;

    begin();
    uint32_t list = put_vfs(PARCLOSE_MAX_VFS_PER_PF, true);
    assert_true(answer.size - list > UINT16_MAX);
    begin();
    list = put_vfs(PARCLOSE_MAX_VFS_PER_PF, false);
    assert_int_equal(attribute_at(list)->rta_len, answer.size - list);
    for (uint32_t vf = 0; vf < PARCLOSE_MAX_VFS_PER_PF; vf++) {
        const struct vf_attributes expected = every_one((uint8_t)vf);
        assert_int_equal(parse(vf, &seen), 0);
        assert_memory_equal(&seen, &expected, sizeof(seen));
    }
}

/* ---- what is sent */

/* The last attribute of this type, as the kernel takes it; NULL: none. */
static const struct rtattr *find(const struct rtattr *at, size_t left, uint16_t type)
{
    const struct rtattr *found = NULL;

    for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
        if ((at->rta_type & NLA_TYPE_MASK) == type)
            found = at;
    assert_int_equal(left, 0);
    return found;
}

static const struct rtattr *in(const struct rtattr *nest, uint16_t type)
{
    assert_non_null(nest);
    return find(RTA_DATA(nest), RTA_PAYLOAD(nest), type);
}

static const struct rtattr *in_message(struct nl_msg *message, uint16_t type)
{
    struct nlmsghdr *sent = nlmsg_hdr(message);

    return find(IFLA_RTA(NLMSG_DATA(sent)), NLMSG_PAYLOAD(sent, sizeof(struct ifinfomsg)), type);
}

static void only_these_vfs_are_asked_for(void **state)
{
    struct nl_msg *message = NULL;
    uint32_t mask;
    (void)state;

    assert_int_equal(netlink_compose_get("pf0", &message), 0);
    assert_int_equal(nlmsg_hdr(message)->nlmsg_type, RTM_GETLINK);
    assert_int_equal(nlmsg_hdr(message)->nlmsg_flags & NLM_F_DUMP, 0);
    assert_string_equal(RTA_DATA(in_message(message, IFLA_IFNAME)), "pf0");
    memcpy(&mask, RTA_DATA(in_message(message, IFLA_EXT_MASK)), sizeof(mask));
    assert_int_equal(mask, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
    nlmsg_free(message);
}

/* Of one attribute: the VF first, then its words. */
static void check_words(const struct rtattr *info, uint16_t type, uint32_t vf, bool sent,
                        uint32_t first, uint32_t second, size_t size)
{
    const uint32_t expected[3] = {vf, first, second};
    const struct rtattr *attribute = in(info, type);

    assert_int_equal(attribute != NULL, sent);
    if (!sent)
        return;
    assert_int_equal(RTA_PAYLOAD(attribute), size);
    assert_memory_equal(RTA_DATA(attribute), expected, size);
}

static void check_mac(const struct rtattr *info, uint32_t vf, bool sent, const uint8_t mac[6])
{
    struct ifla_vf_mac expected = {.vf = vf};
    const struct rtattr *attribute = in(info, IFLA_VF_MAC);

    memcpy(expected.mac, mac, 6);
    assert_int_equal(attribute != NULL, sent);
    if (!sent)
        return;
    assert_int_equal(RTA_PAYLOAD(attribute), sizeof(expected));
    assert_memory_equal(RTA_DATA(attribute), &expected, sizeof(expected));
}

static void check_frame(struct nl_msg *message)
{
    static const struct ifinfomsg link = {.ifi_index = INDEX};

    assert_int_equal(nlmsg_hdr(message)->nlmsg_type, RTM_NEWLINK);
    assert_int_equal(nlmsg_hdr(message)->nlmsg_flags & (NLM_F_CREATE | NLM_F_REPLACE), 0);
    assert_memory_equal(NLMSG_DATA(nlmsg_hdr(message)), &link, sizeof(link));
    assert_null(in_message(message, IFLA_IFNAME)); /* it would be renamed */
}

static void check_composed(uint32_t vf, uint32_t mask, const struct vf_attributes *a)
{
    struct nl_msg *message = NULL;

    assert_int_equal(netlink_compose_vf(INDEX, vf, mask, a, &message), 0);
    check_frame(message);
    const struct rtattr *list = in_message(message, IFLA_VFINFO_LIST),
                        *info = in(list, IFLA_VF_INFO);
    assert_int_equal(RTA_PAYLOAD(list), RTA_ALIGN(info->rta_len)); /* one VF */
    check_mac(info, vf, mask & VF_ATTR_MAC, a->mac);
    check_words(info, IFLA_VF_VLAN, vf, mask & VF_ATTR_VLAN, a->vlan, a->qos, 12);
    check_words(info, IFLA_VF_RATE, vf, mask & VF_ATTR_RATE, a->min_tx_rate, a->max_tx_rate, 12);
    check_words(info, IFLA_VF_SPOOFCHK, vf, mask & VF_ATTR_SPOOFCHK, a->spoofchk, 0, 8);
    check_words(info, IFLA_VF_TRUST, vf, mask & VF_ATTR_TRUST, a->trust, 0, 8);
    check_words(info, IFLA_VF_LINK_STATE, vf, mask & VF_ATTR_LINK, a->link_state, 0, 8);
    assert_null(in(info, IFLA_VF_TX_RATE)); /* the old way, which would take the minimum away */
    assert_null(in(info, IFLA_VF_VLAN_LIST));
    nlmsg_free(message);
}

static void what_is_asked_for_is_sent_and_nothing_else(void **state)
{
    static const struct vf_attributes nothing = {0};
    const struct vf_attributes all = every_one(5);
    (void)state;

    for (uint32_t mask = 1; mask <= ALL; mask++) {
        check_composed(0, mask, &all);
        check_composed(255, mask, &all);
        check_composed(3, mask, &nothing); /* what is taken away is said, too */
    }
}

/* ---- what is not as desired */

static void change(struct vf_attributes *a, uint32_t bit)
{
    a->mac[5] ^= bit == VF_ATTR_MAC;
    a->vlan ^= bit == VF_ATTR_VLAN;
    a->trust ^= bit == VF_ATTR_TRUST;
    a->spoofchk ^= bit == VF_ATTR_SPOOFCHK;
    a->max_tx_rate ^= bit == VF_ATTR_RATE;
    a->link_state ^= bit == VF_ATTR_LINK;
}

static void each_attribute_differs_alone(void **state)
{
    const struct vf_attributes desired = every_one(1);
    (void)state;

    assert_int_equal(netlink_differs(&desired, &desired), 0);
    for (uint32_t bit = 1; bit <= ALL; bit <<= 1) {
        struct vf_attributes seen = desired;
        change(&seen, bit);
        assert_int_equal(netlink_differs(&seen, &desired), bit);
    }
}

static void the_halves_of_two_differ(void **state)
{
    const struct vf_attributes desired = every_one(1);
    struct vf_attributes seen = desired;
    (void)state;

    seen.qos++;
    assert_int_equal(netlink_differs(&seen, &desired), VF_ATTR_VLAN);
    seen = desired;
    seen.min_tx_rate++;
    assert_int_equal(netlink_differs(&seen, &desired), VF_ATTR_RATE);
}

static void what_nobody_desires_is_not_compared(void **state)
{
    const struct vf_attributes desired = every_one(1);
    struct vf_attributes seen = every_one(2), less = desired;
    (void)state;

    change(&seen, VF_ATTR_TRUST);
    change(&seen, VF_ATTR_SPOOFCHK);
    change(&seen, VF_ATTR_LINK);
    assert_int_equal(netlink_differs(&seen, &desired), ALL);
    for (uint32_t present = 0; present <= ALL; present++) {
        less.present = present;
        assert_int_equal(netlink_differs(&seen, &less), present);
    }
}

/* 0 is what a driver has that does not know the attribute; an address is never taken for set. */
static void what_is_not_seen_differs_when_it_is_not_0(void **state)
{
    static const struct vf_attributes seen = {0}, none = {.present = ALL};
    const struct vf_attributes desired = every_one(1);
    (void)state;

    assert_int_equal(netlink_differs(&seen, &desired), ALL);
    assert_int_equal(netlink_differs(&seen, &none), VF_ATTR_MAC);
}

/* ---- the kernel itself, by the interface that has no VF everywhere */

static void the_kernel_understands(void **state)
{
    const struct vf_attributes all = every_one(1);
    struct vf_attributes seen;
    (void)state;

    assert_int_equal(netlink_read_vf("lo", 0, &seen), -ENODEV);
    assert_int_equal(netlink_read_vf("parclose-none", 0, &seen), -ENODEV);
    assert_in_range(netlink_has_address("lo"), 0, 1);
    int error = netlink_set_vf("lo", 0, ALL, &all);
    assert_true(error == -EOPNOTSUPP || error == -EPERM); /* as root, and else */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_attribute_of_each_vf_is_read),
        cmocka_unit_test(what_is_not_reported_is_not_present),
        cmocka_unit_test(a_link_without_vfs_has_none),
        cmocka_unit_test(one_that_is_cut_off),
        cmocka_unit_test(a_list_that_is_cut_off),
        cmocka_unit_test(all_vfs_of_the_largest_pf_are_read),
        cmocka_unit_test(only_these_vfs_are_asked_for),
        cmocka_unit_test(what_is_asked_for_is_sent_and_nothing_else),
        cmocka_unit_test(each_attribute_differs_alone),
        cmocka_unit_test(the_halves_of_two_differ),
        cmocka_unit_test(what_nobody_desires_is_not_compared),
        cmocka_unit_test(what_is_not_seen_differs_when_it_is_not_0),
        cmocka_unit_test(the_kernel_understands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
