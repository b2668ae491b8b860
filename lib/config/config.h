/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads host.xml and partitions/NAME.xml into the structures of parclose/config.h.
 *
 * A file is hostile until it has passed all of: regular and no symbolic link; at most
 * CONFIG_FILE_MAX bytes; UTF-8; no DOCTYPE; bounded depth and number of nodes; its XSD; the checks
 * of config_check.h. Nothing is fetched, no entity but XML's own five is ever expanded.
 *
 * Functions that read return 0 or: -ENOENT no such file, -EFBIG too large, -ELOOP a symbolic link,
 * -EINVAL its content, or another errno of open and read. `error` then says it in one line.
 */
#pragma once

#include <stddef.h>

#include "config/config_check.h"
#include "config/config_error.h"

#define CONFIG_FILE_MAX   1048576
#define CONFIG_DEPTH_MAX  16
#define CONFIG_NODES_MAX  4096  /* tags, comments and the like */
#define CONFIG_EQUALS_MAX 16384 /* '=' in the file: bounds the number of attributes */

/* The schemas, parsed once: opens no file, so it works before and after a sandbox's seal. */
struct config_reader;

int config_reader_new(struct config_reader **reader);
void config_reader_free(struct config_reader *reader); /* NULL is fine */

/* From memory; `file` is for messages. `host` NULL: cards are not checked. */
int config_host_parse(const struct config_reader *reader, const char *file, const char *text,
                      size_t size, struct host_config *host, struct config_error *error);
int config_partition_parse(const struct config_reader *reader, const char *file, const char *name,
                           const char *text, size_t size, const struct host_config *host,
                           struct partition_config *partition, struct config_error *error);

/* From the configuration directory `dir` (O_PATH suffices). */
int config_host_read(const struct config_reader *reader, int dir, struct host_config *host,
                     struct config_error *error);
int config_partition_read(const struct config_reader *reader, int dir, const char *name,
                          const struct host_config *host, struct partition_config *partition,
                          struct config_error *error);

/* The names of partitions/NAME.xml, sorted. Other files than *.xml and hidden ones do not count. */
struct config_names {
    size_t count;
    char names[PARCLOSE_MAX_PARTITIONS][PARCLOSE_NAME_MAX];
    size_t bad_count;        /* *.xml whose name no partition can have, or too many */
    struct config_error bad; /* about the first of them */
};

/* 0 also when there is no folder partitions: then there are none. */
int config_partition_names(int dir, struct config_names *names, struct config_error *error);
