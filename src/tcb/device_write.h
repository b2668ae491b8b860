/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way from Parclose to a device. Each call logs one line, "device write: WHERE <- VALUE:
 * RESULT (transaction N)", and is counted.
 */
#pragma once

#include "parclose/device.h"

enum device_way {
    WAY_SYSFS,     /* `value` into the file `where` */
    WAY_NETLINK,   /* `attributes` (those in `mask`) of VF `index` of interface `where` */
    WAY_LINK_UP,   /* interface `where` up */
    WAY_LINK_DOWN, /* or down */
    WAY_NVME, /* virtualization management: `action`, `resource`, `count` of controller `index` */
};

struct device_write {
    enum device_way way;
    const char *where;
    const char *value;
    uint32_t index;
    uint32_t mask;
    const struct vf_attributes *attributes;
    uint32_t action, resource, count;
};

/* 0 or a negative errno. */
int device_write(const struct device_write *write);

/* For the log: the transaction that the following writes belong to. */
void device_write_begin(uint64_t transaction);

/* How many were made since device_write_begin(). */
uint32_t device_writes(void);
