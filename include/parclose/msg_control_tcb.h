/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control <-> tcb. The TCB changes a device only on APPLY, which control sends after the
 * transaction is durable. On each new link control sends CARD* and ASSIGN* (what is committed),
 * SYNC, and the APPLYs that it has no answer for; the TCB sends FUNCTION*, PF*, VF* (what it
 * observes), SYNC, and goes on with them at each change.
 *
 * A round of CARD*, ASSIGN*, SYNC is the whole picture: it comes again on the same link when the
 * host's configuration has changed, and a card or an assignment that it does not name is one no
 * more. An ASSIGN of a VF to another partition than before makes the VF FUNCTION_INACTIVE with
 * attributes_set 0 until ACTION_VF_ACTIVATE was applied for it (no owner gets the state that
 * another left); the TCB says VF at once. ASSIGN to the same partition with other attributes makes
 * it so, too, until an action set them; with the same ones it changes nothing.
 *
 * An edit of devices.xml is proposed as EDIT and answered with EDITED when all that it asks for is
 * on the devices, or when it is refused, or was undone: then the devices have what they had. It is
 * one transaction; one edit is under way at a time (-EBUSY). Its id stays the same when the TCB
 * asks again on a new link of either; without VFs and PF it is only asked what became of it
 * (-ENOENT: control has never had it, or has had another one since).
 */
#pragma once

#include "parclose/config.h"
#include "parclose/wire.h"

enum message_control_tcb {
    TCB_CARD = MSG_BASE_CONTROL_TCB, /* control -> tcb: a managed card */
    TCB_ASSIGN,                      /* control -> tcb: a VF's committed owner and attributes */
    TCB_SYNC,                        /* either way: everything that was before is said */
    TCB_APPLY,                       /* control -> tcb: one committed action */
    TCB_APPLIED,                     /* tcb -> control: its result */
    TCB_PF,                          /* tcb -> control: observed */
    TCB_VF,                          /* tcb -> control: observed */
    TCB_GONE,                        /* tcb -> control: PF or VF is gone */
    TCB_FUNCTION, /* tcb -> control: any other PCI function, or that it is gone */
    TCB_EDIT,     /* tcb -> control: an edit of devices.xml, parsed and checked */
    TCB_EDITED,   /* control -> tcb: what became of it */
};

struct tcb_card {
    struct wire_header header;
    struct card_config card;
    uint32_t disabled;   /* 1: it is to have no VFs */
    uint32_t idle_power; /* enum idle_power */
    uint32_t reserved;
};
_Static_assert(sizeof(struct tcb_card) == 88, "wire size");

struct tcb_assign {
    struct wire_header header;
    struct bdf pf;
    uint32_t index;
    struct owner owner; /* OWNER_INTERCONNECT: taken back */
    struct vf_attributes attributes;
    uint32_t requested; /* 1: the host's kernel asks its guest for it; for the document only */
};
_Static_assert(sizeof(struct tcb_assign) == 64, "wire size");

struct tcb_sync {
    struct wire_header header;
};

struct tcb_apply {
    struct wire_header header; /* id: the request's */
    uint64_t transaction;      /* audit entry that committed it */
    uint32_t action;           /* enum device_action */
    struct bdf pf;
    uint32_t index; /* VF actions */
    uint32_t vfs; /* ACTION_PF_CREATE_VFS: how many; PF_RESTART, _RESET, _DISABLE: ACTION_SPARE_HOST
                     or not */
};
_Static_assert(sizeof(struct tcb_apply) == 40, "wire size");

struct tcb_applied {
    struct wire_header header;
    uint64_t transaction;
    int32_t error;
    uint32_t writes; /* how many device writes it took; 0: all was as desired */
    struct bdf pf;
    uint32_t index; /* as in the APPLY: an edit's transaction has several */
    char text[PARCLOSE_REASON_MAX];
};
_Static_assert(sizeof(struct tcb_applied) == 200, "wire size");

struct tcb_pf {
    struct wire_header header;
    struct pf_observed pf;
};
struct tcb_vf {
    struct wire_header header;
    struct vf_observed vf;
};
struct tcb_gone {
    struct wire_header header;
    struct bdf bdf;
    uint32_t reserved;
};

/* A function that becomes a managed PF, or a VF of one, is said to be gone as a function. */
struct tcb_function {
    struct wire_header header;
    uint32_t present; /* 0: gone; of the rest only the address counts then */
    uint32_t reserved;
    struct function_observed function;
};
_Static_assert(sizeof(struct tcb_function) == 72, "wire size");

struct tcb_edit {
    struct wire_header header;
    uint32_t uid; /* owner of the file */
    uint32_t vfs_count;
    struct bdf pf;     /* whose state is to change, alone: then there are no VFs; 0: none's */
    uint32_t pf_state; /* enum pf_state */
    char name[PARCLOSE_EDIT_NAME_MAX]; /* of the file, for the audit log */
    struct vf_edit vfs[PARCLOSE_EDIT_VFS_MAX];
};
_Static_assert(sizeof(struct tcb_edit) == 96 + 64 * PARCLOSE_EDIT_VFS_MAX, "wire size");

struct tcb_edited {
    struct wire_header header;
    int32_t error; /* 0: done */
    uint32_t reserved;
    uint64_t transaction; /* 0: there was none */
    char text[PARCLOSE_REASON_MAX];
};
_Static_assert(sizeof(struct tcb_edited) == 192, "wire size");
