/* SPDX-License-Identifier: Apache-2.0 */
/* Where a dump goes: a new regular file with holes for zeros, or a pipe without. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dump_file {
    int fd;
    bool sparse; /* it can be sought in */
    bool made;   /* by us: gone again when the dump fails */
    uint64_t at;
    uint64_t written; /* bytes that are no hole */
    const char *path;
};

/*
 * "-": standard output. Never over a file that is there: -EEXIST; a FIFO or a device is written to.
 * Readable by its owner only.
 */
int dump_file_open(struct dump_file *file, const char *path);

/* At `offset`, which never is before what was written; what is between is zeros. */
int dump_file_write(struct dump_file *file, uint64_t offset, const void *bytes, size_t size);

/* What is missing up to `size` is zeros. */
int dump_file_extend(struct dump_file *file, uint64_t size);

/* Whole and on its disk, or `failed` and gone. A negative errno. */
int dump_file_close(struct dump_file *file, bool failed);
