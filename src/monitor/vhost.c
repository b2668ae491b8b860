/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sys.h"

#define VERSION           1u
#define FLAG_REPLY        4u
#define F_PROTOCOL        (UINT64_C(1) << 30)
#define PROTOCOL_CONFIG   (UINT64_C(1) << 9)
#define PROTOCOL_INFLIGHT (UINT64_C(1) << 12)
#define FILE_NONE         (-1)
#define CONFIG_HEAD       12
#define REPLIES_MOST      8 /* in one call: more than we can have asked for */

enum vhost_request {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    GET_VRING_BASE = 11,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    SET_VRING_ENABLE = 18,
    GET_CONFIG = 24,
    GET_INFLIGHT_FD = 31,
    SET_INFLIGHT_FD = 32,
};

_Static_assert(sizeof(struct vhost_header) == 12, "wire size");
_Static_assert(sizeof(struct vhost_inflight) == 24, "wire size");
_Static_assert(offsetof(struct vhost_message, word) == 12, "wire size");
_Static_assert(offsetof(struct vhost_message, config.bytes) == 24, "wire size");
_Static_assert(sizeof(((struct vhost_message *)0)->addresses) == 40, "wire size");

/* ---- what we say ---- */

/* The socket's buffer holds many times what is ever under way: no room is an error. */
static int say(const struct vhost *v, struct vhost_message *m, enum vhost_request request,
               uint32_t size, const int *files, unsigned count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(VHOST_REGIONS * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {m, sizeof(m->header) + size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    long rc;

    m->header = (struct vhost_header){request, VERSION, size};
    if (count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), files, count * sizeof(int));
    }
    rc = sys_sendmsg(v->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (rc < 0)
        return (int)rc;
    return rc == (long)iov.iov_len ? 0 : -EIO;
}

static int say_plain(const struct vhost *v, enum vhost_request request)
{
    struct vhost_message m;

    return say(v, &m, request, 0, NULL, 0);
}

static int say_word(const struct vhost *v, enum vhost_request request, uint64_t word)
{
    struct vhost_message m = {.word = word};

    return say(v, &m, request, sizeof(m.word), NULL, 0);
}

static int say_file(const struct vhost *v, enum vhost_request request, uint32_t queue, int file)
{
    struct vhost_message m = {.word = queue};

    return say(v, &m, request, sizeof(m.word), &file, 1);
}

static int say_queue(const struct vhost *v, enum vhost_request request, uint32_t index,
                     uint32_t value)
{
    struct vhost_message m = {.queue = {index, value}};

    return say(v, &m, request, sizeof(m.queue), NULL, 0);
}

static int say_config(const struct vhost *v)
{
    struct vhost_message m = {.config = {.size = v->config_size}};

    return say(v, &m, GET_CONFIG, CONFIG_HEAD + v->config_size, NULL, 0);
}

/* Both kinds of address of a region are the same: ours. */
static int say_memory(const struct vhost *v, const struct vhost_start *start)
{
    struct vhost_message m = {.memory = {0}};
    int files[VHOST_REGIONS];
    uint32_t count = 0;

    for (unsigned i = 0; i < VHOST_REGIONS; i++) {
        const struct vhost_region *r = &start->regions[i];

        if (!r->size)
            continue;
        m.memory.regions[count].guest = m.memory.regions[count].user = r->address;
        m.memory.regions[count].size = r->size;
        m.memory.regions[count].offset = r->offset;
        files[count++] = start->memory;
    }
    m.memory.count = count;
    return say(v, &m, SET_MEM_TABLE, 8 + count * (uint32_t)sizeof(m.memory.regions[0]), files,
               count);
}

static int say_inflight(const struct vhost *v, enum vhost_request request,
                        const struct vhost_inflight *inflight, int file)
{
    struct vhost_message m = {.inflight = *inflight};

    return say(v, &m, request, sizeof(m.inflight), &file, file >= 0);
}

static int start_queue(const struct vhost *v, uint32_t index, const struct vhost_queue *q)
{
    struct vhost_message m = {.addresses = {.index = index,
                                            .descriptors = q->addresses[0],
                                            .used = q->addresses[2],
                                            .available = q->addresses[1]}};
    int rc = say_queue(v, SET_VRING_NUM, index, q->size);

    if (rc == 0)
        rc = say_queue(v, SET_VRING_BASE, index, q->base);
    if (rc == 0)
        rc = say(v, &m, SET_VRING_ADDR, sizeof(m.addresses), NULL, 0);
    if (rc == 0)
        rc = say_file(v, SET_VRING_CALL, index, q->call);
    if (rc == 0)
        rc = say_file(v, SET_VRING_KICK, index, q->kick);
    return rc == 0 ? say_queue(v, SET_VRING_ENABLE, index, 1) : rc;
}

static void next(struct vhost *v, enum vhost_step step)
{
    atomic_signal_fence(memory_order_seq_cst);
    v->step = step;
    atomic_signal_fence(memory_order_seq_cst);
}

static int start_all(struct vhost *v)
{
    const struct vhost_start *start = &v->start;
    int rc = say_word(v, SET_FEATURES, start->features | F_PROTOCOL);

    if (rc == 0)
        rc = say_memory(v, start);
    if (rc == 0 && start->tracked && v->inflight_file >= 0)
        rc = say_inflight(v, SET_INFLIGHT_FD, &v->inflight, v->inflight_file);
    for (uint32_t i = 0; i < start->queues_count && rc == 0; i++)
        rc = start_queue(v, i, &start->queues[i]);
    if (rc == 0)
        next(v, VHOST_RUNNING);
    return rc;
}

/* ---- what the server says ---- */

static int on_features(struct vhost *v, const struct vhost_message *m)
{
    v->features = m->word & ~F_PROTOCOL;
    if (!(m->word & F_PROTOCOL))
        return -ENOTSUP;
    next(v, VHOST_PROTOCOL);
    return say_plain(v, GET_PROTOCOL_FEATURES);
}

static int on_protocol(struct vhost *v, const struct vhost_message *m)
{
    int rc;

    v->protocol = m->word & (PROTOCOL_CONFIG | PROTOCOL_INFLIGHT);
    if (v->config_size && !(v->protocol & PROTOCOL_CONFIG))
        return -ENOTSUP;
    next(v, VHOST_CONFIG);
    rc = say_word(v, SET_PROTOCOL_FEATURES, v->protocol);
    if (rc == 0 && v->config_size)
        return say_config(v);
    if (rc == 0)
        next(v, VHOST_READY);
    return rc;
}

static int on_config(struct vhost *v, const struct vhost_message *m)
{
    if (m->header.size != CONFIG_HEAD + v->config_size || m->config.size != v->config_size)
        return -EPROTO;
    memcpy(v->config, m->config.bytes, v->config_size);
    next(v, VHOST_READY);
    return 0;
}

/* The file is the server's own: it goes back as it came, and is never mapped here. */
static int on_inflight(struct vhost *v, const struct vhost_message *m)
{
    if (v->reply_file < 0)
        return -EPROTO;
    v->inflight = m->inflight;
    v->inflight_file = v->reply_file;
    v->reply_file = FILE_NONE;
    next(v, VHOST_STARTING);
    return start_all(v);
}

static int on_base(struct vhost *v, const struct vhost_message *m)
{
    (void)m;
    if (--v->answers == 0)
        next(v, VHOST_READY);
    return 0;
}

/* What may come, by step. */
static const struct {
    uint32_t request, size; /* 0: the handler knows */
    int (*handle)(struct vhost *, const struct vhost_message *);
} rows[] = {
    [VHOST_FEATURES] = {GET_FEATURES, 8, on_features},
    [VHOST_PROTOCOL] = {GET_PROTOCOL_FEATURES, 8, on_protocol},
    [VHOST_CONFIG] = {GET_CONFIG, 0, on_config},
    [VHOST_TRACKING] = {GET_INFLIGHT_FD, sizeof(struct vhost_inflight), on_inflight},
    [VHOST_STOPPING] = {GET_VRING_BASE, 8, on_base},
};

static int handle(struct vhost *v)
{
    const struct vhost_message *m = &v->reply;

    if (v->step >= sizeof(rows) / sizeof(rows[0]) || !rows[v->step].handle)
        return -EPROTO;
    if (m->header.request != rows[v->step].request || m->header.flags != (VERSION | FLAG_REPLY) ||
        (rows[v->step].size && m->header.size != rows[v->step].size))
        return -EPROTO;
    return rows[v->step].handle(v, m);
}

static void close_reply_file(struct vhost *v)
{
    if (v->reply_file >= 0)
        (void)sys_close(v->reply_file);
    v->reply_file = FILE_NONE;
}

/* One file at most is kept; what does not fit is closed by the kernel. */
static int take_file(struct vhost *v, struct msghdr *message)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);

    if (message->msg_flags & MSG_CTRUNC)
        return -EPROTO;
    if (!c)
        return 0;
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return -EPROTO;
    if (v->reply_file >= 0)
        close_reply_file(v);
    memcpy(&v->reply_file, CMSG_DATA(c), sizeof(int));
    return 0;
}

/* Up to `most` bytes of the message. 1: some came; -EAGAIN; -EPIPE: the server is gone. */
static int receive(struct vhost *v, uint32_t most)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {(uint8_t *)&v->reply + v->received, most - v->received};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    long size = sys_recvmsg(v->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int rc;

    if (size <= 0)
        return size ? (int)size : -EPIPE;
    rc = take_file(v, &message);
    v->received += (uint32_t)size;
    return rc < 0 ? rc : 1;
}

/* 1: v->reply is whole. */
static int receive_message(struct vhost *v)
{
    const uint32_t head = sizeof(struct vhost_header);
    int rc;

    while (v->received < head) {
        rc = receive(v, head);
        if (rc < 0)
            return rc;
    }
    if (v->reply.header.size > sizeof(v->reply) - head)
        return -EPROTO;
    while (v->received < head + v->reply.header.size) {
        rc = receive(v, head + v->reply.header.size);
        if (rc < 0)
            return rc;
    }
    return 1;
}

int vhost_serve(struct vhost *v)
{
    int rc;

    for (unsigned i = 0; i < REPLIES_MOST; i++) {
        rc = receive_message(v);
        if (rc < 0)
            return rc == -EAGAIN || rc == -EINTR ? 0 : rc;
        rc = handle(v);
        v->received = 0;
        close_reply_file(v);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- the connection ---- */

void vhost_init(struct vhost *v, uint32_t config_size)
{
    *v = (struct vhost){.fd = FILE_NONE,
                        .config_size = config_size,
                        .reply_file = FILE_NONE,
                        .inflight_file = FILE_NONE};
}

int vhost_begin(struct vhost *v, int fd)
{
    int rc;

    v->received = 0;
    v->fd = fd;
    next(v, VHOST_FEATURES);
    rc = say_plain(v, SET_OWNER);
    return rc == 0 ? say_plain(v, GET_FEATURES) : rc;
}

int vhost_start(struct vhost *v, const struct vhost_start *start)
{
    struct vhost_inflight wish = {.queues_count = (uint16_t)start->queues_count,
                                  .queue_size = (uint16_t)start->queues[0].size};

    v->start = *start;
    if (start->tracked && vhost_tracks(v) && v->inflight_file < 0) {
        next(v, VHOST_TRACKING);
        return say_inflight(v, GET_INFLIGHT_FD, &wish, FILE_NONE);
    }
    next(v, VHOST_STARTING);
    return start_all(v);
}

int vhost_stop(struct vhost *v)
{
    int rc = 0;

    v->answers = v->start.queues_count;
    next(v, VHOST_STOPPING);
    for (uint32_t i = 0; i < v->start.queues_count && rc == 0; i++)
        rc = say_queue(v, GET_VRING_BASE, i, 0);
    return rc;
}

/* Forgotten before their numbers are free: a new main must not close another's. */
static void forget_file(int *place)
{
    int fd = *place;

    *place = FILE_NONE;
    atomic_signal_fence(memory_order_seq_cst);
    if (fd >= 0)
        (void)sys_close(fd);
}

void vhost_drop(struct vhost *v)
{
    next(v, VHOST_NONE);
    forget_file(&v->fd);
    forget_file(&v->reply_file);
}

void vhost_forget(struct vhost *v)
{
    forget_file(&v->inflight_file);
}

bool vhost_rests(const struct vhost *v)
{
    return v->step == VHOST_NONE || v->step == VHOST_READY || v->step == VHOST_RUNNING;
}

bool vhost_tracks(const struct vhost *v)
{
    return v->protocol & PROTOCOL_INFLIGHT;
}
