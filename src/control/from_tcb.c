/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TCB observes, and the results of actions. Nothing of it is kept beyond this process: a
 * new link says it all again, and what was not said again by the SYNC is gone.
 */
#include <errno.h>
#include <string.h>

#include "actions.h"
#include "control.h"
#include "drive.h"
#include "edit.h"
#include "errors.h"
#include "gate.h"
#include "log/log.h"
#include "orders.h"
#include "parclose/msg_control_tcb.h"
#include "resets.h"
#include "tell.h"

static bool errors_ok(const struct error_counts *errors)
{
    return errors->known <= 1;
}

static bool pf_ok(const struct pf_observed *pf)
{
    return pf->bdf.value && pf->class <= CLASS_NVME && pf->status <= FUNCTION_ERROR &&
           pf->answers <= 1 && pf->link_up <= 1 && pf->carrier <= 1 && pf->reset <= 1 &&
           pf->open_vfs <= PARCLOSE_MAX_VFS_PER_PF && errors_ok(&pf->errors) &&
           pf->recovery < ERROR_RECOVERIES && pf->power_control < POWER_CONTROLS &&
           pf->power_status < POWER_STATUSES && pf->stuck_pid <= PARCLOSE_PID_MAX &&
           frame_string_ok(pf->driver, sizeof(pf->driver)) &&
           frame_string_ok(pf->netdev, sizeof(pf->netdev)) &&
           frame_string_ok(pf->health, sizeof(pf->health)) &&
           frame_string_ok(pf->serial, sizeof(pf->serial));
}

static int on_pf(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct tcb_pf *message = (const void *)frame->bytes;

    if (!pf_ok(&message->pf))
        return -EBADMSG;
    struct pf *pf = db_pf_make(control->db, message->pf.bdf);
    if (!pf) {
        log_warning("more than %d PFs: one is left out", PARCLOSE_MAX_PFS);
        return 0;
    }
    db_function_drop(control->db, message->pf.bdf);
    errors_of_pf(control, pf, &message->pf.errors);
    pf->observed = message->pf;
    pf->present = pf->said = true;
    control_changed(control);
    orders_follow(control);
    return 0;
}

static bool vf_ok(const struct vf_observed *vf)
{
    return vf->bdf.value && vf->pf.value && vf->index < PARCLOSE_MAX_VFS_PER_PF &&
           vf->status <= FUNCTION_ERROR && vf->answers <= 1 && vf->attributes_set <= 1 &&
           vf->unread <= 1 && vf->open <= 1 && vf->for_host <= 1 && vf->bind_error <= INT32_MAX &&
           frame_error_ok(-(int32_t)vf->bind_error) && errors_ok(&vf->errors) &&
           frame_string_ok(vf->driver, sizeof(vf->driver));
}

/* Lead may have spoken of its address before, which said nothing as long as the VF had none. */
static void hear_owner_again(struct control *control, const struct vf *vf)
{
    struct partition *owner = db_partition_of(control->db, vf->owner);

    if (!owner || !owner->said || !owner->run.channels)
        return;
    resets_follow(control, owner);
    tell_wants(control, owner);
}

static int on_vf(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct tcb_vf *message = (const void *)frame->bytes;

    if (!vf_ok(&message->vf))
        return -EBADMSG;
    struct pf *pf = db_pf(control->db, message->vf.pf);
    if (!pf) {
        log_warning("the TCB speaks of a VF of an unknown PF");
        return 0;
    }
    struct vf *vf = &pf->vfs[message->vf.index];
    db_function_drop(control->db, message->vf.bdf);
    errors_of_vf(control, vf, &message->vf.errors);
    bool moved = vf->observed.bdf.value != message->vf.bdf.value;
    bool was_stale = gate_vf_stale(vf) != NULL;
    vf->observed = message->vf;
    if (was_stale && !gate_vf_stale(vf))
        vf->verified_ns = message->vf.event_ns;
    vf->present = vf->said = true;
    control_changed(control);
    if (moved)
        hear_owner_again(control, vf);
    drive_users(control, pf);
    return 0;
}

static void vf_gone(struct vf *vf)
{
    vf->present = false;
    vf->observed = (struct vf_observed){0};
    vf->reset_boottime_ns = 0;
}

static void pf_gone(struct control *control, struct pf *pf)
{
    pf->present = false;
    pf->observed = (struct pf_observed){0};
    for (size_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        vf_gone(&pf->vfs[i]);
    db_pf_prune(control->db, pf->bdf);
}

static int on_gone(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct tcb_gone *message = (const void *)frame->bytes;
    struct pf *pf = db_pf(control->db, message->bdf);
    struct vf *vf = db_vf_by_bdf(control->db, message->bdf);

    if (pf)
        pf_gone(control, pf);
    else if (vf)
        vf_gone(vf);
    control_changed(control);
    return 0;
}

static bool function_ok(const struct function_observed *function)
{
    return function->class_code < 1 << 24 &&
           frame_string_ok(function->driver, sizeof(function->driver));
}

static int on_function(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct tcb_function *message = (const void *)frame->bytes;

    if (message->present > 1 || !function_ok(&message->function))
        return -EBADMSG;
    if (message->present)
        db_function_set(control->db, &message->function);
    else
        db_function_drop(control->db, message->function.bdf);
    control_changed(control);
    return 0;
}

/* All is said: what was not is not there any more. */
static int on_sync(void *context, struct frame *frame)
{
    struct control *control = context;
    (void)frame;

    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        struct pf *pf = control->db->pfs[i];
        if (!pf)
            continue;
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            if (pf->vfs[v].present && !pf->vfs[v].said)
                vf_gone(&pf->vfs[v]);
        if (pf->present && !pf->said)
            pf_gone(control, pf);
    }
    db_functions_drop_unsaid(control->db);
    control_changed(control);
    drive_all(control);
    return 0;
}

static int on_applied(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct tcb_applied *message = (const void *)frame->bytes;

    if (!frame_string_ok(message->text, sizeof(message->text)) || !frame_error_ok(message->error))
        return -EBADMSG;
    action_applied(control, message);
    return 0;
}

static int on_edit(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct tcb_edit *message = (const void *)frame->bytes;

    if (!message->header.id || message->vfs_count > PARCLOSE_EDIT_VFS_MAX ||
        message->pf_state >= PF_STATES || !message->pf_state != !message->pf.value ||
        (message->pf_state && message->vfs_count) ||
        !frame_string_ok(message->name, sizeof(message->name)))
        return -EBADMSG;
    edit_propose(control, message);
    return 0;
}

const struct frame_row tcb_rows[] = {
    {TCB_PF, 0, 0, sizeof(struct tcb_pf), FRAME_ALWAYS, on_pf},
    {TCB_VF, 0, 0, sizeof(struct tcb_vf), FRAME_ALWAYS, on_vf},
    {TCB_GONE, 0, 0, sizeof(struct tcb_gone), FRAME_ALWAYS, on_gone},
    {TCB_SYNC, 0, 0, sizeof(struct tcb_sync), FRAME_ALWAYS, on_sync},
    {TCB_FUNCTION, 0, 0, sizeof(struct tcb_function), FRAME_ALWAYS, on_function},
    {TCB_APPLIED, 0, 0, sizeof(struct tcb_applied), FRAME_ALWAYS, on_applied},
    {TCB_EDIT, 0, 0, sizeof(struct tcb_edit), FRAME_ALWAYS, on_edit},
};
const size_t tcb_rows_count = sizeof(tcb_rows) / sizeof(tcb_rows[0]);

static void nothing_said(struct db *db)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        if (!db->pfs[i])
            continue;
        db->pfs[i]->said = false;
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            db->pfs[i]->vfs[v].said = false;
    }
}

void tcb_up(void *context)
{
    struct control *control = context;

    control->tcb_up = true;
    nothing_said(control->db);
    db_functions_unsaid(control->db);
    tell_tcb(control);
    edit_settle(control);
    actions_resend(control);
}

void tcb_down(void *context)
{
    struct control *control = context;
    control->tcb_up = false;
    outbox_forget(control, PROCESS_TCB);
}
