/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the two halves of the simulated disk: the calls as the C library has them, and what the
 * recorder must know of a disk.
 */
#pragma once

#include <sys/types.h>

struct disk;

int real_openat(int directory, const char *name, int flags, mode_t mode);
int real_ftruncate(int file, off_t size);
ssize_t real_pwrite(int file, const void *data, size_t size, off_t offset);
int real_unlinkat(int directory, const char *name, int flags);

/* Every file as a process sees the disk. */
void disk_each_name(const struct disk *disk, void (*call)(const char *name, int inode));

/* A number that no file of the disk has had, and no later one either. */
int disk_next_inode(const struct disk *disk);
