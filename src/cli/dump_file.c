/* SPDX-License-Identifier: Apache-2.0 */
#include "dump_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_other(const char *path)
{
    struct stat status;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode))
        return fd;
    close(fd);
    return -EEXIST;
}

int dump_file_open(struct dump_file *file, const char *path)
{
    *file = (struct dump_file){.fd = -1, .path = path};
    if (!strcmp(path, "-")) {
        file->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return file->fd < 0 ? -errno : 0;
    }
    file->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    file->made = file->sparse = file->fd >= 0;
    if (file->fd < 0)
        file->fd = errno == EEXIST ? open_other(path) : -errno;
    return file->fd < 0 ? file->fd : 0;
}

static int write_all(struct dump_file *file, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;

    for (size_t done = 0; done < size;) {
        ssize_t got = file->sparse
                          ? pwrite(file->fd, from + done, size - done, (off_t)(file->at + done))
                          : write(file->fd, from + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        done += (size_t)got;
    }
    file->at += size;
    file->written += size;
    return 0;
}

static int write_zeros(struct dump_file *file, uint64_t size)
{
    static const uint8_t zeros[65536];
    int error = 0;

    while (size && !error) {
        size_t part = size < sizeof(zeros) ? (size_t)size : sizeof(zeros);
        error = write_all(file, zeros, part);
        size -= part;
    }
    return error;
}

int dump_file_write(struct dump_file *file, uint64_t offset, const void *bytes, size_t size)
{
    int error = 0;

    if (offset < file->at)
        return -EINVAL;
    if (file->sparse)
        file->at = offset;
    else
        error = write_zeros(file, offset - file->at);
    return error ? error : write_all(file, bytes, size);
}

int dump_file_extend(struct dump_file *file, uint64_t size)
{
    if (size <= file->at)
        return size == file->at ? 0 : -EINVAL;
    if (!file->sparse)
        return write_zeros(file, size - file->at);
    file->at = size;
    return ftruncate(file->fd, (off_t)size) < 0 ? -errno : 0;
}

int dump_file_close(struct dump_file *file, bool failed)
{
    int error = 0;

    if (file->fd < 0)
        return 0;
    if (file->made && !failed && fsync(file->fd) < 0)
        error = -errno;
    if (close(file->fd) < 0 && !error)
        error = -errno;
    if (file->made && (failed || error))
        unlink(file->path);
    file->fd = -1;
    return error;
}
