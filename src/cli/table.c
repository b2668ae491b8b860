/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CELL_MAX 512

struct table {
    size_t columns, cells_count, cells_size;
    char **cells; /* heads first; NULL: memory was short */
};

const char *printable(const char *text, char *to, size_t size)
{
    size_t i = 0;

    for (; text[i] && i + 1 < size; i++)
        to[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    to[i] = '\0';
    return to;
}

static void add(struct table *table, const char *text)
{
    char plain[CELL_MAX];

    if (table->cells_count == table->cells_size) {
        size_t size = table->cells_size ? table->cells_size * 2 : 64;
        char **cells = reallocarray(table->cells, size, sizeof(*cells));
        if (!cells)
            return;
        table->cells = cells;
        table->cells_size = size;
    }
    table->cells[table->cells_count++] = strdup(printable(text[0] ? text : "-", plain, CELL_MAX));
}

struct table *table_new(const char *const *heads)
{
    struct table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    while (heads[table->columns] && table->columns < TABLE_COLUMNS_MAX)
        add(table, heads[table->columns++]);
    return table;
}

void table_cell(struct table *table, const char *format, ...)
{
    char text[CELL_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (table)
        add(table, text);
}

/* Characters, not bytes: UTF-8's continuation bytes take no place. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static const char *cell(const struct table *table, size_t row, size_t column)
{
    const char *text = table->cells[row * table->columns + column];
    return text ? text : "?";
}

static void measure(const struct table *table, size_t rows, size_t *widths)
{
    for (size_t column = 0; column < table->columns; column++)
        for (size_t row = 0; row < rows; row++)
            if (width_of(cell(table, row, column)) > widths[column])
                widths[column] = width_of(cell(table, row, column));
}

/* At most `width` characters of the text; all for 0. */
static void print_cut(FILE *file, const char *text, size_t width)
{
    for (size_t seen = 0; *text; text++) {
        seen += ((unsigned char)*text & 0xc0) != 0x80;
        if (width && seen > width)
            return;
        fputc(*text, file);
    }
}

static void print_row(const struct table *table, FILE *file, size_t row, const size_t *widths,
                      unsigned width)
{
    size_t at = 0, last = table->columns - 1;

    for (size_t column = 0; column < last; column++) {
        const char *text = cell(table, row, column);
        fprintf(file, "%s%*s", text, (int)(widths[column] - width_of(text) + 2), "");
        at += widths[column] + 2;
    }
    print_cut(file, cell(table, row, last), width > at + 8 ? width - at : 0);
    fputc('\n', file);
}

void table_print(struct table *table, FILE *file, unsigned width)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};

    if (!table)
        return;
    size_t rows = table->columns ? table->cells_count / table->columns : 0;
    measure(table, rows, widths);
    for (size_t row = 0; row < rows; row++)
        print_row(table, file, row, widths, width);
    for (size_t i = 0; i < table->cells_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

unsigned terminal_width(void)
{
    struct winsize size;

    return isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? size.ws_col : 0;
}
