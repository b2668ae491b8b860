/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to command: JSON lines, as src/command/verbs.h describes them. */
#pragma once

#include "cli.h"

#define CONNECTION_FILES_MAX 16

/* Files that came with an answer. */
struct files {
    int fds[CONNECTION_FILES_MAX];
    size_t count;
};

struct connection {
    int socket;         /* -1: none */
    struct files files; /* that came along with the latest line */
    char *in;
    size_t used, size;
};

#define NO_DEADLINE UINT64_MAX

/* -errno; nothing is printed. */
int connection_open(struct connection *connection, const char *path);
void connection_close(struct connection *connection);

int connection_send(struct connection *connection, const json_t *request);

/* A line by `deadline_ms` (cli_now_ms): 1, 0: closed, -ETIMEDOUT, -EPROTO: no JSON object. */
int connection_receive(struct connection *connection, uint64_t deadline_ms, json_t **line);

/* A new request object: verb, name (NULL: none), and --reason. */
json_t *request_new(const struct cli *cli, const char *verb, const char *name);

/* The same of a change: with an id, so that it is done once however often it is asked for. */
json_t *request_once(const struct cli *cli, const char *verb, const char *name);

/*
 * Asks. A request_once() whose answer is lost with command is asked again. On CLI_OK *answer is the
 * caller's, and the files too (NULL: none is expected). Else the refusal has been printed (as JSON
 * on standard output with --json). Takes `request`.
 */
int ask(const struct cli *cli, json_t *request, json_t **answer, struct files *files);

/* The same, and a file goes along, which stays the caller's. */
int ask_with(const struct cli *cli, json_t *request, int file, json_t **answer);

/* Closes all. */
void files_close(struct files *files);

/*
 * The same without a word: 0; -EPIPE: the connection was lost; another negative errno: there is
 * none, or *answer (the caller's, then too) says no. Takes `request`.
 */
int ask_quietly(const struct cli *cli, json_t *request, json_t **answer, struct files *files);

/* Prints a refusal, or that nobody could be asked; returns the exit code for it. */
int refused(const struct cli *cli, const json_t *answer);
int unreachable(const struct cli *cli, int error);

/*
 * Watches a partition (NULL: all), over restarts of command, until `step` returns an exit code
 * (it returns WATCH_ON to go on). step gets NULL as long as nobody can be asked. CLI_TIMEOUT when
 * the deadline passes, without a word.
 */
#define WATCH_ON (-1)
typedef int watch_step(void *context, const json_t *report);
int watch(const struct cli *cli, const char *name, uint64_t deadline_ms, watch_step *step,
          void *context);

/* The same of devices. */
int watch_devices(const struct cli *cli, uint64_t deadline_ms, watch_step *step, void *context);
