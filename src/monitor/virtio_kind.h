/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of channel as virtio devices (virtio 1.2, sections 5.1 to 5.3): what each offers, and
 * its configuration space. One table row a kind; virtio_network.c, virtio_block.c,
 * virtio_console.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "parclose/channel.h"

#define VIRTIO_QUEUES_MAX 2
#define VIRTIO_CONFIG_MAX 60

#define VIRTIO_F_BIT(n)        (UINT64_C(1) << (n))
#define VIRTIO_F_VERSION_1     VIRTIO_F_BIT(32)
#define VIRTIO_F_INDIRECT_DESC VIRTIO_F_BIT(28)
#define VIRTIO_F_EVENT_IDX     VIRTIO_F_BIT(29)

/* Of a request through a channel's own memory, see shadow.h. */
#define VIRTIO_CONFINED_PART  4096
#define VIRTIO_CONFINED_PARTS 32

struct virtio_kind {
    uint16_t device; /* virtio's number of it */
    uint16_t queues_count;
    uint16_t queue_size;    /* most */
    bool lossy;             /* a lost request is a lost packet: nobody waits for it for ever */
    uint16_t server_config; /* bytes that the server is asked for; 0: it is all ours */
    uint16_t config_size;
    uint32_t class;                 /* PCI class code, 24 bits */
    uint64_t passes[CHANNEL_MODES]; /* features that the server may offer to the guest */
    /* Features that are ours to offer. Fills in the configuration space, over what the server said.
     */
    uint64_t (*fill)(const struct partition_channel *channel, uint8_t config[VIRTIO_CONFIG_MAX]);
};

extern const struct virtio_kind virtio_network, virtio_block, virtio_console;

/* Of an enum channel_device that was checked. */
static inline const struct virtio_kind *virtio_kind(uint32_t kind)
{
    return kind == CHANNEL_DEVICE_NETWORK ? &virtio_network
           : kind == CHANNEL_DEVICE_BLOCK ? &virtio_block
                                          : &virtio_console;
}
