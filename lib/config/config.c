/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_read.h"
#include "config/config_schema.h"
#include "config/config_text.h"

#define PARTITIONS_FOLDER "partitions"
#define FILES_MAX         (4 * PARCLOSE_MAX_PARTITIONS) /* entries of that folder that are looked at */

struct config_reader {
    xmlSchema *host;
    xmlSchema *partition;
};

int config_reader_new(struct config_reader **result)
{
    struct config_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return -ENOMEM;
    xmlInitParser();
    reader->host = xml_schema_new(schema_host);
    reader->partition = xml_schema_new(schema_partition);
    if (!reader->host || !reader->partition) {
        config_reader_free(reader);
        return -ENOMEM;
    }
    *result = reader;
    return 0;
}

void config_reader_free(struct config_reader *reader)
{
    if (!reader)
        return;
    xmlSchemaFree(reader->host);
    xmlSchemaFree(reader->partition);
    free(reader);
}

int config_host_parse(const struct config_reader *reader, const char *file, const char *text,
                      size_t size, struct host_config *host, struct config_error *error)
{
    const struct xml_source source = {.file = file, .error = error};
    xmlDoc *document;
    int result = xml_document_parse(&source, text, size, reader->host, &document);

    if (!result)
        result = host_document_read(&source, xmlDocGetRootElement(document), host);
    xmlFreeDoc(document);
    return result;
}

int config_partition_parse(const struct config_reader *reader, const char *file, const char *name,
                           const char *text, size_t size, const struct host_config *host,
                           struct partition_config *partition, struct config_error *error)
{
    const struct xml_source source = {.file = file, .error = error};
    xmlDoc *document;
    int result = xml_document_parse(&source, text, size, reader->partition, &document);

    if (!result)
        result =
            partition_document_read(&source, xmlDocGetRootElement(document), name, host, partition);
    xmlFreeDoc(document);
    return result;
}

int config_host_read(const struct config_reader *reader, int dir, struct host_config *host,
                     struct config_error *error)
{
    struct config_text text;
    int result = config_text_read(dir, "host.xml", &text, error);

    if (!result)
        result = config_host_parse(reader, "host.xml", text.bytes, text.size, host, error);
    config_text_clear(&text);
    return result;
}

int config_partition_read(const struct config_reader *reader, int dir, const char *name,
                          const struct host_config *host, struct partition_config *partition,
                          struct config_error *error)
{
    char path[sizeof(PARTITIONS_FOLDER) + PARCLOSE_NAME_MAX + 8];
    struct config_text text;

    snprintf(path, sizeof(path), PARTITIONS_FOLDER "/%.*s.xml", PARCLOSE_NAME_MAX - 1, name);
    int result = config_text_read(dir, path, &text, error);
    if (!result)
        result = config_partition_parse(reader, path, name, text.bytes, text.size, host, partition,
                                        error);
    config_text_clear(&text);
    return result;
}

static void note_bad(struct config_names *names, const char *file, const char *what)
{
    if (!names->bad_count++)
        config_error_set(&names->bad, PARTITIONS_FOLDER "/%s: %s", file, what);
}

/* In order. Not qsort(): for more than a kilobyte it asks the system how much memory there is,
 * which a sandbox does not permit. */
static void insert(struct config_names *names, const char name[PARCLOSE_NAME_MAX])
{
    size_t at = names->count++;

    for (; at && strcmp(names->names[at - 1], name) > 0; at--)
        memcpy(names->names[at], names->names[at - 1], PARCLOSE_NAME_MAX);
    memcpy(names->names[at], name, PARCLOSE_NAME_MAX);
}

static void take_entry(struct config_names *names, const char *file)
{
    char name[PARCLOSE_NAME_MAX] = "";
    size_t length = strlen(file);

    if (file[0] == '.' || length < 4 || strcmp(file + length - 4, ".xml") != 0)
        return;
    if (length - 4 < sizeof(name))
        snprintf(name, sizeof(name), "%.*s", (int)(length - 4), file);
    if (!config_name_ok(name))
        note_bad(names, file, "its name must be [a-z][a-z0-9-]*.xml, at most 31 characters");
    else if (names->count == PARCLOSE_MAX_PARTITIONS)
        note_bad(names, file, "there are more partitions than the 4096 that are possible");
    else
        insert(names, name);
}

static DIR *open_folder(int dir)
{
    int fd = openat(dir, PARTITIONS_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);

    if (!folder && fd >= 0)
        close(fd);
    return folder;
}

int config_partition_names(int dir, struct config_names *names, struct config_error *error)
{
    memset(names, 0, sizeof(*names));
    DIR *folder = open_folder(dir);
    if (!folder && errno == ENOENT)
        return 0;
    if (!folder) {
        int result = -errno;
        config_error_set(error, PARTITIONS_FOLDER ": cannot be read: %s", strerror(-result));
        return result;
    }
    const struct dirent *entry;
    for (int i = 0; i < FILES_MAX && (entry = readdir(folder)); i++)
        take_entry(names, entry->d_name);
    closedir(folder);
    return 0;
}
