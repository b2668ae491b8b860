/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <stdarg.h>

void metrics_family(FILE *file, const char *name, const char *type, const char *help)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_escaped(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", file);
        else if (*text == '\\' || *text == '"')
            fprintf(file, "\\%c", *text);
        else
            fputc(*text, file);
    }
}

void metrics_sample(FILE *file, const char *name, double value, ...)
{
    const char *label;
    char before = '{';
    va_list labels;

    fputs(name, file);
    va_start(labels, value);
    while ((label = va_arg(labels, const char *))) {
        fprintf(file, "%c%s=\"", before, label);
        put_escaped(file, va_arg(labels, const char *));
        fputc('"', file);
        before = ',';
    }
    va_end(labels);
    fprintf(file, "%s %.17g\n", before == ',' ? "}" : "", value);
}
