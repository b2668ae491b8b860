/* SPDX-License-Identifier: Apache-2.0 */
#include "staged.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "write_all.h"

#define STAGED_NEW  PROPOSAL_STAGED ".new"
#define STAGED_LOCK PROPOSAL_STAGED ".lock"
#define PARTITIONS  "partitions"
#define RESTARTS    "restart" /* names, one a line */

static int open_folder(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int staged_lock(const char *config, int *lock)
{
    int error = 0, folder = open(config, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return -errno;
    *lock = openat(folder, STAGED_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*lock < 0 || flock(*lock, LOCK_EX | LOCK_NB) < 0)
        error = -errno;
    if (!error)
        return folder;
    if (*lock >= 0)
        close(*lock);
    *lock = -1;
    close(folder);
    return error;
}

uint64_t staged_id(int config)
{
    int folder = open_folder(config, PROPOSAL_STAGED), fd = -1;
    char text[17] = "";
    ssize_t got = 0;

    if (folder >= 0)
        fd = openat(folder, PROPOSAL_STAGED_ID, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        got = read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    return got == sizeof(text) - 1 ? strtoull(text, NULL, 16) : 0;
}

static int sync_folder(int fd)
{
    return fsync(fd) < 0 ? -errno : 0;
}

/* ---- every file of the folder and of its folder of partitions */

typedef int each_file(int config, int folder, const char *inner, const char *name);

/* Names first: what is done with a file may take it out of the folder. */
static int each_in(int config, int staged, const char *inner, each_file *act)
{
    int folder = open_folder(staged, inner), error = 0;
    struct dirent **names = NULL;

    if (folder < 0)
        return folder == -ENOENT ? 0 : folder;
    int count = scandirat(folder, ".", &names, NULL, alphasort);
    if (count < 0)
        error = -errno;
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        if (!error && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            strcmp(name, PROPOSAL_STAGED_ID) != 0 && strcmp(name, RESTARTS) != 0 &&
            strcmp(name, PARTITIONS) != 0)
            error = act(config, folder, inner, name);
        free(names[i]);
    }
    free(names);
    close(folder);
    return error;
}

static int each(int config, int staged, each_file *act)
{
    int error = each_in(config, staged, PARTITIONS, act);
    return error ? error : each_in(config, staged, ".", act);
}

static int drop(int config, int folder, const char *inner, const char *name)
{
    (void)config;
    (void)inner;
    return unlinkat(folder, name, 0) < 0 ? -errno : 0;
}

/* Empty but for its id by now. */
static int remove_folder(int config, int staged, const char *name)
{
    if (unlinkat(staged, PROPOSAL_STAGED_ID, 0) < 0 && errno != ENOENT)
        return -errno;
    int error = sync_folder(staged); /* before anything else of it can be missing */
    if (!error)
        error = each(config, staged, drop);
    if (!error && unlinkat(staged, RESTARTS, 0) < 0 && errno != ENOENT)
        error = -errno;
    if (!error && unlinkat(staged, PARTITIONS, AT_REMOVEDIR) < 0 && errno != ENOENT)
        error = -errno;
    if (!error && unlinkat(config, name, AT_REMOVEDIR) < 0)
        error = -errno;
    return error ? error : sync_folder(config);
}

static int remove_named(int config, const char *name)
{
    int staged = open_folder(config, name);

    if (staged < 0)
        return staged == -ENOENT ? 0 : staged;
    int error = remove_folder(config, staged, name);
    close(staged);
    return error;
}

int staged_remove(int config)
{
    return remove_named(config, PROPOSAL_STAGED);
}

/* ---- writing */

/* As the file is whose place it takes. */
static int like_old(int config, const char *path, int fd)
{
    struct stat old = {.st_mode = 0644, .st_uid = geteuid(), .st_gid = getegid()};

    if (fstatat(config, path, &old, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
        return -errno;
    if ((old.st_uid != geteuid() || old.st_gid != getegid()) &&
        fchown(fd, old.st_uid, old.st_gid) < 0)
        return -errno;
    return fchmod(fd, old.st_mode & 0777) < 0 ? -errno : 0;
}

static int write_file(int config, int staged, const char *path, const char *bytes, size_t size)
{
    int fd = openat(staged, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    int error = write_all(fd, bytes, size);
    if (!error)
        error = like_old(config, path, fd);
    if (!error && fsync(fd) < 0)
        error = -errno;
    close(fd);
    return error;
}

static int sync_partitions(int at)
{
    int folder = open_folder(at, PARTITIONS);
    int error = folder < 0 ? folder : sync_folder(folder);

    if (folder >= 0)
        close(folder);
    return error == -ENOENT ? 0 : error;
}

static int make_folder(int at, const char *name)
{
    if (mkdirat(at, name, 0755) < 0)
        return errno == EEXIST ? 0 : -errno;
    return fchmodat(at, name, 0755, 0) < 0 ? -errno : 0; /* whatever the umask is */
}

static int write_restarts(int config, int staged, const struct staged_restarts *restarts)
{
    char text[PROPOSAL_PARTITIONS_MAX * (PARCLOSE_NAME_MAX + 1) + 1] = "";

    for (uint32_t i = 0; i < restarts->count; i++) {
        strcat(text, restarts->names[i]);
        strcat(text, "\n");
    }
    return write_file(config, staged, RESTARTS, text, strlen(text));
}

void staged_restarts(int config, struct staged_restarts *restarts)
{
    int folder = open_folder(config, PROPOSAL_STAGED), fd = -1;
    char line[PARCLOSE_NAME_MAX];

    restarts->count = 0;
    if (folder >= 0)
        fd = openat(folder, RESTARTS, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    while (file && restarts->count < PROPOSAL_PARTITIONS_MAX && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        memcpy(restarts->names[restarts->count++], line, sizeof(line));
    }
    if (file)
        fclose(file);
    if (folder >= 0)
        close(folder);
}

static int fill(int config, int staged, const char *id, const struct staged_restarts *restarts,
                const struct proposal_texts *texts)
{
    int error = make_folder(staged, PARTITIONS);

    if (!error && restarts->count)
        error = write_restarts(config, staged, restarts);

    for (size_t i = 0; i < texts->count && !error; i++)
        error = write_file(config, staged, texts->files[i].path, texts->files[i].text.bytes,
                           texts->files[i].text.size);
    if (!error)
        error = write_file(config, staged, PROPOSAL_STAGED_ID, id, strlen(id));
    if (!error)
        error = sync_partitions(staged);
    return error ? error : sync_folder(staged);
}

int staged_write(int config, const char *id, const struct staged_restarts *restarts,
                 const struct proposal_texts *texts)
{
    int error = remove_named(config, STAGED_NEW);

    if (!error)
        error = make_folder(config, STAGED_NEW);
    int staged = error ? error : open_folder(config, STAGED_NEW);
    if (staged < 0)
        return staged;
    error = fill(config, staged, id, restarts, texts);
    close(staged);
    if (!error && renameat(config, STAGED_NEW, config, PROPOSAL_STAGED) < 0)
        error = -errno;
    return error ? error : sync_folder(config);
}

/* ---- to their places */

static int move(int config, int folder, const char *inner, const char *name)
{
    char path[NAME_MAX + sizeof(PARTITIONS) + 2];

    snprintf(path, sizeof(path), "%s/%s", inner, name);
    return renameat(folder, name, config, path) < 0 ? -errno : 0;
}

int staged_move(int config)
{
    int staged = open_folder(config, PROPOSAL_STAGED);

    if (staged < 0)
        return staged == -ENOENT ? 0 : staged;
    int error = make_folder(config, PARTITIONS);
    if (!error)
        error = each(config, staged, move);
    if (!error)
        error = sync_partitions(config);
    if (!error)
        error = sync_folder(config);
    if (!error)
        error = remove_folder(config, staged, PROPOSAL_STAGED);
    close(staged);
    return error;
}
