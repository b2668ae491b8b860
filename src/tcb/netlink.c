/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/sriov.h>
#include <string.h>

/* libnl's error numbers are its own. */
static int error_of(int nl)
{
    switch (-nl) {
    case 0:
        return 0;
    case NLE_PERM:
    case NLE_NOACCESS:
        return -EPERM;
    case NLE_BUSY:
        return -EBUSY;
    case NLE_OBJ_NOTFOUND:
    case NLE_NODEV:
        return -ENODEV;
    case NLE_OPNOTSUPP:
        return -EOPNOTSUPP;
    case NLE_INVAL:
    case NLE_RANGE:
        return -EINVAL;
    case NLE_NOMEM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static void free_socket(struct nl_sock **socket)
{
    nl_socket_free(*socket);
}
#define cleanup_socket __attribute__((cleanup(free_socket)))

static void put_link(struct rtnl_link **link)
{
    if (*link)
        rtnl_link_put(*link);
}
#define cleanup_link __attribute__((cleanup(put_link)))

static void put_vf(struct rtnl_link_vf **vf)
{
    if (*vf)
        rtnl_link_vf_put(*vf);
}
#define cleanup_vf __attribute__((cleanup(put_vf)))

static void free_message(struct nl_msg **message)
{
    nlmsg_free(*message);
}
#define cleanup_message __attribute__((cleanup(free_message)))

/* Each VF's counters would be a third of the answer, and the list of 256 VFs must be below 64 KiB,
 * the length of an attribute: the kernel's would be cut without a word. */
int netlink_compose_get(const char *interface, struct nl_msg **message)
{
    int error = rtnl_link_build_get_request(0, interface, message);

    if (error)
        return error_of(error);
    /* of an attribute that is there twice the last one counts */
    return error_of(
        nla_put_u32(*message, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS));
}

static void keep_link(struct nl_object *object, void *data)
{
    struct rtnl_link **link = data;

    if (*link)
        return;
    nl_object_get(object);
    *link = (struct rtnl_link *)(void *)object;
}

static int on_answer(struct nl_msg *message, void *data)
{
    int error = nl_msg_parse(message, keep_link, data);
    return error < 0 ? error : NL_OK;
}

static int ask(struct nl_sock *socket, const char *interface, struct rtnl_link **link)
{
    cleanup_message struct nl_msg *message = NULL;

    int error = netlink_compose_get(interface, &message);
    if (error)
        return error;
    error = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_answer, link);
    if (error >= 0)
        error = nl_send_auto(socket, message);
    if (error >= 0)
        error = nl_recvmsgs_default(socket);
    if (error >= 0)
        error = nl_wait_for_ack(socket);
    return error < 0 ? error_of(error) : *link ? 0 : -EIO;
}

static int open_link(const char *interface, struct nl_sock **socket, struct rtnl_link **link)
{
    *socket = nl_socket_alloc();
    if (!*socket)
        return -ENOMEM;
    int error = nl_connect(*socket, NETLINK_ROUTE);
    return error ? error_of(error) : ask(*socket, interface, link);
}

static void read_mac(struct rtnl_link_vf *vf, struct vf_attributes *seen)
{
    struct nl_addr *address = NULL;

    if (rtnl_link_vf_get_addr(vf, &address) || nl_addr_get_len(address) != 6)
        return;
    memcpy(seen->mac, nl_addr_get_binary_addr(address), 6);
    seen->present |= VF_ATTR_MAC;
}

static void read_vlan(struct rtnl_link_vf *vf, struct vf_attributes *seen)
{
    nl_vf_vlans_t *vlans = NULL;

    if (rtnl_link_vf_get_vlans(vf, &vlans) == 0 && vlans && vlans->size > 0) {
        seen->vlan = (uint16_t)vlans->vlans[0].vf_vlan;
        seen->qos = (uint8_t)vlans->vlans[0].vf_vlan_qos;
        seen->present |= VF_ATTR_VLAN;
    }
    if (vlans)
        rtnl_link_vf_vlan_put(vlans);
}

static void read_rate(struct rtnl_link_vf *vf, struct vf_attributes *seen)
{
    struct nl_vf_rate rate = {.api = RTNL_LINK_VF_RATE_API_NEW};

    if (rtnl_link_vf_get_rate(vf, &rate))
        return;
    seen->min_tx_rate = (uint32_t)rate.min_tx_rate;
    seen->max_tx_rate = (uint32_t)rate.max_tx_rate;
    seen->present |= VF_ATTR_RATE;
}

/* The kernel says -1 for what the driver does not report. */
static uint8_t read_number(int (*get)(struct rtnl_link_vf *, uint32_t *), struct rtnl_link_vf *vf,
                           uint32_t bit, struct vf_attributes *seen)
{
    uint32_t value = 0;

    if (get(vf, &value) || value > UINT8_MAX)
        return 0;
    seen->present |= bit;
    return (uint8_t)value;
}

/* libnl does not look for a VF where there is no list of them, but goes through a null pointer. */
static int read_vf(struct rtnl_link *link, uint32_t number, struct vf_attributes *seen)
{
    cleanup_vf struct rtnl_link_vf *vf =
        rtnl_link_has_vf_list(link) ? rtnl_link_vf_get(link, number) : NULL;

    if (!vf)
        return -ENODEV;
    read_mac(vf, seen);
    read_vlan(vf, seen);
    read_rate(vf, seen);
    seen->spoofchk = read_number(rtnl_link_vf_get_spoofchk, vf, VF_ATTR_SPOOFCHK, seen);
    seen->trust = read_number(rtnl_link_vf_get_trust, vf, VF_ATTR_TRUST, seen);
    seen->link_state = read_number(rtnl_link_vf_get_linkstate, vf, VF_ATTR_LINK, seen);
    return 0;
}

int netlink_parse_vf(struct nl_msg *message, uint32_t number, struct vf_attributes *seen)
{
    cleanup_link struct rtnl_link *link = NULL;

    *seen = (struct vf_attributes){0};
    int error = nl_msg_parse(message, keep_link, &link);
    if (error < 0)
        return error_of(error);
    return link ? read_vf(link, number, seen) : -EINVAL;
}

int netlink_read_vf(const char *interface, uint32_t number, struct vf_attributes *seen)
{
    cleanup_socket struct nl_sock *socket = NULL;
    cleanup_link struct rtnl_link *link = NULL;

    *seen = (struct vf_attributes){0};
    int error = open_link(interface, &socket, &link);
    return error ? error : read_vf(link, number, seen);
}

static bool counts(struct rtnl_addr *address, int index)
{
    return rtnl_addr_get_ifindex(address) == index &&
           (rtnl_addr_get_family(address) != AF_INET6 ||
            rtnl_addr_get_scope(address) != RT_SCOPE_LINK);
}

int netlink_has_address(const char *interface)
{
    cleanup_socket struct nl_sock *socket = NULL;
    cleanup_link struct rtnl_link *link = NULL;
    struct nl_cache *addresses = NULL;
    int has = 0;

    int error = open_link(interface, &socket, &link);
    if (!error)
        error = error_of(rtnl_addr_alloc_cache(socket, &addresses));
    if (error)
        return error;
    for (struct nl_object *at = nl_cache_get_first(addresses); at; at = nl_cache_get_next(at))
        has |= counts((struct rtnl_addr *)(void *)at, rtnl_link_get_ifindex(link));
    nl_cache_free(addresses);
    return has;
}

uint32_t netlink_differs(const struct vf_attributes *seen, const struct vf_attributes *desired)
{
    uint32_t differs = 0;

    if (!(seen->present & VF_ATTR_MAC) || memcmp(seen->mac, desired->mac, sizeof(seen->mac)) != 0)
        differs |= VF_ATTR_MAC;
    if (seen->vlan != desired->vlan || seen->qos != desired->qos)
        differs |= VF_ATTR_VLAN;
    if (seen->min_tx_rate != desired->min_tx_rate || seen->max_tx_rate != desired->max_tx_rate)
        differs |= VF_ATTR_RATE;
    if (seen->spoofchk != desired->spoofchk)
        differs |= VF_ATTR_SPOOFCHK;
    if (seen->trust != desired->trust)
        differs |= VF_ATTR_TRUST;
    if (seen->link_state != desired->link_state)
        differs |= VF_ATTR_LINK;
    return differs & desired->present;
}

static void fill(struct rtnl_link_vf *vf, uint32_t number, uint32_t mask,
                 const struct vf_attributes *desired, struct nl_addr *mac)
{
    rtnl_link_vf_set_index(vf, number);
    if (mask & VF_ATTR_MAC)
        rtnl_link_vf_set_addr(vf, mac);
    if (mask & VF_ATTR_SPOOFCHK)
        rtnl_link_vf_set_spoofchk(vf, desired->spoofchk);
    if (mask & VF_ATTR_TRUST)
        rtnl_link_vf_set_trust(vf, desired->trust);
    if (mask & VF_ATTR_LINK)
        rtnl_link_vf_set_linkstate(vf, desired->link_state);
    if (mask & VF_ATTR_RATE) {
        struct nl_vf_rate rate = {.api = RTNL_LINK_VF_RATE_API_NEW,
                                  .min_tx_rate = desired->min_tx_rate,
                                  .max_tx_rate = desired->max_tx_rate};
        rtnl_link_vf_set_rate(vf, &rate);
    }
}

static int add_vlan(struct rtnl_link_vf *vf, const struct vf_attributes *desired)
{
    nl_vf_vlans_t *vlans = NULL;
    int error = rtnl_link_vf_vlan_alloc(&vlans, 1);

    if (error)
        return error;
    vlans->vlans[0].vf_vlan = desired->vlan;
    vlans->vlans[0].vf_vlan_qos = desired->qos;
    vlans->vlans[0].vf_vlan_proto = 0;
    rtnl_link_vf_set_vlans(vf, vlans);
    rtnl_link_vf_vlan_put(vlans);
    return 0;
}

static int build_change(int index, struct rtnl_link_vf *vf, struct nl_msg **message)
{
    cleanup_link struct rtnl_link *link = rtnl_link_alloc(), *change = rtnl_link_alloc();

    if (!link || !change)
        return -NLE_NOMEM;
    rtnl_link_set_ifindex(link, index);
    int error = rtnl_link_vf_add(change, vf);
    return error ? error : rtnl_link_build_change_request(link, change, 0, message);
}

int netlink_compose_vf(int index, uint32_t number, uint32_t mask,
                       const struct vf_attributes *desired, struct nl_msg **message)
{
    cleanup_vf struct rtnl_link_vf *vf = rtnl_link_vf_alloc();
    struct nl_addr *mac = nl_addr_build(AF_LLC, desired->mac, 6);
    int error = vf && mac ? 0 : -NLE_NOMEM;

    if (!error)
        fill(vf, number, mask, desired, mac);
    if (!error && (mask & VF_ATTR_VLAN))
        error = add_vlan(vf, desired);
    if (!error)
        error = build_change(index, vf, message);
    nl_addr_put(mac);
    return error_of(error);
}

int netlink_set_vf(const char *interface, uint32_t number, uint32_t mask,
                   const struct vf_attributes *desired)
{
    cleanup_socket struct nl_sock *socket = NULL;
    cleanup_link struct rtnl_link *link = NULL;
    struct nl_msg *message = NULL;

    int error = open_link(interface, &socket, &link);
    if (!error)
        error = netlink_compose_vf(rtnl_link_get_ifindex(link), number, mask, desired, &message);
    return error ? error : error_of(nl_send_sync(socket, message)); /* which frees it */
}

int netlink_set_up(const char *interface, bool up)
{
    cleanup_socket struct nl_sock *socket = NULL;
    cleanup_link struct rtnl_link *link = NULL, *change = rtnl_link_alloc();

    int error = change ? open_link(interface, &socket, &link) : -ENOMEM;
    if (error)
        return error;
    if (up)
        rtnl_link_set_flags(change, IFF_UP);
    else
        rtnl_link_unset_flags(change, IFF_UP);
    return error_of(rtnl_link_change(socket, link, change, 0));
}
