/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gdb's requests that reach into the guest: rows of gdb.c's table. `at` is what follows the
 * request's letters. Each leaves its answer in gdb->answer, and returns 0 or more, or the errno of
 * what went wrong, which the answer tells, too.
 */
#pragma once

#include "gdb.h"

long gdb_on_registers(struct gdb *gdb, const char *at);     /* g */
long gdb_on_registers_set(struct gdb *gdb, const char *at); /* G */
long gdb_on_register(struct gdb *gdb, const char *at);      /* p */
long gdb_on_register_set(struct gdb *gdb, const char *at);  /* P */
long gdb_on_read(struct gdb *gdb, const char *at);          /* m */
long gdb_on_write(struct gdb *gdb, const char *at);         /* M */
long gdb_on_write_binary(struct gdb *gdb, const char *at);  /* X */
long gdb_on_break(struct gdb *gdb, const char *at);         /* Z */
long gdb_on_unbreak(struct gdb *gdb, const char *at);       /* z */

/* ---- gdb.c's, for them ---- */

/* "Exx", or "OK" when it is no error. */
void gdb_say_error(struct gdb *gdb, long error);
void gdb_say_done(struct gdb *gdb, long error);

/* Asks the monitor, as session_ask() does; _plain: of the vCPU that gdb looks at, without data. */
long gdb_ask(struct gdb *gdb, struct session_request *request, const void *data, size_t data_size,
             void *out, size_t size);
long gdb_ask_plain(struct gdb *gdb, uint16_t type, uint32_t flags, uint64_t address, uint64_t size);
