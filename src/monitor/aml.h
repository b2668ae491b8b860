/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small writer of AML, ACPI's byte code (ACPI 6.5, chapter 20), just what our DSDT needs.
 * Writes into a fixed buffer; once it is full nothing more is written and `full` says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
    uint8_t *bytes;
    size_t size; /* of the buffer */
    size_t length;
    bool full;
};

void aml_bytes(struct aml *aml, const void *bytes, size_t count);
void aml_byte(struct aml *aml, unsigned byte);
void aml_number(struct aml *aml, uint64_t value, unsigned bytes); /* little endian */

/* Named objects; name: four characters, or a "\\"-prefixed root name. */
void aml_name(struct aml *aml, const char *name);
void aml_name_integer(struct aml *aml, const char *name, uint32_t value);
void aml_name_string(struct aml *aml, const char *name, const char *value);
void aml_name_eisa(struct aml *aml, const char *name, const char id[7]);

/* A block with a length: open returns where it starts, close fills the length in. */
size_t aml_scope_open(struct aml *aml, const char *name);
size_t aml_device_open(struct aml *aml, const char *name);
size_t aml_method_open(struct aml *aml, const char *name, unsigned arguments);
size_t aml_package_open(struct aml *aml, const char *name, unsigned elements);
void aml_close(struct aml *aml, size_t start);

/* A region of I/O ports with a field of dwords over all of it; names: four characters each. */
void aml_ports(struct aml *aml, const char *region, uint16_t port, const char *const names[],
               unsigned count);

/* Code of methods. local: 0..7. Take reads a field into a local and writes the value back. */
void aml_take(struct aml *aml, const char *field, unsigned local);
void aml_set(struct aml *aml, const char *field, uint32_t value);
size_t aml_if_open(struct aml *aml, unsigned local, uint32_t mask); /* if (local & mask) */
void aml_notify(struct aml *aml, const char *device, unsigned value);

/* Resource templates (ACPI 6.5, 6.4): _CRS of a device; open, descriptors, close. */
struct aml_resources {
    size_t buffer; /* start of the block */
    size_t length; /* where the buffer's length goes */
};
struct aml_resources aml_resources_open(struct aml *aml);
void aml_resources_close(struct aml *aml, struct aml_resources resources);
void aml_io(struct aml *aml, uint16_t port, uint8_t count);
void aml_irq(struct aml *aml, unsigned irq);       /* ISA: edge, active high */
void aml_interrupt(struct aml *aml, uint32_t gsi); /* extended: edge, active high, exclusive */
void aml_memory32(struct aml *aml, uint32_t base, uint32_t size);
void aml_window_bus(struct aml *aml, uint16_t first, uint16_t last);
void aml_window_io(struct aml *aml, uint16_t first, uint16_t last);
void aml_window_memory(struct aml *aml, uint64_t first, uint64_t size);
