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
    struct console_ring *ring; /* NULL: asked for, and its watchers wait */
    uint64_t in_head;          /* ours; the one in the ring is for the monitor */
    int out_event, in_event;
    sd_event_source *out_source, *retry;
    struct client *watchers; /* by console_next */
};

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

static void unlist(struct console *console)
{
    struct console **at = &console->command->server.consoles;

    while (*at != console)
        at = &(*at)->next;
    *at = console->next;
}

/* Control waits for this word before the memory is anybody else's. */
static void say(const struct console *console, uint16_t type)
{
    struct control_channel message = {.header = frame_header(type, sizeof(message), 0)};

    memcpy(message.name, console->name, sizeof(message.name));
    process_send(console->command->process, PROCESS_CONTROL, &message, NULL, 0);
}

static void console_end(struct console *console)
{
    struct console whole = *console;

    unlist(console);
    console_free(console);
    say(&whole, CONTROL_CHANNEL_DETACHED);
}

void console_say_held(struct command *command)
{
    const struct control_channel_sync sync = {
        .header = frame_header(CONTROL_CHANNEL_SYNC, sizeof(sync), 0)};

    for (const struct console *console = command->server.consoles; console; console = console->next)
        if (console->ring)
            say(console, CONTROL_CHANNEL_HELD);
    process_send(command->process, PROCESS_CONTROL, &sync, NULL, 0);
}

/* --- its clients ---------------------------------------------------------------------------- */

static bool has_writer(const struct console *console)
{
    for (const struct client *client = console->watchers; client; client = client->console_next)
        if (client->console_writer)
            return true;
    return false;
}

static void watch(struct console *console, struct client *client)
{
    client->console = console;
    client->console_next = console->watchers;
    console->watchers = client;
}

static void unwatch(struct console *console, const struct client *client)
{
    struct client **at = &console->watchers;

    while (*at && *at != client)
        at = &(*at)->console_next;
    if (*at)
        *at = client->console_next;
}

static void welcome(struct console *console, struct client *client)
{
    bool refused = client->console_wish_input && has_writer(console);
    uint64_t head = out_head(console);

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

static void refuse_all(struct console *console, int error, const char *text)
{
    struct client *next;

    for (struct client *client = console->watchers; client; client = next) {
        next = client->console_next;
        client->console = NULL;
        client_refuse(client, error, text);
    }
}

/* All who asked meanwhile, if anybody still wants it. */
static void on_opened(void *context, const struct control_result *result, struct frame *frame)
{
    struct console *console = context;
    struct client *client = console->watchers, *next;
    int error = result->error;

    if (!error)
        error = frame->files_count == 3 ? open_files(console, frame) : -EBADMSG;
    if (error || !client) {
        unlist(console); /* who is refused may ask again */
        refuse_all(console, error, result->error ? result->text : "control's console is wrong");
        if (!result->error)
            say(console, CONTROL_CHANNEL_DETACHED);
        console_free(console);
        return;
    }
    for (; client; client = next) {
        next = client->console_next;
        welcome(console, client);
    }
}

static struct console *console_ask(struct command *command, const char *name,
                                   const struct requester *requester, int *error)
{
    struct control_partition_name message = {.requester = *requester};
    struct console *console = calloc(1, sizeof(*console));

    *error = console ? 0 : -ENOMEM;
    if (!console)
        return NULL;
    *console = (struct console){.command = command, .out_event = -1, .in_event = -1};
    strcpy(console->name, name);
    strcpy(message.name, name);
    *error = requests_add(&command->requests, CONTROL_CONSOLE_OPEN, &message, sizeof(message),
                          on_opened, console);
    if (*error) {
        console_free(console);
        return NULL;
    }
    console->next = command->server.consoles;
    command->server.consoles = console;
    return console;
}

void console_open(struct client *client, const char *name, const struct requester *requester,
                  struct console_wish wish)
{
    struct console *console = console_find(client->command, name);
    int error = 0;

    client->console_wish_input = wish.input;
    client->console_wish_follow = wish.follow;
    strcpy(client->watched, name);
    if (!console)
        console = console_ask(client->command, name, requester, &error);
    if (!console) {
        client_refuse(client, error, strerror(-error));
        return;
    }
    watch(console, client);
    if (console->ring)
        welcome(console, client);
}

void console_leave(struct client *client)
{
    struct console *console = client->console;

    if (!console)
        return;
    unwatch(console, client);
    client->console = NULL;
    client->console_writer = false;
    if (!console->watchers && console->ring)
        console_end(console);
}

/* As much as `backlog` allows to wait for the client to read. False: it was killed. */
static bool copy_output(struct client *client, size_t backlog)
{
    const struct console *console = client->console;
    uint64_t head = out_head(console);
    uint64_t position = clamp_position(client->console_position, head);

    if (head > client->console_until)
        head = client->console_until;
    while (position < head && client->out_used < backlog) {
        size_t at = position % CONSOLE_RING;
        size_t size = (size_t)(head - position);
        if (size > CONSOLE_RING - at)
            size = CONSOLE_RING - at;
        position += size;
        client->console_position = position;
        if (!client_write(client, console->ring->out + at, size))
            return false; /* console may be gone */
    }
    return true;
}

void console_output(struct client *client)
{
    if (!client->console || client->dead || !copy_output(client, BACKLOG_MAX))
        return;
    if (client->console_until != UINT64_MAX && client->console_position >= client->console_until)
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

/* What is left of the output waits in each client's own memory: the console's is let go of. */
static void last_words(struct console *console)
{
    struct client *next;

    for (struct client *client = console->watchers; client; client = next) {
        next = client->console_next;
        if (!copy_output(client, SIZE_MAX))
            continue;
        console_leave(client); /* the last one ends the console */
        client_close(client);
    }
}

void console_snapshot(struct server *server)
{
    const struct snapshot_view *view = &server->command->view;
    struct console *next;

    if (!view->head || !server->command->current)
        return;
    for (struct console *console = server->consoles; console; console = next) {
        const struct snapshot_partition *partition = snapshot_view_partition(view, console->name);
        next = console->next;
        if (console->ring && partition && partition->phase == PHASE_RELEASING)
            last_words(console);
    }
}
