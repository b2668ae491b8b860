/* SPDX-License-Identifier: Apache-2.0 */
#include "aml.h"

#include <string.h>

/* Every length takes three bytes (lead byte 0x80: two more follow): up to 1 MiB, as for any size.
 */
#define LENGTH_BYTES 3

void aml_bytes(struct aml *aml, const void *bytes, size_t count)
{
    if (aml->full || count > aml->size - aml->length) {
        aml->full = true;
        return;
    }
    memcpy(aml->bytes + aml->length, bytes, count);
    aml->length += count;
}

void aml_number(struct aml *aml, uint64_t value, unsigned bytes)
{
    aml_bytes(aml, &value, bytes);
}

void aml_byte(struct aml *aml, unsigned byte)
{
    aml_number(aml, byte, 1);
}

void aml_name(struct aml *aml, const char *name)
{
    aml_bytes(aml, name, strlen(name));
}

void aml_name_integer(struct aml *aml, const char *name, uint32_t value)
{
    aml_byte(aml, 0x08); /* NameOp */
    aml_name(aml, name);
    aml_byte(aml, 0x0c); /* DWordPrefix */
    aml_number(aml, value, 4);
}

void aml_name_string(struct aml *aml, const char *name, const char *value)
{
    aml_byte(aml, 0x08);
    aml_name(aml, name);
    aml_byte(aml, 0x0d); /* StringPrefix */
    aml_bytes(aml, value, strlen(value) + 1);
}

static uint32_t hex_digit(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* ACPI 6.5, 19.3.4 EISAID: three letters of five bits, four hex digits, big endian. */
void aml_name_eisa(struct aml *aml, const char *name, const char id[7])
{
    uint32_t value = 0;

    for (int i = 0; i < 3; i++)
        value = value << 5 | (uint32_t)(id[i] - '@');
    for (int i = 3; i < 7; i++)
        value = value << 4 | hex_digit(id[i]);
    aml_name_integer(aml, name, __builtin_bswap32(value));
}

static size_t length_open(struct aml *aml)
{
    size_t start = aml->length;

    aml_number(aml, 0, LENGTH_BYTES);
    return start;
}

void aml_close(struct aml *aml, size_t start)
{
    size_t length = aml->length - start;

    if (aml->full)
        return;
    aml->bytes[start] = (uint8_t)(0x80 | (length & 15));
    aml->bytes[start + 1] = (uint8_t)(length >> 4);
    aml->bytes[start + 2] = (uint8_t)(length >> 12);
}

size_t aml_scope_open(struct aml *aml, const char *name)
{
    size_t start;

    aml_byte(aml, 0x10); /* ScopeOp */
    start = length_open(aml);
    aml_name(aml, name);
    return start;
}

size_t aml_device_open(struct aml *aml, const char *name)
{
    size_t start;

    aml_number(aml, 0x825b, 2); /* ExtOpPrefix, DeviceOp */
    start = length_open(aml);
    aml_name(aml, name);
    return start;
}

size_t aml_method_open(struct aml *aml, const char *name, unsigned arguments)
{
    size_t start;

    aml_byte(aml, 0x14); /* MethodOp */
    start = length_open(aml);
    aml_name(aml, name);
    aml_byte(aml, arguments | 0x08); /* serialized */
    return start;
}

size_t aml_package_open(struct aml *aml, const char *name, unsigned elements)
{
    size_t start;

    aml_byte(aml, 0x08);
    aml_name(aml, name);
    aml_byte(aml, 0x12); /* PackageOp */
    start = length_open(aml);
    aml_byte(aml, elements);
    return start;
}

static void integer(struct aml *aml, uint32_t value)
{
    aml_byte(aml, 0x0c); /* DWordPrefix */
    aml_number(aml, value, 4);
}

void aml_ports(struct aml *aml, const char *region, uint16_t port, const char *const names[],
               unsigned count)
{
    size_t field;

    aml_number(aml, 0x805b, 2); /* ExtOpPrefix, OpRegionOp */
    aml_name(aml, region);
    aml_byte(aml, 1); /* SystemIO */
    integer(aml, port);
    integer(aml, 4 * count);
    aml_number(aml, 0x815b, 2); /* ExtOpPrefix, FieldOp */
    field = length_open(aml);
    aml_name(aml, region);
    aml_byte(aml, 3); /* dword accesses, no lock, preserve */
    for (unsigned i = 0; i < count; i++) {
        aml_name(aml, names[i]);
        aml_byte(aml, 32); /* bits */
    }
    aml_close(aml, field);
}

void aml_take(struct aml *aml, const char *field, unsigned local)
{
    aml_byte(aml, 0x70); /* StoreOp */
    aml_name(aml, field);
    aml_byte(aml, 0x60 + local);
    aml_byte(aml, 0x70);
    aml_byte(aml, 0x60 + local);
    aml_name(aml, field);
}

void aml_set(struct aml *aml, const char *field, uint32_t value)
{
    aml_byte(aml, 0x70);
    integer(aml, value);
    aml_name(aml, field);
}

size_t aml_if_open(struct aml *aml, unsigned local, uint32_t mask)
{
    size_t start;

    aml_byte(aml, 0xa0); /* IfOp */
    start = length_open(aml);
    aml_byte(aml, 0x7b); /* AndOp */
    aml_byte(aml, 0x60 + local);
    integer(aml, mask);
    aml_byte(aml, 0); /* no target */
    return start;
}

void aml_notify(struct aml *aml, const char *device, unsigned value)
{
    aml_byte(aml, 0x86); /* NotifyOp */
    aml_name(aml, device);
    aml_byte(aml, 0x0a); /* BytePrefix */
    aml_byte(aml, value);
}

struct aml_resources aml_resources_open(struct aml *aml)
{
    struct aml_resources resources;

    aml_byte(aml, 0x08);
    aml_name(aml, "_CRS");
    aml_byte(aml, 0x11); /* BufferOp */
    resources.buffer = length_open(aml);
    aml_byte(aml, 0x0b); /* WordPrefix: the buffer's size */
    resources.length = aml->length;
    aml_number(aml, 0, 2);
    return resources;
}

void aml_resources_close(struct aml *aml, struct aml_resources resources)
{
    uint16_t length;

    aml_number(aml, 0x0079, 2); /* end tag, no checksum */
    if (aml->full)
        return;
    length = (uint16_t)(aml->length - resources.length - 2);
    memcpy(aml->bytes + resources.length, &length, 2);
    aml_close(aml, resources.buffer);
}

void aml_io(struct aml *aml, uint16_t port, uint8_t count)
{
    aml_number(aml, 0x0147, 2); /* I/O port, decodes 16 bits */
    aml_number(aml, port, 2);
    aml_number(aml, port, 2);
    aml_byte(aml, 1); /* alignment */
    aml_byte(aml, count);
}

void aml_irq(struct aml *aml, unsigned irq)
{
    aml_byte(aml, 0x22);
    aml_number(aml, UINT64_C(1) << irq, 2);
}

void aml_interrupt(struct aml *aml, uint32_t gsi)
{
    aml_byte(aml, 0x89);
    aml_number(aml, 6, 2);
    aml_byte(aml, 0x03); /* consumer, edge, active high, exclusive */
    aml_byte(aml, 1);
    aml_number(aml, gsi, 4);
}

void aml_memory32(struct aml *aml, uint32_t base, uint32_t size)
{
    aml_byte(aml, 0x86);
    aml_number(aml, 9, 2);
    aml_byte(aml, 1); /* read-write */
    aml_number(aml, base, 4);
    aml_number(aml, size, 4);
}

/* Address space descriptors: tag, length, type, general flags (fixed ends), type flags, range. */
static void window(struct aml *aml, unsigned tag, unsigned type, unsigned flags, uint64_t first,
                   uint64_t last)
{
    unsigned width = tag == 0x8a ? 8 : 2;

    aml_byte(aml, tag);
    aml_number(aml, 3 + 5 * width, 2);
    aml_byte(aml, type);
    aml_byte(aml, 0x0c);
    aml_byte(aml, flags);
    aml_number(aml, 0, width); /* granularity */
    aml_number(aml, first, width);
    aml_number(aml, last, width);
    aml_number(aml, 0, width); /* translation */
    aml_number(aml, last - first + 1, width);
}

void aml_window_bus(struct aml *aml, uint16_t first, uint16_t last)
{
    window(aml, 0x88, 2, 0, first, last);
}

void aml_window_io(struct aml *aml, uint16_t first, uint16_t last)
{
    window(aml, 0x88, 1, 3, first, last);
}

void aml_window_memory(struct aml *aml, uint64_t first, uint64_t size)
{
    window(aml, 0x8a, 0, 1, first, first + size - 1); /* not cacheable, read-write */
}
