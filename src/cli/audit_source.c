/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connection.h"

static void drop(struct audit_source *source)
{
    while (source->count)
        close(source->fds[--source->count]);
    free(source->fds);
    source->fds = NULL;
}

static int keep(struct audit_source *source, const int *fds, size_t count)
{
    drop(source);
    source->fds = calloc(count ? count : 1, sizeof(*fds));
    if (!source->fds)
        return -ENOMEM;
    memcpy(source->fds, fds, count * sizeof(*fds));
    source->count = count;
    return 0;
}

/* --- the service ------------------------------------------------------------------------------ */

/* 0 or a negative errno; with one, a refusal may be in *answer. */
static int fetch(struct audit_source *source, json_t **answer)
{
    struct files files = {.count = 0};
    json_t *request = request_new(source->cli, "audit", NULL);
    int error = ask_quietly(source->cli, request, answer, &files);

    if (!error && !files.count)
        error = -EPROTO;
    if (!error)
        error = keep(source, files.fds, files.count);
    if (!error)
        files.count = 0;
    files_close(&files);
    return error;
}

static int fetch_or_say(struct audit_source *source)
{
    json_t *answer = NULL;
    int error = fetch(source, &answer), code = CLI_OK;

    if (error && answer && !json_is_true(json_object_get(answer, "ok")))
        code = refused(source->cli, answer);
    else if (error)
        code = unreachable(source->cli, error);
    json_decref(answer);
    return code;
}

/* --- files ------------------------------------------------------------------------------------ */

static int open_segments(struct audit_source *source, int directory, const uint64_t *segments,
                         size_t count)
{
    char name[AUDIT_NAME_MAX];

    drop(source);
    source->fds = calloc(count ? count : 1, sizeof(*source->fds));
    if (!source->fds)
        return -ENOMEM;
    for (; source->count < count; source->count++) {
        audit_file_name(AUDIT_SEGMENT_PREFIX, segments[source->count], name);
        source->fds[source->count] = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (source->fds[source->count] < 0)
            return -errno;
    }
    return count ? 0 : -ENOENT;
}

static int open_directory(struct audit_source *source, int directory)
{
    uint64_t *segments;
    ssize_t count = audit_files_list(directory, AUDIT_SEGMENT_PREFIX, &segments);

    if (count < 0)
        return (int)count;
    int error = open_segments(source, directory, segments, (size_t)count);
    free(segments);
    return error;
}

static int open_path(struct audit_source *source)
{
    struct stat status;
    int file = open(source->path, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return -errno;
    int error = fstat(file, &status) < 0 ? -errno : 0;
    if (!error && S_ISDIR(status.st_mode)) {
        error = open_directory(source, file);
        close(file);
        return error;
    }
    if (!error)
        error = keep(source, &file, 1);
    if (error)
        close(file);
    return error;
}

/* --- both ------------------------------------------------------------------------------------- */

int audit_source_open(struct audit_source *source)
{
    if (!source->path)
        return fetch_or_say(source);
    int error = open_path(source);
    if (error == -ENOENT)
        cli_error("%s: there is no audit log (no file %s*)", source->path, AUDIT_SEGMENT_PREFIX);
    else if (error)
        cli_error("%s: %s", source->path, strerror(-error));
    return error ? CLI_FAILED : CLI_OK;
}

int audit_source_damaged(const struct audit_place *place)
{
    cli_error("the audit log is damaged: entry %" PRIu64 " %s (%s%020" PRIu64 ", byte %" PRIu64
              "); parclose(1) says how to go on, at `db cut`",
              place->entry, audit_damage_text(place->damage), AUDIT_SEGMENT_PREFIX, place->segment,
              place->offset);
    return CLI_FAILED;
}

static int say(int error, const struct audit_place *place)
{
    if (error == -EUCLEAN)
        return audit_source_damaged(place);
    if (error == -ENODATA)
        cli_error("entries from %" PRIu64 " on were deleted before they could be read",
                  place->entry);
    else if (error)
        cli_error("the audit log cannot be read: %s", strerror(-error));
    return error ? CLI_FAILED : CLI_OK;
}

int audit_source_reader(const struct audit_source *source, struct audit_reader **reader)
{
    struct audit_place place;

    return say(audit_reader_open(reader, source->fds, source->count, &place), &place);
}

int audit_source_renew(struct audit_source *source, struct audit_reader *reader)
{
    struct audit_place place;
    json_t *answer = NULL;
    int *old = source->fds;
    size_t old_count = source->count;

    source->fds = NULL; /* the reader borrows them until it has others */
    source->count = 0;
    int error = source->path ? open_path(source) : fetch(source, &answer);
    json_decref(answer);
    if (error) {
        drop(source);
        source->fds = old;
        source->count = old_count;
        return WATCH_ON;
    }
    int code = say(audit_reader_continue(reader, source->fds, source->count, &place), &place);
    while (old_count)
        close(old[--old_count]);
    free(old);
    return code;
}

void audit_source_close(struct audit_source *source)
{
    drop(source);
}
