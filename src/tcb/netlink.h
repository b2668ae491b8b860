/* SPDX-License-Identifier: Apache-2.0 */
/* VF attributes and link state of a network PF, by rtnetlink (IFLA_VFINFO_LIST). */
#pragma once

#include "parclose/device.h"

/* Which of the desired attributes (those of `present`) differ now: VF_ATTR_* in *differs. Reads
 * only. What the driver does not report at all differs only when it is not 0. */
int netlink_vf_differs(const char *interface, uint32_t vf, const struct vf_attributes *desired,
                       uint32_t *differs);

/* Sets those of `mask`. Only device_write() calls these two. */
int netlink_set_vf(const char *interface, uint32_t vf, uint32_t mask,
                   const struct vf_attributes *desired);
int netlink_up(const char *interface);
