/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control <-> sr-pcim. On each new link control sends CARD* and WANT* (what is desired), SYNC; the
 * SR-PCIM answers with READINESS for each PF once it has heard the TCB's whole picture, and at each
 * change. It proposes actions; control commits or refuses each. It never keeps state of its own.
 */
#pragma once

#include "parclose/config.h"
#include "parclose/wire.h"

enum message_control_sr_pcim {
    PCIM_CARD = MSG_BASE_CONTROL_SR_PCIM, /* control -> sr-pcim */
    PCIM_WANT,      /* control -> sr-pcim: a VF is (not) wanted by a partition */
    PCIM_SYNC,      /* control -> sr-pcim */
    PCIM_RECOVER,   /* control -> sr-pcim: rung 1 for this PF */
    PCIM_READINESS, /* sr-pcim -> control */
    PCIM_PROPOSE,   /* sr-pcim -> control */
    PCIM_VERDICT,   /* control -> sr-pcim: result of a proposal */
};

struct pcim_card {
    struct wire_header header;
    struct card_config card;
    uint32_t disabled; /* 1: an administrator wants no VFs of it: it is not ready, and left alone */
    uint32_t idle_power; /* enum idle_power */
    uint32_t reserved;
};

struct pcim_want {
    struct wire_header header;
    struct bdf pf;
    uint32_t index;
    uint32_t wanted; /* 1: make it ready for hand-over; 0: nobody wants it */
    uint32_t in_use; /* 1: its partition's monitor has it (never touch it) */
    struct vf_attributes attributes;
    uint16_t reset;     /* 1: it was reset under its guest, as its monitor says */
    uint16_t requested; /* 1: the host's kernel asks its guest for it, as its monitor says */
};
_Static_assert(sizeof(struct pcim_want) == 64, "wire size");

struct pcim_sync {
    struct wire_header header;
};

struct pcim_recover {
    struct wire_header header;
    struct bdf pf;
    uint32_t rung;
};

struct pcim_readiness {
    struct wire_header header;
    struct bdf pf;
    uint32_t readiness; /* enum pf_readiness */
    uint64_t event_ns;  /* CLOCK_MONOTONIC of the observation it was judged from */
    char reason[PARCLOSE_REASON_MAX];
};

struct pcim_propose {
    struct wire_header header;
    uint32_t action; /* enum device_action */
    struct bdf pf;
    uint32_t index;
    uint32_t vfs;
};
_Static_assert(sizeof(struct pcim_propose) == 32, "wire size");

struct pcim_verdict {
    struct wire_header header;
    int32_t error;
    uint32_t writes;
    char text[PARCLOSE_REASON_MAX];
};
