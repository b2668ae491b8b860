/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

/* What open's errno means to the person who put the file there. */
static const char *open_problem(int error)
{
    switch (error) {
    case ENOENT:
        return "no such file";
    case ELOOP:
        return "is a symbolic link: a regular file is expected";
    case EACCES:
        return "may not be read: its mode should be 0644";
    default:
        return strerror(error);
    }
}

static int check_kind(int fd, const char *path, struct stat *stat, struct config_error *error)
{
    if (fstat(fd, stat) < 0)
        return -errno;
    if (!S_ISREG(stat->st_mode)) {
        config_error_set(error, "%s: is no regular file", path);
        return -EINVAL;
    }
    if (stat->st_size > CONFIG_FILE_MAX) {
        config_error_set(error, "%s: is %lld bytes long: at most %d are read", path,
                         (long long)stat->st_size, CONFIG_FILE_MAX);
        return -EFBIG;
    }
    return 0;
}

/* Reads what was there at fstat and no more; a file that shrinks meanwhile is just shorter. */
static int read_bytes(int fd, size_t size, struct config_text *text)
{
    text->bytes = malloc(size + 1);
    if (!text->bytes)
        return -ENOMEM;
    while (text->size < size) {
        ssize_t got = read(fd, text->bytes + text->size, size - text->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        text->size += (size_t)got;
    }
    text->bytes[text->size] = '\0';
    return 0;
}

int config_text_read(int dir, const char *path, struct config_text *text,
                     struct config_error *error)
{
    struct stat stat;

    *text = (struct config_text){0};
    error->text[0] = '\0';
    int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int open_error = errno;
        config_error_set(error, "%s: %s", path, open_problem(open_error));
        return -open_error;
    }
    int result = check_kind(fd, path, &stat, error);
    if (!result)
        result = read_bytes(fd, (size_t)stat.st_size, text);
    close(fd);
    if (result && !error->text[0])
        config_error_set(error, "%s: cannot be read: %s", path, strerror(-result));
    if (result)
        config_text_clear(text);
    return result;
}

void config_text_clear(struct config_text *text)
{
    free(text->bytes);
    *text = (struct config_text){0};
}

/* Length of the UTF-8 sequence at `bytes`; 0: there is none (RFC 3629: no surrogates, shortest). */
static size_t utf8_length(const unsigned char *bytes, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = bytes[0] < 0x80             ? 1
                    : (bytes[0] & 0xe0) == 0xc0 ? 2
                    : (bytes[0] & 0xf0) == 0xe0 ? 3
                    : (bytes[0] & 0xf8) == 0xf0 ? 4
                                                : 0;
    if (!length || length > left)
        return 0;
    uint32_t point = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[length] || point > 0x10ffff || surrogate ? 0 : length;
}

/* The counts that libxml2's own time and memory depend on. */
struct scan {
    unsigned line;
    unsigned tags;
    unsigned equals;
};

static int scan_byte(struct scan *scan, char byte, const char *file, struct config_error *error)
{
    scan->line += byte == '\n';
    scan->tags += byte == '<';
    scan->equals += byte == '=';
    if (scan->tags <= CONFIG_NODES_MAX && scan->equals <= CONFIG_EQUALS_MAX)
        return 0;
    config_error_set(error, "%s:%u: more than %d tags or %d attributes", file, scan->line,
                     CONFIG_NODES_MAX, CONFIG_EQUALS_MAX);
    return -EINVAL;
}

static int scan_characters(const char *file, const char *bytes, size_t size,
                           struct config_error *error)
{
    struct scan scan = {.line = 1};
    size_t length;

    for (size_t i = 0; i < size; i += length) {
        length = utf8_length((const unsigned char *)bytes + i, size - i);
        if (!length || !bytes[i]) {
            config_error_set(error, "%s:%u: is no UTF-8 text (byte %zu)", file, scan.line, i);
            return -EINVAL;
        }
        if (scan_byte(&scan, bytes[i], file, error))
            return -EINVAL;
    }
    return 0;
}

/*
 * The XML declaration may name no encoding but UTF-8: libxml2 is told to ignore it, because it
 * would have iconv load code for some of them.
 */
static int scan_declaration(const char *file, const char *bytes, size_t size,
                            struct config_error *error)
{
    size_t skip = size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
    const char *declaration = bytes + skip;
    const char *end = memmem(declaration, size - skip, "?>", 2);

    if (size - skip < 5 || memcmp(declaration, "<?xml", 5) != 0 || !end)
        return 0;
    const char *encoding = memmem(declaration, (size_t)(end - declaration), "encoding", 8);
    if (!encoding)
        return 0;
    encoding += 8;
    encoding += strspn(encoding, " \t\r\n=\"'");
    if (end - encoding >= 5 && !strncasecmp(encoding, "UTF-8", 5))
        return 0;
    config_error_set(error, "%s:1: its encoding must be UTF-8", file);
    return -EINVAL;
}

int config_text_scan(const char *file, const char *bytes, size_t size, struct config_error *error)
{
    if (size > CONFIG_FILE_MAX) {
        config_error_set(error, "%s: is %zu bytes long: at most %d are read", file, size,
                         CONFIG_FILE_MAX);
        return -EFBIG;
    }
    int result = scan_characters(file, bytes, size, error);
    return result ? result : scan_declaration(file, bytes, size, error);
}
