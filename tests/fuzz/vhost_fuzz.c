/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front end of vhost-user: the input is what the server says, in pieces of the length that each
 * piece begins with. Whenever the queues can be started or stopped, they are. Whatever comes, the
 * structure stays sound and no file is left over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int good)
{
    if (!good)
        abort();
}

static const struct vhost_start start = {
    .features = 1,
    .memory = STDIN_FILENO,
    .tracked = true,
    .queues_count = 2,
    .regions = {{0x1000, 0x1000, 0}},
    .queues = {{8, 0, {0x1000, 0x1100, 0x1200}, 0, 0}, {8, 0, {0x1000, 0x1100, 0x1200}, 0, 0}}};

/* What the front end says is not looked at. */
static void drain(int server)
{
    char bytes[4096];

    while (recv(server, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
}

static int push(struct vhost *v, int server)
{
    int rc = vhost_serve(v);

    drain(server);
    check(v->received <= sizeof(v->reply));
    check(v->step <= VHOST_STOPPING);
    if (rc == 0 && v->step == VHOST_READY)
        rc = vhost_start(v, &start);
    else if (rc == 0 && v->step == VHOST_RUNNING)
        rc = vhost_stop(v);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vhost v;
    int pair[2], rc;

    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    vhost_init(&v, size % 2 ? VHOST_CONFIG_MAX : 0);
    rc = vhost_begin(&v, pair[0]);
    while (size > 1 && rc == 0) {
        size_t piece = data[0] < size - 1 ? data[0] : size - 1;

        check(send(pair[1], data + 1, piece, MSG_NOSIGNAL) == (ssize_t)piece);
        data += 1 + piece;
        size -= 1 + piece;
        rc = push(&v, pair[1]);
    }
    vhost_drop(&v);
    vhost_forget(&v);
    close(pair[1]);
    check(fcntl(pair[0], F_GETFD) < 0 && errno == EBADF);
    return 0;
}
