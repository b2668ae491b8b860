/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control's core in a test: the test is every other process. What control sends is kept by peer in
 * the order sent; what a peer says goes through the same tables as on a link. The clock stands
 * until the test moves it.
 *
 * The host: 8 pCPUs, two nodes of 4 GiB, cards net0 (0000:01:00.0, igb, 7 VFs), net1 (0000:02:00.0,
 * igb, 7 VFs) and disk0 (0000:03:00.0, nvme, 4 VFs); pCPU 0 and 1 GiB are reserved.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control.h"
#include "drive.h"
#include "parclose/descriptor.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_control_tcb.h"
#include "parclose/proposal.h"
#include "parclose/snapshot.h"

#define SENT_MAX 4096
#define NET0     ((struct bdf){0x0100})
#define NET1     ((struct bdf){0x0200})
#define DISK0    ((struct bdf){0x0300})
#define SECOND   UINT64_C(1000000000)

struct sent {
    enum process_kind peer; /* PROCESS_BOOT: to boot */
    struct frame frame;
    bool taken;
};

struct world {
    char directory[64];
    int state; /* file of it */
    struct inventory inventory;
    struct control *control;
    uint64_t now_ns;
    uint64_t timer_ns;
    bool changed;
    bool fatal;
    bool busy;                      /* messages without end: a group ends at world_settle() only */
    bool group;                     /* control asked for its end */
    char text[PARCLOSE_REASON_MAX]; /* why control did not start */
    uint64_t next_id;               /* of requests */
    size_t sent_count;
    struct sent *sent;
};

/* cmocka's setup: a world with control started (generation 1), all links up, lead and TCB synced,
 * the host set. And its teardown. */
int world_setup(void **state);
int world_teardown(void **state);
/* The same without the host set and without links. */
int world_setup_bare(void **state);

/* kill -9 of control and its restart; links are down after it. */
int world_restart(struct world *world, uint32_t generation);
/* As if the host had been booted in between. */
void world_reboot(struct world *world);
void world_links_up(struct world *world);

/* A message from a peer; what its handler returned. The group of its transactions ends with it,
 * unless the world is busy. */
int world_say(struct world *world, enum process_kind peer, const void *message);

/* The same with a file, which stays the caller's. */
int world_say_file(struct world *world, enum process_kind peer, const void *message, int file);

/* No message is left to handle: the group ends. */
void world_settle(struct world *world);

/* The first message of this type that was sent to the peer and not taken yet; NULL: none. */
const void *world_take(struct world *world, enum process_kind peer, uint16_t type);
/* The same with its files, which become the caller's. */
struct frame *world_take_frame(struct world *world, enum process_kind peer, uint16_t type);
void world_forget_sent(struct world *world);

/* Moves the clock and lets the timer go off. */
void world_wait(struct world *world, uint64_t ns);

/* The map is right; fails the test otherwise. */
void world_check(struct world *world);

/* ---- command */
struct host_config world_host(void);
int world_host_set(struct world *world, const struct host_config *host); /* RESULT's error */
/* A definition of `vcpus` and 512 MiB with these VFs: pairs of card and index, ended by NULL. */
struct partition_config world_partition(const char *name, uint32_t vcpus, ...);
int world_define(struct world *world, const struct partition_config *config);
/* An empty proposal, and APPLY of one: planned from a snapshot that is published for it. The
 * RESULT's error. */
struct proposal *world_proposal(void);
int world_apply(struct world *world, uint64_t id, const struct proposal *proposal);
int world_apply_as(struct world *world, struct control_apply *message,
                   const struct proposal *proposal);
struct control_apply world_apply_request(struct world *world, uint64_t id,
                                         const struct proposal *proposal);
int world_undefine(struct world *world, const char *name);
/* Selects the first idle pCPUs and node 0. */
int world_start(struct world *world, const char *name);
struct control_partition_start world_start_request(struct world *world, const char *name);
int world_stop(struct world *world, const char *name, bool force, uint32_t timeout_ms);
/* RESULT of the request with this id; its text stays in `result_text` of the world's module. */
int world_result(struct world *world, uint64_t id);
extern char world_result_text[PARCLOSE_REASON_MAX];

/* ---- SR-PCIM, TCB */
void world_readiness(struct world *world, struct bdf pf, enum pf_readiness readiness);
void world_vf(struct world *world, struct bdf pf, uint32_t index, bool active, bool open);
uint64_t world_propose(struct world *world, enum device_action action, struct bdf pf,
                       uint32_t index, uint32_t vfs);

/* ---- lead */
/* It has the latest descriptor. */
void world_monitor(struct world *world, const char *name, uint32_t states, bool frozen);
/* A running partition's monitor has these on its bus. */
void world_seats(struct world *world, const char *name, const struct vf_seat *seats, size_t count);
void world_monitor_gone(struct world *world, const char *name, enum exit_reason exit);
void world_lead_result(struct world *world, const char *name, uint64_t id, int error);
void world_lead_sync(struct world *world);
void world_online(struct world *world, const char *pcpus); /* "0-2,5" */

struct partition *world_named(struct world *world, const char *name);

#define OWN_STATES (STATES_BEFORE_GATE & ~STATE_BIT(STATE_CHANNEL_IMAGE))

/* Takes a started partition up to the gate: CREATE, its own states, VFs active, CHANNELS, channel
 * image. Its PFs are as they are. */
void world_to_gate(struct world *world, const char *name);
/* And all the way: PFs ready, ATTACH acknowledged. */
void world_run(struct world *world, const char *name);

/* ---- sessions */

/* Asks for one and lets lead answer with its file; the RESULT's error. */
int world_session(struct world *world, const char *name, uint32_t kind, uint64_t id);
void world_lead_session(struct world *world, const char *name, uint64_t order);

/* ---- consoles */

/* Lead's answer, with files, to the order for a console that control gave it. */
void world_lead_console(struct world *world, const char *name);
/* Command asks for a console, and lead has it: RESULT's error. */
int world_console(struct world *world, const char *name, uint64_t id);
/* CONTROL_CHANNEL_HELD or _DETACHED. */
void world_channel(struct world *world, uint16_t type, const char *name);
