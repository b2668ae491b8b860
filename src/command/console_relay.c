/* SPDX-License-Identifier: Apache-2.0 */
#include "console_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "parclose/console.h"
#include "verbs.h"

#define BACKLOG_MAX ((size_t)256 * 1024)  /* bytes queued for one watcher before it has to read */
#define RETRY_US    (50 * UINT64_C(1000)) /* the guest's input was full; nothing tells when not */
#define FULL_SEALS  (F_SEAL_SHRINK | F_SEAL_GROW)

struct console {
    struct console *next;
    struct command *command;
    char name[PARCLOSE_NAME_MAX];
    uint64_t run; /* when its partition was started: tells one run from the next */
    struct console_ring *ring;
    uint64_t in_head; /* ours; the one in the ring is for the monitor */
    int out_event, in_event;
    sd_event_source *out_source, *retry;
    struct client *watchers; /* by console_next */
};

static uint64_t run_of(const struct command *command, const char *name)
{
    const struct snapshot_partition *partition = snapshot_view_partition(&command->view, name);

    if (!partition || snapshot_partition_stopped(partition))
        return 0;
    return partition->times[STATE_ACTIVE].boottime_ns;
}

/* --- the ring ------------------------------------------------------------------------------- */

static int map_ring(int memfd, struct console_ring **ring)
{
    struct stat stat;
    int seals = fcntl(memfd, F_GET_SEALS);

    if (seals < 0 || (seals & FULL_SEALS) != FULL_SEALS || fstat(memfd, &stat) < 0 ||
        stat.st_size != CONSOLE_SIZE)
        return -EBADMSG;
    void *map = mmap(NULL, CONSOLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (map == MAP_FAILED)
        return -errno;
    *ring = map;
    return 0;
}

/* From where on there is output for a reader at `position`: what was overwritten is skipped. */
static uint64_t clamp_position(uint64_t position, uint64_t head)
{
    if (position > head)
        return head;
    return head - position > CONSOLE_RING ? head - CONSOLE_RING : position;
}

static uint64_t out_head(const struct console *console)
{
    return atomic_load_explicit(&console->ring->out_head, memory_order_acquire);
}

/* Rings the monitor's bell, unless it is full already (then it has been rung). */
static void ring_bell(const struct console *console)
{
    const uint64_t one = 1;
    struct pollfd bell = {.fd = console->in_event, .events = POLLOUT};

    if (poll(&bell, 1, 0) == 1 && (bell.revents & POLLOUT) &&
        write(console->in_event, &one, sizeof(one)) < 0)
        return; /* full between the two: the same */
}

/* As many bytes as there is room for. */
static size_t ring_push(struct console *console, const char *bytes, size_t size)
{
    uint64_t tail = atomic_load_explicit(&console->ring->in_tail, memory_order_acquire);

    if (console->in_head - tail > CONSOLE_RING)
        console->in_head = tail; /* the monitor's position is nonsense, or it began anew */
    size_t room = CONSOLE_RING - (size_t)(console->in_head - tail);
    if (size > room)
        size = room;
    for (size_t i = 0; i < size; i++)
        console->ring->in[(console->in_head + i) % CONSOLE_RING] = (uint8_t)bytes[i];
    console->in_head += size;
    atomic_store_explicit(&console->ring->in_head, console->in_head, memory_order_release);
    if (size)
        ring_bell(console);
    return size;
}

/* --- one console ---------------------------------------------------------------------------- */

static void console_free(struct console *console)
{
    sd_event_source_disable_unref(console->out_source);
    sd_event_source_disable_unref(console->retry);
    if (console->ring)
        munmap(console->ring, CONSOLE_SIZE);
    if (console->out_event >= 0)
        close(console->out_event);
    if (console->in_event >= 0)
        close(console->in_event);
    free(console);
}

static struct console *console_find(const struct command *command, const char *name)
{
    struct console *console = command->server.consoles;

    while (console && strcmp(console->name, name) != 0)
        console = console->next;
    return console;
}

static int on_bell(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct console *console = data;
    struct client *next;

    (void)source;
    (void)fd;
    (void)events;
    for (struct client *client = console->watchers; client; client = next) {
        next = client->console_next;
        console_output(client);
    }
    return 0;
}

static int open_files(struct console *console, struct frame *frame)
{
    int memfd = frame_take(frame, 0);
    int error = map_ring(memfd, &console->ring);

    close(memfd);
    console->out_event = frame_take(frame, 1);
    console->in_event = frame_take(frame, 2);
    if (error)
        return error;
    console->in_head = atomic_load_explicit(&console->ring->in_head, memory_order_relaxed);
    fcntl(console->in_event, F_SETFL, O_NONBLOCK);
    /* Edge-triggered and never read: the monitor shares the file and could make a read block. */
    error = sd_event_add_io(console->command->event, &console->out_source, console->out_event,
                            EPOLLIN | EPOLLET, on_bell, console);
    return error < 0 ? error : 0;
}

static int console_new(struct command *command, const char *name, struct frame *frame,
                       struct console **result)
{
    struct console *console = calloc(1, sizeof(*console));

    if (!console)
        return -ENOMEM;
    *console = (struct console){.command = command, .out_event = -1, .in_event = -1};
    strcpy(console->name, name);
    console->run = run_of(command, name);
    int error = open_files(console, frame);
    if (error) {
        console_free(console);
        return error;
    }
    console->next = command->server.consoles;
    command->server.consoles = console;
    *result = console;
    return 0;
}

static void console_end(struct console *console)
{
    struct console **at = &console->command->server.consoles;

    while (*at != console)
        at = &(*at)->next;
    *at = console->next;
    console_free(console);
}

/* --- its clients ---------------------------------------------------------------------------- */

static bool has_writer(const struct console *console)
{
    for (const struct client *client = console->watchers; client; client = client->console_next)
        if (client->console_writer)
            return true;
    return false;
}

static void attach(struct console *console, struct client *client)
{
    bool refused = client->console_wish_input && has_writer(console);
    uint64_t head = out_head(console);

    client->console = console;
    client->console_next = console->watchers;
    console->watchers = client;
    client->console_writer = client->console_wish_input && !refused;
    client->console_position = clamp_position(0, head);
    client->console_until = client->console_wish_follow ? UINT64_MAX : head;
    client->mode = CLIENT_CONSOLE;
    json_t *answer = json_pack("{s:b, s:s, s:b, s:s}", "ok", 1, "console", console->name, "input",
                               client->console_writer, "text",
                               refused ? "somebody else is writing: output only" : "");
    if (answer && client_line(client, answer)) {
        console_input(client);
        console_output(client);
    }
    json_decref(answer);
}

static void on_opened(void *context, const struct control_result *result, struct frame *frame)
{
    struct client *client = context;
    struct command *command = client->command;
    struct console *console = console_find(command, client->watched);

    if (result->error) {
        client_refuse(client, result->error, result->text);
        return;
    }
    int error = 0;
    if (!console && frame->files_count != 3)
        error = -EBADMSG;
    else if (!console)
        error = console_new(command, client->watched, frame, &console);
    if (error)
        client_refuse(client, error, "control's console is not acceptable");
    else
        attach(console, client);
}

void console_open(struct client *client, const char *name, const struct requester *requester,
                  struct console_wish wish)
{
    struct control_partition_name message = {.requester = *requester};
    struct console *console = console_find(client->command, name);

    client->console_wish_input = wish.input;
    client->console_wish_follow = wish.follow;
    strcpy(client->watched, name);
    if (console) {
        attach(console, client);
        return;
    }
    strcpy(message.name, name);
    int error = requests_add(&client->command->requests, CONTROL_CONSOLE_OPEN, &message,
                             sizeof(message), on_opened, client);
    if (error)
        client_refuse(client, error, strerror(-error));
}

void console_leave(struct client *client)
{
    struct console *console = client->console;

    if (!console)
        return;
    for (struct client **at = &console->watchers; *at; at = &(*at)->console_next) {
        if (*at != client)
            continue;
        *at = client->console_next;
        break;
    }
    client->console = NULL;
    client->console_writer = false;
    if (!console->watchers)
        console_end(console);
}

void console_output(struct client *client)
{
    struct console *console = client->console;

    if (!console || client->dead)
        return;
    uint64_t head = out_head(console);
    uint64_t position = clamp_position(client->console_position, head);
    if (head > client->console_until)
        head = client->console_until;
    while (position < head && client->out_used < BACKLOG_MAX) {
        size_t at = position % CONSOLE_RING;
        size_t size = (size_t)(head - position);
        if (size > CONSOLE_RING - at)
            size = CONSOLE_RING - at;
        position += size;
        client->console_position = position;
        if (!client_write(client, console->ring->out + at, size))
            return; /* it was killed: console may be gone */
    }
    if (client->console_until != UINT64_MAX && position >= client->console_until)
        client_close(client);
}

bool console_takes_input(const struct client *client)
{
    return client->in_used < CLIENT_LINE_MAX;
}

static void console_push(struct client *client);

static int on_retry(sd_event_source *source, uint64_t now, void *data)
{
    struct console *console = data;

    (void)source;
    (void)now;
    console->retry = sd_event_source_disable_unref(console->retry);
    for (struct client *client = console->watchers; client; client = client->console_next) {
        if (!client->console_writer)
            continue;
        console_push(client);
        client_update(client);
        break;
    }
    return 0;
}

static void retry_later(struct console *console)
{
    uint64_t now;

    if (console->retry || sd_event_now(console->command->event, CLOCK_MONOTONIC, &now) < 0)
        return;
    sd_event_add_time(console->command->event, &console->retry, CLOCK_MONOTONIC, now + RETRY_US, 0,
                      on_retry, console);
}

/* What the client sent goes to the guest, or, from one that only watches, nowhere. */
static void console_push(struct client *client)
{
    struct console *console = client->console;
    size_t pushed = client->in_used;

    if (client->console_writer)
        pushed = ring_push(console, client->in, client->in_used);
    client->in_used -= pushed;
    memmove(client->in, client->in + pushed, client->in_used);
    if (client->in_used)
        retry_later(console);
}

void console_input(struct client *client)
{
    if (client->in_used < CLIENT_LINE_MAX && !client->ended) {
        ssize_t got = recv(client->socket, client->in + client->in_used,
                           CLIENT_LINE_MAX - client->in_used, MSG_DONTWAIT);
        if (got < 0 && errno != EAGAIN && errno != EINTR) {
            client_kill(client);
            return;
        }
        client->ended = got == 0;
        client->in_used += got > 0 ? (size_t)got : 0;
    }
    console_push(client);
    client_update(client);
}

void console_snapshot(struct server *server)
{
    struct console *next_console;
    struct client *next;

    if (!server->command->view.head || !server->command->current)
        return;
    for (struct console *console = server->consoles; console; console = next_console) {
        next_console = console->next;
        uint64_t run = run_of(server->command, console->name);
        if (!console->run)
            console->run = run; /* it was opened before its start was in a snapshot */
        if (run == console->run)
            continue;
        for (struct client *client = console->watchers; client; client = next) {
            next = client->console_next;
            client->console_until = out_head(console);
            console_output(client);
        }
    }
}
