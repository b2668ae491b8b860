/* SPDX-License-Identifier: Apache-2.0 */
#include "inbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "sys.h"

static void take_files(struct inbox *inbox, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count && inbox->files_count < WIRE_MAX_FDS; i++)
            memcpy(&inbox->files[inbox->files_count++], CMSG_DATA(c) + i * sizeof(int),
                   sizeof(int));
    }
}

int inbox_receive(struct inbox *inbox, int link)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {inbox->bytes, sizeof(inbox->bytes)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    long size = sys_recvmsg(link, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    inbox->files_count = 0;
    if (size <= 0)
        return (int)size;
    take_files(inbox, &message);
    inbox->size = (uint32_t)size;
    inbox->cut = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    inbox->pending = true;
    return 1;
}

void inbox_close(struct inbox *inbox)
{
    for (uint32_t i = 0; i < inbox->files_count; i++)
        if (inbox->files[i] >= 0)
            (void)sys_close(inbox->files[i]);
    inbox->files_count = 0;
    inbox->pending = false;
}
