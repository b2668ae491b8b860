/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VF attributes and link state of a network PF, by rtnetlink (IFLA_VFINFO_LIST; in the kernel,
 * net/core/rtnetlink.c: rtnl_fill_vfinfo() and do_setvfinfo()).
 *
 * Seen with an emulated card (igb, in the lab): MAC, VLAN, QoS, trust, anti-spoofing, maximum rate.
 * A minimum rate and a VF's link state, which igb does not have, are untested on hardware: their
 * messages have unit tests alone.
 */
#pragma once

#include "parclose/device.h"

struct nl_msg;

/* What the PF's driver reports of a VF now: what it does not is not in `present`, and 0. */
int netlink_read_vf(const char *interface, uint32_t vf, struct vf_attributes *seen);

/* The same of a message, the kernel's answer (RTM_NEWLINK). -ENODEV: it has no such VF; -EINVAL: it
 * is about no interface. */
int netlink_parse_vf(struct nl_msg *message, uint32_t vf, struct vf_attributes *seen);

/* Which of the desired attributes (those of its `present`) differ from what is seen: VF_ATTR_*.
 * What is not reported at all differs only when it is not 0. */
uint32_t netlink_differs(const struct vf_attributes *seen, const struct vf_attributes *desired);

/* Whether the interface has an address, but for IPv6's own of the link. 0, 1 or a negative errno.
 */
int netlink_has_address(const char *interface);

/* Sets those of `mask`. Only device_write() calls these two. */
int netlink_set_vf(const char *interface, uint32_t vf, uint32_t mask,
                   const struct vf_attributes *desired);
int netlink_set_up(const char *interface, bool up);

/* The messages that these send: to ask for an interface with its VFs; to set those of `mask` of one
 * VF of the interface with this index. The caller's to free when the result is 0. */
int netlink_compose_get(const char *interface, struct nl_msg **message);
int netlink_compose_vf(int index, uint32_t vf, uint32_t mask, const struct vf_attributes *desired,
                       struct nl_msg **message);
