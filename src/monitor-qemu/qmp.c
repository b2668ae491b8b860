/* SPDX-License-Identifier: Apache-2.0 */
#include "qmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t qmp_room(struct qmp *qmp, char **at)
{
    *at = qmp->bytes + qmp->used;
    return sizeof(qmp->bytes) - qmp->used;
}

void qmp_add(struct qmp *qmp, size_t size)
{
    qmp->used += size;
}

static int take_id(const json_t *root, uint64_t *id)
{
    const json_t *value = json_object_get(root, "id");

    *id = 0;
    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) <= 0)
        return -EBADMSG;
    *id = (uint64_t)json_integer_value(value);
    return 0;
}

static int take_event(const json_t *root, struct qmp_message *message)
{
    const json_t *name = json_object_get(root, "event");

    if (!json_is_string(name) || json_string_length(name) >= QMP_EVENT_MAX)
        return -EBADMSG;
    memcpy(message->event, json_string_value(name), json_string_length(name));
    message->kind = QMP_EVENT;
    message->data = json_object_get(root, "data");
    return message->data && !json_is_object(message->data) ? -EBADMSG : 0;
}

/* Exactly one of the four. */
static int classify(json_t *root, struct qmp_message *message)
{
    static const struct {
        const char *member;
        enum qmp_kind kind;
    } kinds[] = {{"QMP", QMP_GREETING}, {"return", QMP_RETURN}, {"error", QMP_ERROR}};
    int found = 0;

    if (!json_is_object(root))
        return -EBADMSG;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        json_t *data = json_object_get(root, kinds[i].member);
        if (!data)
            continue;
        message->kind = kinds[i].kind;
        message->data = data;
        found++;
    }
    if (json_object_get(root, "event"))
        return found ? -EBADMSG : take_event(root, message);
    if (found != 1 || (message->kind != QMP_RETURN && !json_is_object(message->data)))
        return -EBADMSG;
    return take_id(root, &message->id);
}

static int parse(const char *line, size_t size, struct qmp_message *message)
{
    *message = (struct qmp_message){.kind = QMP_EVENT};
    json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    int error = classify(root, message);
    if (error)
        json_decref(root);
    else
        message->root = root;
    return error;
}

int qmp_next(struct qmp *qmp, struct qmp_message *message)
{
    const char *end = memchr(qmp->bytes, '\n', qmp->used);

    if (!end)
        return qmp->used == sizeof(qmp->bytes) ? -EBADMSG : 0;
    size_t size = (size_t)(end - qmp->bytes);
    int error = parse(qmp->bytes, size, message);
    qmp->used -= size + 1;
    memmove(qmp->bytes, end + 1, qmp->used);
    return error ? error : 1;
}

void qmp_clear(struct qmp_message *message)
{
    json_decref(message->root);
    message->root = NULL;
}

char *qmp_line(const char *command, json_t *arguments, uint64_t id)
{
    json_t *root = json_pack("{s:s, s:o*, s:I}", "execute", command, "arguments", arguments, "id",
                             (json_int_t)id);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return NULL;
    size_t size = strlen(text);
    char *line = realloc(text, size + 2);
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + size, "\n", 2);
    return line;
}
