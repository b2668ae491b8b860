/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC32C (Castagnoli, polynomial 0x1EDC6F41, reflected; RFC 3720 appendix B.4): tells a torn or
 * damaged entry of the audit log from a whole one. Not a protection against people.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Goes on with `crc` (0 at first) over `size` bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same without the CPU's instruction for it, which crc32c() takes when there is one. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);
