/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apply.h"
#include "client.h"
#include "command.h"
#include "console_relay.h"
#include "log/log.h"
#include "verbs.h"

void server_init(struct server *server, struct command *command)
{
    *server = (struct server){.command = command, .listen = -1};
}

static void turn_away(int socket)
{
    static const char text[] = "{\"ok\":false,\"errno\":16,\"error\":\"EBUSY\",\"text\":\"too many "
                               "clients: try again\"}\n";
    if (send(socket, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_warning("a client too many could not be told so: %s", strerror(errno));
    close(socket);
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct server *server = data;
    struct client *client;

    (void)source;
    (void)events;
    int socket = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0)
        return 0;
    if (server->clients_count >= SERVER_CLIENTS_MAX) {
        turn_away(socket);
        return 0;
    }
    int error = client_new(server->command, socket, &client);
    if (error) {
        log_warning("a client was not accepted: %s", strerror(-error));
        close(socket);
        return 0;
    }
    client->next = server->clients;
    server->clients = client;
    server->clients_count++;
    return 0;
}

int server_start(struct server *server)
{
    return sd_event_add_io(server->command->event, &server->source, server->listen, EPOLLIN,
                           on_connect, server);
}

void server_snapshot(struct server *server)
{
    console_snapshot(server);
    for (struct client *client = server->clients; client; client = client->next) {
        if (client->mode == CLIENT_WATCH)
            verbs_watch(client);
        apply_snapshot(client);
    }
}
