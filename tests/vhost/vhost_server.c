/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost-user server of the tests' own, on the device's side of lib/ring. One process, one
 * connection at a time a socket:
 *
 *   vhost-server [--delay MS] PORT…     PORT: network:SOCKET | console:SOCKET | block:SOCKET:FILE
 *
 *   network   a hub: what one port sends, all others get; no buffer there: dropped
 *   console   what the guest says it hears; no buffer there: dropped
 *   block     a disk of the file's size. Requests of a batch are held for MS, then done last first:
 *             a kill catches some in flight. Which those are is tracked in memory that the other
 *             side keeps (VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD).
 *
 * It trusts nobody with its own memory and everybody with its exit: on nonsense it says what and
 * ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ring/ring.h"
#include "vhost.h"

#define PORTS    8
#define QUEUES   2
#define F_WANTED (UINT64_C(1) << 32 | UINT64_C(1) << 30)
#define F_FLUSH  (UINT64_C(1) << 9)
#define TRACKING (UINT64_C(1) << 12)
#define CONFIG   (UINT64_C(1) << 9)
#define SECTOR   512
#define PACKET   65600

/* Which heads are in flight, in what order they were taken. `used` and `last`: the ring's index as
 * it was before the last head was given back; if it is another now, the guest has that one. */
struct track {
    uint64_t taken;
    uint16_t used[QUEUES], last[QUEUES];
    uint64_t heads[QUEUES][RING_SIZE_MAX];
};

struct queue {
    struct ring_place place;
    struct ring ring;
    bool on;
    uint16_t seen, done;
    int kick, call;
};

struct port {
    const char *socket;
    bool console;
    int file; /* a disk; -1: a network or a console */
    uint64_t sectors;
    int listener, fd;
    struct ring_memory memory;
    struct track *track;
    struct queue queues[QUEUES];
};

static struct port ports[PORTS];
static unsigned ports_count, delay_ms;
static struct ring_chain chain;

__attribute__((noreturn)) static void fail(const char *what)
{
    fprintf(stderr, "vhost-server: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- queues ---- */

static void call(const struct queue *q)
{
    if (ring_publish_used(&q->ring, q->done))
        eventfd_write(q->call, 1);
}

static bool take(struct port *p, struct queue *q, uint16_t *head)
{
    int rc = q->on ? ring_take(&q->ring, q->seen, head) : 0;

    if (rc == 1)
        rc = ring_chain(&q->ring, &p->memory, *head, &chain) < 0 ? -EPROTO : 1;
    if (rc < 0)
        fail("ring");
    q->seen += rc == 1;
    return rc == 1;
}

static size_t copy_parts(const struct port *p, bool writable, uint8_t *bytes, size_t size)
{
    size_t done = 0;

    for (uint32_t i = 0; i < chain.count; i++) {
        const struct ring_part *part = &chain.parts[i];
        void *at = ring_memory_at(&p->memory, part->address, part->size);
        size_t n = part->size < size - done ? part->size : size - done;

        if (!at)
            fail("part");
        if (part->writable != writable)
            continue;
        if (writable)
            memcpy(at, bytes + done, n);
        else
            memcpy(bytes + done, at, n);
        done += n;
    }
    return done;
}

/* ---- network, console ---- */

static void deliver(struct port *to, uint8_t *packet, size_t size)
{
    struct queue *q = &to->queues[0];
    uint16_t head;

    if (!take(to, q, &head))
        return;
    if (!to->console)
        packet[10] = 1; /* of one buffer */
    ring_give(&q->ring, q->done++, head, (uint32_t)copy_parts(to, true, packet, size));
    call(q);
}

static void run_network(struct port *p)
{
    static uint8_t packet[PACKET];
    struct queue *q = &p->queues[1];
    uint16_t head;

    while (take(p, q, &head)) {
        size_t size = copy_parts(p, false, packet, sizeof(packet));

        for (unsigned i = 0; i < ports_count; i++)
            if (&ports[i] != p && ports[i].file < 0 && !ports[i].console)
                deliver(&ports[i], packet, size);
        ring_give(&q->ring, q->done++, head, 0);
    }
    if (q->on)
        call(q);
}

static void run_console(struct port *p)
{
    static uint8_t bytes[PACKET];
    struct queue *q = &p->queues[1];
    uint16_t head;

    while (take(p, q, &head)) {
        size_t size = copy_parts(p, false, bytes, sizeof(bytes));

        ring_give(&q->ring, q->done++, head, 0);
        call(q); /* first: what has been heard is not said again to the next server */
        deliver(p, bytes, size);
    }
}

/* ---- block (virtio 1.2, 5.2.6) ---- */

struct request {
    uint32_t type, reserved;
    uint64_t sector;
};

static uint32_t carry_out(const struct port *p)
{
    static uint8_t out[sizeof(struct request) + (4 << 20)], in[(4 << 20) + 1];
    struct request *r = (struct request *)out;
    size_t sent = copy_parts(p, false, out, sizeof(out)), data = sent - sizeof(*r), wanted = 0;
    ssize_t rc = 0;

    for (uint32_t i = 0; i < chain.count; i++)
        wanted += chain.parts[i].writable ? chain.parts[i].size : 0;
    if (sent < sizeof(*r) || wanted < 1 || wanted > sizeof(in))
        fail("request");
    if (r->type == 1)
        rc = pwrite(p->file, out + sizeof(*r), data, (off_t)(r->sector * SECTOR)) - (ssize_t)data;
    else if (r->type == 0)
        rc = pread(p->file, in, wanted - 1, (off_t)(r->sector * SECTOR)) - (ssize_t)(wanted - 1);
    else if (r->type == 4)
        rc = fdatasync(p->file);
    in[wanted - 1] = rc ? 1 : r->type == 0 || r->type == 1 || r->type == 4 ? 0 : 2;
    return (uint32_t)copy_parts(p, true, in, wanted);
}

static void finish(struct port *p, struct queue *q, uint16_t head)
{
    if (ring_chain(&q->ring, &p->memory, head, &chain) < 0)
        fail("chain");
    if (p->track) {
        p->track->last[q - p->queues] = head;
        p->track->used[q - p->queues] = q->done;
    }
    ring_give(&q->ring, q->done++, head, carry_out(p));
    call(q);
    if (!p->track)
        return;
    p->track->heads[q - p->queues][head] = 0;
    p->track->used[q - p->queues] = q->done; /* before the guest's next use of the head is taken */
}

static void run_block(struct port *p, struct queue *q)
{
    uint16_t heads[RING_SIZE_MAX];
    unsigned n = 0;

    while (n < RING_SIZE_MAX && take(p, q, &heads[n])) {
        if (p->track)
            p->track->heads[q - p->queues][heads[n]] = ++p->track->taken;
        n++;
    }
    if (n && delay_ms)
        usleep(delay_ms * 1000);
    while (n--)
        finish(p, q, heads[n]);
}

/* What the last server had taken and not given back, oldest first. */
static void resubmit(struct port *p, struct queue *q)
{
    uint64_t *heads = p->track->heads[q - p->queues];
    uint16_t last = p->track->last[q - p->queues];

    if (p->track->used[q - p->queues] != q->done)
        heads[last] = 0;
    for (;;) {
        int oldest = -1;

        for (int i = 0; i < RING_SIZE_MAX; i++)
            if (heads[i] && (oldest < 0 || heads[i] < heads[oldest]))
                oldest = i;
        if (oldest < 0)
            return;
        fprintf(stderr, "vhost-server: resubmitted %d\n", oldest);
        q->seen++;
        finish(p, q, (uint16_t)oldest);
    }
}

static void run(struct port *p)
{
    if (p->console)
        run_console(p);
    else if (p->file < 0)
        run_network(p);
    else
        run_block(p, &p->queues[0]);
}

/* ---- the protocol ---- */

static void reply(const struct port *p, struct vhost_message *m, uint32_t size, int file)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {m, sizeof(m->header) + size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    m->header.flags = 5;
    m->header.size = size;
    if (file >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &file, sizeof(int));
    }
    if (sendmsg(p->fd, &message, MSG_NOSIGNAL) < 0)
        fail("reply");
}

static void map_memory(struct port *p, const struct vhost_message *m, const int *files)
{
    p->memory.count = 0;
    for (uint32_t i = 0; i < m->memory.count && i < VHOST_REGIONS; i++) {
        void *at = mmap(NULL, m->memory.regions[i].size, PROT_READ | PROT_WRITE, MAP_SHARED,
                        files[i], (off_t)m->memory.regions[i].offset);

        if (at == MAP_FAILED)
            fail("memory");
        p->memory.regions[p->memory.count++] =
            (struct ring_region){m->memory.regions[i].guest, m->memory.regions[i].size, at};
    }
}

static void map_track(struct port *p, int file)
{
    p->track = mmap(NULL, sizeof(*p->track), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (p->track == MAP_FAILED)
        fail("tracking");
}

static void give_track(struct port *p, struct vhost_message *m)
{
    int file = memfd_create("track", MFD_CLOEXEC);

    if (ftruncate(file, sizeof(*p->track)) < 0)
        fail("tracking");
    m->inflight.size = sizeof(*p->track);
    m->inflight.offset = 0;
    reply(p, m, sizeof(m->inflight), file);
    close(file);
}

static void start_queue(struct port *p, struct queue *q)
{
    if (ring_open(&q->ring, &p->memory, &q->place) < 0)
        fail("rings");
    q->done = ring_used_index(&q->ring);
    q->on = true;
    if (p->track)
        resubmit(p, q);
    run(p);
}

/* The old one is closed after the message. */
static void exchange(int *held, int *file)
{
    int old = *held;

    *held = *file;
    *file = old;
}

static void answer(struct port *p, struct vhost_message *m, int *files)
{
    struct queue *q = &p->queues[m->queue.index % QUEUES];

    switch (m->header.request) {
    case 1:
        m->word = F_WANTED | (p->file < 0 ? 0 : F_FLUSH);
        reply(p, m, 8, -1);
        break;
    case 5:
        map_memory(p, m, files);
        break;
    case 8:
        q->place.size = m->queue.value;
        break;
    case 9:
        q->place.descriptors = m->addresses.descriptors;
        q->place.available = m->addresses.available;
        q->place.used = m->addresses.used;
        break;
    case 10:
        q->seen = (uint16_t)m->queue.value;
        break;
    case 11:
        q->on = false;
        m->queue.value = q->seen;
        reply(p, m, 8, -1);
        break;
    case 12:
        exchange(&q->kick, &files[0]);
        break;
    case 13:
        exchange(&q->call, &files[0]);
        break;
    case 15:
        m->word = p->file < 0 ? 0 : CONFIG | TRACKING;
        reply(p, m, 8, -1);
        break;
    case 18:
        start_queue(p, q);
        break;
    case 24:
        memset(m->config.bytes, 0, sizeof(m->config.bytes));
        memcpy(m->config.bytes, &p->sectors, 8);
        reply(p, m, 12 + m->config.size, -1);
        break;
    case 31:
        give_track(p, m);
        break;
    case 32:
        map_track(p, files[0]);
        break;
    }
}

static bool receive(struct port *p)
{
    struct vhost_message m;
    char control[CMSG_SPACE(VHOST_REGIONS * sizeof(int))];
    struct iovec iov = {&m, sizeof(m.header)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    int files[VHOST_REGIONS] = {-1, -1};
    struct cmsghdr *c;

    if (recvmsg(p->fd, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof(m.header))
        return false;
    c = CMSG_FIRSTHDR(&message);
    if (c)
        memcpy(files, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    if (m.header.size > sizeof(m) - sizeof(m.header))
        fail("message");
    if (m.header.size &&
        recv(p->fd, (char *)&m + sizeof(m.header), m.header.size, MSG_WAITALL) != m.header.size)
        return false;
    answer(p, &m, files);
    for (int i = 0; i < VHOST_REGIONS; i++)
        if (files[i] >= 0)
            close(files[i]);
    return true;
}

/* ---- the loop ---- */

static void disconnect(struct port *p)
{
    close(p->fd);
    p->fd = -1;
    p->track = NULL;
    for (int i = 0; i < QUEUES; i++) {
        close(p->queues[i].kick);
        close(p->queues[i].call);
        p->queues[i] = (struct queue){.kick = -1, .call = -1};
    }
}

static void open_port(char *text)
{
    struct port *p = &ports[ports_count++ % PORTS];
    bool disk = !strncmp(text, "block:", 6);
    char *file = disk ? strrchr(text, ':') : NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (file)
        *file++ = 0;
    p->socket = strchr(text, ':') + 1;
    p->console = !strncmp(text, "console:", 8);
    p->file = disk ? open(file, O_RDWR | O_CLOEXEC) : -1;
    p->fd = -1;
    for (int i = 0; i < QUEUES; i++)
        p->queues[i] = (struct queue){.kick = -1, .call = -1};
    if (disk && p->file < 0)
        fail(file);
    p->sectors = disk ? (uint64_t)lseek(p->file, 0, SEEK_END) / SECTOR : 0;
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->socket);
    unlink(p->socket);
    if (bind(p->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(p->listener, 1) < 0)
        fail(p->socket);
}

static void serve_port(struct port *p, const struct pollfd *fds)
{
    eventfd_t value;

    if (fds[0].revents && p->fd < 0)
        p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    for (int i = 0; i < QUEUES; i++) {
        if (!fds[2 + i].revents || p->queues[i].kick < 0)
            continue;
        eventfd_read(p->queues[i].kick, &value);
        run(p);
    }
    if (p->fd >= 0 && fds[1].revents && !receive(p))
        disconnect(p);
}

int main(int argc, char **argv)
{
    struct pollfd fds[PORTS * 4];
    int i = 1;

    if (argc > 2 && !strcmp(argv[1], "--delay")) {
        delay_ms = (unsigned)atoi(argv[2]);
        i = 3;
    }
    for (; i < argc; i++)
        open_port(argv[i]);
    for (;;) {
        for (unsigned n = 0; n < ports_count; n++) {
            const struct port *p = &ports[n];

            fds[4 * n] = (struct pollfd){p->fd < 0 ? p->listener : -1, POLLIN, 0};
            fds[4 * n + 1] = (struct pollfd){p->fd, POLLIN, 0};
            for (unsigned k = 0; k < QUEUES; k++)
                fds[4 * n + 2 + k] = (struct pollfd){p->queues[k].kick, POLLIN, 0};
        }
        if (poll(fds, 4 * ports_count, -1) < 0)
            fail("poll");
        for (unsigned n = 0; n < ports_count; n++)
            serve_port(&ports[n], fds + (size_t)4 * n);
    }
}
