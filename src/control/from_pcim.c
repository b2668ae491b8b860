/* SPDX-License-Identifier: Apache-2.0 */
/* What SR-PCIM judges and proposes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "actions.h"
#include "control.h"
#include "counts.h"
#include "drive.h"
#include "gate.h"
#include "ladder.h"
#include "news.h"
#include "orders.h"
#include "tell.h"
#include "transaction.h"

static void recovered(struct control *control, struct pf *pf)
{
    struct pf_image image = pf->image;

    image.in_error = 0;
    transaction_begin(control, AUDIT_RECOVERED, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_SR_PCIM, NULL);
    transaction_change(control, RESOURCE_PF, pf->bdf.value, 0, &image);
    transaction_commit(control, false);
}

/* On the way from the last readiness to the thaw: nothing slow but the gate's own commit, and what
 * is only noted comes after it. */
static int on_readiness(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct pcim_readiness *message = (const void *)frame->bytes;

    if (message->readiness >= PF_READINESS_KINDS ||
        !frame_string_ok(message->reason, sizeof(message->reason)))
        return -EBADMSG;
    struct pf *pf = db_pf(control->db, message->pf);
    if (!pf)
        return 0; /* of a card that was removed while it spoke */
    bool was_ready = pf->readiness == PF_READY, is_ready = message->readiness == PF_READY;
    if (pf->readiness != message->readiness)
        pf->readiness_ns = message->event_ns;
    pf->readiness = message->readiness;
    memcpy(pf->reason, message->reason, sizeof(pf->reason));
    control_changed(control);
    if (was_ready && !is_ready)
        gate_lost(control, pf);
    drive_users(control, pf);
    if (is_ready && pf->image.in_error)
        recovered(control, pf);
    news_readiness(control, pf);
    counts_readiness(control, pf);
    orders_follow(control);
    return 0;
}

static int on_propose(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct pcim_propose *message = (const void *)frame->bytes;

    if (!message->header.id || message->action == ACTION_NONE || message->action >= DEVICE_ACTIONS)
        return -EBADMSG;
    action_propose(control, message);
    return 0;
}

const struct frame_row pcim_rows[] = {
    {PCIM_READINESS, 0, 0, sizeof(struct pcim_readiness), FRAME_ALWAYS, on_readiness},
    {PCIM_PROPOSE, 0, 0, sizeof(struct pcim_propose), FRAME_ALWAYS, on_propose},
};
const size_t pcim_rows_count = sizeof(pcim_rows) / sizeof(pcim_rows[0]);

/* Nobody judges the PFs now: unknown, for every attach that is not yet committed. */
static void unjudge(struct control *control)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        struct pf *pf = control->db->pfs[i];
        if (!pf)
            continue;
        pf->readiness = PF_UNKNOWN;
        pf->readiness_ns = 0;
        snprintf(pf->reason, sizeof(pf->reason), "not judged: SR-PCIM is restarting");
    }
    control_changed(control);
}

void pcim_up(void *context)
{
    struct control *control = context;

    control->pcim_up = true;
    tell_pcim(control);
    ladder_resend(control);
    orders_follow(control);
}

void pcim_down(void *context)
{
    struct control *control = context;

    control->pcim_up = false;
    outbox_forget(control, PROCESS_SR_PCIM);
    unjudge(control);
    actions_orphan(control);
}
