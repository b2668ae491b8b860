/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "inspect.h"
#include "monitor.h"
#include "sys.h"
#include "text.h"

#define TURN_MOST    16 /* requests of one session before others have their turn */
#define DUMP_IDLE_NS UINT64_C(30000000000) /* a dump that asks for nothing so long is over */

#define LOOK  (1u << SESSION_LOOK)
#define DUMP  (1u << SESSION_DUMP)
#define DEBUG (1u << SESSION_DEBUG)

static const uint8_t *data_of(const struct session_request *r)
{
    return (const uint8_t *)(r + 1);
}

/* ---- requests: each within its session's rights, sizes checked ---- */

static long on_stats(struct monitor *m, uint32_t session, const struct session_request *r,
                     size_t data, struct session_answer *a, uint8_t *out)
{
    (void)session, (void)r, (void)data, (void)a;
    stats_read(m, (struct session_stats *)(void *)out);
    return sizeof(struct session_stats);
}

static long on_info(struct monitor *m, uint32_t session, const struct session_request *r,
                    size_t data, struct session_answer *a, uint8_t *out)
{
    (void)session, (void)r, (void)data, (void)a;
    inspect_info(m, (struct session_info *)(void *)out);
    return sizeof(struct session_info);
}

static long on_stop(struct monitor *m, uint32_t session, const struct session_request *r,
                    size_t data, struct session_answer *a, uint8_t *out)
{
    (void)r, (void)data, (void)a, (void)out;
    return debug_stop(m, session);
}

static long on_resume(struct monitor *m, uint32_t session, const struct session_request *r,
                      size_t data, struct session_answer *a, uint8_t *out)
{
    (void)session, (void)data, (void)a, (void)out;
    return debug_resume(m, r);
}

static long on_registers(struct monitor *m, uint32_t session, const struct session_request *r,
                         size_t data, struct session_answer *a, uint8_t *out)
{
    long rc = inspect_registers(m, r->vcpu, (struct session_registers *)(void *)out);

    (void)session, (void)data, (void)a;
    return rc < 0 ? rc : (long)sizeof(struct session_registers);
}

static long on_registers_set(struct monitor *m, uint32_t session, const struct session_request *r,
                             size_t data, struct session_answer *a, uint8_t *out)
{
    struct kvm_regs regs;

    (void)session, (void)data, (void)a, (void)out;
    memcpy(&regs, data_of(r), sizeof(regs));
    return inspect_registers_set(m, r->vcpu, &regs);
}

/* What a vCPU sees can be told only while it stands. */
static bool may_translate(const struct monitor *m, uint32_t session,
                          const struct session_request *r)
{
    return !(r->flags & SESSION_VIRTUAL) ||
           (m->debugger.owner == session + 1 && m->debugger.state == DEBUGGER_STOPPED);
}

static long on_read(struct monitor *m, uint32_t session, const struct session_request *r,
                    size_t data, struct session_answer *a, uint8_t *out)
{
    (void)data;
    if (!may_translate(m, session, r))
        return -EBUSY;
    return inspect_read(m, r, out, &a->zeros);
}

static long on_write(struct monitor *m, uint32_t session, const struct session_request *r,
                     size_t data, struct session_answer *a, uint8_t *out)
{
    (void)a, (void)out;
    if (!may_translate(m, session, r))
        return -EBUSY;
    return inspect_write(m, r, data_of(r), data);
}

static long on_break(struct monitor *m, uint32_t session, const struct session_request *r,
                     size_t data, struct session_answer *a, uint8_t *out)
{
    (void)session, (void)data, (void)a, (void)out;
    return r->header.type == SESSION_BREAK ? debug_break(m, r) : debug_unbreak(m, r);
}

static const struct session_row rows[] = {
    {SESSION_STATS, LOOK | DUMP | DEBUG, 0, 0, 0, on_stats},
    {SESSION_INFO, DUMP | DEBUG, 0, 0, 0, on_info},
    {SESSION_STOP, DUMP | DEBUG, 0, 0, 0, on_stop},
    {SESSION_RESUME, DEBUG, 1, 0, 0, on_resume},
    {SESSION_REGISTERS, DUMP | DEBUG, 1, 0, 0, on_registers},
    {SESSION_REGISTERS_SET, DEBUG, 1, sizeof(struct kvm_regs), sizeof(struct kvm_regs),
     on_registers_set},
    {SESSION_READ, DUMP | DEBUG, 0, 0, 0, on_read},
    {SESSION_WRITE, DEBUG, 0, 1, SESSION_DATA_MAX, on_write},
    {SESSION_BREAK, DEBUG, 1, 0, 0, on_break},
    {SESSION_UNBREAK, DEBUG, 1, 0, 0, on_break},
};

const struct session_row *session_row(const struct session_request *r, size_t size, uint32_t kind,
                                      uint32_t vcpus_count)
{
    if (size < sizeof(*r) || r->header.size != size || r->header.version != WIRE_VERSION ||
        (r->vcpu && r->vcpu >= vcpus_count))
        return NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].type == r->header.type)
            return (rows[i].kinds & 1u << kind) && size - sizeof(*r) >= rows[i].data_least &&
                           size - sizeof(*r) <= rows[i].data_most
                       ? &rows[i]
                       : NULL;
    return NULL;
}

/* ---- sockets ---- */

static void close_session(struct monitor *m, uint32_t index)
{
    struct session *s = &m->sessions[index];

    if (s->kind == SESSION_NONE)
        return;
    s->kind = SESSION_NONE;
    (void)sys_close(s->fd);
    if (m->debugger.owner == index + 1)
        debug_end(m);
}

/* The client reads each answer before it asks again: then there is always room for one. */
static bool say(const struct session *s, struct session_answer *answer, const uint8_t *data,
                size_t size)
{
    struct iovec iov[2] = {{answer, sizeof(*answer)}, {(void *)(uintptr_t)data, size}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    answer->header.version = WIRE_VERSION;
    answer->header.size = (uint32_t)(sizeof(*answer) + size);
    return sys_sendmsg(s->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
           (long)(sizeof(*answer) + size);
}

static bool stopped_by(const struct monitor *m, uint32_t index)
{
    return m->debugger.owner == index + 1 && m->debugger.state == DEBUGGER_STOPPED;
}

/* False: the session is to be closed. */
static bool serve_request(struct monitor *m, uint32_t index, const struct session_request *r,
                          size_t size)
{
    static _Alignas(8) uint8_t out[SESSION_DATA_MAX]; /* main only */
    const struct session_row *row =
        session_row(r, size, m->sessions[index].kind, m->vm.vcpus_count);
    struct session_answer answer = {.header = {.type = r->header.type, .id = r->header.id},
                                    .vcpu = r->vcpu,
                                    .address = r->address};
    long rc = -EBUSY;

    if (!row)
        return false;
    if (!row->stopped || stopped_by(m, index))
        rc = row->handle(m, index, r, size - sizeof(*r), &answer, out);
    answer.error = rc < 0 ? (int32_t)rc : 0;
    return say(&m->sessions[index], &answer, out, rc > 0 ? (size_t)rc : 0);
}

/* False: it is closed, or wrong. */
static bool serve_requests(struct monitor *m, uint32_t index)
{
    static union { /* main only */
        struct session_request request;
        uint8_t bytes[sizeof(struct session_request) + SESSION_DATA_MAX];
    } in;
    struct session *s = &m->sessions[index];

    for (unsigned n = 0; n < TURN_MOST; n++) {
        struct iovec iov = {&in, sizeof(in)};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        long size = sys_recvmsg(s->fd, &message, MSG_DONTWAIT);

        if (size == -EAGAIN || size == -EINTR)
            return true;
        if (size <= 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
            !serve_request(m, index, &in.request, (size_t)size))
            return false;
        s->used_ns = sys_clock_ns(CLOCK_MONOTONIC);
    }
    return true;
}

/* The mark outlives main. */
static void serve_session(struct monitor *m, uint32_t index)
{
    m->session_at = index + 1;
    atomic_signal_fence(memory_order_seq_cst);
    if (!serve_requests(m, index))
        close_session(m, index);
    atomic_signal_fence(memory_order_seq_cst);
    m->session_at = 0;
}

/* ---- the loop's ---- */

static int find_place(struct monitor *m)
{
    int oldest = -1;

    for (int i = 0; i < SESSIONS_MOST; i++) {
        const struct session *s = &m->sessions[i];

        if (s->kind == SESSION_NONE)
            return i;
        if (s->kind == SESSION_LOOK && (oldest < 0 || s->used_ns < m->sessions[oldest].used_ns))
            oldest = i;
    }
    return oldest;
}

/* Nothing here ends the partition: what is not taken is closed, and its other end sees that. */
int session_open(struct monitor *m, struct inbox *inbox)
{
    const struct monitor_session *message = (const struct monitor_session *)inbox->bytes;
    int place = find_place(m);

    if (message->kind <= SESSION_NONE || message->kind >= SESSION_KINDS || place < 0 ||
        m->phase < PHASE_BUILT || inbox->files[0] < 0) {
        text_log("session refused", 0);
        return 0;
    }
    close_session(m, (uint32_t)place);
    m->sessions[place].fd = inbox_take(inbox, 0);
    m->sessions[place].used_ns = sys_clock_ns(CLOCK_MONOTONIC);
    atomic_signal_fence(memory_order_seq_cst); /* all is there before it counts */
    m->sessions[place].kind = message->kind;
    return 0;
}

void session_begin(struct monitor *m)
{
    uint32_t owner;

    if (m->session_at)
        close_session(m, m->session_at - 1);
    m->session_at = 0;
    owner = m->debugger.owner;
    if (owner >= 1 && owner <= SESSIONS_MOST && m->sessions[owner - 1].kind == SESSION_NONE)
        debug_end(m); /* the last main was about to */
    debug_begin(m);
}

static bool dump_holds(const struct monitor *m)
{
    return session_owner(m) == SESSION_DUMP;
}

int64_t session_wait(const struct monitor *m, struct pollfd *fds)
{
    for (uint32_t i = 0; i < SESSIONS_MOST; i++)
        fds[i] =
            (struct pollfd){.fd = m->sessions[i].kind ? m->sessions[i].fd : -1, .events = POLLIN};
    return dump_holds(m) ? (int64_t)(DUMP_IDLE_NS / 1000000) : -1;
}

void session_serve(struct monitor *m, const struct pollfd *fds)
{
    for (uint32_t i = 0; i < SESSIONS_MOST; i++)
        if (fds[i].revents && m->sessions[i].kind)
            serve_session(m, i);
}

static void tell_stopped(struct monitor *m)
{
    const struct debugger *d = &m->debugger;
    struct session_answer answer = {.header = {.type = SESSION_STOPPED},
                                    .error = (int32_t)d->reason,
                                    .vcpu = d->vcpu,
                                    .address = d->address};
    uint32_t index = d->owner - 1;

    if (!say(&m->sessions[index], &answer, NULL, 0))
        close_session(m, index);
}

void session_step(struct monitor *m)
{
    if (debug_step(m))
        tell_stopped(m);
    if (dump_holds(m) &&
        sys_clock_ns(CLOCK_MONOTONIC) - m->sessions[m->debugger.owner - 1].used_ns >=
            DUMP_IDLE_NS) {
        text_log("a dump does not go on: the guest does", 0);
        close_session(m, m->debugger.owner - 1);
    }
}

uint32_t session_owner(const struct monitor *m)
{
    uint32_t owner = m->debugger.owner;

    return owner >= 1 && owner <= SESSIONS_MOST ? m->sessions[owner - 1].kind : SESSION_NONE;
}
