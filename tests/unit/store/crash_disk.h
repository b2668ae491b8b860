/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that loses power. The code under test works on a real directory; what it does to it is
 * recorded by link-time wrapping (-Wl,--wrap=…) of every call that changes a file or the directory.
 * A record is gone through operation by operation; between any two of them the power may go:
 *
 *   file       what was written before its last fsync or fdatasync is there; of each later write
 *              each sector (512 bytes or 4 KiB) may be there or not, in any order; its size may be
 *              the old one; a truncation may have happened or not
 *   directory  every creation, rename and removal before its last fsync is there; of the later ones
 *              each by itself may be there or not
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_NAME_MAX 256

enum disk_kind {
    DISK_WRITE,    /* inode, offset, size, data (NULL: zeros) */
    DISK_TRUNCATE, /* inode, size */
    DISK_EXTEND,   /* inode, size: not less than that; zeros */
    DISK_LINK,     /* inode, name */
    DISK_RENAME,   /* name, to */
    DISK_UNLINK,   /* name */
    DISK_SYNC,     /* inode */
    DISK_SYNC_DIRECTORY,
    DISK_MARK, /* no operation: mark, size and offset are the history's */
};

struct disk_operation {
    enum disk_kind kind;
    int inode;
    uint64_t offset, size;
    uint8_t *data;
    char name[DISK_NAME_MAX], to[DISK_NAME_MAX];
    int mark;
};

/* What happened, in order. */
struct disk_record {
    struct disk_operation *operations;
    size_t count, room;
};

/* What is on the disk, and what is only on its way there. */
struct disk;

struct disk *disk_new(void);
struct disk *disk_copy(const struct disk *disk);
void disk_free(struct disk *disk);

/* One operation more. It is pending until its file or directory is synced. The record must outlive
 * the disk. */
void disk_do(struct disk *disk, const struct disk_operation *operation);

/* How many operations are pending: on files, in the directory. */
size_t disk_pending(const struct disk *disk, size_t *in_directory);

/* How much of what is pending the power cut lets through. */
enum disk_fate {
    FATE_NONE,
    FATE_ALL,
    FATE_RANDOM,     /* each operation or not */
    FATE_LAST,       /* only the last one */
    FATE_NOT_ONE,    /* all but one */
    FATE_TORN_512,   /* each sector or not */
    FATE_TORN_4096,  /* each page or not */
    FATE_BEGINNINGS, /* of each write a beginning, in sectors */
    FATE_ENDS,       /* of each write an end, in sectors */
    FATES
};

/* The power goes: what was pending is there or gone for good. `old_sizes`: files that would have
 * grown have not. */
void disk_cut(struct disk *disk, enum disk_fate files, enum disk_fate directory, bool old_sizes);

/* Makes the files in an empty directory: as they are on disk after a cut, or as a process sees them
 * (`seen`), pending operations included. */
void disk_put(const struct disk *disk, int directory, bool seen);

/* Recording, of what is done in one directory from now on; the disk says which files it has already
 * (as put). */
void disk_record_begin(struct disk_record *record, const struct disk *disk);
void disk_record_mark(int mark, uint64_t size, uint64_t offset);
void disk_record_end(void);
void disk_record_free(struct disk_record *record);

/*
 * Places in the code that sync, numbered from 0 in the order in which they were first met; how
 * many. disk_sync_skip(n): the place n does nothing from now on, -1: none.
 */
size_t disk_sync_places(void);
const char *disk_sync_name(size_t place);
void disk_sync_skip(int place);
/* For the names: what the code was called for. */
extern const char *disk_caller;

/* Random numbers of the tests: the same ones for the same seed. */
extern uint64_t disk_seed;
uint64_t disk_random(uint64_t below);

/* Removes all files of a directory, unrecorded. */
void disk_clear(int directory);

/* Names of all files of a directory, in a new array that the caller frees. */
char (*disk_names(int directory, size_t *count))[DISK_NAME_MAX];
