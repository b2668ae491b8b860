/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a proposal (parclose/proposal.h) would change, compared with a snapshot: for the host, each
 * card, partition and VF what differs, by which way it is brought into force, what its guest loses
 * meanwhile and for how long, or why it is refused.
 *
 * The way is the least disruptive one: VFs of a partition that runs come and go while it does; what
 * needs a new monitor waits for the partition's next start, or is a restart if those are allowed.
 * No time in it is a guess: it is a limit that is in force, or was measured at the last start.
 *
 * Example: web runs with net0/1; its new file names net0/1 and net0/3, and db's, which runs,
 * another cmdline. web: change, by hot-plug; VF net0/3: add, by hot-plug; db: change, at its next
 * start.
 */
#pragma once

#include "parclose/proposal.h"
#include "snapshot_view.h"

#define PLAN_TEXT_MAX  400
#define PLAN_ITEMS_MAX 640 /* host 1, cards 128, partitions 24 of 1 + 16 VFs, others', edits 32 */

enum plan_object { PLAN_HOST, PLAN_CARD, PLAN_PARTITION, PLAN_VF };
enum plan_change { PLAN_ADD, PLAN_CHANGE, PLAN_REMOVE };

enum plan_way {
    PLAN_AT_ONCE,    /* in one transaction; no guest notices */
    PLAN_HOT_PLUG,   /* while its guest runs */
    PLAN_NEXT_START, /* nothing but its file changes before that */
    PLAN_RESTART,    /* it is stopped and started */
    PLAN_REFUSED,
};

/* What a guest loses: all VFs of the partition while it restarts, or one VF for good. */
struct plan_outage {
    bool restart, for_good;
    uint32_t stop_max_ms; /* for the guest to end, or to give the VF up, before it is forced */
    uint32_t start_ms;    /* as measured at its last start; 0: was not */
    uint32_t gate_max_ms; /* until a PF of it that is not ready now is given up; 0: all are ready */
};

struct plan_item {
    enum plan_object object;
    enum plan_change change;
    enum plan_way way;
    char partition[PARCLOSE_NAME_MAX]; /* PLAN_PARTITION, PLAN_VF */
    char card[PARCLOSE_NAME_MAX];      /* PLAN_CARD, PLAN_VF */
    uint32_t index;                    /* PLAN_VF */
    char text[PLAN_TEXT_MAX];          /* what differs, and what is to be known */
    char reason[PARCLOSE_REASON_MAX];  /* PLAN_REFUSED: why; PLAN_NEXT_START: why not before */
    struct plan_outage outage;
};

struct plan {
    const struct snapshot_view *view;
    const struct proposal *proposal;
    bool restart; /* restarts are allowed */
    size_t count;
    struct plan_item items[PLAN_ITEMS_MAX];
};

/* Fills in items; the other members are given. */
void plan_make(struct plan *plan);

/* Whether something in it is refused: then nothing of it is done. */
bool plan_refused(const struct plan *plan);

/* Of what it says, but its times: two plans that do the same have the same. Never 0. */
uint64_t plan_digest(const struct plan *plan);

/* ---- for its own files */

/* A new item, all else 0; never NULL. */
struct plan_item *plan_add(struct plan *plan, enum plan_object object, enum plan_change change,
                           enum plan_way way);

/* ", " and this, at the end of the text. */
__attribute__((format(printf, 2, 3))) void plan_say(struct plan_item *item, const char *format,
                                                    ...);

/* "NAME BEFORE -> AFTER" if they differ. */
void plan_say_number(struct plan_item *item, const char *name, uint64_t before, uint64_t after);
void plan_say_text(struct plan_item *item, const char *name, const char *before, const char *after);

/* It is refused; the first reason stays. */
__attribute__((format(printf, 2, 3))) void plan_refuse(struct plan_item *item, const char *format,
                                                       ...);

/* The host configuration that would be in force; NULL: none is. */
const struct host_config *plan_host(const struct plan *plan);

/* The VF on a card of what is in force now; NULL: there is none. */
const struct snapshot_vf *plan_vf(const struct plan *plan, const char *card, uint32_t index);

/* "partition web", "interconnect". */
const char *plan_owner(const struct plan *plan, struct owner owner, char text[64]);

void plan_make_host(struct plan *plan);  /* plan_host.c */
void plan_make_edits(struct plan *plan); /* plan_vf.c */
void plan_make_vfs(struct plan *plan, const struct snapshot_partition *known,
                   const struct partition_config *config, enum plan_way way); /* plan_vf.c */
