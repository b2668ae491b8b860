/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people: columns as wide as their widest cell; on a terminal the last one is cut at its
 * edge. Cells show no control characters, whatever is in them.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12

struct table;

/* `heads`: NULL-terminated, at most TABLE_COLUMNS_MAX. NULL: no memory. */
struct table *table_new(const char *const *heads);

/* The next cell, row by row; NULL is "-". */
__attribute__((format(printf, 2, 3))) void table_cell(struct table *table, const char *format, ...);

/* `width` 0: as wide as it gets. Frees it. */
void table_print(struct table *table, FILE *file, unsigned width);

/* Of standard output; 0: it is no terminal. */
unsigned terminal_width(void);

/* Copies text, '?' for control characters. Returns `to`. */
const char *printable(const char *text, char *to, size_t size);
