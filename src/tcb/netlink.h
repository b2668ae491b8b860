/* SPDX-License-Identifier: Apache-2.0 */
/* VF attributes and link state of a network PF, by rtnetlink (IFLA_VFINFO_LIST). */
#pragma once

#include "parclose/device.h"

/* What the PF's driver reports of a VF now: what it does not is not in `present`, and 0. */
int netlink_read_vf(const char *interface, uint32_t vf, struct vf_attributes *seen);

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
