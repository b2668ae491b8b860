/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file's bytes before any parser sees them: reads it under its limits, and looks for what no
 * parser should be given at all.
 */
#pragma once

#include <stddef.h>

#include "config/config_error.h"

struct config_text {
    char *bytes; /* NUL after the last */
    size_t size;
};

/*
 * Reads `path` in directory `dir`: a regular file, no symbolic link at its end, at most
 * CONFIG_FILE_MAX bytes by fstat before anything is read. 0, or as config.h says.
 */
int config_text_read(int dir, const char *path, struct config_text *text,
                     struct config_error *error);

void config_text_clear(struct config_text *text);

/* -EINVAL when it is too large, not UTF-8, declares another encoding, or has too many tags or '='.
 */
int config_text_scan(const char *file, const char *bytes, size_t size, struct config_error *error);
