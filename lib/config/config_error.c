/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_error.h"

#include <stdarg.h>
#include <stdio.h>

void config_error_set(struct config_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    for (char *c = error->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
}
