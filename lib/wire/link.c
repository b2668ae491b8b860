/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A message that waits for the peer to read. */
struct queued {
    struct queued *next;
    size_t files_count;
    int files[WIRE_MAX_FDS];
    uint32_t size;
    _Alignas(8) uint8_t bytes[];
};

struct link {
    int socket;
    sd_event_source *source;
    struct link_table table;
    unsigned state;
    struct queued *first, **last;
    size_t queued_count, queued_bytes, queued_files;
    bool dispatching; /* a handler runs: link_free() must wait */
    bool freed;
};

static void queued_free(struct queued *queued)
{
    for (size_t i = 0; i < queued->files_count; i++)
        close(queued->files[i]);
    free(queued);
}

static struct queued *queue_pop(struct link *link)
{
    struct queued *first = link->first;
    link->first = first->next;
    if (!link->first)
        link->last = &link->first;
    link->queued_count--;
    link->queued_bytes -= sizeof(*first) + first->size;
    link->queued_files -= first->files_count;
    return first;
}

static void queue_clear(struct link *link)
{
    while (link->first)
        queued_free(queue_pop(link));
}

static void destroy(struct link *link)
{
    sd_event_source_disable_unref(link->source);
    shutdown(link->socket, SHUT_RDWR); /* a child just forked may have it open for a moment */
    close(link->socket);
    queue_clear(link);
    free(link);
}

void link_free(struct link *link)
{
    if (!link)
        return;
    if (link->dispatching) {
        link->freed = true;
        sd_event_source_set_enabled(link->source, SD_EVENT_OFF);
    } else {
        destroy(link);
    }
}

static void end(struct link *link, int error)
{
    struct link_table table = link->table;
    link_free(link);
    table.ended(table.ended_context, error);
}

static void watch(struct link *link)
{
    sd_event_source_set_io_events(link->source, EPOLLIN | (link->first ? EPOLLOUT : 0));
}

/* Who hears us no more has perhaps said something before: that is read, and then the end. */
static void unheard(struct link *link)
{
    queue_clear(link);
    shutdown(link->socket, SHUT_RDWR);
}

static int flush(struct link *link)
{
    while (link->first) {
        struct queued *first = link->first;
        int error = frame_send(link->socket, first->bytes, first->files, first->files_count);
        if (error == -EAGAIN)
            return 0;
        if (error == -EPIPE)
            unheard(link);
        else if (error)
            return error;
        else
            queued_free(queue_pop(link));
    }
    watch(link);
    return 0;
}

/* One message a wake-up keeps links fair; level-triggered epoll brings us back for the next. */
static int receive(struct link *link)
{
    struct frame frame;
    int got = frame_receive(link->socket, &frame);
    if (got == -EAGAIN)
        return 1;
    if (got <= 0)
        return got;
    int error = frame_dispatch(link->table.rows, link->table.rows_count, link->state,
                               link->table.rows_context, &frame);
    frame_clear(&frame);
    return error < 0 ? error : 1;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct link *link = data;
    int result = 1;
    (void)source;
    (void)fd;

    link->dispatching = true;
    if (events & EPOLLOUT) {
        int error = flush(link);
        result = error < 0 ? error : 1;
    }
    if (result == 1 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        result = receive(link);
    link->dispatching = false;
    if (link->freed)
        destroy(link);
    else if (result <= 0)
        end(link, result);
    return 0;
}

int link_new(struct link **result, sd_event *event, int socket, const struct link_table *table)
{
    struct link *link = calloc(1, sizeof(*link));
    if (!link)
        return -ENOMEM;
    *link = (struct link){.socket = socket, .table = *table, .last = &link->first};
    int error = sd_event_add_io(event, &link->source, socket, EPOLLIN, on_io, link);
    if (error < 0) {
        free(link);
        return error;
    }
    *result = link;
    return 0;
}

int link_set_pace(struct link *link, uint64_t interval_us, unsigned most)
{
    int error = sd_event_source_set_ratelimit(link->source, interval_us, most);
    return error < 0 ? error : 0;
}

static int enqueue(struct link *link, const void *message, const int *files, size_t files_count)
{
    const struct wire_header *wire = message;
    size_t bytes = sizeof(struct queued) + wire->size;

    if (link->queued_bytes + bytes > LINK_QUEUE_BYTES_MAX ||
        link->queued_files + files_count > LINK_QUEUE_FILES_MAX)
        return -ENOBUFS;
    struct queued *queued = calloc(1, bytes);
    if (!queued)
        return -ENOMEM;
    for (; queued->files_count < files_count; queued->files_count++) {
        int copy = fcntl(files[queued->files_count], F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
            int error = -errno;
            queued_free(queued);
            return error;
        }
        queued->files[queued->files_count] = copy;
    }
    queued->size = wire->size;
    memcpy(queued->bytes, message, wire->size);
    *link->last = queued;
    link->last = &queued->next;
    link->queued_count++;
    link->queued_bytes += bytes;
    link->queued_files += files_count;
    watch(link);
    return 0;
}

int link_send(struct link *link, const void *message, const int *files, size_t files_count)
{
    if (!link || link->freed)
        return -EPIPE;
    if (!link->first) {
        int error = frame_send(link->socket, message, files, files_count);
        if (error != -EAGAIN)
            return error;
    }
    return enqueue(link, message, files, files_count);
}

size_t link_queued(const struct link *link)
{
    return link->queued_count;
}

void link_set_state(struct link *link, unsigned state)
{
    link->state = state;
}
