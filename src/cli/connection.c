/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 67108864
#define RETRY_MS       200
#define ANSWER_MS      120000 /* for one answer: control may be restarting */
#define AGAIN_MS       30000  /* for command, or both, to be there again */

void files_close(struct files *files)
{
    while (files->count)
        close(files->fds[--files->count]);
}

int connection_open(struct connection *connection, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *connection = (struct connection){.socket = -1};
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    connection->socket = fd;
    return 0;
}

void connection_close(struct connection *connection)
{
    if (connection->socket >= 0)
        close(connection->socket);
    files_close(&connection->files);
    free(connection->in);
    *connection = (struct connection){.socket = -1};
}

/* Some bytes, with a file or without (-1). */
static ssize_t send_some(int socket, char *bytes, size_t size, int file)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {bytes, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (file >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.header), &file, sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

static int send_with(struct connection *connection, const json_t *request, int file)
{
    char *text = json_dumps(request, JSON_COMPACT);
    size_t length, sent = 0;

    if (!text)
        return -ENOMEM;
    length = strlen(text);
    text[length++] = '\n';
    while (sent < length) {
        ssize_t got = send_some(connection->socket, text + sent, length - sent, sent ? -1 : file);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        sent += (size_t)got;
    }
    int error = sent < length ? -errno : 0;
    free(text);
    return error;
}

int connection_send(struct connection *connection, const json_t *request)
{
    return send_with(connection, request, -1);
}

/* The buffer for the control message has room for CONNECTION_FILES_MAX. */
static void take_files(struct connection *connection, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        files_close(&connection->files);
        connection->files.count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(connection->files.fds, CMSG_DATA(c), connection->files.count * sizeof(int));
    }
}

/* Bytes read, 0 at the end, or a negative errno. */
static ssize_t read_more(struct connection *connection)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * CONNECTION_FILES_MAX)];
    } control;

    if (connection->used == connection->size) {
        size_t size = connection->size ? connection->size * 2 : 65536;
        char *in = size > LINE_MAX_BYTES ? NULL : realloc(connection->in, size);
        if (!in)
            return -ENOMEM;
        connection->in = in;
        connection->size = size;
    }
    struct iovec iov = {connection->in + connection->used, connection->size - connection->used};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(connection->socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == ECONNRESET ? 0 : -errno;
    take_files(connection, &message);
    connection->used += (size_t)got;
    return got;
}

static int wait_readable(int socket, uint64_t deadline_ms)
{
    struct pollfd pollfd = {.fd = socket, .events = POLLIN};
    uint64_t now = cli_now_ms();
    int timeout = -1;

    if (deadline_ms != NO_DEADLINE)
        timeout = now >= deadline_ms ? 0 : (int)(deadline_ms - now);
    int ready = poll(&pollfd, 1, timeout);
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    return ready ? 0 : -ETIMEDOUT;
}

static int take_line(struct connection *connection, char *end, json_t **line)
{
    size_t length = (size_t)(end - connection->in);

    *line = json_loadb(connection->in, length, 0, NULL);
    connection->used -= length + 1;
    memmove(connection->in, end + 1, connection->used);
    if (json_is_object(*line))
        return 1;
    json_decref(*line);
    *line = NULL;
    return -EPROTO;
}

int connection_receive(struct connection *connection, uint64_t deadline_ms, json_t **line)
{
    for (;;) {
        char *end = connection->used ? memchr(connection->in, '\n', connection->used) : NULL;
        if (end)
            return take_line(connection, end, line);
        int error = wait_readable(connection->socket, deadline_ms);
        if (error)
            return error;
        ssize_t got = read_more(connection);
        if (got <= 0 && got != -EINTR)
            return (int)got;
    }
}

json_t *request_new(const struct cli *cli, const char *verb, const char *name)
{
    json_t *request = json_pack("{s:s}", "verb", verb);

    if (name)
        json_object_set_new(request, "name", json_string(name));
    if (cli->reason)
        json_object_set_new(request, "reason", json_string(cli->reason));
    return request;
}

json_t *request_once(const struct cli *cli, const char *verb, const char *name)
{
    json_t *request = request_new(cli, verb, name);
    char text[17];
    uint64_t id;

    while (getrandom(&id, sizeof(id), 0) != sizeof(id) || !id)
        ;
    snprintf(text, sizeof(text), "%016" PRIx64, id);
    json_object_set_new(request, "request", json_string(text));
    return request;
}

int refused(const struct cli *cli, const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "text"));
    int number = (int)json_integer_value(json_object_get(answer, "errno"));

    if (cli->json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        cli_error("%s", text ? text : "refused");
    }
    return cli_exit_of(-number);
}

int unreachable(const struct cli *cli, int error)
{
    char text[256];

    if (error == -EACCES || error == -EPERM)
        snprintf(text, sizeof(text), "%s: only root and members of the group parclose may ask",
                 cli->socket);
    else if (error == -ENOENT || error == -ECONNREFUSED)
        snprintf(text, sizeof(text), "Parclose is not running (%s); `parclose up` starts it",
                 cli->socket);
    else
        snprintf(text, sizeof(text), "%s: %s", cli->socket, strerror(-error));
    json_t *answer = json_pack("{s:b, s:i, s:s}", "ok", 0, "errno", ENOTCONN, "text", text);
    int code = refused(cli, answer);
    json_decref(answer);
    return code;
}

static int ask_quietly_on(struct connection *connection, const json_t *request, json_t **answer)
{
    int got = connection_send(connection, request);

    if (!got)
        got = connection_receive(connection, cli_now_ms() + ANSWER_MS, answer);
    if (got != 1)
        return got ? got : -EPIPE;
    if (json_is_true(json_object_get(*answer, "ok")))
        return 0;
    int error = (int)json_integer_value(json_object_get(*answer, "errno"));
    return error > 0 ? -error : -EPROTO;
}

int ask_quietly(const struct cli *cli, json_t *request, json_t **answer, struct files *files)
{
    struct connection connection;
    int error = connection_open(&connection, cli->socket);

    *answer = NULL;
    if (!error)
        error = ask_quietly_on(&connection, request, answer);
    if (!error) {
        *files = connection.files;
        connection.files.count = 0;
    }
    connection_close(&connection);
    json_decref(request);
    return error;
}

static void pause_until(uint64_t deadline_ms)
{
    uint64_t now = cli_now_ms(), wait = RETRY_MS;

    if (deadline_ms != NO_DEADLINE && (now >= deadline_ms || deadline_ms - now < wait))
        wait = now >= deadline_ms ? 0 : deadline_ms - now;
    struct timespec time = {.tv_nsec = (long)wait * 1000000};
    nanosleep(&time, NULL);
}

/* 1: there is an answer; 0: the connection was lost; or a negative errno. */
static int answer_of(struct connection *connection, const struct cli *cli, const json_t *request,
                     int file, json_t **answer)
{
    int got = connection_open(connection, cli->socket);

    if (got)
        return got;
    got = send_with(connection, request, file);
    if (!got)
        got = connection_receive(connection, cli_now_ms() + ANSWER_MS, answer);
    return got == -EPIPE || got == -ECONNRESET ? 0 : got;
}

static bool nobody_there(int got, const json_t *answer)
{
    return got == -ENOENT || got == -ECONNREFUSED || got == 0 ||
           (got == 1 && json_integer_value(json_object_get(answer, "errno")) == ENOTCONN);
}

/* A request whose answer was lost is asked again until somebody answers. */
static int answer_again(struct connection *connection, const struct cli *cli, const json_t *request,
                        int file, json_t **answer)
{
    uint64_t deadline_ms = cli_now_ms() + AGAIN_MS;
    int got = 0;

    while (nobody_there(got, *answer) && cli_now_ms() < deadline_ms) {
        json_decref(*answer);
        *answer = NULL;
        connection_close(connection);
        pause_until(deadline_ms);
        got = answer_of(connection, cli, request, file, answer);
    }
    return got;
}

static int exit_of(const struct cli *cli, int got, json_t **answer)
{
    if (got == 1 && json_is_true(json_object_get(*answer, "ok")))
        return CLI_OK;
    if (got == 1) {
        int code = refused(cli, *answer);
        json_decref(*answer);
        *answer = NULL;
        return code;
    }
    cli_error("%s", got == 0 ? "the connection was lost; what was asked for may have happened"
                             : strerror(-got));
    return got == -ETIMEDOUT ? CLI_TIMEOUT : CLI_UNREACHABLE;
}

static int ask_for(const struct cli *cli, json_t *request, int file, json_t **answer,
                   struct files *files)
{
    struct connection connection;
    int code;

    *answer = NULL;
    int got = answer_of(&connection, cli, request, file, answer);
    bool asked = connection.socket >= 0;
    if (asked && got == 0 && json_object_get(request, "request"))
        got = answer_again(&connection, cli, request, file, answer);
    code = asked ? exit_of(cli, got, answer) : unreachable(cli, got);
    if (files) {
        *files = connection.files;
        connection.files.count = 0;
    }
    connection_close(&connection);
    json_decref(request);
    return code;
}

int ask(const struct cli *cli, json_t *request, json_t **answer, struct files *files)
{
    return ask_for(cli, request, -1, answer, files);
}

int ask_with(const struct cli *cli, json_t *request, int file, json_t **answer)
{
    return ask_for(cli, request, file, answer, NULL);
}

/* One connection's worth of watching: an exit code, or WATCH_ON when it was lost. */
static int watch_once(struct connection *connection, json_t *request, uint64_t deadline_ms,
                      watch_step *step, void *context)
{
    json_t *line = NULL;
    int code = WATCH_ON, got = connection_send(connection, request);

    while (!got && code == WATCH_ON) {
        got = connection_receive(connection, deadline_ms, &line);
        if (got != 1)
            break;
        bool nobody = json_integer_value(json_object_get(line, "errno")) == ENOTCONN;
        code = step(context, nobody ? NULL : line);
        json_decref(line);
        got = 0;
    }
    return got == -ETIMEDOUT ? CLI_TIMEOUT : code;
}

/* Takes `request`. */
static int watch_for(const struct cli *cli, json_t *request, uint64_t deadline_ms, watch_step *step,
                     void *context)
{
    int code = WATCH_ON;

    json_object_del(request, "reason");
    while (code == WATCH_ON) {
        struct connection connection;
        int error = connection_open(&connection, cli->socket);
        if (!error)
            code = watch_once(&connection, request, deadline_ms, step, context);
        else
            code = step(context, NULL);
        connection_close(&connection);
        if (code != WATCH_ON)
            break;
        pause_until(deadline_ms);
        if (deadline_ms != NO_DEADLINE && cli_now_ms() >= deadline_ms)
            code = CLI_TIMEOUT;
    }
    json_decref(request);
    return code;
}

int watch(const struct cli *cli, const char *name, uint64_t deadline_ms, watch_step *step,
          void *context)
{
    return watch_for(cli, request_new(cli, "watch", name), deadline_ms, step, context);
}

int watch_devices(const struct cli *cli, uint64_t deadline_ms, watch_step *step, void *context)
{
    json_t *request = request_new(cli, "watch", NULL);

    json_object_set_new(request, "devices", json_true());
    return watch_for(cli, request, deadline_ms, step, context);
}
