/* SPDX-License-Identifier: Apache-2.0 */
/* A console of one port (virtio 1.2, 5.3): bytes in, bytes out, no configuration. */
#include "virtio_kind.h"

static uint64_t fill(const struct partition_channel *channel, uint8_t config[VIRTIO_CONFIG_MAX])
{
    (void)channel;
    (void)config;
    return 0;
}

const struct virtio_kind virtio_console = {
    .device = 3,
    .queues_count = 2, /* receive, transmit */
    .queue_size = 64,
    .config_size = 12,
    .class = 0x078000,
    .passes = {[CHANNEL_DIRECT] = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX},
    .fill = fill,
};
