/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/audit_recovery.h"

#define ASIDE_NAME_MAX (2 * AUDIT_NAME_MAX + 16)

struct cutting {
    int directory;
    uint64_t entry;
    bool doing; /* false: a plan */
    struct audit_cut *cut;
    struct audit_recovery recovery;
};

static int sync_directory(const struct cutting *cutting)
{
    return fsync(cutting->directory) < 0 ? -errno : 0;
}

/* A name that no file has: what an earlier cut kept aside stays. */
static void aside_name(const struct cutting *cutting, const char *rest, char name[ASIDE_NAME_MAX])
{
    snprintf(name, ASIDE_NAME_MAX, "cut.%020" PRIu64 "%s", cutting->entry, rest);
    for (unsigned i = 2; faccessat(cutting->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; i++)
        snprintf(name, ASIDE_NAME_MAX, "cut.%020" PRIu64 "%s.%u", cutting->entry, rest, i);
}

/* --- the end of the segment in which the entry is --------------------------------------------- */

static int copy(int from, uint64_t offset, uint64_t size, int to)
{
    uint8_t *bytes = malloc(size);

    if (!bytes)
        return -ENOMEM;
    ssize_t got = audit_read_at(from, bytes, size, offset);
    int error = got < 0 ? (int)got : audit_write_at(to, bytes, (size_t)got, 0);
    free(bytes);
    if (!error && fsync(to) < 0)
        error = -errno;
    return error;
}

static int keep_end(const struct cutting *cutting, uint64_t size)
{
    char name[ASIDE_NAME_MAX], name_new[ASIDE_NAME_MAX + 4];

    aside_name(cutting, "", name);
    snprintf(name_new, sizeof(name_new), "%s.new", name);
    int file = openat(cutting->directory, name_new,
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return -errno;
    int error = copy(cutting->recovery.file, cutting->recovery.end, size, file);
    close(file);
    if (!error && renameat(cutting->directory, name_new, cutting->directory, name) < 0)
        error = -errno;
    if (error)
        unlinkat(cutting->directory, name_new, 0);
    return error ? error : sync_directory(cutting);
}

/* How many bytes there are behind the place of the cut; 0 when they are but zeros. */
static int end_size(const struct cutting *cutting, uint64_t *size)
{
    const struct audit_recovery *recovery = &cutting->recovery;
    enum audit_rest rest;
    struct stat status;

    *size = 0;
    if (recovery->file < 0)
        return 0;
    uint64_t whole;
    int error = audit_rest_read(recovery->file, recovery->end, cutting->entry, &rest, &whole);
    if (error || rest == AUDIT_REST_ZEROS)
        return error;
    if (fstat(recovery->file, &status) < 0)
        return -errno;
    *size = (uint64_t)status.st_size - recovery->end;
    cutting->cut->lost += whole;
    cutting->cut->bytes += *size;
    cutting->cut->files++;
    return 0;
}

/* --- whole files ------------------------------------------------------------------------------ */

static int count_lost(const struct cutting *cutting, const char *name)
{
    int file = openat(cutting->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    enum audit_rest rest;
    uint64_t whole;

    if (file < 0)
        return -errno;
    int error = fstat(file, &status) < 0 ? -errno : 0;
    if (!error)
        error = audit_rest_read(file, AUDIT_SEGMENT_HEADER, cutting->entry, &rest, &whole);
    close(file);
    if (error)
        return error;
    cutting->cut->lost += whole;
    cutting->cut->bytes += (uint64_t)status.st_size;
    return 0;
}

static int set_aside(const struct cutting *cutting, const char *prefix, uint64_t number)
{
    char name[AUDIT_NAME_MAX], rest[AUDIT_NAME_MAX + 1], aside[ASIDE_NAME_MAX];

    audit_file_name(prefix, number, name);
    snprintf(rest, sizeof(rest), ".%s", name);
    aside_name(cutting, rest, aside);
    cutting->cut->files++;
    int error = strcmp(prefix, AUDIT_SEGMENT_PREFIX) == 0 ? count_lost(cutting, name) : 0;
    if (!error && cutting->doing &&
        renameat(cutting->directory, name, cutting->directory, aside) < 0)
        error = -errno;
    return error;
}

/* Newest first: what is left is a log without its end at each step. */
static int set_aside_from(const struct cutting *cutting, const char *prefix, uint64_t from)
{
    uint64_t *numbers;
    ssize_t count = audit_files_list(cutting->directory, prefix, &numbers);
    int error = 0;

    if (count < 0)
        return (int)count;
    while (!error && count-- && numbers[count] >= from) {
        error = set_aside(cutting, prefix, numbers[count]);
        if (!error && cutting->doing)
            error = sync_directory(cutting);
    }
    free(numbers);
    return error;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int find_place(struct cutting *cutting, struct audit_opened *opened)
{
    struct audit_recovery *recovery = &cutting->recovery;

    *opened = (struct audit_opened){0};
    if (cutting->entry == 0)
        return -ENOENT;
    if (cutting->entry == 1) /* nothing is left: nothing needs to be whole */
        return 0;
    *recovery = (struct audit_recovery){
        .directory = cutting->directory, .before = cutting->entry, .opened = opened, .file = -1};
    int error = audit_recovery_run(recovery);
    if (error == -EUCLEAN)
        return -ENODATA;
    if (!error && recovery->chain.next != cutting->entry)
        return -ENOENT;
    return error;
}

static int cut_all(struct cutting *cutting)
{
    uint64_t after = cutting->recovery.segment + 1, size;
    int error = end_size(cutting, &size);

    if (!error && cutting->doing && size)
        error = keep_end(cutting, size);
    if (!error)
        error = set_aside_from(cutting, AUDIT_SNAPSHOT_PREFIX, cutting->entry + 1);
    if (!error)
        error = set_aside_from(cutting, AUDIT_SEGMENT_PREFIX, after);
    if (error || !cutting->doing || !size)
        return error;
    if (ftruncate(cutting->recovery.file, (off_t)cutting->recovery.end) < 0 ||
        fsync(cutting->recovery.file) < 0)
        return -errno;
    return 0;
}

static int run(int directory, uint64_t entry, bool doing, struct audit_cut *cut,
               struct audit_opened *opened)
{
    struct cutting cutting = {.directory = directory,
                              .entry = entry,
                              .doing = doing,
                              .cut = cut,
                              .recovery = {.file = -1}};

    *cut = (struct audit_cut){.kept_last = entry - 1};
    int error = find_place(&cutting, opened);
    if (!error)
        error = cut_all(&cutting);
    audit_recovery_free(&cutting.recovery);
    return error;
}

int audit_cut_plan(int directory, uint64_t entry, struct audit_cut *cut,
                   struct audit_opened *opened)
{
    return run(directory, entry, false, cut, opened);
}

int audit_log_cut(int directory, uint64_t entry, struct audit_cut *cut, struct audit_opened *opened)
{
    return run(directory, entry, true, cut, opened);
}
