/* SPDX-License-Identifier: Apache-2.0 */
/* A network card with one pair of queues (virtio 1.2, 5.1). Address and MTU are the partition's
 * definition's; the server has no say in them. */
#include <string.h>

#include "virtio_kind.h"

#define F_CSUM       VIRTIO_F_BIT(0)
#define F_GUEST_CSUM VIRTIO_F_BIT(1)
#define F_MTU        VIRTIO_F_BIT(3)
#define F_MAC        VIRTIO_F_BIT(5)
#define F_MRG_RXBUF  VIRTIO_F_BIT(15)
/* GUEST_TSO4, TSO6, ECN, UFO, HOST_TSO4, TSO6, ECN, UFO: packets larger than a confined buffer */
#define F_SEGMENTS (UINT64_C(0xff) << 7)

#define CONFIG_MAC 0
#define CONFIG_MTU 10

static uint64_t fill(const struct partition_channel *channel, uint8_t config[VIRTIO_CONFIG_MAX])
{
    memcpy(config + CONFIG_MAC, channel->mac, sizeof(channel->mac));
    memcpy(config + CONFIG_MTU, &channel->mtu, sizeof(channel->mtu));
    return F_MAC | (channel->mtu ? F_MTU : 0);
}

const struct virtio_kind virtio_network = {
    .device = 1,
    .queues_count = 2, /* receive, transmit */
    .queue_size = 256,
    .lossy = true,
    .config_size = 12,
    .class = 0x020000,
    .passes = {[CHANNEL_CONFINED] = F_CSUM | F_GUEST_CSUM | F_MRG_RXBUF,
               [CHANNEL_DIRECT] = F_CSUM | F_GUEST_CSUM | F_MRG_RXBUF | F_SEGMENTS |
                                  VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX},
    .fill = fill,
};
