/* SPDX-License-Identifier: Apache-2.0 */
/* What is: managed cards, their functions as observed, and telling control and SR-PCIM of it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci/function.h"
#include "tcb.h"

struct tcb_pf_state *picture_pf(struct tcb *tcb, struct bdf bdf)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        if (tcb->pfs[i] && tcb->pfs[i]->card.bdf.value == bdf.value)
            return tcb->pfs[i];
    return NULL;
}

struct tcb_vf_state *picture_vf(struct tcb *tcb, struct bdf bdf)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        for (size_t v = 0; tcb->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++)
            if (tcb->pfs[i]->vfs[v].present && tcb->pfs[i]->vfs[v].observed.bdf.value == bdf.value)
                return &tcb->pfs[i]->vfs[v];
    return NULL;
}

struct tcb_pf_state *picture_manage(struct tcb *tcb, const struct card_config *card)
{
    struct tcb_pf_state *pf = picture_pf(tcb, card->bdf);
    bool known = pf != NULL;

    for (size_t i = 0; i < HOST_MAX_CARDS && !pf; i++)
        if (!tcb->pfs[i])
            pf = tcb->pfs[i] = calloc(1, sizeof(*pf));
    if (!pf)
        return NULL;
    pf->card = *card;
    if (!known)
        jobs_take_up(tcb, pf);
    picture_changed(tcb, pf, tcb_now_ns());
    return pf;
}

static void say(struct tcb *tcb, uint16_t to_control, uint16_t to_pcim, void *message)
{
    struct wire_header *header = message;

    header->type = to_control;
    process_send(tcb->process, PROCESS_CONTROL, message, NULL, 0);
    header->type = to_pcim;
    process_send(tcb->process, PROCESS_SR_PCIM, message, NULL, 0);
}

static void say_gone(struct tcb *tcb, struct bdf bdf)
{
    struct tcb_gone message = {.header = frame_header(TCB_GONE, sizeof(message), 0), .bdf = bdf};
    say(tcb, TCB_GONE, OBSERVED_GONE, &message);
}

void picture_forget_unnamed(struct tcb *tcb)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++) {
        struct tcb_pf_state *pf = tcb->pfs[i];
        /* a card with a VF in use or an action under way stays until that is over */
        if (!pf || pf->named || pf->busy || picture_open_vfs(pf))
            continue; /* jobs.c asks again when it is done */
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            if (pf->vfs[v].present)
                say_gone(tcb, pf->vfs[v].observed.bdf);
        say_gone(tcb, pf->card.bdf);
        free(pf);
        tcb->pfs[i] = NULL;
    }
    functions_scan(tcb);
}

/* It went, or came; perhaps both before anybody looked, and it is another card. */
void picture_replugged(struct tcb_pf_state *pf)
{
    pf->observed.sriov = (struct sriov_capability){0};
    memset(pf->observed.serial, 0, sizeof(pf->observed.serial));
    pf->errors = (struct error_counts){0};
    errors_set(pf, RECOVERY_NONE);
    for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++) {
        pf->vfs[v].errors = (struct error_counts){0};
        if (pf->vfs[v].verified == VERIFIED_YES)
            pf->vfs[v].verified = VERIFIED_UNKNOWN;
    }
}

bool picture_quiet(const struct tcb_pf_state *pf)
{
    return pf->busy == ACTION_PF_SLEEP || function_may_sleep(&pf->observed);
}

uint32_t picture_open_vfs(const struct tcb_pf_state *pf)
{
    uint32_t count = 0;

    for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
        count += pf->vfs[v].holder.value != 0;
    return count;
}

/* ---- status from what was observed */

static uint32_t pf_status(const struct tcb_pf_state *pf)
{
    const struct pf_observed *seen = &pf->observed;

    if (!seen->vendor || !seen->answers)
        return FUNCTION_ABSENT;
    bool as_desired = !strcmp(seen->driver, pf->card.driver) && seen->link_up &&
                      seen->sriov.num_vfs >= pf->card.vfs &&
                      (seen->sriov.control & SRIOV_CTRL_VF_ENABLE);
    return as_desired ? FUNCTION_ACTIVE : FUNCTION_INACTIVE;
}

static void complete_vf(struct tcb_vf_state *vf, struct vf_observed *seen)
{
    seen->open = vf->holder.value != 0;
    if (seen->driver[0])
        vf->bind_error = 0;
    seen->bind_error = vf->bind_error;
    seen->errors = vf->errors;
    seen->unread = vf->owner.kind == OWNER_GUEST && vf->recheck;
    seen->attributes_set = vf->owner.kind == OWNER_GUEST && vf->verified == VERIFIED_YES;
    if (!seen->answers)
        seen->status = FUNCTION_ABSENT;
    else if (seen->open && vf->lost_ticks >= VF_LOST_TICKS)
        seen->status = FUNCTION_ERROR; /* it answers, but was reset under its user */
    else if (seen->attributes_set && !strcmp(seen->driver, "vfio-pci"))
        seen->status = FUNCTION_ACTIVE;
    else
        seen->status = FUNCTION_INACTIVE;
}

/* ---- telling */

static void say_pf(struct tcb *tcb, struct tcb_pf_state *pf)
{
    struct tcb_pf message = {.header = frame_header(TCB_PF, sizeof(message), 0),
                             .pf = pf->observed};
    _Static_assert(sizeof(struct tcb_pf) == sizeof(struct observed_pf), "one body for both");
    say(tcb, TCB_PF, OBSERVED_PF, &message);
}

static void say_vf(struct tcb *tcb, struct tcb_vf_state *vf)
{
    struct tcb_vf message = {.header = frame_header(TCB_VF, sizeof(message), 0),
                             .vf = vf->observed};
    _Static_assert(sizeof(struct tcb_vf) == sizeof(struct observed_vf), "one body for both");
    say(tcb, TCB_VF, OBSERVED_VF, &message);
}

/* Equal but for the time of the look. */
static bool pf_same(const struct pf_observed *a, struct pf_observed b)
{
    b.event_ns = a->event_ns;
    return !memcmp(a, &b, sizeof(b));
}

static bool vf_same(const struct vf_observed *a, struct vf_observed b)
{
    b.event_ns = a->event_ns;
    return !memcmp(a, &b, sizeof(b));
}

/* Reads only: after our restart what is, is not written again. */
static void want_verified(struct tcb *tcb, struct tcb_pf_state *pf)
{
    if (!pf->observed.driver[0] || picture_quiet(pf))
        return;
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        const struct tcb_apply verify = {.action = ACTION_NONE, .pf = pf->card.bdf, .index = i};
        const struct tcb_vf_state *vf = &pf->vfs[i];
        if (vf->present && vf->owner.kind == OWNER_GUEST &&
            (vf->verified == VERIFIED_UNKNOWN || vf->recheck) &&
            !strcmp(vf->observed.driver, "vfio-pci"))
            jobs_add(tcb, &verify);
    }
}

/* For the document alone: nobody is told. */
static void observe_capabilities(struct tcb *tcb, struct tcb_vf_state *vf, struct bdf bdf)
{
    struct function_capabilities seen = {0};
    int folder = function_open(SYSFS_ROOT, bdf);

    if (folder >= 0) {
        capabilities_read(folder, &seen);
        close(folder);
    }
    if (!memcmp(&vf->capabilities, &seen, sizeof(seen)))
        return;
    vf->capabilities = seen;
    document_due(tcb);
}

/* `quietly`: its configuration space is left alone, if it was ever read. */
static void observe_vf(struct tcb *tcb, struct tcb_pf_state *pf, uint32_t index, bool quietly)
{
    struct tcb_vf_state *vf = &pf->vfs[index];
    struct vf_observed seen = vf->observed;
    bool keep = quietly && vf->present;
    bool present = function_observe_vf(SYSFS_ROOT, pf->card.bdf, index, keep, &seen) == 0;

    if (!present && vf->present) {
        vf->present = false;
        vf->verified = VERIFIED_UNKNOWN;
        vf->memory_seen = false;
        vf->bind_error = 0;
        vf->errors = (struct error_counts){0};
        vf->seen = (struct vf_attributes){0};
        say_gone(tcb, vf->observed.bdf);
        document_due(tcb);
    }
    if (!present)
        return;
    if (!keep)
        observe_capabilities(tcb, vf, seen.bdf);
    if (!vf->present && !vf->holder.value) {
        vf->holder = links_holder(seen.bdf);
        vf->confirmed = vf->holder.value != 0;
    }
    if (strcmp(seen.driver, "vfio-pci") != 0 && vf->verified == VERIFIED_YES)
        vf->verified = VERIFIED_UNKNOWN;
    complete_vf(vf, &seen);
    seen.event_ns = pf->event_ns;
    if (vf->present && vf_same(&vf->observed, seen))
        return;
    vf->present = true;
    vf->observed = seen;
    say_vf(tcb, vf);
    document_due(tcb);
}

/* A driver that was bound anew, another interface, a link or a controller that came back. */
static bool began_anew(const struct pf_observed *before, const struct pf_observed *now)
{
    return strcmp(before->driver, now->driver) != 0 || strcmp(before->netdev, now->netdev) != 0 ||
           (now->link_up && !before->link_up);
}

/* Whether it slept is not known of one that might. What its driver was told may be lost then. */
static void look_at_power(struct tcb *tcb, struct tcb_pf_state *pf, const struct pf_observed *now)
{
    bool wakes = function_may_sleep(&pf->observed) && !function_may_sleep(now);

    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        pf->vfs[i].slept |= function_may_sleep(now);
        pf->vfs[i].recheck |= wakes;
    }
    if (wakes) /* to be verified, once this look is over */
        sd_event_source_set_enabled(tcb->observe, SD_EVENT_ONESHOT);
    pf->changed |= wakes;
}

static void set_health(struct pf_observed *seen, const struct tcb_pf_state *pf)
{
    const struct health_reporter *bad = health_bad(&pf->health);

    memset(seen->health, 0, sizeof(seen->health));
    if (bad)
        memcpy(seen->health, bad->name, sizeof(seen->health));
}

/* VFs first: when the PF is said to have them, they are known. */
void picture_observe(struct tcb *tcb, struct tcb_pf_state *pf)
{
    struct pf_observed seen = pf->observed;
    struct bdf bdf = pf->card.bdf;

    pf->changed = false;
    seen.open_vfs = picture_open_vfs(pf);
    function_observe_pf(SYSFS_ROOT, bdf, &seen);
    look_at_power(tcb, pf, &seen);
    errors_look(pf, true);
    if (strcmp(seen.driver, pf->observed.driver) != 0) { /* a driver that is bound begins anew */
        errors_set(pf, RECOVERY_NONE);
        pf->sign_true = pf->sign_lies = false;
        pf->health = (struct health_reporters){0};
        pf->health_due = seen.driver[0] != 0;
    }
    pf->reset &= seen.link_up; /* its driver sets it up when it is up again */
    struct pf_observed before = pf->observed;
    bool anew = began_anew(&before, &seen);
    for (uint32_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++) {
        pf->vfs[i].recheck |= anew;
        if (i < seen.numvfs || pf->vfs[i].present)
            observe_vf(tcb, pf, i, function_may_sleep(&seen));
    }
    seen.open_vfs = picture_open_vfs(pf);
    seen.errors = pf->errors;
    seen.recovery = pf->recovery;
    seen.reset = pf->reset;
    seen.stuck_pid = jobs_stuck(tcb, bdf);
    set_health(&seen, pf);
    seen.event_ns = pf->event_ns;
    pf->observed = seen;
    pf->observed.status = pf_status(pf);
    if (pf->told && pf_same(&before, pf->observed))
        return;
    pf->told = true;
    say_pf(tcb, pf);
    document_due(tcb);
}

void picture_changed(struct tcb *tcb, struct tcb_pf_state *pf, uint64_t event_ns)
{
    if (!pf->changed)
        pf->event_ns = event_ns;
    pf->changed = true;
    sd_event_source_set_enabled(tcb->observe, SD_EVENT_ONESHOT);
}

/*
 * Until its child is done, when it is looked at anyway, or is over its deadline:
 * - one that is put to sleep: the child is between the link, which tells us, and power/control, and
 *   a look now would cancel what it begins (the kernel's pm_runtime_barrier);
 * - one whose VFs are made: each that is made and bound is an event, and a look one at all of them.
 *   Nobody has a VF of it meanwhile.
 * But for one of which nothing was said yet.
 */
static bool put_off(const struct tcb *tcb, const struct tcb_pf_state *pf)
{
    return pf->told && (pf->busy == ACTION_PF_SLEEP || pf->busy == ACTION_PF_CREATE_VFS) &&
           !jobs_stuck(tcb, pf->card.bdf);
}

void picture_look(struct tcb *tcb)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++) {
        struct tcb_pf_state *pf = tcb->pfs[i];
        if (!pf || !pf->changed || put_off(tcb, pf))
            continue;
        picture_observe(tcb, pf);
        want_verified(tcb, pf);
    }
}

int picture_on_observe(sd_event_source *source, void *data)
{
    (void)source;
    picture_look(data);
    jobs_run(data);
    return 0;
}

/* Everything to one peer, on its new link. */
void picture_say_all(struct tcb *tcb, enum process_kind peer)
{
    bool control = peer == PROCESS_CONTROL;

    for (size_t i = 0; i < HOST_MAX_CARDS; i++) {
        struct tcb_pf_state *pf = tcb->pfs[i];
        if (!pf || !pf->told)
            continue;
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++) {
            if (!pf->vfs[v].present)
                continue;
            struct tcb_vf vf = {.header =
                                    frame_header(control ? TCB_VF : OBSERVED_VF, sizeof(vf), 0),
                                .vf = pf->vfs[v].observed};
            process_send(tcb->process, peer, &vf, NULL, 0);
        }
        struct tcb_pf message = {
            .header = frame_header(control ? TCB_PF : OBSERVED_PF, sizeof(message), 0),
            .pf = pf->observed};
        process_send(tcb->process, peer, &message, NULL, 0);
    }
}
