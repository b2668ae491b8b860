/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU's registers as gdb numbers them: those of org.gnu.gdb.i386.core and .segments (GDB manual,
 * "i386 Features"), and the control registers, which gdb only shows. Those of the floating-point
 * unit are not known to a session, and told so.
 */
#pragma once

#include "parclose/session.h"

#define GDB_REGISTERS_TEXT 2048 /* of all, in hexadecimal */

/* The target description, whole; its size without the NUL. */
const char *gdb_registers_xml(size_t *size);

/* All of them, as "g" answers; "xx" for each byte that is not known. How many characters. */
size_t gdb_registers_put(const struct session_registers *registers, char text[GDB_REGISTERS_TEXT]);

/* One, as "p" answers; 0: there is no such. */
size_t gdb_register_put(const struct session_registers *registers, uint64_t number,
                        char text[GDB_REGISTERS_TEXT]);

/* As "G" and "P" set them. False: no such register, not so many digits, or not to be set. What G
 * says of registers that cannot be set is not looked at. */
bool gdb_registers_get(struct kvm_regs *regs, const char *text);
bool gdb_register_get(struct kvm_regs *regs, uint64_t number, const char *text);
