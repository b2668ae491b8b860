/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apply.h"
#include "command.h"
#include "console_relay.h"
#include "verbs.h"

static void serve(struct client *client);

static void arm(struct client *client, uint64_t timeout_us)
{
    uint64_t now;

    if (!timeout_us) {
        sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
        return;
    }
    sd_event_now(client->command->event, CLOCK_MONOTONIC, &now);
    sd_event_source_set_time(client->timer, now + timeout_us);
    sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT);
}

/* A deadline for whatever we wait for from the client; none while it waits for us. */
static void arm_for_mode(struct client *client)
{
    if (client->out_used)
        arm(client, CLIENT_DRAIN_US);
    else
        arm(client, client->mode == CLIENT_IDLE ? CLIENT_IDLE_US : 0);
}

static bool reads(const struct client *client)
{
    if (client->ended || client->dead)
        return false;
    return client->mode == CLIENT_IDLE ||
           (client->mode == CLIENT_CONSOLE && console_takes_input(client));
}

void client_update(struct client *client)
{
    if (!client->dead)
        sd_event_source_set_io_events(client->io, (reads(client) ? EPOLLIN : 0u) |
                                                      (client->out_used ? EPOLLOUT : 0u));
}

static void forget(struct client *client)
{
    console_leave(client);
    verbs_forget(client);
    apply_forget(client);
    requests_forget(&client->command->requests, client);
    starts_forget(&client->command->starts, client);
}

void client_kill(struct client *client)
{
    if (client->dead)
        return;
    client->dead = true;
    forget(client);
    sd_event_source_set_io_events(client->io, 0);
    shutdown(client->socket, SHUT_RDWR); /* brings a last EPOLLHUP, whose handler frees it */
}

static void unlink_client(struct client *client)
{
    struct server *server = &client->command->server;

    for (struct client **at = &server->clients; *at; at = &(*at)->next) {
        if (*at != client)
            continue;
        *at = client->next;
        server->clients_count--;
        return;
    }
}

static void close_passed(struct client *client)
{
    while (client->pass_count)
        close(client->pass_fds[--client->pass_count]);
}

static void drop_file(struct client *client)
{
    if (client->file >= 0)
        close(client->file);
    client->file = -1;
}

void client_free(struct client *client)
{
    client->dead = true;
    forget(client);
    unlink_client(client);
    sd_event_source_disable_unref(client->io);
    sd_event_source_disable_unref(client->timer);
    close(client->socket);
    close_passed(client);
    drop_file(client);
    free(client->in);
    free(client->out);
    free(client);
}

/* Writes up to `size` bytes, with files or without. Bytes written or a negative errno. */
static ssize_t write_some(int socket, char *bytes, size_t size, const int *files, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_MAX_FDS)];
    } control = {0};
    struct iovec iov = {bytes, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (count) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * count);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.header), files, sizeof(int) * count);
    }
    ssize_t written = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return written < 0 ? -errno : written;
}

static ssize_t write_once(struct client *client)
{
    if (!client->pass_count)
        return write_some(client->socket, client->out, client->out_used, NULL, 0);
    if (client->pass_at)
        return write_some(client->socket, client->out, client->pass_at, NULL, 0);
    ssize_t written = write_some(client->socket, client->out, client->out_used, client->pass_fds,
                                 client->pass_count);
    if (written > 0)
        close_passed(client);
    return written;
}

/* False: the client is gone. */
static bool flush(struct client *client)
{
    while (client->out_used) {
        ssize_t written = write_once(client);
        if (written == -EAGAIN || written == -EINTR)
            break;
        if (written <= 0) {
            client_kill(client);
            return false;
        }
        client->out_used -= (size_t)written;
        memmove(client->out, client->out + written, client->out_used);
        if (client->pass_count)
            client->pass_at -= (size_t)written;
    }
    client_update(client);
    arm_for_mode(client);
    return true;
}

static bool grow(struct client *client, size_t size)
{
    size_t wanted = client->out_size ? client->out_size : 4096;

    while (wanted < size)
        wanted *= 2;
    if (wanted == client->out_size)
        return true;
    char *out = realloc(client->out, wanted);
    if (!out)
        return false;
    client->out = out;
    client->out_size = wanted;
    return true;
}

bool client_write(struct client *client, const void *bytes, size_t size)
{
    if (client->dead)
        return false;
    if (size > CLIENT_OUT_MAX - client->out_used || !grow(client, client->out_used + size)) {
        client_kill(client);
        return false;
    }
    memcpy(client->out + client->out_used, bytes, size);
    client->out_used += size;
    return flush(client);
}

bool client_line(struct client *client, const json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);

    if (!text) {
        client_kill(client);
        return false;
    }
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of the NUL: one write, one line */
    bool written = client_write(client, text, length + 1);
    free(text);
    return written;
}

/* All of them or none: an answer whose files are not those that it names would lie. */
static int pass(struct client *client, const int *files, size_t count)
{
    if (count && client->pass_count)
        return -EBUSY;
    for (size_t i = 0; i < count; i++) {
        client->pass_fds[i] = fcntl(files[i], F_DUPFD_CLOEXEC, 3);
        if (client->pass_fds[i] < 0) {
            int error = -errno;
            close_passed(client);
            return error;
        }
        client->pass_count++;
    }
    client->pass_at = client->out_used;
    return 0;
}

void client_answer_files(struct client *client, json_t *answer, const int *files, size_t count)
{
    if (!client->dead && pass(client, files, count))
        client_kill(client);
    client_answer(client, answer);
}

void client_answer(struct client *client, json_t *answer)
{
    if (client->mode == CLIENT_BUSY)
        client->mode = CLIENT_IDLE;
    if (client_line(client, answer))
        serve(client);
    json_decref(answer);
}

void client_refuse(struct client *client, int error, const char *text)
{
    client_answer(client, verbs_refusal(error, text));
}

void client_close(struct client *client)
{
    client->mode = CLIENT_CLOSING;
    serve(client);
}

/* Takes one line out of the buffer and has it handled. False: there is none. */
static bool serve_line(struct client *client)
{
    char *end = memchr(client->in, '\n', client->in_used);

    if (!end)
        return false;
    size_t length = (size_t)(end - client->in);
    char *line = malloc(length + 1);
    if (!line) {
        client_kill(client);
        return false;
    }
    memcpy(line, client->in, length);
    line[length] = '\0';
    client->in_used -= length + 1;
    memmove(client->in, end + 1, client->in_used);
    client->mode = CLIENT_BUSY;
    verbs_handle(client, line, length);
    drop_file(client);
    free(line);
    return true;
}

static bool finished(const struct client *client)
{
    return !client->out_used &&
           (client->mode == CLIENT_CLOSING || (client->mode == CLIENT_IDLE && client->ended));
}

/* Every whole line that has come, until one has to wait. What it calls may come here again. */
static void serve(struct client *client)
{
    if (client->serving || client->dead)
        return;
    client->serving = true;
    while (!client->dead && client->mode == CLIENT_IDLE && serve_line(client))
        ;
    if (!client->dead && client->mode == CLIENT_IDLE && client->in_used == CLIENT_LINE_MAX) {
        client->mode = CLIENT_CLOSING;
        client_refuse(client, -EMSGSIZE, "a request is one line of at most 65536 bytes");
    }
    client->serving = false;
    if (!client->dead && finished(client))
        client_kill(client);
    client_update(client);
}

/* The latest one counts. */
static void take_files(struct client *client, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            drop_file(client);
            memcpy(&client->file, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
    }
}

static ssize_t receive(struct client *client)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))]; /* the kernel closes what has no room */
    } control;
    struct iovec iov = {client->in + client->in_used, CLIENT_LINE_MAX - client->in_used};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(client->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got >= 0)
        take_files(client, &message);
    return got;
}

static void on_input(struct client *client)
{
    if (client->mode == CLIENT_CONSOLE) {
        console_input(client);
        return;
    }
    ssize_t got = receive(client);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            client_kill(client);
        return;
    }
    client->ended = got == 0;
    client->in_used += (size_t)got;
    serve(client);
}

static void on_output(struct client *client)
{
    if (!flush(client))
        return;
    if (client->mode == CLIENT_WATCH)
        verbs_watch(client);
    else if (client->mode == CLIENT_CONSOLE)
        console_output(client);
    else
        serve(client);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct client *client = data;

    (void)source;
    (void)fd;
    if ((events & EPOLLIN) && reads(client))
        on_input(client);
    if (!client->dead && (events & EPOLLOUT))
        on_output(client);
    if (client->dead || (events & (EPOLLHUP | EPOLLERR)))
        client_free(client);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t now, void *data)
{
    (void)source;
    (void)now;
    client_free(data);
    return 0;
}

static int add_sources(struct client *client)
{
    uint64_t now;
    sd_event *event = client->command->event;

    sd_event_now(event, CLOCK_MONOTONIC, &now);
    int error = sd_event_add_io(event, &client->io, client->socket, EPOLLIN, on_io, client);
    if (error >= 0)
        error = sd_event_add_time(event, &client->timer, CLOCK_MONOTONIC, now + CLIENT_FIRST_US, 0,
                                  on_timer, client);
    return error < 0 ? error : 0;
}

static int identify(struct client *client)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(client->socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    client->uid = peer.uid;
    client->pid = (uint32_t)peer.pid;
    return 0;
}

int client_new(struct command *command, int socket, struct client **result)
{
    struct client *client = calloc(1, sizeof(*client));

    if (!client)
        return -ENOMEM;
    *client = (struct client){.command = command, .socket = socket, .file = -1};
    client->in = malloc(CLIENT_LINE_MAX);
    int error = client->in ? identify(client) : -ENOMEM;
    if (!error)
        error = add_sources(client);
    if (error) {
        sd_event_source_disable_unref(client->io);
        sd_event_source_disable_unref(client->timer);
        free(client->in);
        free(client);
        return error;
    }
    *result = client;
    return 0;
}
