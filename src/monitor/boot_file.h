/* SPDX-License-Identifier: Apache-2.0 */
/* Reading kernel and initrd, regular files that lead opened, into the guest's memory. */
#pragma once

#include "memory.h"

/* -EINVAL: no regular file, or an empty one. */
int boot_file_size(int fd, uint64_t *size);

/* All of it. -EIO: the file is shorter. */
int boot_file_read(int fd, void *to, uint64_t size, uint64_t offset);

/* To a guest address. -ENOMEM: there is no such RAM; -EIO: the file is shorter. */
int boot_file_load(const struct guest_memory *memory, int fd, uint64_t gpa, uint64_t size,
                   uint64_t offset);

/*
 * Where an initrd of `size` bytes goes: as high as it can lie in low RAM, a page behind the kernel,
 * which ends at `after`, its last byte at most at `max`. 0 without one. -ENOMEM: kernel or initrd
 * do not fit below `ram_end`.
 */
int boot_file_place(uint64_t after, uint64_t max, uint64_t ram_end, uint64_t size, uint64_t *gpa);

/* Places and loads it. *size 0: there is none (`fd` -1). */
int boot_file_initrd(const struct guest_memory *memory, int fd, uint64_t after, uint64_t max,
                     uint64_t *gpa, uint64_t *size);
