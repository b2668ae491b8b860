/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-boot: the supervisor. It runs as root and sees /sys read-only but cgroup2. It may:
 * spawn, signal and restart the processes of its table (kinds.h), make the links between them, keep
 * files for them, put them into cgroups, and at its start make the directories of kinds.h and the
 * command line's socket, and have KVM and VFIO modules loaded. It talks to no device and no
 * partition.
 *
 *   main.c      start and end of boot itself
 *   adopt.c     what the boot before left behind
 *   children.c  the life of a process: start, watchdog, death, back-off, stop
 *   messages.c  what processes say
 *   links.c     pairs of sockets between processes
 *   store.c     files that processes leave for their successors
 *   spawn.c, host.c, inventory.c, kept.c: see their headers
 */
#pragma once

#include <systemd/sd-event.h>

#include "kept.h"
#include "kinds.h"
#include "wire/link.h"

#define STORE_MAX 1024             /* files, of all kinds together */
#define STORE_TCB PARCLOSE_MAX_PFS /* of these for the TCB alone: a child a PF */
#define NETWORK   "network"        /* boot's own: the empty network namespace */

struct boot;

/* A process of the table, now. */
struct child {
    struct boot *boot;
    const struct kind *kind;
    struct kept_process *kept;
    int pidfd;         /* -1: there is none */
    struct link *link; /* NULL: closed, its end is near */
    sd_event_source *exit;
    sd_event_source *timer; /* watchdog; back-off while it is down; deadline while it stops */
    bool hello;
    bool ordered;                     /* its end is wanted: it does not count as a death */
    bool silent;                      /* we end it because it gave no sign of life */
    char reason[PARCLOSE_REASON_MAX]; /* why we end it; "": it ends by itself */
};

struct stored {
    uint32_t kind;
    uint64_t sequence;
    int file;
    char name[BOOT_STORE_NAME_MAX];
};

struct boot {
    const struct layout *layout;
    sd_event *event;
    struct kept *kept;
    int cgroup;                           /* O_PATH; negative: the host has no cgroup2 */
    int listener;                         /* of the command line */
    bool announced;                       /* READY=1 is said */
    struct child children[PROCESS_KINDS]; /* by kind; .kind NULL: not in the table */
    struct stored stored[STORE_MAX];
    size_t stored_count;
};

/* ---- main.c: goes on with whatever is due: the next start, or the next stop. */
void boot_advance(struct boot *boot);

/* ---- adopt.c: takes what the holder of our files hands over; makes boot->kept. */
int adopt(struct boot *boot);

/* ---- children.c */
void child_start(struct child *child);
int child_adopt(struct child *child, int pidfd, int socket);
int child_watch(struct child *child); /* arms the watchdog anew */
void child_kill(struct child *child, const char *reason);
void child_stop(struct child *child);
bool child_alive(const struct child *child);
void child_tell_status(const struct child *child);
int child_send(struct child *child, const void *message, int file); /* file -1: none */

/* ---- messages.c */
extern const struct frame_row message_rows[];
extern const size_t message_rows_count;

/* ---- links.c */
int links_make(struct child *child);  /* to each peer that listens */
void links_check(struct boot *boot);  /* notes those that have arrived */
void links_repair(struct boot *boot); /* after adoption: those that may not have arrived */
struct kept_link *link_between(struct boot *boot, enum process_kind one, enum process_kind other);

/* ---- store.c */
int store_put(struct boot *boot, uint32_t kind, const char *name, int file); /* takes the file */
int store_find(const struct boot *boot, uint32_t kind, const char *name);    /* the store's; -1 */
void store_drop(struct boot *boot, uint32_t kind, const char *name);
int store_give(struct child *child); /* all that its predecessor kept */
int store_adopt(struct boot *boot, uint32_t kind, uint64_t sequence, const char *name, int file);
