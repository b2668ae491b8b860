/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct request {
    struct request *next;
    uint64_t id;
    request_done *done; /* NULL: the asker is gone */
    void *context;
    _Alignas(8) uint8_t message[];
};

void requests_init(struct requests *requests, request_send *send, void *context)
{
    *requests = (struct requests){.send = send, .send_context = context};
    if (getrandom(&requests->next_id, sizeof(requests->next_id), GRND_NONBLOCK) < 0)
        requests->next_id = (uint64_t)(uintptr_t)requests;
}

static struct request *find(const struct requests *requests, uint64_t id)
{
    struct request *request = requests->first;

    while (request && request->id != id)
        request = request->next;
    return request;
}

static uint64_t next_id(struct requests *requests)
{
    do
        requests->next_id++;
    while (!requests->next_id || find(requests, requests->next_id));
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

int requests_add_as(struct requests *requests, uint64_t id, uint16_t type, void *message,
                    size_t size, request_done *done, void *context)
{
    struct request *same = id ? find(requests, id) : NULL;

    if (same)
        return take_over(same, type, done, context);
    if (requests->count >= REQUESTS_MAX)
        return -ENOBUFS;
    struct request *request = malloc(sizeof(*request) + size);
    if (!request)
        return -ENOMEM;
    *request =
        (struct request){.id = id ? id : next_id(requests), .done = done, .context = context};
    *(struct wire_header *)message = frame_header(type, size, request->id);
    memcpy(request->message, message, size);
    struct request **last = &requests->first;
    while (*last)
        last = &(*last)->next;
    *last = request;
    requests->count++;
    requests->send(requests->send_context, request->message);
    return 0;
}

int requests_add(struct requests *requests, uint16_t type, void *message, size_t size,
                 request_done *done, void *context)
{
    return requests_add_as(requests, 0, type, message, size, done, context);
}

void requests_resend(struct requests *requests)
{
    for (struct request *request = requests->first; request; request = request->next)
        if (requests->send(requests->send_context, request->message))
            return;
}

static struct request *take(struct requests *requests, uint64_t id)
{
    for (struct request **at = &requests->first; *at; at = &(*at)->next) {
        struct request *request = *at;
        if (request->id != id)
            continue;
        *at = request->next;
        requests->count--;
        return request;
    }
    return NULL;
}

int requests_answer(struct requests *requests, struct frame *frame)
{
    const struct control_result *result = (const void *)frame->bytes;

    if (!frame_string_ok(result->text, sizeof(result->text)) || !frame_error_ok(result->error))
        return -EBADMSG;
    struct request *request = take(requests, result->header.id);
    if (request && request->done)
        request->done(request->context, result, frame);
    free(request);
    return 0;
}

void requests_forget(struct requests *requests, const void *context)
{
    for (struct request *request = requests->first; request; request = request->next)
        if (request->context == context)
            request->done = NULL;
}
