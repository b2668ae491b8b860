/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcb -> sr-pcim: what the TCB observes, in one direction only. On each new link everything, then
 * SYNC, then each change as it happens.
 */
#pragma once

#include "parclose/device.h"
#include "parclose/wire.h"

enum message_tcb_sr_pcim {
    OBSERVED_PF = MSG_BASE_TCB_SR_PCIM,
    OBSERVED_VF,
    OBSERVED_GONE,
    OBSERVED_SYNC,
};

struct observed_pf {
    struct wire_header header;
    struct pf_observed pf;
};
struct observed_vf {
    struct wire_header header;
    struct vf_observed vf;
};
struct observed_gone {
    struct wire_header header;
    struct bdf bdf;
    uint32_t reserved;
};
struct observed_sync {
    struct wire_header header;
};
