/* SPDX-License-Identifier: Apache-2.0 */
#include "inbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "sys.h"

static void take_files(struct inbox *inbox)
{
    struct msghdr *message = &inbox->message;

    inbox->files_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t count;

        if (c->cmsg_len < CMSG_LEN(0))
            return;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && inbox->files_count < WIRE_MAX_FDS; i++)
            memcpy(&inbox->files[inbox->files_count++], CMSG_DATA(c) + i * sizeof(int),
                   sizeof(int));
    }
}

static void take(struct inbox *inbox, uint32_t size)
{
    take_files(inbox);
    inbox->size = size;
    inbox->cut = inbox->message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    inbox->handled = false;
    inbox->pending = true;
    atomic_signal_fence(memory_order_seq_cst); /* one of the two is set at any time */
    inbox->receiving = false;
}

int inbox_receive(struct inbox *inbox, int link)
{
    long size;

    memset(&inbox->header, 0, sizeof(inbox->header));
    memset(inbox->control, 0, sizeof(inbox->control));
    inbox->files_count = 0;
    inbox->part = (struct iovec){inbox->bytes, sizeof(inbox->bytes)};
    inbox->message = (struct msghdr){.msg_iov = &inbox->part,
                                     .msg_iovlen = 1,
                                     .msg_control = inbox->control,
                                     .msg_controllen = sizeof(inbox->control)};
    inbox->receiving = true;
    size = sys_recvmsg(link, &inbox->message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size > 0)
        take(inbox, (uint32_t)size);
    inbox->receiving = false;
    return size > 0 ? 1 : (int)size;
}

void inbox_recover(struct inbox *inbox)
{
    if (inbox->receiving && !inbox->pending && inbox->header.size)
        take(inbox, inbox->header.size < WIRE_MAX ? inbox->header.size : WIRE_MAX);
    inbox->receiving = false;
}

/* Forgotten first: a number that is closed may be somebody else's a moment later. */
void inbox_close(struct inbox *inbox)
{
    for (uint32_t i = 0; i < inbox->files_count && i < WIRE_MAX_FDS; i++) {
        int file = inbox_take(inbox, i);

        atomic_signal_fence(memory_order_seq_cst);
        if (file >= 0)
            (void)sys_close(file);
    }
    inbox->files_count = 0;
    inbox->pending = false;
}
