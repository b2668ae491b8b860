/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-sr-pcim: may touch nothing. It runs as a user of its own without capabilities, judges
 * what the TCB observes, and proposes to control what would make it as desired.
 *
 * It keeps no state of its own: all that is here is what control wants and what the TCB observes,
 * both said anew on each new link. So its death and return change nothing, and a picture that is
 * as desired leads to no proposal, and to no write.
 */
#pragma once

#include "parclose/config.h"
#include "parclose/device.h"

/* A proposal that waits for its verdict, and when the next may be made. */
struct proposal {
    uint64_t id;         /* 0: none is under way */
    uint32_t action;     /* enum device_action: the latest proposed */
    uint32_t failures;   /* in a row */
    uint64_t not_before; /* CLOCK_MONOTONIC, ns */
};

struct pcim_vf {
    bool present; /* observed, and said since the latest link to the TCB */
    bool said;
    bool wanted;
    bool in_use;
    bool reset;     /* under its guest */
    bool requested; /* by the host's kernel, of its guest */
    struct vf_observed observed;
    struct proposal proposal;
};

struct pcim_pf {
    struct bdf bdf;
    bool managed; /* control named the card */
    bool named;   /* in the round of CARD messages under way */
    struct card_config card;
    bool disabled;       /* by an administrator */
    uint32_t idle_power; /* enum idle_power */
    uint64_t idle_ns;    /* CLOCK_MONOTONIC since when it may sleep; 0: it may not */
    bool present;
    bool said;
    struct pf_observed observed;
    bool recover; /* rung 1 is ordered and not yet proposed */
    struct proposal proposal;
    uint32_t readiness;               /* as told to control last; PF_UNKNOWN: nothing told */
    char reason[PARCLOSE_REASON_MAX]; /* with it */
    struct pcim_vf vfs[PARCLOSE_MAX_VFS_PER_PF];
};

/* What a PF's picture says. `reason`: one line; when it is ready "", or which VF does not bind,
 * or is waited for. */
struct judgement {
    uint32_t readiness; /* enum pf_readiness */
    char reason[PARCLOSE_REASON_MAX];
};

/* How long nobody must want a VF of a PF before it is put to sleep: who stops and starts again, or
 * comes up, finds it awake. */
#define PCIM_IDLE_NS UINT64_C(5000000000)

/* Whether it may sleep: its definition says so, and no partition has or wants a VF of it. */
bool pcim_may_sleep(const struct pcim_pf *pf);

/* A VF without a driver that is ours to bind: nobody has it open, root does not mean it for the
 * host. */
bool pcim_vf_unbound(const struct pcim_vf *vf);

/* One of a table of PARCLOSE_MAX_PFS; NULL: it has none. pcim_pf_get() makes it, where there is
 * none in the place of one that is neither managed nor there; NULL: there are too many. */
struct pcim_pf *pcim_pf_find(struct pcim_pf *const *pfs, struct bdf bdf);
struct pcim_pf *pcim_pf_get(struct pcim_pf **pfs, struct bdf bdf);

/* Judges a managed PF from its picture alone (R-GATE-5). */
void judge_pf(const struct pcim_pf *pf, struct judgement *judgement);

/* What to do next for the PF itself, resp. for its VF `index`; ACTION_NONE: nothing. */
uint32_t next_for_pf(const struct pcim_pf *pf);
uint32_t next_for_vf(const struct pcim_pf *pf, uint32_t index);

/* Whether `action` may be proposed at `now`. */
bool proposal_due(const struct proposal *proposal, uint32_t action, uint64_t now_ns);

/* Takes the verdict: when the next try may be. */
void proposal_done(struct proposal *proposal, int error, uint64_t now_ns);
