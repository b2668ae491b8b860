/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QMP, from bytes to messages (QEMU, docs/interop/qmp-spec): one JSON object a line. The peer is
 * hostile: a line is at most QMP_LINE_MAX bytes, an object has no member twice, and what is no
 * greeting, return, error or event is an error. No I/O, no time.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QMP_LINE_MAX  65536
#define QMP_EVENT_MAX 64 /* bytes of an event's name, NUL included */

struct qmp {
    size_t used;
    char bytes[QMP_LINE_MAX];
};

enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };

struct qmp_message {
    enum qmp_kind kind;
    uint64_t id;               /* of a RETURN or ERROR; 0: it had none */
    char event[QMP_EVENT_MAX]; /* of an EVENT */
    json_t *data;              /* "QMP", "return", "error", or "data" (NULL: none); root's */
    json_t *root;
};

/* Where the next bytes may be put, and how many; 0: the line is too long. */
size_t qmp_room(struct qmp *qmp, char **at);
/* So many bytes were put there. */
void qmp_add(struct qmp *qmp, size_t size);

/* 1: a message, to be given to qmp_clear(); 0: no whole line yet; -EBADMSG; -ENOMEM. */
int qmp_next(struct qmp *qmp, struct qmp_message *message);
void qmp_clear(struct qmp_message *message);

/* The command as a line, to be freed; `arguments` is taken, NULL: none. NULL: no memory. */
char *qmp_line(const char *command, json_t *arguments, uint64_t id);
