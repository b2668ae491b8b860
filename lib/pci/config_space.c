/* SPDX-License-Identifier: Apache-2.0 */
#include "pci/config_space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STANDARD_BEGIN 0x40
#define EXTENDED_BEGIN 256
/* One capability takes at least 8 bytes: a walk that is longer than this goes in a circle. */
#define WALK_MAX ((CONFIG_SPACE_SIZE - EXTENDED_BEGIN) / 8)

int config_space_read(int folder, uint32_t offset, void *bytes, size_t size)
{
    int file = openat(folder, "config", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    ssize_t got = pread(file, bytes, size, offset);
    int error = errno;
    close(file);
    return got < 0 ? -error : (int)got;
}

static uint16_t word(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t dword(const uint8_t *bytes)
{
    return word(bytes) | (uint32_t)word(bytes + 2) << 16;
}

uint32_t config_space_capability(const uint8_t *config, size_t size, uint8_t id)
{
    uint32_t offset = size > CONFIG_POINTER ? config[CONFIG_POINTER] & ~3U : 0;

    for (int step = 0; step < WALK_MAX; step++) {
        if (offset < STANDARD_BEGIN || offset + 4 > size)
            return 0;
        if (config[offset] == id)
            return offset;
        offset = config[offset + 1] & ~3U;
    }
    return 0;
}

uint32_t config_space_extended(const uint8_t *config, size_t size, uint16_t id)
{
    uint32_t offset = EXTENDED_BEGIN;

    for (int step = 0; step < WALK_MAX; step++) {
        if (offset < EXTENDED_BEGIN || offset + 4 > size)
            return 0;
        uint32_t header = dword(config + offset);
        if (header == 0 || header == UINT32_MAX)
            return 0;
        if ((header & 0xffff) == id)
            return offset;
        offset = header >> 20 & ~UINT32_C(3);
    }
    return 0;
}

void config_space_sriov(const uint8_t bytes[64], uint32_t offset, struct sriov_capability *sriov)
{
    *sriov = (struct sriov_capability){
        .offset = offset,
        .capabilities = dword(bytes + 0x04),
        .control = word(bytes + 0x08),
        .status = word(bytes + 0x0a),
        .initial_vfs = word(bytes + 0x0c),
        .total_vfs = word(bytes + 0x0e),
        .num_vfs = word(bytes + 0x10),
        .function_dependency_link = bytes[0x12],
        .first_vf_offset = word(bytes + 0x14),
        .vf_stride = word(bytes + 0x16),
        .vf_device_id = word(bytes + 0x1a),
        .supported_page_sizes = dword(bytes + 0x1c),
        .system_page_size = dword(bytes + 0x20),
    };
    for (size_t i = 0; i < 6; i++)
        sriov->vf_bar[i] = dword(bytes + 0x24 + 4 * i);
}

void config_space_serial(const uint8_t *config, size_t size, char text[CARD_SERIAL_MAX])
{
    uint32_t offset = config_space_extended(config, size, EXTENDED_SERIAL);

    text[0] = 0;
    if (offset && offset + 12 <= size)
        snprintf(text, CARD_SERIAL_MAX, "%08x%08x", dword(config + offset + 8),
                 dword(config + offset + 4));
}
