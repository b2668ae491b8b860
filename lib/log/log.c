/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *log_name = "parclose";

void log_open(const char *name)
{
    log_name = name;
}

/* Control characters would let a guest or a file forge lines. */
static void make_printable(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[512];
    int start = snprintf(line, sizeof(line), "<%d>%s: ", level, log_name);
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line + start, sizeof(line) - (size_t)start - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    size_t end = (size_t)start + (size_t)length;
    if (end > sizeof(line) - 2)
        end = sizeof(line) - 2;
    make_printable(line + start, end - (size_t)start);
    line[end++] = '\n';
    /* A log that cannot be written must not stop the process that writes it. */
    ssize_t ignored = write(STDERR_FILENO, line, end);
    (void)ignored;
}
