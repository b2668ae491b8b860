/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"

void session_close(struct session *session)
{
    if (session->socket >= 0)
        close(session->socket);
    session->socket = -1;
}

static int wait_for(int socket, short events, uint64_t deadline_ms)
{
    struct pollfd p = {.fd = socket, .events = events};
    uint64_t now = cli_now_ms();
    int timeout = deadline_ms == NO_DEADLINE ? -1
                  : now >= deadline_ms       ? 0
                                             : (int)(deadline_ms - now);
    int ready = poll(&p, 1, timeout);

    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    return ready ? 0 : -ETIMEDOUT;
}

static int send_request(const struct session *session, const struct session_request *request,
                        const void *data, size_t size, uint64_t deadline_ms)
{
    struct iovec iov[2] = {{(void *)(uintptr_t)request, sizeof(*request)},
                           {(void *)(uintptr_t)data, size}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    for (;;) {
        if (sendmsg(session->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return errno == ECONNRESET ? -EPIPE : -errno;
        int error = wait_for(session->socket, POLLOUT, deadline_ms);
        if (error)
            return error;
    }
}

/* One message; bytes of data, or a negative errno. */
static long receive(const struct session *session, struct session_answer *answer, void *out,
                    size_t size, uint64_t deadline_ms)
{
    struct iovec iov[2] = {{answer, sizeof(*answer)}, {out, size}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t got;

    for (;;) {
        got = recvmsg(session->socket, &message, MSG_DONTWAIT);
        if (got >= 0)
            break;
        if (errno != EAGAIN && errno != EINTR)
            return errno == ECONNRESET ? -EPIPE : -errno;
        int error = wait_for(session->socket, POLLIN, deadline_ms);
        if (error)
            return error;
    }
    if (got == 0)
        return -EPIPE;
    if ((size_t)got < sizeof(*answer) || answer->header.size != (size_t)got ||
        answer->header.version != WIRE_VERSION || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return -EBADMSG;
    return got - (ssize_t)sizeof(*answer);
}

static bool is_stop(const struct session_answer *answer, long size)
{
    return answer->header.type == SESSION_STOPPED && size == 0 &&
           answer->vcpu < PARCLOSE_MAX_VCPUS && answer->error >= SESSION_ASKED &&
           answer->error <= SESSION_STEPPED;
}

long session_ask(struct session *session, struct session_request *request, const void *data,
                 size_t data_size, struct session_answer *answer, void *out, size_t size,
                 uint64_t deadline_ms)
{
    request->header.version = WIRE_VERSION;
    request->header.size = (uint32_t)(sizeof(*request) + data_size);
    request->header.id = ++session->last_id;
    long got = send_request(session, request, data, data_size, deadline_ms);

    while (got >= 0) {
        got = receive(session, answer, out, size, deadline_ms);
        if (got < 0 || !is_stop(answer, got))
            break;
        session->stopped = true;
        session->stop = *answer;
    }
    if (got < 0)
        return got;
    if (answer->header.type != request->header.type || answer->header.id != request->header.id ||
        answer->error > 0 || answer->error < -4095)
        return -EBADMSG;
    if (request->header.type == SESSION_STOP || request->header.type == SESSION_RESUME)
        session->stopped = false; /* what came before the answer tells of an older stop */
    return answer->error ? answer->error : got;
}

int session_wait_stop(struct session *session, struct session_answer *stop, uint64_t deadline_ms)
{
    if (!session->stopped) {
        long got = receive(session, &session->stop, NULL, 0, deadline_ms);
        if (got < 0)
            return (int)got;
        if (!is_stop(&session->stop, got))
            return -EBADMSG;
    }
    *stop = session->stop;
    session->stopped = false;
    return 0;
}

static bool name_ok(const char *name)
{
    size_t length = strnlen(name, STATS_NAME_MAX);

    return length > 0 && length < STATS_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

bool session_stats_ok(const struct session_stats *stats)
{
    if (stats->vcpus_count > PARCLOSE_MAX_VCPUS || stats->names_count > STATS_NAMES_MAX ||
        stats->kernel_names > stats->names_count)
        return false;
    for (uint32_t i = 0; i < stats->names_count; i++)
        if (!name_ok(stats->names[i]))
            return false;
    return true;
}
