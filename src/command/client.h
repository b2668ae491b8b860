/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the CLI. A request is one JSON object on one line of at most CLIENT_LINE_MAX
 * bytes; each answer is one line. Requests of one connection are answered one after the other.
 *
 * After "console" succeeded the connection carries the console's bytes and nothing else; after
 * "watch" it carries a line for each change, until the client closes. A request may bring one file
 * along, with a byte of its line; what nobody asked for is closed.
 *
 * A client that is silent, slow or wrong loses its connection, never anybody else's.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "parclose/ids.h"
#include "parclose/wire.h"

#define CLIENT_LINE_MAX  ((size_t)64 * 1024)
#define CLIENT_OUT_MAX   ((size_t)16 * 1024 * 1024)
#define CLIENT_FIRST_US  (10 * UINT64_C(1000000)) /* from connect to the end of the first line */
#define CLIENT_IDLE_US   (60 * UINT64_C(1000000)) /* from an answer to the next line's end */
#define CLIENT_DRAIN_US  (30 * UINT64_C(1000000)) /* it has not read anything for so long */
#define CLIENT_DEPTH_MAX 4                        /* of a request's JSON */

struct command;
struct console;
struct reload;
struct apply;

enum client_mode {
    CLIENT_IDLE,    /* waits for a line */
    CLIENT_BUSY,    /* its request is under way */
    CLIENT_WATCH,   /* gets changes */
    CLIENT_CONSOLE, /* console bytes both ways */
    CLIENT_CLOSING, /* closed once all is written */
};

struct client {
    struct client *next;
    struct command *command;
    int socket;
    enum client_mode mode;
    bool ended;   /* it sends nothing more */
    bool serving; /* within serve(): no second one */
    bool dead;    /* to be freed by its event source's handler */
    uint32_t uid, pid;
    sd_event_source *io, *timer;
    char *in;
    size_t in_used;
    int file; /* that came with the request; -1: none. Closed when it is answered */
    char *out;
    size_t out_used, out_size;
    int pass_fds[WIRE_MAX_FDS]; /* go with the byte of `out` at pass_at */
    size_t pass_count, pass_at;
    char watched[PARCLOSE_NAME_MAX]; /* a partition, or "" for all */
    bool watches_devices;            /* instead */
    uint64_t watched_hash;           /* of what it was told last */
    struct reload *reload;           /* under way; knows us */
    struct apply *apply;             /* under way; knows us */
    struct console *console;
    struct client *console_next;
    uint64_t console_position; /* of the output: what it has got */
    uint64_t console_until;    /* closed when it has got so much; UINT64_MAX: never */
    bool console_wish_input, console_wish_follow;
    bool console_writer;
};

/* Takes the socket, on success only. */
int client_new(struct command *command, int socket, struct client **client);

/* Out of the server's list, too. Forgets what is under way. */
void client_free(struct client *client);

/* Ends it; it is freed as soon as no function of it is on the stack. */
void client_kill(struct client *client);

/* Answers the request under way; takes `answer`. */
void client_answer(struct client *client, json_t *answer);

/* The same with files, at most WIRE_MAX_FDS, that are duplicated and go along. A client that did
 * not take an earlier answer's files yet loses its connection. */
void client_answer_files(struct client *client, json_t *answer, const int *files, size_t count);

/* {"ok": false, …}: error is a negative errno. */
void client_refuse(struct client *client, int error, const char *text);

/* A line or bytes, without ending a request. False: it was killed, it does not read. */
bool client_line(struct client *client, const json_t *line);
bool client_write(struct client *client, const void *bytes, size_t size);

/* Closed once all that it was sent is written. */
void client_close(struct client *client);

/* Brings what is waited for on its socket in line with its mode. */
void client_update(struct client *client);
