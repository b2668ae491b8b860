/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consoles of partitions for the CLI's clients: output to any number of them, input from the first
 * that asks for it. The memory is shared with a monitor (parclose/console.h), which is hostile:
 * nothing here waits for it, and no position of it is believed.
 */
#pragma once

#include "client.h"
#include "parclose/msg_control_command.h"
#include "server.h"

/* What a client asks for. */
struct console_wish {
    bool input;
    bool follow; /* false: what is there, then the end */
};

/* Answers the client's request, then relays. */
void console_open(struct client *client, const char *name, const struct requester *requester,
                  struct console_wish wish);

/* The client goes away, or watches no console. */
void console_leave(struct client *client);

/* Its socket has bytes for the console. */
void console_input(struct client *client);

/* Its socket takes bytes again. */
void console_output(struct client *client);

/* False: its input has to wait. */
bool console_takes_input(const struct client *client);

/* Control's link is new: which consoles' memory is held. */
void console_say_held(struct command *command);

/* Lets go of the consoles of partitions that ended: control waits for it. */
void console_snapshot(struct server *server);
