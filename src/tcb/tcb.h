/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-tcb, the trusted code base: uid 0 with CAP_SYS_ADMIN and CAP_NET_ADMIN only. The one
 * process that changes devices (sysfs, rtnetlink, NVMe admin), and only on a committed APPLY of
 * control, for managed cards; opens VFIO files for lead; writes /run/parclose/devices.xml.
 *
 * Every write goes through device_write() (device_write.h), in a child of its own with a deadline:
 * some writes block for as long as somebody holds a VF. What it knows is read from the devices;
 * after a restart nothing is written when all is as control wants it.
 */
#pragma once

#include "devlink.h"
#include "parclose/msg_control_tcb.h"
#include "parclose/msg_tcb_lead.h"
#include "parclose/msg_tcb_sr_pcim.h"
#include "pci/capabilities.h"
#include "pci/config_space.h"
#include "process/process.h"

#ifndef SYSFS_ROOT /* tests have a tree of their own */
#define SYSFS_ROOT "/sys"
#endif

#define BUSY_VERIFY DEVICE_ACTIONS /* a child that only reads */

/* Our own action, which only reads: was the PF reset behind its driver's back? */
#define ACTION_LOOK (DEVICE_ACTIONS + 1)

/* A reset in the middle of a look is over at the next. */
#define VF_LOST_TICKS 2

/* Whether a VF's attributes are as desired. */
enum verified {
    VERIFIED_UNKNOWN = 0, /* to be read */
    VERIFIED_YES = 1,
    VERIFIED_NO = 2,
};

struct tcb_vf_state {
    bool present;
    bool named; /* in control's round of ASSIGN under way */
    struct vf_observed observed;
    struct owner owner; /* as control committed it */
    struct vf_attributes desired;
    bool requested;            /* the host's kernel asks its guest for it, as control says */
    uint32_t verified;         /* enum verified */
    bool recheck;              /* its PF may have forgotten since what was verified */
    bool prepared;             /* all was set for this owner and these attributes */
    bool slept;                /* its PF may have slept since it was activated: what its driver
                                  reports need not be what the device has */
    uint32_t bind_error;       /* errno of the latest try to bind it to vfio-pci */
    struct vf_attributes seen; /* as last read, in a child; all 0: not yet */
    struct function_capabilities capabilities;
    struct error_counts errors; /* as last looked at */
    uint32_t assignment;        /* one more at each change of owner or desired */
    bool memory_seen;           /* open, and its Command register had memory enabled */
    uint32_t lost_ticks;        /* how often in a row it then had neither memory nor bus master */
    struct partition_id holder; /* whose monitor has it open; 0: nobody's */
    bool armed;                 /* its user's interrupts were armed at the last tick */
    bool tells;                 /* of a reset, by them: its PF was seen to live after that */
    bool confirmed;             /* by lead, in the round of HELD under way */
};

struct tcb_pf_state {
    bool used;
    bool named; /* in the round of CARD under way */
    struct card_config card;
    bool disabled; /* as control committed it: for the document; nothing is done because of it */
    uint32_t idle_power; /* enum idle_power, as control committed it */
    bool told;
    struct pf_observed observed;
    uint8_t config[CONFIG_SPACE_SIZE]; /* for the document: as read when it was awake */
    size_t config_size;
    struct function_capabilities capabilities;
    struct error_counts errors;
    struct health_reporters health;
    bool health_due;            /* to be read in a child */
    bool reset;                 /* behind its driver's back (resets.c) */
    bool sign_true;             /* it was seen to say that it was not, under this driver */
    bool sign_lies;             /* it says so whatever is done: not asked any more */
    uint32_t recovery;          /* enum error_recovery */
    uint32_t recovery_ticks;    /* so long it is under way */
    uint32_t correctable_ticks; /* so long there are correctable errors that nobody was told of */
    bool changed;               /* to be observed again */
    uint64_t event_ns;          /* when that was learnt */
    uint32_t busy; /* enum device_action that a child applies, or BUSY_VERIFY; 0: none */
    uint32_t busy_index;
    struct tcb_vf_state vfs[PARCLOSE_MAX_VFS_PER_PF];
};

struct tcb_function_state {
    bool seen; /* in the scan under way */
    struct function_observed observed;
};

struct tcb {
    struct process *process;
    struct tcb_pf_state *pfs[HOST_MAX_CARDS];
    uint32_t functions_count;
    struct tcb_function_state functions[PARCLOSE_MAX_FUNCTIONS]; /* by address */
    bool naming;         /* in control's round of CARD and ASSIGN */
    bool pictured;       /* a whole round was taken since we began, and all was observed */
    bool control_due;    /* a new link: to be told everything */
    bool pcim_due;       /* the same */
    bool holders_known;  /* lead said once all that is open: no write before that */
    int run_folder;      /* /run/parclose; -1: not handed over */
    uint64_t generation; /* of devices.xml */
    sd_event_source *observe, *document, *tick;
    bool published;       /* a document of ours is in place: edits may refer to it */
    uint64_t assignments; /* one more at each change of an owner or of what is desired */
    struct edits *edits;  /* NULL: none are read */
    struct job *jobs;
};

uint64_t tcb_now_ns(void);

/* --- picture.c: what is */
struct tcb_pf_state *picture_pf(struct tcb *tcb, struct bdf bdf); /* managed; or NULL */
struct tcb_vf_state *picture_vf(struct tcb *tcb, struct bdf bdf); /* of a managed card; or NULL */
struct tcb_pf_state *picture_manage(struct tcb *tcb, const struct card_config *card);
void picture_forget_unnamed(struct tcb *tcb); /* and looks at what else there is */
void picture_changed(struct tcb *tcb, struct tcb_pf_state *pf, uint64_t event_ns);
void picture_observe(struct tcb *tcb, struct tcb_pf_state *pf); /* now, and tells what changed */
void picture_replugged(struct tcb_pf_state *pf); /* what is known of the hardware is void */
/* It may sleep, or is being put to sleep: no read of its configuration space, or of its VFs'. */
bool picture_quiet(const struct tcb_pf_state *pf);
uint32_t picture_open_vfs(const struct tcb_pf_state *pf);
void picture_say_all(struct tcb *tcb, enum process_kind peer);
void picture_look(struct tcb *tcb); /* at all that has changed */
int picture_on_observe(sd_event_source *source, void *data);

/* --- functions.c: all PCI functions that are neither a managed PF nor a VF of one */
void functions_scan(struct tcb *tcb);                 /* at all, and tells what changed */
void functions_look(struct tcb *tcb, struct bdf bdf); /* at one */
void functions_say_all(struct tcb *tcb);              /* to control, on its new link */

/* --- errors.c */
#define CORRECTABLE_TICKS 10                         /* they may come by the thousand */
bool errors_look(struct tcb_pf_state *pf, bool all); /* true: there are uncorrectable ones */
bool errors_tick(struct tcb_pf_state *pf);           /* true: there is something to tell */
void errors_set(struct tcb_pf_state *pf, enum error_recovery recovery);
void errors_event(struct tcb *tcb, struct bdf bdf, const char *error); /* a uevent's ERROR_EVENT */

/* --- events.c: how changes are learnt */
int events_open(struct tcb *tcb, sd_event *event);

/* --- jobs.c: actions in children, one a PF at a time */
enum {
    RESET_UNKNOWN = 0,
    RESET_NO = 1,
    RESET_YES = 2,
};

struct result {
    int32_t error;
    uint32_t writes;
    uint32_t reset; /* what the PF says of it (RESET_*) */
    bool looked;    /* `health` was read */
    struct health_reporters health;
    uint32_t verified; /* enum verified, for jobs about a VF; unknown: it cannot be read now */
    struct vf_attributes seen;                     /* the VF's, when it was read */
    uint16_t bind_errors[PARCLOSE_MAX_VFS_PER_PF]; /* errno for each VF that was to be bound */
    char text[PARCLOSE_REASON_MAX];
};
_Static_assert(sizeof(struct result) <= 4096, "through a socket at once");
void jobs_add(struct tcb *tcb, const struct tcb_apply *apply); /* action NONE: verify the VF */
void jobs_run(struct tcb *tcb);
/* The child that was left behind at its deadline, and has not ended; 0: none. */
uint32_t jobs_stuck(const struct tcb *tcb, struct bdf pf);

/* --- keep.c: children that outlive the TCB */
struct kept_child {
    struct bdf pf;
    uint32_t action; /* enum device_action; ACTION_NONE: it only reads */
    uint32_t index;
    uint64_t deadline_us; /* CLOCK_MONOTONIC */
};
int keep_child(struct tcb *tcb, const struct kept_child *child, int pidfd);
void keep_drop(struct tcb *tcb, const struct kept_child *child);
int keep_stored(void *context, const char *name, int fd); /* process_config.stored */
/* Takes the pidfd on success. -EBADMSG: no child of ours has such a deadline; -EEXIST: the PF has
 * one already. */
int jobs_adopt(struct tcb *tcb, const struct kept_child *kept, uint32_t pid, int pidfd);
/* Of a card that control has just named: a child of before may be at it. */
void jobs_take_up(const struct tcb *tcb, struct tcb_pf_state *pf);

#ifdef PARCLOSE_MUTANT_TCB_EXTRA_WRITE
#define ACTION_NEEDLESS (DEVICE_ACTIONS + 2)
#endif

/* --- resets.c: a reset that a PF's driver does not learn of */
bool reset_vf_works(struct bdf bdf);       /* one in use: its interrupts are armed */
bool resets_tick(struct tcb_pf_state *pf); /* ACTION_LOOK is to be done */
/* What a child read; true: it is news. */
bool resets_take(struct tcb_pf_state *pf, uint32_t action, const struct result *result);

/* --- vfio.c */
int vfio_open_group(uint32_t group);  /* a file, or -EBUSY: somebody has it; other errno */
bool vfio_group_held(uint32_t group); /* by anybody on this host, asked of the kernel */

/* --- actions.c: runs in the child; sees a copy of everything */
void action_run(struct tcb_pf_state *pf, const struct tcb_apply *apply, struct result *result);

/* --- links */
extern const struct frame_row control_rows[];
extern const size_t control_rows_count;
extern const struct frame_row lead_rows[];
extern const size_t lead_rows_count;
void control_up(void *context);
void pcim_up(void *context);
void lead_up(void *context);
struct partition_id links_holder(struct bdf vf); /* as lead said on its link; 0: nobody */

/* --- edits.c: edited copies of devices.xml that are put into the folder "edit" */
void edits_open(struct tcb *tcb);
void edits_run(struct tcb *tcb);     /* a document was published */
void edits_link_up(struct tcb *tcb); /* control's new link: what it has not answered, again */
int edits_on_edited(void *context, struct frame *frame); /* control's answer */

/* --- document.c */
bool document_is_due(const struct tcb *tcb);
int document_on_due(sd_event_source *source, uint64_t time, void *data);
void document_due(struct tcb *tcb);
