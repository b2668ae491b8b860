/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-command: the resource service. Reads the configuration, selects resources, sends
 * transactions to control, serves the CLI.
 *
 * Privilege: runs as its own user with no capability. It may read the files under the configuration
 * directory that boot hands over, accept on the CLI's socket that boot made, and speak on its links
 * to boot and control. It writes no file and touches no device.
 *
 * Everything in this folder hangs off `struct command`; there is one.
 */
#pragma once

#include "definitions.h"
#include "process/process.h"
#include "requests.h"
#include "server.h"
#include "snapshot_view.h"
#include "starts.h"

struct command {
    struct process *process;
    sd_event *event;
    int config_dir;
    struct config_reader *reader;
    struct requester self; /* for what command does by itself */
    struct snapshot_view view;
    bool connected;    /* there is a link to control */
    bool current;      /* a snapshot came on this link */
    uint64_t settled;  /* id of the apply whose end was seen on this link */
    bool synchronized; /* control was brought to the files' state once: autostart may begin */
    struct definitions definitions;
    struct requests requests;
    struct starts starts;
    struct server server;
};

/* Everything but the process skeleton; -ENOMEM. Before the sandbox's seal. */
int command_init(struct command *command);

extern const struct frame_row command_control_rows[];
extern const size_t command_control_rows_count;

/* The link to control: as lib/process calls them, context is struct command. */
void command_control_up(void *context);
void command_control_down(void *context);

/* An apply is on trial or being undone: nothing is started by itself. */
bool command_applying(const struct command *command);

/* Reads all files anew and brings control to them. As definitions_sync(); -ENOTCONN: there is no
 * snapshot to compare with. */
int command_sync(struct command *command, const struct requester *requester, sync_done *done,
                 void *context);
