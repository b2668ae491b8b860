/* SPDX-License-Identifier: Apache-2.0 */
#include "boot_file.h"

#include <errno.h>
#include <sys/stat.h>

#include "sys.h"

int boot_file_size(int fd, uint64_t *size)
{
    struct stat st = {.st_size = 0};
    long rc = sys_fstat(fd, &st);

    if (rc < 0)
        return (int)rc;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0)
        return -EINVAL;
    *size = (uint64_t)st.st_size;
    return 0;
}

int boot_file_read(int fd, void *to, uint64_t size, uint64_t offset)
{
    uint8_t *at = to;

    while (size) {
        long got = sys_pread(fd, at, size, offset);

        if (got <= 0)
            return got < 0 ? (int)got : -EIO; /* it became shorter meanwhile */
        at += got;
        offset += (uint64_t)got;
        size -= (uint64_t)got;
    }
    return 0;
}

/*
 * From the file's pages into the memfd's: half the time of a read into the mapping, where each page
 * is cleared first and costs a fault. Nobody else uses the memfd's file position.
 */
static int copy(int fd, uint64_t from, int memfd, uint64_t to, uint64_t size)
{
    long rc = sys_lseek(memfd, to);

    while (rc >= 0 && size) {
        rc = sys_sendfile(memfd, fd, &from, size);
        if (rc == 0)
            return -EIO; /* it became shorter meanwhile */
        if (rc > 0)
            size -= (uint64_t)rc;
    }
    return rc < 0 ? (int)rc : 0;
}

int boot_file_load(const struct guest_memory *memory, int fd, uint64_t gpa, uint64_t size,
                   uint64_t offset)
{
    uint8_t *to = memory_at(memory, (struct gpa){gpa}, size);
    int rc;

    if (!to)
        return -ENOMEM;
    rc = copy(fd, offset, memory->fd, (uint64_t)(to - memory->base), size);
    return rc == -EINVAL ? boot_file_read(fd, to, size, offset) : rc; /* hugetlbfs: no write */
}

int boot_file_place(uint64_t after, uint64_t max, uint64_t ram_end, uint64_t size, uint64_t *gpa)
{
    uint64_t top = max < ram_end ? max + 1 : ram_end;

    *gpa = 0;
    if (after > ram_end)
        return -ENOMEM;
    if (size == 0)
        return 0;
    if (size > top || top - size < after + 4096)
        return -ENOMEM;
    *gpa = (top - size) & ~UINT64_C(4095);
    return 0;
}

int boot_file_initrd(const struct guest_memory *memory, int fd, uint64_t after, uint64_t max,
                     uint64_t *gpa, uint64_t *size)
{
    int rc = 0;

    *size = 0;
    if (fd >= 0)
        rc = boot_file_size(fd, size);
    if (rc == 0)
        rc = boot_file_place(after, max, memory_extent(memory, 0).size, *size, gpa);
    if (rc == 0 && *size)
        rc = boot_file_load(memory, fd, *gpa, *size, 0);
    return rc;
}
