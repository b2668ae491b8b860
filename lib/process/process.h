/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The skeleton of every daemon but boot and the monitor: finds its link to boot at file 3, says
 * hello, takes files and links, seals itself, feeds the watchdog and runs until told to stop.
 *
 * Order of the calls into the daemon: file() and stored() for each file that boot hands over,
 * start(), then up() for each link that is there; later up(), down() and messages as they come.
 */
#pragma once

#include "parclose/msg_boot.h"
#include "wire/link.h"

struct process;

/* A peer that this kind of process may have a link to. */
struct process_peer {
    enum process_kind kind;
    const struct frame_row *rows; /* handlers get the daemon's context */
    size_t rows_count;
    void (*up)(void *context);   /* a new link; NULL is fine */
    void (*down)(void *context); /* the link is gone, a new one comes by itself; NULL is fine */
};

struct process_config {
    enum process_kind kind;
    const char *name; /* for the log */
    const struct process_peer *peers;
    size_t peers_count;
    const struct frame_row
        *boot_rows; /* what boot may say to this kind beyond the common; or NULL */
    size_t boot_rows_count;
    const int *system_calls; /* beyond an event loop's: SCMP_SYS numbers */
    size_t system_calls_count;
    int (*prepare)(void *context, struct process *process); /* before the seal; or NULL */
    int (*file)(void *context, const char *name, int fd);   /* takes fd; NULL: none is expected */
    int (*stored)(void *context, const char *name, int fd); /* takes fd; NULL: none is expected */
    int (*start)(void *context, struct process *process, uint32_t generation);
    void (*stop)(void *context); /* NULL: nothing to do but end */
};

/* Runs until stopped. Returns an exit status for main(). */
int process_run(const struct process_config *config, void *context);

sd_event *process_event(struct process *process);

/* Sends to a peer. -ENOTCONN while there is no link: the peer's up() is the time to say it again.
 */
int process_send(struct process *process, enum process_kind peer, const void *message,
                 const int *files, size_t files_count);

/* Whether there is a link to the peer now. */
bool process_connected(const struct process *process, enum process_kind peer);

/* Sends to boot. */
int process_send_boot(struct process *process, const void *message);

/* Gives boot a duplicate to keep for the successor; the file stays the caller's. */
int process_store(struct process *process, const char *name, int fd);
int process_store_drop(struct process *process, const char *name);
