/* SPDX-License-Identifier: Apache-2.0 */
/* A parclose-tcb in front of a played /sys, with the test as boot, control, SR-PCIM and lead. */
#pragma once

#include <sys/types.h>

#include "parclose/ids.h"
#include "parclose/msg_boot.h"
#include "parclose/msg_control_tcb.h"
#include "parclose/msg_tcb_lead.h"
#include "parclose/msg_tcb_sr_pcim.h"
#include "wire/frame.h"

#define STAGE_KEPT_MAX 16

struct stage_kept {
    char name[BOOT_STORE_NAME_MAX];
    int file;
};

struct stage {
    char folder[64]; /* "sys" is in it, and devices.xml */
    pid_t pid;
    int ends[PROCESS_KINDS]; /* this test's */
    uint32_t generation;
    struct stage_kept kept[STAGE_KEPT_MAX]; /* as boot does, for the next TCB */
    size_t kept_count;
};

extern const char *stage_executable;

int stage_setup(void **state);
int stage_teardown(void **state);
void stage_root(const struct stage *stage, char root[80]);

void stage_die(struct stage *stage);                          /* SIGKILL, all links with it */
void stage_start(struct stage *stage);                        /* it is given what is kept */
void stage_link(struct stage *stage, enum process_kind peer); /* a new one */

void stage_say(struct stage *stage, enum process_kind as, const void *message);
/* The next message of this type to this peer; others are skipped. */
void stage_hear(struct stage *stage, enum process_kind as, uint16_t type, struct frame *frame);
/* That the link ends. */
void stage_hear_end(struct stage *stage, enum process_kind as);
/* Takes what the TCB has had kept and dropped up to now. How many are kept then. */
size_t stage_kept(struct stage *stage);
/* As if a TCB had had it kept; takes the file. */
void stage_keep(struct stage *stage, const char *name, int file);
bool stage_silent(struct stage *stage, enum process_kind as, int ms);
