/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCB's actions in front of a played kernel and played devices, in the process of the test:
 * each device_write() of theirs changes a folder that looks like /sys, a VF's attributes or its
 * secondary controller, and a child may die at any of them. netlink.c is the real one, but that
 * netlink_read_vf() reads what is played.
 */
#pragma once

#include <setjmp.h>

#include "action.h"
#include "nvme.h"

#define FOR_EVER UINT32_MAX

extern struct tcb_pf_state pf; /* 0000:01:00.0, "net0" */

struct played {
    uint32_t writes, lives; /* how many there were; how many more the child lives to make */
    char log[8][96];        /* the first of them: "FILE <- VALUE", or what device it is done to */
    uint32_t refused;       /* the VF that vfio-pci does not take; VFS: none */
    const char *forbidden;  /* the file that nobody may write: -EACCES; NULL: none */
    const char *probes; /* the driver that a PF found by a rescan gets at once; NULL: none has it */
    bool lost;          /* a rescan finds none */
    struct vf_attributes attributes[PARCLOSE_MAX_VFS_PER_PF]; /* network: as the PF has them */
    struct nvme_secondary secondaries[PARCLOSE_MAX_VFS_PER_PF];
    jmp_buf death;
};
extern struct played played;

void played_begin(uint32_t vfs); /* a new PF, which is to have so many VFs */

/* The action on VF `index`, in a child that dies after so many writes: false. */
bool played_run_for(uint32_t action, uint32_t index, uint32_t lives, struct result *result);
struct result played_run(uint32_t action, uint32_t index);

/* A folder of its own for all tests. */
int played_setup(void **state);
int played_teardown(void **state);
