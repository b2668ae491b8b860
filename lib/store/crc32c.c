/* SPDX-License-Identifier: Apache-2.0 */
#include "store/crc32c.h"

#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL UINT32_C(0x82f63b78) /* 0x1EDC6F41, bits reversed */

static uint32_t table[256];

static void table_fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ POLYNOMIAL : value >> 1;
        table[i] = value;
    }
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if (!table[1])
        table_fill();
    crc = ~crc;
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
    return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(uint32_t crc, const void *data,
                                                                     size_t size)
{
    const uint8_t *bytes = data;
    uint64_t value = ~crc;

    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        value = __builtin_ia32_crc32di(value, word);
    }
    for (; size; size--)
        value = __builtin_ia32_crc32qi((uint32_t)value, *bytes++);
    return ~(uint32_t)value;
}

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t crc32c_instruction(uint32_t crc, const void *data, size_t size)
{
    return crc32c_portable(crc, data, size);
}

static bool has_instruction(void)
{
    return false;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return has_instruction() ? crc32c_instruction(crc, data, size)
                             : crc32c_portable(crc, data, size);
}
