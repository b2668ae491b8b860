/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * One run of definitions_sync(): first what vanished, then the host, then every definition, with at
 * most AHEAD requests unanswered; each answer takes it a step on, the last one ends it. It ends
 * early when the files are read anew meanwhile: then another run sees to what is left.
 */
struct sync {
    const struct definitions *definitions;
    const struct snapshot_view *view;
    struct requests *requests;
    struct requester requester;
    uint64_t reads;    /* of the definitions, when it began */
    uint32_t vanished; /* partitions up to this id have been looked at; UINT32_MAX: all */
    bool host;         /* was looked at */
    size_t next;       /* of definitions->list */
    size_t pending;
    bool stepping;
    sync_done *done;
    void *context;
    size_t count;
    struct sync_line lines[SYNC_LINES_MAX];
};

#define AHEAD (REQUESTS_MAX / 2) /* the rest is for the users' requests */

/* One request of it. */
struct sync_request {
    struct sync *sync;
    char name[PARCLOSE_NAME_MAX];
    const char *what; /* "defined" … */
};

static void read_host(struct definitions *definitions, const struct config_reader *reader, int dir,
                      int staged)
{
    struct host_config host;
    int error = -ENOENT;

    if (staged >= 0)
        error = config_host_read(reader, staged, &host, &definitions->host_error);
    if (error == -ENOENT)
        error = config_host_read(reader, dir, &host, &definitions->host_error);
    definitions->host_good = !error;
    if (!definitions->host_good)
        return;
    definitions->host = host;
    definitions->host_known = true;
}

/* It may be moved from the one to the other just now: then it is in the second. */
static void read_definition(const struct config_reader *reader, int dir, int staged,
                            const struct host_config *host, struct definition *definition)
{
    int error = -ENOENT;

    if (staged >= 0)
        error = config_partition_read(reader, staged, definition->name, host, &definition->config,
                                      &definition->error);
    if (error == -ENOENT)
        error = config_partition_read(reader, dir, definition->name, host, &definition->config,
                                      &definition->error);
    definition->good = !error;
}

/* The names of both, each once, in order. (qsort() asks how much memory there is, and may not.) */
static void join(struct config_names *names, const struct config_names *others)
{
    size_t at = 0;

    for (size_t i = 0; i < others->count && names->count < PARCLOSE_MAX_PARTITIONS; i++) {
        while (at < names->count && strcmp(names->names[at], others->names[i]) < 0)
            at++;
        if (at < names->count && !strcmp(names->names[at], others->names[i]))
            continue;
        memmove(names->names[at + 1], names->names[at],
                (names->count++ - at) * sizeof(names->names[0]));
        memcpy(names->names[at], others->names[i], sizeof(names->names[0]));
    }
}

/* Those that are laid ready first: they may be moved meanwhile. */
static int read_names(struct definitions *definitions, int dir, int staged,
                      struct config_names *names)
{
    static struct config_names ready;
    int error = 0;

    ready.count = 0;
    if (staged >= 0)
        error = config_partition_names(staged, &ready, &definitions->list_error);
    if (!error)
        error = config_partition_names(dir, names, &definitions->list_error);
    if (!error)
        join(names, &ready);
    return error;
}

void definitions_read(struct definitions *definitions, const struct config_reader *reader, int dir,
                      int staged)
{
    static struct config_names names;

    read_host(definitions, reader, dir, staged);
    const struct host_config *host = definitions->host_known ? &definitions->host : NULL;
    definitions->count = 0;
    definitions->reads++;
    definitions->list_error.text[0] = '\0';
    definitions->listed = !read_names(definitions, dir, staged, &names);
    if (!definitions->listed)
        return;
    if (names.bad_count)
        definitions->list_error = names.bad;
    for (size_t i = 0; i < names.count; i++) {
        struct definition *definition = &definitions->list[definitions->count++];
        memcpy(definition->name, names.names[i], sizeof(definition->name));
        read_definition(reader, dir, staged, host, definition);
    }
}

const struct definition *definitions_find(const struct definitions *definitions, const char *name)
{
    size_t low = 0, high = definitions->count;

    while (low < high) { /* they are in order */
        size_t middle = low + (high - low) / 2;
        int order = strcmp(definitions->list[middle].name, name);
        if (!order)
            return &definitions->list[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
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

static void go_on(struct sync *sync);

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
    go_on(sync);
}

static int send(struct sync *sync, const char *name, const char *what, uint16_t type, void *message,
                size_t size)
{
    struct sync_request *request = calloc(1, sizeof(*request));

    if (!request)
        return -ENOMEM;
    *request = (struct sync_request){.sync = sync, .what = what};
    snprintf(request->name, sizeof(request->name), "%s", name);
    int error = requests_add(sync->requests, type, message, size, on_result, request);
    if (error) {
        add_line(sync, name, true, "%s: not %s: %s", name, what, strerror(-error));
        free(request);
        return error;
    }
    sync->pending++;
    return 0;
}

static void sync_host(struct sync *sync)
{
    const struct definitions *definitions = sync->definitions;
    struct control_host_set message = {.requester = sync->requester, .host = definitions->host};

    sync->host = true;
    if (!definitions->host_good) {
        add_line(sync, "", true, "%s", definitions->host_error.text);
        return;
    }
    if (memcmp(&sync->view->head->host, &definitions->host, sizeof(definitions->host)) != 0)
        send(sync, "", "set", CONTROL_HOST_SET, &message, sizeof(message));
}

static void sync_definition(struct sync *sync, const struct definition *definition)
{
    const struct snapshot_partition *known = snapshot_view_partition(sync->view, definition->name);
    struct control_partition_define message = {.requester = sync->requester,
                                               .config = definition->config};

    if (!definition->good)
        add_line(sync, definition->name, true, "%s", definition->error.text);
    else if (known && !memcmp(&known->config, &definition->config, sizeof(known->config)))
        return;
    else if (known && !snapshot_partition_stopped(known) &&
             !partition_config_live_apart(&known->config, &definition->config)) /* control judges */
        add_line(sync, definition->name, false,
                 "%s: has changed; that takes effect when it is stopped and started",
                 definition->name);
    else
        send(sync, definition->name, known ? "changed" : "defined", CONTROL_PARTITION_DEFINE,
             &message, sizeof(message));
}

/* The partition's file is gone. */
static void sync_vanished(struct sync *sync, const struct snapshot_partition *partition)
{
    struct control_partition_name message = {.requester = sync->requester};

    memcpy(message.name, partition->config.name, sizeof(message.name));
    if (!snapshot_partition_stopped(partition))
        add_line(sync, message.name, false, "%s: has no file any more; it goes when it is stopped",
                 message.name);
    else
        send(sync, message.name, "removed", CONTROL_PARTITION_UNDEFINE, &message, sizeof(message));
}

/* The next partition that control knows and no file defines; NULL: no more. Those that control has
 * removed meanwhile are not in the view any more, so it goes by id. */
static const struct snapshot_partition *next_vanished(struct sync *sync)
{
    const struct snapshot_view *view = sync->view;

    if (sync->vanished == UINT32_MAX || !sync->definitions->listed)
        return NULL;
    for (uint32_t i = 0; i < view->head->partitions_count; i++) {
        const struct snapshot_partition *partition = &view->partitions[i];
        if (partition->id.value <= sync->vanished)
            continue;
        sync->vanished = partition->id.value;
        if (!definitions_find(sync->definitions, partition->config.name))
            return partition;
    }
    sync->vanished = UINT32_MAX;
    return NULL;
}

/* False: there is nothing more to do. */
static bool step(struct sync *sync)
{
    if (!sync->view->head || sync->definitions->reads != sync->reads)
        return false;
    const struct snapshot_partition *vanished = next_vanished(sync);
    if (vanished)
        sync_vanished(sync, vanished);
    else if (!sync->host)
        sync_host(sync);
    else if (sync->next < sync->definitions->count)
        sync_definition(sync, &sync->definitions->list[sync->next++]);
    else
        return false;
    return true;
}

/* An answer may come within a step; the step's own loop goes on then. */
static void go_on(struct sync *sync)
{
    if (sync->stepping)
        return;
    sync->stepping = true;
    while (sync->pending < AHEAD && step(sync))
        ;
    sync->stepping = false;
    finish(sync);
}

int definitions_sync(const struct definitions *definitions, const struct snapshot_view *view,
                     struct requests *requests, const struct requester *requester, sync_done *done,
                     void *context)
{
    struct sync *sync = calloc(1, sizeof(*sync));

    if (!sync)
        return -ENOMEM;
    *sync = (struct sync){.definitions = definitions,
                          .view = view,
                          .requests = requests,
                          .requester = *requester,
                          .reads = definitions->reads,
                          .done = done,
                          .context = context};
    if (definitions->list_error.text[0])
        add_line(sync, "", true, "%s", definitions->list_error.text);
    go_on(sync);
    return 0;
}
