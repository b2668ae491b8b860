/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU writes to its standard error: into the log, line by line, so many and no more; the last
 * line is kept, because it says why QEMU ended.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define COMPLAINT_MAX   128
#define COMPLAINT_LINES 64 /* in the log */

struct complaint {
    int pipe; /* our end; -1: none */
    uint32_t lines;
    size_t used;
    char line[COMPLAINT_MAX]; /* the one that is coming */
    char last[COMPLAINT_MAX]; /* printable; "": none */
};

/* Reads what there is; at its end closes the pipe. */
void complaint_read(struct complaint *complaint);

/* Takes bytes as they come. */
void complaint_add(struct complaint *complaint, const char *bytes, size_t size);
