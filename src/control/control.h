/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-control: the resource database, transactions, the gate.
 *
 * Privilege: runs as its own user with no capability. It may touch one directory, the one that
 * holds the audit log (file "state" from boot), and speak on its links to boot, command, the TCB,
 * SR-PCIM and lead. It opens no device, no other file, no socket.
 *
 * This header is the core's: everything here is driven by messages and by a clock, through
 * `struct effects`, so that a test can be all the other processes at once. main.c is the only file
 * that knows of the event loop.
 */
#pragma once

#include "db.h"
#include "outbox.h"
#include "parclose/msg_control_command.h"
#include "since.h"
#include "store/audit_log.h"
#include "wire/frame.h"

/* What control does to the world outside. None of them blocks, none calls back into control but
 * send(), which may report a dead link through the *_down() functions. */
struct effects {
    int (*send)(void *context, enum process_kind peer, const void *message, const int *files,
                size_t files_count);
    int (*send_boot)(void *context, const void *message);
    void (*timer)(void *context, uint64_t boottime_ns); /* the next control_deadline(); 0: none */
    void (*changed)(void *context); /* call control_idle() when nothing else is to be done */
    /* call control_group_end() when no message is left to handle, in OUTBOX_GROUP_NS at the latest
     */
    void (*group)(void *context);
    uint64_t (*clock_ns)(void *context, int clock); /* CLOCK_REALTIME, _BOOTTIME, _MONOTONIC */
    void (*fatal)(void *context); /* the audit log is broken: end, a successor replays it */
};

/*
 * How many committed requests are remembered. Enough for every answer that can be lost with a link:
 * command has at most CONTROL_UNANSWERED_MAX requests unanswered, sends them in order, and control
 * answers those that it commits in order. So while the answer of one is not read by command, all
 * that were committed after it are unanswered, too: at most CONTROL_UNANSWERED_MAX - 1. On a new
 * link it is sent again before those. The rest is for clients that ask again by way of a new
 * command.
 */
#define CONTROL_REQUESTS_MAX 1024
_Static_assert(CONTROL_REQUESTS_MAX >= CONTROL_UNANSWERED_MAX, "an answer can be lost");

#define CONTROL_FILES_MAX 16

/* Somebody waits for files that lead has: a console's, or a session's. */
struct file_wait {
    uint64_t order;   /* id of LEAD_CONSOLE or LEAD_SESSION; 0: free */
    uint64_t request; /* id of CONTROL_CONSOLE_OPEN or CONTROL_SESSION_OPEN */
    uint32_t session; /* enum session_kind; SESSION_NONE: a console */
    struct partition_id partition;
    struct requester requester;
};

struct control {
    const struct effects *effects;
    void *effects_context;
    struct db *db;
    struct audit_log *log;
    struct audit_entry *entry; /* of the transaction that is being made: AUDIT_ENTRY_MAX bytes */
    int entry_error;           /* the first that came up while it was made */
    struct outbox outbox;
    bool old_boot;              /* replay met entries of an earlier boot of the host */
    bool first_start;           /* generation 1: what is gone was stopped, it did not fail */
    uint64_t first_transaction; /* the first that this process makes */
    bool check_each_commit;     /* tests: db_check() after every commit, not only when idle */
    uint64_t restart_serves_ns[RUNG_ERROR - 1]; /* by rung: until when its last order counts */
    bool pcim_reset_told;                       /* boot was told of the order to reset SR-PCIM */
    uint64_t settled_boottime_ns; /* no rung before it: the PFs are judged anew after a start */
    bool changed;                 /* a snapshot is due */
    uint64_t sync_boottime_ns;    /* when notes in the log are made durable; 0: there are none */
    bool command_up, tcb_up, pcim_up, lead_up;
    bool shutdown_told;  /* boot was told to end everything */
    bool lead_synced;    /* lead said all monitors that it has */
    bool command_synced; /* command said all channels that it has */
    uint64_t snapshot_generation;
    uint64_t file_orders;
    struct since since;
    struct audit_entry *trial;   /* the entry of the apply that is under way, owned; NULL: none */
    uint64_t rotate_boottime_ns; /* no rotation before it: the last one failed */
    struct request_image requests[CONTROL_REQUESTS_MAX]; /* a ring of committed ones; id 0: free */
    size_t requests_next;
    struct file_wait files[CONTROL_FILES_MAX];
    struct boot_status processes[PROCESS_KINDS]; /* header.type 0: not said */
};

/* A core without a map; NULL: no memory. Every other function but control_free() needs the start.
 */
struct control *control_new(const struct effects *effects, void *effects_context);

/*
 * Opens the log in `directory` (borrowed), replays it, and resets what does not run any more.
 * -EUCLEAN: the log is damaged; `text` says where. `generation`: of this kind of process, from
 * boot.
 */
int control_start(struct control *control, const struct inventory *inventory, int directory,
                  uint32_t generation, char text[PARCLOSE_REASON_MAX]);
void control_free(struct control *control);

/* At the time that effects.timer() asked for. */
void control_deadline(struct control *control);

/* A note was appended to the log that no transaction has made durable yet. */
void control_sync_later(struct control *control);

/* At leisure after effects.changed(): the snapshot, the check of the map, the log's rotation and
 * its space. */
void control_idle(struct control *control);

/* Notes that something that snapshots show has changed. */
void control_changed(struct control *control);

/* Sets the timer to the earliest deadline of all. */
void control_arm(struct control *control);

uint64_t control_boottime(const struct control *control);

/* Links: what may come in, and what control says on a new one. */
extern const struct frame_row command_rows[], tcb_rows[], pcim_rows[], lead_rows[];
extern const size_t command_rows_count, tcb_rows_count, pcim_rows_count, lead_rows_count;
void command_up(void *control);
void command_down(void *control);
void tcb_up(void *control);
void tcb_down(void *control);
void pcim_up(void *control);
void pcim_down(void *control);
void lead_up(void *control);
void lead_down(void *control);

/* The inventory that boot hands over: seals, size, every field. Takes the file. */
int inventory_read(int file, struct inventory *inventory);

/* A memfd of a copy of `data`, sealed against every change. A file, or a negative errno. */
int sealed_file(const char *name, const void *data, size_t size);
