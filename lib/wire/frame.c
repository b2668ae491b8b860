/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTROL_SPACE CMSG_SPACE(sizeof(int) * WIRE_MAX_FDS)
#define ERROR_MAX     4095 /* the kernel's own bound, MAX_ERRNO */

struct wire_header frame_header(uint16_t type, size_t size, uint64_t id)
{
    return (struct wire_header){
        .version = WIRE_VERSION, .type = type, .size = (uint32_t)size, .id = id};
}

static void attach_files(struct msghdr *header, void *space, const int *files, size_t count)
{
    header->msg_control = space;
    header->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(control), files, sizeof(int) * count);
}

int frame_send(int socket, const void *message, const int *files, size_t files_count)
{
    const struct wire_header *wire = message;
    _Alignas(struct cmsghdr) char space[CONTROL_SPACE] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = wire->size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (wire->size < sizeof(*wire) || wire->size > WIRE_MAX || files_count > WIRE_MAX_FDS)
        return -EINVAL;
    if (files_count)
        attach_files(&header, space, files, files_count);
    ssize_t sent;
    do
        sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    return (size_t)sent == wire->size ? 0 : -EIO;
}

static void collect_files(struct frame *frame, struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && frame->files_count < WIRE_MAX_FDS; i++)
            memcpy(&frame->files[frame->files_count++], CMSG_DATA(c) + i * sizeof(int),
                   sizeof(int));
    }
}

static int header_ok(const struct frame *frame)
{
    return frame->size >= sizeof(struct wire_header) && frame->header.version == WIRE_VERSION &&
           frame->header.size == frame->size;
}

int frame_receive(int socket, struct frame *frame)
{
    _Alignas(struct cmsghdr) char space[CONTROL_SPACE];
    struct iovec part = {.iov_base = frame->bytes, .iov_len = sizeof(frame->bytes)};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};

    frame->files_count = 0;
    ssize_t got;
    do /* a peer that died without reading all is told of once, before what it said */
        got = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0)
        return -errno;
    collect_files(frame, &header);
    if (got == 0 && frame->files_count == 0)
        return 0;
    frame->size = (size_t)got;
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !header_ok(frame)) {
        frame_clear(frame);
        return -EBADMSG;
    }
    return 1;
}

static const struct frame_row *row_find(const struct frame_row *rows, size_t count, uint16_t type)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

int frame_dispatch(const struct frame_row *rows, size_t rows_count, unsigned state, void *context,
                   struct frame *frame)
{
    const struct frame_row *row = row_find(rows, rows_count, frame->header.type);

    if (!row || row->size != frame->size || frame->files_count < row->files_min ||
        frame->files_count > row->files_max)
        return -EBADMSG;
    if (!(row->permitted & (UINT32_C(1) << state)))
        return -EPERM;
    return row->handle(context, frame);
}

void frame_clear(struct frame *frame)
{
    for (size_t i = 0; i < frame->files_count; i++)
        if (frame->files[i] >= 0)
            close(frame->files[i]);
    frame->files_count = 0;
}

int frame_take(struct frame *frame, size_t index)
{
    int file = frame->files[index];
    frame->files[index] = -1;
    return file;
}

int frame_string_ok(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

int frame_error_ok(int32_t error)
{
    return error <= 0 && error >= -ERROR_MAX;
}
