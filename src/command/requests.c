/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct request {
    struct request *next;
    uint64_t id;
    request_done *done; /* NULL: the asker is gone */
    void *context;
    int file;                     /* that goes along, owned; -1: none */
    struct control_result result; /* answered, but not in a snapshot yet: transaction is not 0 */
    _Alignas(8) uint8_t message[];
};

void requests_init(struct requests *requests, request_send *send, void *context)
{
    *requests = (struct requests){.send = send, .send_context = context};
    if (getrandom(&requests->next_id, sizeof(requests->next_id), GRND_NONBLOCK) < 0)
        requests->next_id = (uint64_t)(uintptr_t)requests;
}

/* Its place in the list, or the end's. */
static struct request **find(struct requests *requests, uint64_t id)
{
    struct request **at = &requests->first;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static uint64_t next_id(struct requests *requests)
{
    do
        requests->next_id++;
    while (!requests->next_id || *find(requests, requests->next_id));
    return requests->next_id;
}

/* Its client was cut off and is here again. */
static int take_over(struct request *request, uint16_t type, request_done *done, void *context)
{
    if (request->done || ((const struct wire_header *)(const void *)request->message)->type != type)
        return -EALREADY;
    request->done = done;
    request->context = context;
    return 0;
}

static struct request *request_new(struct requests *requests, uint64_t id, size_t size, int file)
{
    struct request *request = malloc(sizeof(*request) + size);

    if (!request)
        return NULL;
    *request = (struct request){.id = id ? id : next_id(requests), .file = -1};
    if (file >= 0)
        request->file = fcntl(file, F_DUPFD_CLOEXEC, 3);
    if ((file >= 0) == (request->file >= 0))
        return request;
    free(request);
    return NULL;
}

static void append(struct requests *requests, struct request *request)
{
    struct request **last = &requests->first;

    while (*last)
        last = &(*last)->next;
    *last = request;
    requests->count++;
}

int requests_add_file(struct requests *requests, uint64_t id, uint16_t type, void *message,
                      size_t size, int file, request_done *done, void *context)
{
    struct request *same = id ? *find(requests, id) : NULL;

    if (same)
        return take_over(same, type, done, context);
    if (requests->count >= REQUESTS_MAX)
        return -ENOBUFS;
    struct request *request = request_new(requests, id, size, file);
    if (!request)
        return -ENOMEM;
    request->done = done;
    request->context = context;
    *(struct wire_header *)message = frame_header(type, size, request->id);
    memcpy(request->message, message, size);
    append(requests, request);
    requests->send(requests->send_context, request->message, request->file);
    return 0;
}

int requests_add_as(struct requests *requests, uint64_t id, uint16_t type, void *message,
                    size_t size, request_done *done, void *context)
{
    return requests_add_file(requests, id, type, message, size, -1, done, context);
}

static uint16_t type_of(const struct request *request)
{
    return ((const struct wire_header *)(const void *)request->message)->type;
}

bool requests_pending(const struct requests *requests, uint16_t type)
{
    for (const struct request *request = requests->first; request; request = request->next)
        if (type_of(request) == type)
            return true;
    return false;
}

int requests_add(struct requests *requests, uint16_t type, void *message, size_t size,
                 request_done *done, void *context)
{
    return requests_add_as(requests, 0, type, message, size, done, context);
}

void requests_resend(struct requests *requests)
{
    for (struct request *request = requests->first; request; request = request->next)
        if (!request->result.transaction &&
            requests->send(requests->send_context, request->message, request->file))
            return;
}

static void finish(struct requests *requests, struct request **at, struct frame *frame)
{
    struct request *request = *at;

    *at = request->next;
    requests->count--;
    if (request->done)
        request->done(request->context, (const void *)frame->bytes, frame);
    if (request->file >= 0)
        close(request->file);
    free(request);
}

int requests_answer(struct requests *requests, struct frame *frame)
{
    const struct control_result *result = (const void *)frame->bytes;

    if (!frame_string_ok(result->text, sizeof(result->text)) || !frame_error_ok(result->error) ||
        (result->transaction && frame->files_count))
        return -EBADMSG;
    struct request **at = find(requests, result->header.id);
    if (*at && result->transaction > requests->seen)
        (*at)->result = *result;
    else if (*at)
        finish(requests, at, frame);
    return 0;
}

/* The first that was kept and need not be any more. */
static struct request **find_seen(struct requests *requests)
{
    struct request **at = &requests->first;

    while (*at && (!(*at)->result.transaction || (*at)->result.transaction > requests->seen))
        at = &(*at)->next;
    return at;
}

void requests_snapshot(struct requests *requests, uint64_t transaction)
{
    struct request **at;
    struct frame frame = {.files_count = 0};

    requests->seen = transaction;
    while (*(at = find_seen(requests))) {
        memcpy(frame.bytes, &(*at)->result, sizeof((*at)->result));
        finish(requests, at, &frame);
    }
}

void requests_forget(struct requests *requests, const void *context)
{
    for (struct request *request = requests->first; request; request = request->next)
        if (request->context == context)
            request->done = NULL;
}
