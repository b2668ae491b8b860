/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's channels: virtio devices on its bus whose queues another process serves (R-CHAN-1).
 * What is configured, and what is observed.
 */
#pragma once

#include "parclose/ids.h"

#define PARCLOSE_MAX_CHANNELS 8
#define CHANNEL_SERVER_MAX    108 /* as sun_path, NUL included */

enum channel_device {
    CHANNEL_DEVICE_NETWORK = 0,
    CHANNEL_DEVICE_BLOCK = 1,
    CHANNEL_DEVICE_CONSOLE = 2,
    CHANNEL_DEVICES
};

enum channel_mode {
    CHANNEL_CONFINED = 0, /* the server maps the channel's own memory, the monitor copies */
    CHANNEL_DIRECT = 1,   /* the server maps the guest's memory, all of it */
    CHANNEL_MODES
};

struct partition_channel {
    char name[PARCLOSE_NAME_MAX];    /* [a-z][a-z0-9-]*, unique in its partition */
    uint32_t kind;                   /* enum channel_device */
    uint32_t mode;                   /* enum channel_mode */
    uint8_t mac[6];                  /* of a network, else 0 */
    uint16_t mtu;                    /* of a network: 68..65535; 0: not said */
    char server[CHANNEL_SERVER_MAX]; /* Unix socket on which a vhost-user server listens */
    uint32_t reserved;               /* 0 */
};
_Static_assert(sizeof(struct partition_channel) == 160, "wire size");

enum channel_state {
    CHANNEL_WAITING = 0,   /* no server has answered yet: the partition stands before the gate */
    CHANNEL_READY = 1,     /* a server has; the guest's driver does not use the device now */
    CHANNEL_OPERATING = 2, /* the driver's queues are being served */
    CHANNEL_LOST = 3,      /* the server is gone; the guest's requests wait for the next one */
    CHANNEL_STATES
};

enum channel_wants {
    CHANNEL_WANTS_NOTHING = 0, /* it has a connection to its server, or needs none */
    CHANNEL_WANTS_SERVER = 1,
    CHANNEL_WANTS_RESET = 2, /* it has none, and no server can help before the guest resets it */
    CHANNEL_WANTS
};

/* As the monitor says it. */
struct channel_status {
    uint32_t state;       /* enum channel_state */
    uint32_t wants;       /* enum channel_wants */
    uint32_t connections; /* that it was given so far */
    int32_t error;        /* why it let go of the last one: negative errno, 0 */
};
_Static_assert(sizeof(struct channel_status) == 16, "wire size");
