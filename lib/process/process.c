/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "log/log.h"
#include "sandbox/sandbox.h"

#define BOOT_ROWS_MAX 16

/* The running side of a peer. */
struct peer {
    struct process *process;
    const struct process_peer *config;
    struct link *link;
    uint32_t generation;
    int waiting; /* socket that came before START; -1: none */
};

struct process {
    const struct process_config *config;
    void *context;
    sd_event *event;
    struct link *boot;
    struct frame_row boot_rows[BOOT_ROWS_MAX];
    size_t boot_rows_count;
    struct peer peers[PROCESS_KINDS];
    sd_event_source *watchdog;
    uint64_t watchdog_us; /* between two signs of life */
    bool started;
};

sd_event *process_event(struct process *process)
{
    return process->event;
}

bool process_connected(const struct process *process, enum process_kind peer)
{
    return process->peers[peer].link != NULL;
}

int process_send_boot(struct process *process, const void *message)
{
    return link_send(process->boot, message, NULL, 0);
}

static int send_plain(struct process *process, uint16_t type)
{
    struct boot_empty message = {.header = frame_header(type, sizeof(message), 0)};
    return process_send_boot(process, &message);
}

static int store(struct process *process, uint16_t type, const char *name, const int *fd)
{
    struct boot_store message = {.header = frame_header(type, sizeof(message), 0)};
    if (strlen(name) >= sizeof(message.name))
        return -ENAMETOOLONG;
    strcpy(message.name, name);
    return link_send(process->boot, &message, fd, fd ? 1 : 0);
}

int process_store(struct process *process, const char *name, int fd)
{
    return store(process, BOOT_STORE, name, &fd);
}

int process_store_drop(struct process *process, const char *name)
{
    return store(process, BOOT_STORE_DROP, name, NULL);
}

static void complain(struct process *process, const struct peer *peer, int error)
{
    struct boot_complaint message = {
        .header = frame_header(BOOT_COMPLAINT, sizeof(message), 0),
        .peer = peer->config->kind,
        .generation = peer->generation,
        .error = error,
    };
    process_send_boot(process, &message);
}

static void peer_ended(void *data, int error)
{
    struct peer *peer = data;
    struct process *process = peer->process;

    peer->link = NULL;
    if (error) {
        log_warning("link to process kind %d ended: %s", (int)peer->config->kind, strerror(-error));
        complain(process, peer, error);
    }
    if (peer->config->down)
        peer->config->down(process->context);
}

static int peer_open(struct peer *peer, int socket)
{
    struct process *process = peer->process;
    bool was_up = peer->link != NULL;

    link_free(peer->link);
    peer->link = NULL;
    if (was_up && peer->config->down)
        peer->config->down(process->context);
    const struct link_table table = {.rows = peer->config->rows,
                                     .rows_count = peer->config->rows_count,
                                     .rows_context = process->context,
                                     .ended = peer_ended,
                                     .ended_context = peer};
    int error = link_new(&peer->link, process->event, socket, &table);
    if (error < 0) {
        close(socket);
        return error;
    }
    if (peer->config->up)
        peer->config->up(process->context);
    return 0;
}

static int on_link(void *data, struct frame *frame)
{
    struct process *process = data;
    const struct boot_link *message = (const void *)frame->bytes;

    if (message->peer >= PROCESS_KINDS || !process->peers[message->peer].config)
        return -EBADMSG;
    struct peer *peer = &process->peers[message->peer];
    peer->generation = message->generation;
    if (process->started)
        return peer_open(peer, frame_take(frame, 0));
    if (peer->waiting >= 0)
        close(peer->waiting);
    peer->waiting = frame_take(frame, 0);
    return 0;
}

static int on_file(void *data, struct frame *frame)
{
    struct process *process = data;
    const struct boot_file *message = (const void *)frame->bytes;

    if (!process->config->file || !frame_string_ok(message->name, sizeof(message->name)))
        return -EBADMSG;
    return process->config->file(process->context, message->name, frame_take(frame, 0));
}

static int on_stored(void *data, struct frame *frame)
{
    struct process *process = data;
    const struct boot_store *message = (const void *)frame->bytes;

    if (!process->config->stored || !frame_string_ok(message->name, sizeof(message->name)))
        return -EBADMSG;
    return process->config->stored(process->context, message->name, frame_take(frame, 0));
}

static int on_watchdog(sd_event_source *source, uint64_t now, void *data)
{
    struct process *process = data;

    send_plain(process, BOOT_ALIVE);
    sd_event_source_set_time(source, now + process->watchdog_us);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int watchdog_start(struct process *process, uint32_t watchdog_ms)
{
    uint64_t now;
    sd_event_now(process->event, CLOCK_MONOTONIC, &now);
    process->watchdog_us = (uint64_t)watchdog_ms * 1000 / 4;
    return sd_event_add_time(process->event, &process->watchdog, CLOCK_MONOTONIC,
                             now + process->watchdog_us, 0, on_watchdog, process);
}

/* A second START: the host's settings changed. */
static int watchdog_change(struct process *process, uint32_t watchdog_ms)
{
    process->watchdog_us = (uint64_t)watchdog_ms * 1000 / 4;
    return sd_event_source_set_time_relative(process->watchdog, 0);
}

static int open_waiting_peers(struct process *process)
{
    for (size_t i = 0; i < PROCESS_KINDS; i++) {
        struct peer *peer = &process->peers[i];
        int socket = peer->waiting;
        peer->waiting = -1;
        int error = socket >= 0 ? peer_open(peer, socket) : 0;
        if (error < 0)
            return error;
    }
    return 0;
}

static int on_start(void *data, struct frame *frame)
{
    struct process *process = data;
    const struct boot_start *message = (const void *)frame->bytes;

    if (message->watchdog_ms < 100)
        return -EBADMSG;
    if (process->started)
        return watchdog_change(process, message->watchdog_ms);
    process->started = true;
    int error = watchdog_start(process, message->watchdog_ms);
    if (error >= 0)
        error = process->config->start(process->context, process, message->generation);
    if (error >= 0)
        error = open_waiting_peers(process);
    if (error < 0) {
        log_error("cannot start: %s", strerror(-error));
        sd_event_exit(process->event, EXIT_FAILURE);
        return 0;
    }
    return send_plain(process, BOOT_READY);
}

static int on_stop(void *data, struct frame *frame)
{
    struct process *process = data;
    (void)frame;

    if (process->config->stop)
        process->config->stop(process->context);
    return sd_event_exit(process->event, EXIT_SUCCESS);
}

static void boot_ended(void *data, int error)
{
    struct process *process = data;
    process->boot = NULL;
    log_error("link to boot ended: %s", error ? strerror(-error) : "closed");
    sd_event_exit(process->event, EXIT_FAILURE);
}

static const struct frame_row common_boot_rows[] = {
    {BOOT_FILE, 1, 1, sizeof(struct boot_file), FRAME_ALWAYS, on_file},
    {BOOT_STORED, 1, 1, sizeof(struct boot_store), FRAME_ALWAYS, on_stored},
    {BOOT_LINK, 1, 1, sizeof(struct boot_link), FRAME_ALWAYS, on_link},
    {BOOT_START, 0, 0, sizeof(struct boot_start), FRAME_ALWAYS, on_start},
    {BOOT_STOP, 0, 0, sizeof(struct boot_empty), FRAME_ALWAYS, on_stop},
};

static int say_hello(struct process *process)
{
    struct boot_hello hello = {.header = frame_header(BOOT_HELLO, sizeof(hello), 0),
                               .kind = process->config->kind,
                               .pid = (uint32_t)getpid()};
    return process_send_boot(process, &hello);
}

/* What boot says to this kind alone: the daemon's own handlers, with the daemon's context. */
static int on_daemon_row(void *data, struct frame *frame)
{
    struct process *process = data;
    return frame_dispatch(process->config->boot_rows, process->config->boot_rows_count, 0,
                          process->context, frame);
}

static int boot_table_fill(struct process *process)
{
    const struct process_config *config = process->config;
    size_t common = sizeof(common_boot_rows) / sizeof(common_boot_rows[0]);

    if (common + config->boot_rows_count > BOOT_ROWS_MAX)
        return -E2BIG;
    memcpy(process->boot_rows, common_boot_rows, sizeof(common_boot_rows));
    for (size_t i = 0; i < config->boot_rows_count; i++) {
        process->boot_rows[common + i] = config->boot_rows[i];
        process->boot_rows[common + i].handle = on_daemon_row;
    }
    process->boot_rows_count = common + config->boot_rows_count;
    return 0;
}

static int boot_open(struct process *process)
{
    int error = boot_table_fill(process);
    if (error)
        return error;
    const struct link_table table = {.rows = process->boot_rows,
                                     .rows_count = process->boot_rows_count,
                                     .rows_context = process,
                                     .ended = boot_ended,
                                     .ended_context = process};
    return link_new(&process->boot, process->event, BOOT_FD, &table);
}

static void peers_init(struct process *process)
{
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        process->peers[i] = (struct peer){.process = process, .waiting = -1};
    for (size_t i = 0; i < process->config->peers_count; i++)
        process->peers[process->config->peers[i].kind].config = &process->config->peers[i];
}

static int setup(struct process *process)
{
    const struct process_config *config = process->config;
    sd_id128_t host;

    peers_init(process);
    signal(SIGPIPE, SIG_IGN);
    int error = sd_event_new(&process->event);
    if (error >= 0)
        error = sd_id128_get_boot(&host); /* for the first timer: no open() after the seal */
    if (error >= 0)
        error = boot_open(process);
    if (error >= 0 && config->prepare)
        error = config->prepare(process->context, process);
    if (error >= 0)
        error = sandbox_seal(config->system_calls, config->system_calls_count);
    if (error >= 0)
        error = say_hello(process);
    return error;
}

static void teardown(struct process *process)
{
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        link_free(process->peers[i].link);
    link_free(process->boot);
    sd_event_source_disable_unref(process->watchdog);
    sd_event_unref(process->event);
}

int process_send(struct process *process, enum process_kind peer, const void *message,
                 const int *files, size_t files_count)
{
    struct peer *to = &process->peers[peer];

    if (!to->link)
        return -ENOTCONN;
    int error = link_send(to->link, message, files, files_count);
    if (error == -ENOBUFS) {
        struct link *link = to->link;
        link_free(link);
        peer_ended(to, error);
    }
    return error;
}

int process_run(const struct process_config *config, void *context)
{
    struct process process = {.config = config, .context = context};

    log_open(config->name);
    int error = setup(&process);
    if (error < 0)
        log_error("cannot set up: %s", strerror(-error));
    else
        error = sd_event_loop(process.event);
    teardown(&process);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
