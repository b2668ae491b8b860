/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CLI's socket: accepts, checks who it is, keeps at most SERVER_CLIENTS_MAX clients.
 *
 * The socket's mode (0660, root:parclose) says who may connect; that is checked by the kernel at
 * connect. Who it was is taken from SO_PEERCRED and goes into the audit log with each request.
 */
#pragma once

#include <systemd/sd-event.h>

#define SERVER_CLIENTS_MAX 32

struct command;
struct client;
struct console;

struct server {
    struct command *command;
    int listen;
    sd_event_source *source;
    struct client *clients;
    unsigned clients_count;
    struct console *consoles;
};

void server_init(struct server *server, struct command *command);
int server_start(struct server *server);

/* A new snapshot is there, or control went away: for those who watch. */
void server_snapshot(struct server *server);
