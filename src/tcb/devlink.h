/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health reporters of drivers: what devlink says of a PF (the kernel's
 * Documentation/networking/devlink/devlink-health.rst; layout of messages: net/devlink/health.c,
 * devlink_nl_health_reporter_fill()). Untested on hardware.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "parclose/device.h"

struct nlmsghdr;

#define HEALTH_REPORTERS_MAX 16 /* of one PF: mlx5 has five */

struct health_reporter {
    char name[HEALTH_NAME_MAX]; /* a longer name is cut */
    uint32_t error;             /* 1: in the state "error" */
};

struct health_reporters {
    uint32_t count;
    struct health_reporter reporters[HEALTH_REPORTERS_MAX];
};

/* What a message says of a reporter; false: nothing of a PCI function's. The message is whole. */
bool devlink_parse(struct nlmsghdr *message, struct bdf *bdf, struct health_reporter *reporter);

/* Into the others: a known one is changed, one that finds no place is left out. */
void health_set(struct health_reporters *all, const struct health_reporter *one);

/* The first that is in error; NULL: none. */
const struct health_reporter *health_bad(const struct health_reporters *all);

/*
 * All reporters of a PF. 0, or a negative errno: -ENOENT: the kernel has no devlink. Waits for the
 * lock of the driver's instance: for children only.
 */
int devlink_read(struct bdf bdf, struct health_reporters *all);

/*
 * Events: `changed` is told of each reporter that changes, and with bdf 0 and NULL that some were
 * lost. 0 as well when the kernel has no devlink.
 */
typedef void devlink_changed(void *context, struct bdf bdf, const struct health_reporter *reporter);
int devlink_open(sd_event *event, devlink_changed *changed, void *context);
