/* SPDX-License-Identifier: Apache-2.0 */
/* A parclose-tcb in front of a played /sys, with the test as boot, control, SR-PCIM and lead. */
#pragma once

#include <sys/types.h>

#include "parclose/ids.h"
#include "parclose/msg_control_tcb.h"
#include "parclose/msg_tcb_lead.h"
#include "parclose/msg_tcb_sr_pcim.h"
#include "wire/frame.h"

struct stage {
    char folder[64]; /* "sys" is in it, and devices.xml */
    pid_t pid;
    int ends[PROCESS_KINDS]; /* this test's */
    uint32_t generation;
};

extern const char *stage_executable;

int stage_setup(void **state);
int stage_teardown(void **state);
void stage_root(const struct stage *stage, char root[80]);

void stage_die(struct stage *stage); /* SIGKILL, all links with it */
void stage_start(struct stage *stage);
void stage_link(struct stage *stage, enum process_kind peer); /* a new one */

void stage_say(struct stage *stage, enum process_kind as, const void *message);
/* The next message of this type to this peer; others are skipped. */
void stage_hear(struct stage *stage, enum process_kind as, uint16_t type, struct frame *frame);
/* That the link ends. */
void stage_hear_end(struct stage *stage, enum process_kind as);
bool stage_silent(struct stage *stage, enum process_kind as, int ms);
