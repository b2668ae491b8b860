/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real parclose-command with its sandbox, and a test that is boot, control and the CLI to it.
 * Everything has a dead-line of a few seconds; a miss fails the test that waits.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "parclose/msg_boot.h"
#include "parclose/msg_control_command.h"
#include "parclose/snapshot.h"
#include "wire/frame.h"

#define MODEL_MAX 8
#define ANSWERED  7 /* the transaction that answer() names, and the first snapshot has */

/* What the next snapshot says. */
struct model {
    struct snapshot head;
    struct snapshot_partition partitions[MODEL_MAX];
    struct snapshot_pcpu pcpus[MODEL_MAX];
    struct snapshot_memory memory[MODEL_MAX];
    struct snapshot_pf pfs[MODEL_MAX];
    struct snapshot_vf vfs[MODEL_MAX];
    struct snapshot_process processes[MODEL_MAX];
};

struct harness {
    pid_t pid;
    int boot, control, listen;
    char folder[64], socket[80];
    uint32_t generation; /* of the link */
    struct model model;
    struct frame frame; /* the latest message */
    unsigned held;      /* consoles that it said on the latest link that it holds */
};

/* Starts it with an empty configuration folder: 0. model_reset() is called. */
int harness_start(void **state);
int harness_stop(void **state);

/* An empty host: 4 pCPUs, 4 GiB on node 0, nothing defined. */
void model_reset(struct model *model);
void model_define(struct model *model, const struct partition_config *config);

/* A file under the configuration folder. */
void write_config(struct harness *harness, const char *path, const char *text);
void remove_config(struct harness *harness, const char *path);

/* A new link to control, with a snapshot if `snapshot`. */
void link_up(struct harness *harness, bool snapshot);
void link_down(struct harness *harness);
/* The model, as it may be wrong. */
void send_snapshot(struct harness *harness);
/* The model; returns when clients are told it: the two links are served in no order. */
void show_snapshot(struct harness *harness);

/* A sealed memfd of `size` bytes. */
int sealed(const void *bytes, size_t size, int seals);

/* The next message to control: of this type, in harness->frame; returns it. */
const void *expect(struct harness *harness, uint16_t type);
/* There is none for 200 ms. */
void expect_nothing(struct harness *harness);

/* To the request with this id; files may be NULL. */
void answer(struct harness *harness, uint64_t id, int error, const char *text, const int *files,
            size_t files_count);

/* Takes HOST_SET and DEFINEs of the first synchronisation, accepts all, and reports them. */
void accept_configuration(struct harness *harness);

/* The CLI's side. */
int client(struct harness *harness);
void say(int client, const char *line);
/* The same, and a file goes along with it, which stays the caller's. */
void say_with(int client, const char *line, int file);
/* The next line, as JSON (with *fd, if not NULL); NULL: the connection ended. */
json_t *hear(int client, int *fd);
/* hear(), and its member "ok" is this. */
json_t *hear_ok(int client, bool ok);
/* Nothing is said to it for 200 ms. */
bool silent(int client);
/* say, hear_ok(true), drop. */
void works(struct harness *harness);
