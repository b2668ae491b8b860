/* SPDX-License-Identifier: Apache-2.0 */
/* parclose-sr-pcim as a process: the two links, and one look at everything after each message. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/log.h"
#include "names/names.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_tcb_sr_pcim.h"
#include "pcim.h"
#include "process/process.h"

#define RETRY_US 250000 /* while something waits for its back-off */

struct pcim {
    struct process *process;
    sd_event_source *retry;
    struct pcim_pf *pfs[PARCLOSE_MAX_PFS];
    bool naming;       /* CARD messages of a round are coming in */
    bool control_said; /* control's whole picture is here */
    bool tcb_said;     /* the TCB's whole picture is here */
    uint64_t next_id;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* ---- the picture */

static struct pcim_vf *vf_by_bdf(const struct pcim *pcim, struct bdf bdf)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        for (size_t v = 0; pcim->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++)
            if (pcim->pfs[i]->vfs[v].present &&
                pcim->pfs[i]->vfs[v].observed.bdf.value == bdf.value)
                return &pcim->pfs[i]->vfs[v];
    return NULL;
}

/* ---- readiness and proposals */

static void tell_readiness(struct pcim *pcim, struct pcim_pf *pf, uint64_t event_ns)
{
    struct judgement judgement;
    char bdf[NAME_BDF_MAX];

    judge_pf(pf, &judgement);
    if (judgement.readiness == pf->readiness && !strcmp(judgement.reason, pf->reason))
        return;
    struct pcim_readiness message = {.header = frame_header(PCIM_READINESS, sizeof(message), 0),
                                     .pf = pf->bdf,
                                     .readiness = judgement.readiness,
                                     .event_ns = event_ns};
    memcpy(message.reason, judgement.reason, sizeof(message.reason));
    if (process_send(pcim->process, PROCESS_CONTROL, &message, NULL, 0))
        return; /* said again on the next link */
    pf->readiness = judgement.readiness;
    memcpy(pf->reason, judgement.reason, sizeof(pf->reason));
    log_notice("PF %s (%s): %s%s%s", name_of_bdf(pf->bdf, bdf), pf->card.name,
               name_of_readiness(pf->readiness), judgement.reason[0] ? ": " : "", judgement.reason);
}

static void propose(struct pcim *pcim, struct pcim_pf *pf, struct proposal *proposal,
                    uint32_t action, uint32_t index)
{
    struct pcim_propose message = {.header =
                                       frame_header(PCIM_PROPOSE, sizeof(message), ++pcim->next_id),
                                   .action = action,
                                   .pf = pf->bdf,
                                   .index = index,
                                   .vfs = pf->card.vfs};

    if (process_send(pcim->process, PROCESS_CONTROL, &message, NULL, 0))
        return;
    proposal->id = pcim->next_id;
    proposal->action = action;
    if (action == ACTION_PF_RESTART || action == ACTION_PF_BIND)
        pf->recover = false;
}

/* Whether it has been idle for long enough to be put to sleep. */
static bool idle_enough(struct pcim_pf *pf, uint64_t now)
{
    if (!pcim_may_sleep(pf))
        pf->idle_ns = 0;
    else if (!pf->idle_ns)
        pf->idle_ns = now;
    return pf->idle_ns && now >= pf->idle_ns + PCIM_IDLE_NS;
}

/* True when something is to be proposed later. */
static bool propose_for(struct pcim *pcim, struct pcim_pf *pf, uint64_t now)
{
    uint32_t action = next_for_pf(pf);
    bool idle = idle_enough(pf, now), later = false;

    if (action == ACTION_PF_SLEEP && !idle)
        later = true;
    else if (proposal_due(&pf->proposal, action, now))
        propose(pcim, pf, &pf->proposal, action, 0);
    else
        later = action != ACTION_NONE;
    for (uint32_t i = 0; i < pf->card.vfs; i++) {
        action = next_for_vf(pf, i);
        if (proposal_due(&pf->vfs[i].proposal, action, now))
            propose(pcim, pf, &pf->vfs[i].proposal, action, i);
        else
            later |= action != ACTION_NONE;
    }
    return later;
}

/* Everything follows from the picture of a PF, so one function looks at it after each change. */
static void look_at(struct pcim *pcim, struct pcim_pf *pf, uint64_t event_ns)
{
    int armed = SD_EVENT_OFF;

    if (!pcim->control_said || !pcim->tcb_said || !pf->managed)
        return;
    tell_readiness(pcim, pf, event_ns);
    bool later = propose_for(pcim, pf, now_ns());
    sd_event_source_get_enabled(pcim->retry, &armed);
    if (!later || armed != SD_EVENT_OFF)
        return;
    sd_event_source_set_time_relative(pcim->retry, RETRY_US);
    sd_event_source_set_enabled(pcim->retry, SD_EVENT_ONESHOT);
}

static void look(struct pcim *pcim, uint64_t event_ns)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (pcim->pfs[i])
            look_at(pcim, pcim->pfs[i], event_ns);
}

static int on_retry(sd_event_source *source, uint64_t time, void *data)
{
    (void)source;
    (void)time;
    look(data, now_ns());
    return 0;
}

/* ---- from control */

static int on_card(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    const struct pcim_card *message = (const void *)frame->bytes;
    const struct card_config *card = &message->card;

    if (!frame_string_ok(card->name, sizeof(card->name)) ||
        !frame_string_ok(card->driver, sizeof(card->driver)) || !card->vfs ||
        card->vfs > PARCLOSE_MAX_VFS_PER_PF || card->link >= CARD_LINKS || message->disabled > 1 ||
        message->idle_power >= IDLE_POWERS || message->reserved)
        return -EBADMSG;
    for (size_t i = 0; i < PARCLOSE_MAX_PFS && !pcim->naming; i++)
        if (pcim->pfs[i])
            pcim->pfs[i]->named = false;
    pcim->naming = true;
    struct pcim_pf *pf = pcim_pf_get(pcim->pfs, card->bdf);
    if (!pf)
        return -ENOBUFS;
    pf->card = *card;
    pf->disabled = message->disabled;
    pf->idle_power = message->idle_power;
    pf->managed = pf->named = true;
    return 0;
}

static int on_want(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    const struct pcim_want *want = (const void *)frame->bytes;

    if (want->index >= PARCLOSE_MAX_VFS_PER_PF || want->wanted > 1 || want->in_use > 1 ||
        want->reset > 1 || want->requested > 1)
        return -EBADMSG;
    struct pcim_pf *pf = pcim_pf_get(pcim->pfs, want->pf);
    if (!pf)
        return -ENOBUFS;
    pf->vfs[want->index].wanted = want->wanted;
    pf->vfs[want->index].in_use = want->in_use;
    pf->vfs[want->index].reset = want->reset;
    pf->vfs[want->index].requested = want->requested;
    look_at(pcim, pf, now_ns());
    return 0;
}

static int on_control_sync(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    (void)frame;

    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        if (pcim->pfs[i])
            pcim->pfs[i]->managed = pcim->naming && pcim->pfs[i]->named;
    pcim->naming = false;
    pcim->control_said = true;
    look(pcim, now_ns());
    return 0;
}

static int on_recover(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    const struct pcim_recover *message = (const void *)frame->bytes;
    struct pcim_pf *pf = pcim_pf_find(pcim->pfs, message->pf);

    if (message->rung != RUNG_RESTART_PF)
        return -EBADMSG;
    if (!pf || !pf->managed || pf->disabled)
        return 0;
    pf->recover = true;
    pf->proposal.not_before = 0;
    look_at(pcim, pf, now_ns());
    return 0;
}

static void take_verdict(const struct pcim_pf *pf, struct proposal *proposal,
                         const struct pcim_verdict *verdict)
{
    char bdf[NAME_BDF_MAX];

    if (!proposal->id || proposal->id != verdict->header.id)
        return;
    if (verdict->error)
        log_notice("PF %s: action %u refused or failed: %s", name_of_bdf(pf->bdf, bdf),
                   proposal->action, verdict->text);
    proposal_done(proposal, verdict->error, now_ns());
}

static int on_verdict(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    const struct pcim_verdict *verdict = (const void *)frame->bytes;

    if (!frame_string_ok(verdict->text, sizeof(verdict->text)) || !frame_error_ok(verdict->error) ||
        !verdict->header.id)
        return -EBADMSG;
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        struct pcim_pf *pf = pcim->pfs[i];
        if (!pf)
            continue;
        take_verdict(pf, &pf->proposal, verdict);
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            take_verdict(pf, &pf->vfs[v].proposal, verdict);
    }
    look(pcim, now_ns());
    return 0;
}

static const struct frame_row control_rows[] = {
    {PCIM_CARD, 0, 0, sizeof(struct pcim_card), FRAME_ALWAYS, on_card},
    {PCIM_WANT, 0, 0, sizeof(struct pcim_want), FRAME_ALWAYS, on_want},
    {PCIM_SYNC, 0, 0, sizeof(struct pcim_sync), FRAME_ALWAYS, on_control_sync},
    {PCIM_RECOVER, 0, 0, sizeof(struct pcim_recover), FRAME_ALWAYS, on_recover},
    {PCIM_VERDICT, 0, 0, sizeof(struct pcim_verdict), FRAME_ALWAYS, on_verdict},
};

/* What control wanted is void: it says everything anew on the next link. */
static void control_down(void *context)
{
    struct pcim *pcim = context;

    pcim->control_said = pcim->naming = false;
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        struct pcim_pf *pf = pcim->pfs[i];
        if (!pf)
            continue;
        pf->managed = pf->recover = false;
        pf->readiness = PF_UNKNOWN;
        pf->proposal.id = 0;
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++) {
            pf->vfs[v].wanted = pf->vfs[v].in_use = pf->vfs[v].reset = false;
            pf->vfs[v].requested = false;
            pf->vfs[v].proposal.id = 0;
        }
    }
}

/* ---- from the TCB */

static int on_pf(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    const struct pf_observed *seen = &((const struct observed_pf *)(const void *)frame->bytes)->pf;

    if (!frame_string_ok(seen->driver, sizeof(seen->driver)) ||
        !frame_string_ok(seen->health, sizeof(seen->health)) ||
        !frame_string_ok(seen->netdev, sizeof(seen->netdev)) ||
        !frame_string_ok(seen->serial, sizeof(seen->serial)) ||
        seen->power_control >= POWER_CONTROLS || seen->power_status >= POWER_STATUSES ||
        seen->stuck_pid > PARCLOSE_PID_MAX)
        return -EBADMSG;
    struct pcim_pf *pf = pcim_pf_get(pcim->pfs, seen->bdf);
    if (!pf)
        return -ENOBUFS;
    pf->observed = *seen;
    pf->present = pf->said = true;
    look_at(pcim, pf, seen->event_ns);
    return 0;
}

static int on_vf(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    const struct vf_observed *seen = &((const struct observed_vf *)(const void *)frame->bytes)->vf;

    if (!frame_string_ok(seen->driver, sizeof(seen->driver)) ||
        seen->index >= PARCLOSE_MAX_VFS_PER_PF || seen->for_host > 1 ||
        seen->bind_error > INT32_MAX || !frame_error_ok(-(int32_t)seen->bind_error))
        return -EBADMSG;
    struct pcim_pf *pf = pcim_pf_get(pcim->pfs, seen->pf);
    if (!pf)
        return -ENOBUFS;
    struct pcim_vf *vf = &pf->vfs[seen->index];
    vf->observed = *seen;
    vf->present = vf->said = true;
    look_at(pcim, pf, seen->event_ns);
    return 0;
}

static int on_gone(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    struct bdf bdf = ((const struct observed_gone *)(const void *)frame->bytes)->bdf;
    struct pcim_pf *pf = pcim_pf_find(pcim->pfs, bdf);
    struct pcim_vf *vf = vf_by_bdf(pcim, bdf);

    if (pf)
        pf->present = false;
    if (vf)
        vf->present = false;
    look(pcim, now_ns());
    return 0;
}

static int on_tcb_sync(void *context, struct frame *frame)
{
    struct pcim *pcim = context;
    (void)frame;

    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        struct pcim_pf *pf = pcim->pfs[i];
        if (!pf)
            continue;
        pf->present = pf->present && pf->said;
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            pf->vfs[v].present = pf->vfs[v].present && pf->vfs[v].said;
    }
    pcim->tcb_said = true;
    look(pcim, now_ns());
    return 0;
}

static const struct frame_row tcb_rows[] = {
    {OBSERVED_PF, 0, 0, sizeof(struct observed_pf), FRAME_ALWAYS, on_pf},
    {OBSERVED_VF, 0, 0, sizeof(struct observed_vf), FRAME_ALWAYS, on_vf},
    {OBSERVED_GONE, 0, 0, sizeof(struct observed_gone), FRAME_ALWAYS, on_gone},
    {OBSERVED_SYNC, 0, 0, sizeof(struct observed_sync), FRAME_ALWAYS, on_tcb_sync},
};

/* The last picture stands until the TCB has said the new one whole; what it leaves out is gone. */
static void tcb_down(void *context)
{
    struct pcim *pcim = context;

    pcim->tcb_said = false;
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++) {
        struct pcim_pf *pf = pcim->pfs[i];
        if (!pf)
            continue;
        pf->said = false;
        pf->proposal.failures = 0; /* what the one before could not do, the next may */
        pf->proposal.not_before = 0;
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            pf->vfs[v].said = false;
    }
}

/* ---- the process */

static int prepare(void *context, struct process *process)
{
    struct pcim *pcim = context;

    pcim->process = process;
    int error = sd_event_add_time_relative(process_event(process), &pcim->retry, CLOCK_MONOTONIC,
                                           RETRY_US, 0, on_retry, pcim);
    return error < 0 ? error : sd_event_source_set_enabled(pcim->retry, SD_EVENT_OFF);
}

static int start(void *context, struct process *process, uint32_t generation)
{
    (void)context;
    (void)process;
    (void)generation;
    return 0;
}

int main(void)
{
    static struct pcim pcim;
    const struct process_peer peers[] = {
        {PROCESS_CONTROL, control_rows, sizeof(control_rows) / sizeof(control_rows[0]), NULL,
         control_down},
        {PROCESS_TCB, tcb_rows, sizeof(tcb_rows) / sizeof(tcb_rows[0]), NULL, tcb_down},
    };
    const struct process_config config = {.kind = PROCESS_SR_PCIM,
                                          .name = "parclose-sr-pcim",
                                          .peers = peers,
                                          .peers_count = sizeof(peers) / sizeof(peers[0]),
                                          .prepare = prepare,
                                          .start = start};
    int status = process_run(&config, &pcim);
    sd_event_source_disable_unref(pcim.retry);
    for (size_t i = 0; i < PARCLOSE_MAX_PFS; i++)
        free(pcim.pfs[i]);
    return status;
}
