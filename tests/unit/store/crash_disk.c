/* SPDX-License-Identifier: Apache-2.0 */
#include "crash_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash_wrap.h"

#define NAMES_MAX  128
#define INODES_MAX 512

uint64_t disk_seed = 1;

/* xorshift64* (Vigna, 2016) */
uint64_t disk_random(uint64_t below)
{
    disk_seed ^= disk_seed >> 12;
    disk_seed ^= disk_seed << 25;
    disk_seed ^= disk_seed >> 27;
    return (disk_seed * UINT64_C(0x2545f4914f6cdd1d) >> 16) % below;
}

struct pending_one {
    const struct disk_operation *operation;
};

struct pending {
    struct pending_one *all;
    size_t count, room;
};

struct inode {
    uint8_t *bytes; /* beyond `used` there are zeros up to `size` */
    uint64_t used, size;
    struct pending pending;
};

struct name {
    char name[DISK_NAME_MAX];
    int inode;
};

struct names {
    struct name all[NAMES_MAX];
    size_t count;
};

struct disk {
    struct inode *inodes[INODES_MAX]; /* NULL: not met yet */
    struct names names;               /* durable */
    struct pending pending;           /* of the directory */
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void pending_add(struct pending *pending, const struct disk_operation *operation)
{
    if (pending->count == pending->room) {
        pending->room = pending->room ? pending->room * 2 : 16;
        pending->all = must(realloc(pending->all, pending->room * sizeof(*pending->all)));
    }
    pending->all[pending->count++].operation = operation;
}

static struct pending pending_copy(const struct pending *from)
{
    struct pending copy = {0};

    for (size_t i = 0; i < from->count; i++)
        pending_add(&copy, from->all[i].operation);
    return copy;
}

/* --- contents --------------------------------------------------------------------------------- */

static void inode_room(struct inode *inode, uint64_t to)
{
    if (to <= inode->used)
        return;
    inode->bytes = must(realloc(inode->bytes, to));
    memset(inode->bytes + inode->used, 0, to - inode->used);
    inode->used = to;
}

static void inode_write(struct inode *inode, const uint8_t *data, uint64_t offset, uint64_t size)
{
    if (data) {
        inode_room(inode, offset + size);
        memcpy((uint8_t *)must(inode->bytes) + offset, data, size);
    } else if (offset < inode->used) {
        uint64_t end = offset + size < inode->used ? offset + size : inode->used;
        memset(inode->bytes + offset, 0, end - offset);
    }
    if (inode->size < offset + size)
        inode->size = offset + size;
}

static void inode_resize(struct inode *inode, uint64_t size)
{
    if (inode->used > size)
        inode->used = size;
    inode->size = size;
}

static void inode_do(struct inode *inode, const struct disk_operation *operation)
{
    if (operation->kind == DISK_WRITE)
        inode_write(inode, operation->data, operation->offset, operation->size);
    else if (operation->kind == DISK_TRUNCATE || operation->size > inode->size)
        inode_resize(inode, operation->size);
}

/* The part [from, to) of a write, in the file's own offsets. */
static void inode_do_part(struct inode *inode, const struct disk_operation *operation,
                          uint64_t from, uint64_t to)
{
    uint64_t end = operation->offset + operation->size;

    if (from < operation->offset)
        from = operation->offset;
    if (to > end)
        to = end;
    if (from < to)
        inode_write(inode, operation->data ? operation->data + (from - operation->offset) : NULL,
                    from, to - from);
}

static void inode_tear(struct inode *inode, const struct disk_operation *operation, uint64_t grain)
{
    uint64_t end = operation->offset + operation->size;

    for (uint64_t at = operation->offset / grain * grain; at < end; at += grain)
        if (disk_random(2))
            inode_do_part(inode, operation, at, at + grain);
}

static void inode_do_somehow(struct inode *inode, const struct disk_operation *operation,
                             enum disk_fate fate)
{
    uint64_t sectors = operation->size / 512 + 2;
    uint64_t edge = (operation->offset / 512 + disk_random(sectors)) * 512;

    if (operation->kind != DISK_WRITE) {
        if (disk_random(2))
            inode_do(inode, operation);
    } else if (fate == FATE_TORN_512 || fate == FATE_TORN_4096) {
        inode_tear(inode, operation, fate == FATE_TORN_512 ? 512 : 4096);
    } else if (fate == FATE_BEGINNINGS) {
        inode_do_part(inode, operation, 0, edge);
    } else {
        inode_do_part(inode, operation, edge, UINT64_MAX);
    }
}

/* Which of `count` operations take place: bit by bit as asked. */
static bool happens(enum disk_fate fate, size_t index, size_t count, size_t chosen)
{
    switch (fate) {
    case FATE_NONE:
        return false;
    case FATE_RANDOM:
        return disk_random(2);
    case FATE_LAST:
        return index + 1 == count;
    case FATE_NOT_ONE:
        return index != chosen;
    default:
        return true;
    }
}

static void inode_cut(struct inode *inode, enum disk_fate fate, bool old_size)
{
    uint64_t size = inode->size;
    size_t count = inode->pending.count, chosen = count ? disk_random(count) : 0;

    for (size_t i = 0; i < count; i++) {
        if (fate >= FATE_TORN_512)
            inode_do_somehow(inode, inode->pending.all[i].operation, fate);
        else if (happens(fate, i, count, chosen))
            inode_do(inode, inode->pending.all[i].operation);
    }
    if (old_size && inode->size > size)
        inode_resize(inode, size);
    inode->pending.count = 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static struct name *names_find(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->all[i].name, name) == 0)
            return &names->all[i];
    return NULL;
}

static void names_set(struct names *names, const char *name, int inode)
{
    struct name *found = names_find(names, name);

    if (!found) {
        if (names->count == NAMES_MAX)
            abort();
        found = &names->all[names->count++];
        snprintf(found->name, sizeof(found->name), "%s", name);
    }
    found->inode = inode;
}

static void names_drop(struct names *names, const char *name)
{
    struct name *found = names_find(names, name);

    if (found)
        *found = names->all[--names->count];
}

static void names_do(struct names *names, const struct disk_operation *operation)
{
    if (operation->kind == DISK_LINK) {
        names_set(names, operation->name, operation->inode);
    } else if (operation->kind == DISK_UNLINK) {
        names_drop(names, operation->name);
    } else {
        names_drop(names, operation->name);
        names_set(names, operation->to, operation->inode);
    }
}

/* --- the disk --------------------------------------------------------------------------------- */

struct disk *disk_new(void)
{
    return must(calloc(1, sizeof(struct disk)));
}

static struct inode *inode_copy(const struct inode *from)
{
    struct inode *copy = must(calloc(1, sizeof(*copy)));

    inode_room(copy, from->used);
    if (from->used)
        memcpy(copy->bytes, from->bytes, from->used);
    copy->size = from->size;
    copy->pending = pending_copy(&from->pending);
    return copy;
}

struct disk *disk_copy(const struct disk *disk)
{
    struct disk *copy = disk_new();

    for (size_t i = 0; i < INODES_MAX; i++)
        if (disk->inodes[i])
            copy->inodes[i] = inode_copy(disk->inodes[i]);
    copy->names = disk->names;
    copy->pending = pending_copy(&disk->pending);
    return copy;
}

void disk_free(struct disk *disk)
{
    for (size_t i = 0; disk && i < INODES_MAX; i++) {
        if (!disk->inodes[i])
            continue;
        free(disk->inodes[i]->bytes);
        free(disk->inodes[i]->pending.all);
        free(disk->inodes[i]);
    }
    if (disk)
        free(disk->pending.all);
    free(disk);
}

static struct inode *inode_of(struct disk *disk, int number)
{
    if (number < 0 || number >= INODES_MAX)
        abort();
    if (!disk->inodes[number])
        disk->inodes[number] = must(calloc(1, sizeof(struct inode)));
    return disk->inodes[number];
}

void disk_do(struct disk *disk, const struct disk_operation *operation)
{
    switch (operation->kind) {
    case DISK_WRITE:
    case DISK_TRUNCATE:
    case DISK_EXTEND:
        pending_add(&inode_of(disk, operation->inode)->pending, operation);
        break;
    case DISK_LINK:
        inode_of(disk, operation->inode);
        pending_add(&disk->pending, operation);
        break;
    case DISK_RENAME:
    case DISK_UNLINK:
        pending_add(&disk->pending, operation);
        break;
    case DISK_SYNC:
        inode_cut(inode_of(disk, operation->inode), FATE_ALL, false);
        break;
    case DISK_SYNC_DIRECTORY:
        for (size_t i = 0; i < disk->pending.count; i++)
            names_do(&disk->names, disk->pending.all[i].operation);
        disk->pending.count = 0;
        break;
    case DISK_MARK:
        break;
    }
}

size_t disk_pending(const struct disk *disk, size_t *in_directory)
{
    size_t count = 0;

    for (size_t i = 0; i < INODES_MAX; i++)
        if (disk->inodes[i])
            count += disk->inodes[i]->pending.count;
    *in_directory = disk->pending.count;
    return count;
}

void disk_cut(struct disk *disk, enum disk_fate files, enum disk_fate directory, bool old_sizes)
{
    size_t count = disk->pending.count, chosen = count ? disk_random(count) : 0;

    for (size_t i = 0; i < INODES_MAX; i++)
        if (disk->inodes[i])
            inode_cut(disk->inodes[i], files, old_sizes);
    for (size_t i = 0; i < count; i++)
        if (happens(directory, i, count, chosen))
            names_do(&disk->names, disk->pending.all[i].operation);
    disk->pending.count = 0;
}

static void put_file(const struct inode *inode, int directory, const char *name)
{
    int file = real_openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (file < 0 || real_ftruncate(file, (off_t)inode->size) < 0 ||
        (inode->used && real_pwrite(file, inode->bytes, inode->used, 0) != (ssize_t)inode->used))
        abort();
    close(file);
}

static struct names seen_names(const struct disk *disk)
{
    struct names names = disk->names;

    for (size_t i = 0; i < disk->pending.count; i++)
        names_do(&names, disk->pending.all[i].operation);
    return names;
}

void disk_put(const struct disk *disk, int directory, bool seen)
{
    struct names names = seen ? seen_names(disk) : disk->names;

    for (size_t i = 0; i < names.count; i++) {
        struct inode *inode = inode_copy(disk->inodes[names.all[i].inode]);
        inode_cut(inode, seen ? FATE_ALL : FATE_NONE, false);
        put_file(inode, directory, names.all[i].name);
        free(inode->bytes);
        free(inode->pending.all);
        free(inode);
    }
}

char (*disk_names(int directory, size_t *count))[DISK_NAME_MAX]
{
    DIR *stream = fdopendir(real_openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
    char(*names)[DISK_NAME_MAX] = must(calloc(NAMES_MAX, DISK_NAME_MAX));
    const struct dirent *file;

    *count = 0;
    while ((file = readdir(must(stream))) && *count < NAMES_MAX)
        if (file->d_name[0] != '.')
            snprintf(names[(*count)++], DISK_NAME_MAX, "%s", file->d_name);
    closedir(stream);
    return names;
}

void disk_clear(int directory)
{
    size_t count;
    char(*names)[DISK_NAME_MAX] = disk_names(directory, &count);

    for (size_t i = 0; i < count; i++)
        real_unlinkat(directory, names[i], 0);
    free(names);
}

/* --- for the recorder: the names of a disk, as a process sees them ---------------------------- */

void disk_each_name(const struct disk *disk, void (*call)(const char *name, int inode))
{
    struct names names = seen_names(disk);

    for (size_t i = 0; i < names.count; i++)
        call(names.all[i].name, names.all[i].inode);
}

int disk_next_inode(const struct disk *disk)
{
    int next = 0;

    for (int i = 0; i < INODES_MAX; i++)
        if (disk->inodes[i])
            next = i + 1;
    return next;
}
