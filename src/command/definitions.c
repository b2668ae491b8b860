/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One run of definitions_sync(): counts what is unanswered; the last answer ends it. */
struct sync {
    size_t pending;
    sync_done *done;
    void *context;
    size_t count;
    struct sync_line lines[SYNC_LINES_MAX];
};

/* One request of it. */
struct sync_request {
    struct sync *sync;
    char name[PARCLOSE_NAME_MAX];
    const char *what; /* "defined" … */
};

static void read_host(struct definitions *definitions, const struct config_reader *reader, int dir)
{
    struct host_config host;

    definitions->host_good = !config_host_read(reader, dir, &host, &definitions->host_error);
    if (!definitions->host_good)
        return;
    definitions->host = host;
    definitions->host_known = true;
}

void definitions_read(struct definitions *definitions, const struct config_reader *reader, int dir)
{
    struct config_names names;

    read_host(definitions, reader, dir);
    const struct host_config *host = definitions->host_known ? &definitions->host : NULL;
    definitions->count = 0;
    definitions->list_error.text[0] = '\0';
    definitions->listed = !config_partition_names(dir, &names, &definitions->list_error);
    if (!definitions->listed)
        return;
    if (names.bad_count)
        definitions->list_error = names.bad;
    for (size_t i = 0; i < names.count; i++) {
        struct definition *definition = &definitions->list[definitions->count++];
        memcpy(definition->name, names.names[i], sizeof(definition->name));
        definition->good = !config_partition_read(reader, dir, definition->name, host,
                                                  &definition->config, &definition->error);
    }
}

const struct definition *definitions_find(const struct definitions *definitions, const char *name)
{
    for (size_t i = 0; i < definitions->count; i++)
        if (!strcmp(definitions->list[i].name, name))
            return &definitions->list[i];
    return NULL;
}

__attribute__((format(printf, 4, 5))) static void add_line(struct sync *sync, const char *name,
                                                           bool problem, const char *format, ...)
{
    va_list arguments;

    if (sync->count == SYNC_LINES_MAX)
        return;
    struct sync_line *line = &sync->lines[sync->count++];
    line->problem = problem;
    snprintf(line->name, sizeof(line->name), "%s", name);
    va_start(arguments, format);
    vsnprintf(line->text, sizeof(line->text), format, arguments);
    va_end(arguments);
}

static void finish(struct sync *sync)
{
    if (sync->pending)
        return;
    sync->done(sync->context, sync->lines, sync->count);
    free(sync);
}

static void on_result(void *context, const struct control_result *result, struct frame *frame)
{
    struct sync_request *request = context;
    struct sync *sync = request->sync;
    const char *name = request->name[0] ? request->name : "host.xml";

    (void)frame;
    if (result->error)
        add_line(sync, request->name, true, "%s: not %s: %s", name, request->what,
                 result->text[0] ? result->text : strerror(-result->error));
    else
        add_line(sync, request->name, false, "%s: %s", name, request->what);
    free(request);
    sync->pending--;
    finish(sync);
}

static int send(struct sync *sync, struct requests *requests, const char *name, const char *what,
                uint16_t type, void *message, size_t size)
{
    struct sync_request *request = calloc(1, sizeof(*request));

    if (!request)
        return -ENOMEM;
    *request = (struct sync_request){.sync = sync, .what = what};
    snprintf(request->name, sizeof(request->name), "%s", name);
    int error = requests_add(requests, type, message, size, on_result, request);
    if (error) {
        add_line(sync, name, true, "%s: not %s: %s", name, what, strerror(-error));
        free(request);
        return error;
    }
    sync->pending++;
    return 0;
}

static void sync_host(struct sync *sync, const struct definitions *definitions,
                      const struct snapshot_view *view, struct requests *requests,
                      const struct requester *requester)
{
    struct control_host_set message = {.requester = *requester, .host = definitions->host};

    if (!definitions->host_good) {
        add_line(sync, "", true, "%s", definitions->host_error.text);
        return;
    }
    if (memcmp(&view->head->host, &definitions->host, sizeof(definitions->host)) != 0)
        send(sync, requests, "", "set", CONTROL_HOST_SET, &message, sizeof(message));
}

static bool stopped(const struct snapshot_partition *partition)
{
    return partition->phase == PHASE_DEFINED || partition->phase == PHASE_FAILED;
}

static void sync_definition(struct sync *sync, const struct definition *definition,
                            const struct snapshot_view *view, struct requests *requests,
                            const struct requester *requester)
{
    const struct snapshot_partition *known = snapshot_view_partition(view, definition->name);
    struct control_partition_define message = {.requester = *requester,
                                               .config = definition->config};

    if (!definition->good)
        add_line(sync, definition->name, true, "%s", definition->error.text);
    else if (known && !memcmp(&known->config, &definition->config, sizeof(known->config)))
        return;
    else if (known && !stopped(known))
        add_line(sync, definition->name, false,
                 "%s: has changed; that takes effect when it is stopped and started",
                 definition->name);
    else
        send(sync, requests, definition->name, known ? "changed" : "defined",
             CONTROL_PARTITION_DEFINE, &message, sizeof(message));
}

/* The partition's file is gone. */
static void sync_vanished(struct sync *sync, const struct snapshot_partition *partition,
                          struct requests *requests, const struct requester *requester)
{
    struct control_partition_name message = {.requester = *requester};

    memcpy(message.name, partition->config.name, sizeof(message.name));
    if (!stopped(partition))
        add_line(sync, message.name, false, "%s: has no file any more; it goes when it is stopped",
                 message.name);
    else
        send(sync, requests, message.name, "removed", CONTROL_PARTITION_UNDEFINE, &message,
             sizeof(message));
}

int definitions_sync(const struct definitions *definitions, const struct snapshot_view *view,
                     struct requests *requests, const struct requester *requester, sync_done *done,
                     void *context)
{
    struct sync *sync = calloc(1, sizeof(*sync));

    if (!sync)
        return -ENOMEM;
    *sync = (struct sync){.pending = 1, .done = done, .context = context};
    if (definitions->list_error.text[0])
        add_line(sync, "", true, "%s", definitions->list_error.text);
    for (uint32_t i = 0; definitions->listed && i < view->head->partitions_count; i++)
        if (!definitions_find(definitions, view->partitions[i].config.name))
            sync_vanished(sync, &view->partitions[i], requests, requester);
    sync_host(sync, definitions, view, requests, requester);
    for (size_t i = 0; i < definitions->count; i++)
        sync_definition(sync, &definitions->list[i], view, requests, requester);
    sync->pending--;
    finish(sync);
    return 0;
}
