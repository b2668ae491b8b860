/* SPDX-License-Identifier: Apache-2.0 */
/* A disk with one queue (virtio 1.2, 5.2). Its size and limits are the server's; through a
 * channel's own memory requests are kept to a size of which several fit. */
#include <string.h>

#include "virtio_kind.h"

#define F_SIZE_MAX     VIRTIO_F_BIT(1)
#define F_SEG_MAX      VIRTIO_F_BIT(2)
#define F_GEOMETRY     VIRTIO_F_BIT(4)
#define F_RO           VIRTIO_F_BIT(5)
#define F_BLK_SIZE     VIRTIO_F_BIT(6)
#define F_FLUSH        VIRTIO_F_BIT(9)
#define F_TOPOLOGY     VIRTIO_F_BIT(10)
#define F_DISCARD      VIRTIO_F_BIT(13)
#define F_WRITE_ZEROES VIRTIO_F_BIT(14)
#define F_OTHERS                                                                                   \
    (F_GEOMETRY | F_RO | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_DISCARD | F_WRITE_ZEROES)

#define CONFIG_SIZE_MAX 8
#define CONFIG_SEG_MAX  12

static uint64_t fill(const struct partition_channel *channel, uint8_t config[VIRTIO_CONFIG_MAX])
{
    const uint32_t size = VIRTIO_CONFINED_PART, parts = VIRTIO_CONFINED_PARTS;

    if (channel->mode != CHANNEL_CONFINED)
        return 0;
    memcpy(config + CONFIG_SIZE_MAX, &size, sizeof(size));
    memcpy(config + CONFIG_SEG_MAX, &parts, sizeof(parts));
    return F_SIZE_MAX | F_SEG_MAX;
}

const struct virtio_kind virtio_block = {
    .device = 2,
    .queues_count = 1,
    .queue_size = 256,
    .server_config = 60,
    .config_size = 60,
    .class = 0x018000,
    .passes = {[CHANNEL_CONFINED] = F_OTHERS,
               [CHANNEL_DIRECT] =
                   F_OTHERS | F_SIZE_MAX | F_SEG_MAX | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX},
    .fill = fill,
};
