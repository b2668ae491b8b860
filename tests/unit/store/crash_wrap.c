/* SPDX-License-Identifier: Apache-2.0 */
/* Every call by which the log changes its directory comes by here (-Wl,--wrap). */
#include "crash_wrap.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash_disk.h"

#define FILES_MAX  1024
#define PLACES_MAX 64
#define NAMES_MAX  256

int __real_openat64(int directory, const char *name, int flags, ...);
int __real_ftruncate64(int file, off_t size);
int __real_fallocate64(int file, int mode, off_t offset, off_t size);
ssize_t __real_pwrite64(int file, const void *data, size_t size, off_t offset);
int __real_unlinkat(int directory, const char *name, int flags);
int __real_renameat(int from, const char *name, int to, const char *new_name);

int __wrap_openat64(int directory, const char *name, int flags, ...);
int __wrap_ftruncate64(int file, off_t size);
int __wrap_fallocate64(int file, int mode, off_t offset, off_t size);
ssize_t __wrap_pwrite64(int file, const void *data, size_t size, off_t offset);
int __wrap_unlinkat(int directory, const char *name, int flags);
int __wrap_renameat(int from, const char *name, int to, const char *new_name);
int __wrap_fsync(int file);
int __wrap_fdatasync(int file);

static struct disk_record *recording; /* NULL: calls pass */
static int next_inode;
static struct {
    char name[DISK_NAME_MAX];
    int inode;
} names[NAMES_MAX];
static size_t names_count;
static int inode_of_file[FILES_MAX];

static struct {
    const void *caller;
    char name[512];
} places[PLACES_MAX];
static size_t places_count;
static int skipped = -1;
const char *disk_caller = "";

int real_openat(int directory, const char *name, int flags, mode_t mode)
{
    return __real_openat64(directory, name, flags, mode);
}

int real_ftruncate(int file, off_t size)
{
    return __real_ftruncate64(file, size);
}

ssize_t real_pwrite(int file, const void *data, size_t size, off_t offset)
{
    return __real_pwrite64(file, data, size, offset);
}

int real_unlinkat(int directory, const char *name, int flags)
{
    return __real_unlinkat(directory, name, flags);
}

/* --- the record ------------------------------------------------------------------------------- */

static struct disk_operation *record(enum disk_kind kind)
{
    if (recording->count == recording->room) {
        recording->room = recording->room ? recording->room * 2 : 256;
        recording->operations =
            realloc(recording->operations, recording->room * sizeof(*recording->operations));
        if (!recording->operations)
            abort();
    }
    struct disk_operation *operation = &recording->operations[recording->count++];
    *operation = (struct disk_operation){.kind = kind, .inode = -1};
    return operation;
}

static int *name_inode(const char *name)
{
    for (size_t i = 0; i < names_count; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i].inode;
    return NULL;
}

static void name_add(const char *name, int inode)
{
    if (names_count == NAMES_MAX)
        abort();
    snprintf(names[names_count].name, DISK_NAME_MAX, "%s", name);
    names[names_count++].inode = inode;
}

static void name_drop(const char *name)
{
    for (size_t i = 0; i < names_count; i++)
        if (strcmp(names[i].name, name) == 0)
            names[i--] = names[--names_count];
}

void disk_record_begin(struct disk_record *record_to, const struct disk *disk)
{
    recording = record_to;
    names_count = 0;
    next_inode = disk_next_inode(disk);
    disk_each_name(disk, name_add);
}

void disk_record_mark(int mark, uint64_t size, uint64_t offset)
{
    if (!recording)
        return;
    struct disk_operation *operation = record(DISK_MARK);
    operation->mark = mark;
    operation->size = size;
    operation->offset = offset;
}

void disk_record_end(void)
{
    recording = NULL;
}

void disk_record_free(struct disk_record *done)
{
    for (size_t i = 0; i < done->count; i++)
        free(done->operations[i].data);
    free(done->operations);
    *done = (struct disk_record){0};
}

/* --- the calls -------------------------------------------------------------------------------- */

int __wrap_openat64(int directory, const char *name, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    va_start(arguments, flags);
    if (flags & O_CREAT)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    int file = __real_openat64(directory, name, flags, mode);
    if (!recording || file < 0 || file >= FILES_MAX || (flags & O_DIRECTORY))
        return file;
    const int *known = name_inode(name);
    if (!known) {
        struct disk_operation *operation = record(DISK_LINK);
        operation->inode = next_inode;
        snprintf(operation->name, DISK_NAME_MAX, "%s", name);
        name_add(name, next_inode++);
    } else if (flags & O_TRUNC) {
        struct disk_operation *operation = record(DISK_TRUNCATE);
        operation->inode = *known;
    }
    inode_of_file[file] = *name_inode(name);
    return file;
}

int __wrap_ftruncate64(int file, off_t size)
{
    int result = __real_ftruncate64(file, size);

    if (recording && result == 0) {
        struct disk_operation *operation = record(DISK_TRUNCATE);
        operation->inode = inode_of_file[file];
        operation->size = (uint64_t)size;
    }
    return result;
}

int __wrap_fallocate64(int file, int mode, off_t offset, off_t size)
{
    int result = __real_fallocate64(file, mode, offset, size);

    if (recording && result == 0) {
        struct disk_operation *operation = record(DISK_EXTEND);
        operation->inode = inode_of_file[file];
        operation->size = (uint64_t)(offset + size);
    }
    return result;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

ssize_t __wrap_pwrite64(int file, const void *data, size_t size, off_t offset)
{
    ssize_t done = __real_pwrite64(file, data, size, offset);

    if (recording && done > 0) {
        struct disk_operation *operation = record(DISK_WRITE);
        operation->inode = inode_of_file[file];
        operation->offset = (uint64_t)offset;
        operation->size = (uint64_t)done;
        if (!all_zero(data, (size_t)done)) {
            operation->data = malloc((size_t)done);
            if (!operation->data)
                abort();
            memcpy(operation->data, data, (size_t)done);
        }
    }
    return done;
}

int __wrap_unlinkat(int directory, const char *name, int flags)
{
    int result = __real_unlinkat(directory, name, flags);

    if (recording && result == 0) {
        snprintf(record(DISK_UNLINK)->name, DISK_NAME_MAX, "%s", name);
        name_drop(name);
    }
    return result;
}

int __wrap_renameat(int from, const char *name, int to, const char *new_name)
{
    int result = __real_renameat(from, name, to, new_name);

    if (recording && result == 0) {
        struct disk_operation *operation = record(DISK_RENAME);
        operation->inode = *name_inode(name);
        snprintf(operation->name, DISK_NAME_MAX, "%s", name);
        snprintf(operation->to, DISK_NAME_MAX, "%s", new_name);
        name_drop(name);
        name_drop(new_name);
        name_add(new_name, operation->inode);
    }
    return result;
}

/* --- syncs, and the mutants that leave one out ------------------------------------------------ */

static const char *name_of_inode(int inode)
{
    for (size_t i = 0; i < names_count; i++)
        if (names[i].inode == inode)
            return names[i].name;
    return "?";
}

/* "audit.0000…7.new" and "audit.0000…9.new" are one kind of file. */
static void kind_of(const char *name, char *kind, size_t size)
{
    size_t length = 0;

    for (const char *c = name; *c && length + 1 < size; c++)
        if (*c < '0' || *c > '9')
            kind[length++] = *c;
        else if (length == 0 || kind[length - 1] != 'N')
            kind[length++] = 'N';
    kind[length] = 0;
}

static int place_of(const void *caller, const char *call, const char *target)
{
    char kind[DISK_NAME_MAX];

    for (size_t i = 0; i < places_count; i++)
        if (places[i].caller == caller)
            return (int)i;
    if (places_count == PLACES_MAX)
        abort();
    kind_of(target, kind, sizeof(kind));
    places[places_count].caller = caller;
    snprintf(places[places_count].name, sizeof(places[0].name), "%s of %s in %s", call, kind,
             disk_caller);
    return (int)places_count++;
}

static int sync_call(int file, const char *call, const void *caller)
{
    struct stat status;

    if (!recording)
        return 0; /* the files are in memory anyway */
    if (fstat(file, &status) < 0)
        abort();
    bool directory = S_ISDIR(status.st_mode);
    const char *target = directory ? "the directory" : name_of_inode(inode_of_file[file]);
    if (place_of(caller, call, target) == skipped)
        return 0;
    struct disk_operation *operation = record(directory ? DISK_SYNC_DIRECTORY : DISK_SYNC);
    if (!directory)
        operation->inode = inode_of_file[file];
    return 0;
}

int __wrap_fsync(int file)
{
    return sync_call(file, "fsync", __builtin_return_address(0));
}

int __wrap_fdatasync(int file)
{
    return sync_call(file, "fdatasync", __builtin_return_address(0));
}

size_t disk_sync_places(void)
{
    return places_count;
}

const char *disk_sync_name(size_t place)
{
    return places[place].name;
}

void disk_sync_skip(int place)
{
    skipped = place;
}
