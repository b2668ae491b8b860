/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the links to control and lead. SR-PCIM may say nothing to the TCB. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "tcb.h"

/* ---- control */

static void begin_round(struct tcb *tcb)
{
    for (size_t i = 0; i < HOST_MAX_CARDS && !tcb->naming; i++) {
        if (!tcb->pfs[i])
            continue;
        tcb->pfs[i]->named = false;
        for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
            tcb->pfs[i]->vfs[v].named = false;
    }
    tcb->naming = true;
}

static int on_card(void *context, struct frame *frame)
{
    struct tcb *tcb = context;
    const struct tcb_card *message = (const void *)frame->bytes;
    const struct card_config *card = &message->card;

    if (!frame_string_ok(card->name, sizeof(card->name)) ||
        !frame_string_ok(card->driver, sizeof(card->driver)) || !card->vfs ||
        card->vfs > PARCLOSE_MAX_VFS_PER_PF || strchr(card->driver, '/') || !card->driver[0] ||
        card->link >= CARD_LINKS || message->disabled > 1 || message->idle_power >= IDLE_POWERS ||
        message->reserved)
        return -EBADMSG;
    begin_round(tcb);
    struct tcb_pf_state *pf = picture_manage(tcb, card);
    if (!pf)
        return -ENOBUFS;
    pf->named = true;
    if (pf->disabled != message->disabled || pf->idle_power != message->idle_power)
        document_due(tcb);
    pf->disabled = message->disabled;
    pf->idle_power = message->idle_power;
    return 0;
}

static bool same_owner(struct owner a, struct owner b)
{
    return a.kind == b.kind && a.partition.value == b.partition.value;
}

/*
 * Another partition must not get what the one before it left: not verified until it is activated.
 * Only what the first round after our start names may be as desired already.
 */
static void assign(struct tcb *tcb, struct tcb_vf_state *vf, struct owner owner,
                   const struct vf_attributes *desired)
{
    if (same_owner(vf->owner, owner) && !memcmp(&vf->desired, desired, sizeof(*desired)))
        return;
    vf->verified = tcb->pictured ? VERIFIED_NO : VERIFIED_UNKNOWN;
    vf->owner = owner;
    vf->desired = *desired;
    vf->prepared = false;
    vf->assignment++;
    tcb->assignments++;
}

static int on_assign(void *context, struct frame *frame)
{
    struct tcb *tcb = context;
    const struct tcb_assign *message = (const void *)frame->bytes;
    struct tcb_pf_state *pf = picture_pf(tcb, message->pf);

    if (message->index >= PARCLOSE_MAX_VFS_PER_PF || message->owner.kind > OWNER_GUEST ||
        message->requested > 1)
        return -EBADMSG;
    if (!pf)
        return 0;
    pf->vfs[message->index].named = true;
    pf->vfs[message->index].requested = message->requested;
    assign(tcb, &pf->vfs[message->index], message->owner, &message->attributes);
    picture_changed(tcb, pf, tcb_now_ns());
    document_due(tcb);
    return 0;
}

static void take_back_unnamed(struct tcb *tcb, struct tcb_pf_state *pf)
{
    const struct owner nobody = {.kind = OWNER_INTERCONNECT};
    const struct vf_attributes none = {0};

    for (size_t v = 0; v < PARCLOSE_MAX_VFS_PER_PF; v++)
        if (!pf->vfs[v].named) {
            pf->vfs[v].requested = false;
            assign(tcb, &pf->vfs[v], nobody, &none);
        }
    picture_changed(tcb, pf, tcb_now_ns());
}

/*
 * SYNC says that nothing is missing, so it waits for the picture: a TCB that has just begun knows
 * no card before control has named them, and an empty picture would read as "no such device".
 */
static void say_due(struct tcb *tcb)
{
    const struct tcb_sync control = {.header = frame_header(TCB_SYNC, sizeof(control), 0)};
    const struct observed_sync pcim = {.header = frame_header(OBSERVED_SYNC, sizeof(pcim), 0)};

    if (!tcb->pictured)
        return;
    if (tcb->control_due) {
        functions_say_all(tcb);
        picture_say_all(tcb, PROCESS_CONTROL);
        process_send(tcb->process, PROCESS_CONTROL, &control, NULL, 0);
    }
    if (tcb->pcim_due) {
        picture_say_all(tcb, PROCESS_SR_PCIM);
        process_send(tcb->process, PROCESS_SR_PCIM, &pcim, NULL, 0);
    }
    tcb->control_due = tcb->pcim_due = false;
}

static int on_sync(void *context, struct frame *frame)
{
    struct tcb *tcb = context;
    (void)frame;

    begin_round(tcb); /* one without a card: nothing is managed any more */
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        if (tcb->pfs[i])
            take_back_unnamed(tcb, tcb->pfs[i]);
    tcb->naming = false;
    picture_forget_unnamed(tcb);
    picture_look(tcb);
    tcb->pictured = true;
    say_due(tcb);
    document_due(tcb);
    return 0;
}

static int on_apply(void *context, struct frame *frame)
{
    struct tcb *tcb = context;
    const struct tcb_apply *apply = (const void *)frame->bytes;

    if (apply->action == ACTION_NONE || apply->action >= DEVICE_ACTIONS ||
        apply->index >= PARCLOSE_MAX_VFS_PER_PF || !apply->transaction || !apply->header.id)
        return -EBADMSG;
    jobs_add(tcb, apply);
    return 0;
}

const struct frame_row control_rows[] = {
    {TCB_CARD, 0, 0, sizeof(struct tcb_card), FRAME_ALWAYS, on_card},
    {TCB_ASSIGN, 0, 0, sizeof(struct tcb_assign), FRAME_ALWAYS, on_assign},
    {TCB_SYNC, 0, 0, sizeof(struct tcb_sync), FRAME_ALWAYS, on_sync},
    {TCB_APPLY, 0, 0, sizeof(struct tcb_apply), FRAME_ALWAYS, on_apply},
    {TCB_EDITED, 0, 0, sizeof(struct tcb_edited), FRAME_ALWAYS, edits_on_edited},
};
const size_t control_rows_count = sizeof(control_rows) / sizeof(control_rows[0]);

/* For the test that proves the test of zero writes: a needless one whenever a peer comes back. */
#ifdef PARCLOSE_MUTANT_TCB_EXTRA_WRITE
static void needless_write(struct tcb *tcb)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++) {
        if (!tcb->pfs[i])
            continue;
        const struct tcb_apply again = {.action = ACTION_NEEDLESS, .pf = tcb->pfs[i]->card.bdf};
        jobs_add(tcb, &again);
    }
}
#endif

void control_up(void *context)
{
    struct tcb *tcb = context;

    tcb->naming = false;
    tcb->control_due = true; /* after its own round: what it names is part of the picture */
    edits_link_up(tcb);
#ifdef PARCLOSE_MUTANT_TCB_EXTRA_WRITE
    needless_write(tcb);
#endif
}

void pcim_up(void *context)
{
    struct tcb *tcb = context;

    tcb->pcim_due = true;
    say_due(tcb);
#ifdef PARCLOSE_MUTANT_TCB_EXTRA_WRITE
    needless_write(tcb);
#endif
}

/* ---- lead */

static void answer(struct tcb *tcb, const struct vfio_open *request, int error, const char *text,
                   const int *files)
{
    struct vfio_files message = {.header =
                                     frame_header(VFIO_FILES, sizeof(message), request->header.id),
                                 .partition = request->partition,
                                 .error = error,
                                 .vfs_count = error ? 0 : request->vfs_count};

    snprintf(message.text, sizeof(message.text), "%s", text);
    process_send(tcb->process, PROCESS_LEAD, &message, files, error ? 0 : 1 + request->vfs_count);
}

/* Why a VF is not handed out; NULL: it may be. */
static const char *refusal(const struct tcb_vf_state *vf, struct partition_id partition)
{
    if (!vf)
        return "no managed VF has that address";
    if (vf->owner.kind != OWNER_GUEST || vf->owner.partition.value != partition.value)
        return "the VF is not committed to this partition";
    if (strcmp(vf->observed.driver, "vfio-pci") != 0)
        return "the VF is not bound to vfio-pci";
    if (vf->holder.value && vf->holder.value != partition.value)
        return "another partition's monitor has the VF open";
    if (vf->verified != VERIFIED_YES)
        return "the VF is not active";
    return vf->observed.iommu_group == UINT32_MAX ? "the VF has no IOMMU group" : NULL;
}

/* A child is about to take the VF, or all VFs of its PF, away. Binding touches none that is bound.
 */
static bool being_changed(struct tcb *tcb, const struct tcb_vf_state *vf)
{
    const struct tcb_pf_state *pf = picture_pf(tcb, vf->observed.pf);

    if (pf->busy == ACTION_VF_ACTIVATE || pf->busy == ACTION_VF_RELEASE ||
        pf->busy == ACTION_VF_CONFIGURE || pf->busy == ACTION_VF_RENEW ||
        pf->busy == ACTION_VF_ABANDON)
        return pf->busy_index == vf->observed.index;
    return pf->busy != 0 && pf->busy != BUSY_VERIFY && pf->busy != ACTION_PF_LINK_UP &&
           pf->busy != ACTION_PF_BIND_VFS;
}

/* Whether all of them may be handed out now. One whose PF may sleep is not: nothing in the kernel
 * would keep the PF awake for it. SR-PCIM has it woken, and lead is told to ask again. */
static int check_files(struct tcb *tcb, const struct vfio_open *request, const char **text)
{
    for (uint32_t i = 0; i < request->vfs_count; i++) {
        const struct tcb_vf_state *vf = picture_vf(tcb, request->vfs[i]);
        *text = refusal(vf, request->partition);
        if (*text)
            return -EPERM;
        *text = "an action on the VF or its PF is under way";
        if (being_changed(tcb, vf))
            return -EAGAIN;
        *text = "its PF may sleep: it is being woken";
        if (picture_quiet(picture_pf(tcb, vf->observed.pf)))
            return -EAGAIN;
    }
    return 0;
}

/* Opening a group waits for a holder that is just closing it, and resets the VF meanwhile (the
 * kernel's group_lock, drivers/vfio/group.c): not ours, because a VF is active only when a child
 * has asked the same in its activation. */
static int open_files(struct tcb *tcb, const struct vfio_open *request, int *files,
                      const char **text)
{
    int error = check_files(tcb, request, text);

    if (error)
        return error;
    files[0] = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    *text = "/dev/vfio/vfio cannot be opened: is vfio-pci loaded?";
    if (files[0] < 0)
        return -errno;
    for (uint32_t i = 0; i < request->vfs_count; i++) {
        files[i + 1] = vfio_open_group(picture_vf(tcb, request->vfs[i])->observed.iommu_group);
        *text = "the VFIO group cannot be opened: somebody else has it";
        if (files[i + 1] < 0)
            return files[i + 1];
    }
    *text = "";
    return 0;
}

static void hold(struct tcb *tcb, const struct vfio_open *request)
{
    for (uint32_t i = 0; i < request->vfs_count; i++) {
        struct tcb_vf_state *vf = picture_vf(tcb, request->vfs[i]);
        if (!vf)
            continue;
        vf->holder = request->partition;
        vf->armed = vf->tells = false;
        vf->confirmed = true;
        picture_changed(tcb, picture_pf(tcb, vf->observed.pf), tcb_now_ns());
    }
}

static bool request_ok(const struct vfio_open *request)
{
    return request->vfs_count <= PARCLOSE_MAX_PARTITION_VFS && request->partition.value >= 1 &&
           request->partition.value <= PARCLOSE_MAX_PARTITIONS;
}

static int on_open(void *context, struct frame *frame)
{
    struct tcb *tcb = context;
    const struct vfio_open *request = (const void *)frame->bytes;
    int files[1 + PARCLOSE_MAX_PARTITION_VFS];
    const char *text;

    if (!request_ok(request))
        return -EBADMSG;
    memset(files, 0xff, sizeof(files));
    int error = open_files(tcb, request, files, &text);
    answer(tcb, request, error, text, files);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i] >= 0)
            close(files[i]);
    if (!error)
        hold(tcb, request);
    else
        log_warning("VFIO files of partition %u: %s: %s", request->partition.value, text,
                    strerror(-error));
    return 0;
}

/* Said on a new link, perhaps before control has named the cards: kept by address. */
struct held {
    struct bdf vf;
    struct partition_id partition;
};
static struct held held[PARCLOSE_MAX_PARTITIONS * PARCLOSE_MAX_PARTITION_VFS];
static size_t held_count;

static bool held_by(struct bdf vf, struct partition_id partition)
{
    for (size_t i = 0; i < held_count; i++)
        if (held[i].vf.value == vf.value && held[i].partition.value == partition.value)
            return true;
    return false;
}

static int on_held(void *context, struct frame *frame)
{
    const struct vfio_open *request = (const void *)frame->bytes;

    if (!request_ok(request))
        return -EBADMSG;
    for (uint32_t i = 0; i < request->vfs_count; i++)
        if (!held_by(request->vfs[i], request->partition) &&
            held_count < sizeof(held) / sizeof(held[0]))
            held[held_count++] = (struct held){request->vfs[i], request->partition};
    hold(context, request);
    return 0;
}

struct partition_id links_holder(struct bdf vf)
{
    for (size_t i = 0; i < held_count; i++)
        if (held[i].vf.value == vf.value)
            return held[i].partition;
    return (struct partition_id){0};
}

static void let_go(struct tcb *tcb, bool (*gone)(const struct tcb_vf_state *, uint32_t),
                   uint32_t partition)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        for (size_t v = 0; tcb->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++) {
            struct tcb_vf_state *vf = &tcb->pfs[i]->vfs[v];
            if (!vf->holder.value || !gone(vf, partition))
                continue;
            vf->holder.value = 0;
            picture_changed(tcb, tcb->pfs[i], tcb_now_ns());
        }
}

static bool of_partition(const struct tcb_vf_state *vf, uint32_t partition)
{
    return vf->holder.value == partition;
}

static bool unconfirmed(const struct tcb_vf_state *vf, uint32_t partition)
{
    (void)partition;
    return !vf->confirmed;
}

/* It may be gone meanwhile, with its PF. */
static void let_go_one(struct tcb *tcb, struct bdf bdf, struct partition_id partition)
{
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        for (size_t v = 0; tcb->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++) {
            struct tcb_vf_state *vf = &tcb->pfs[i]->vfs[v];
            if (vf->holder.value != partition.value || vf->observed.bdf.value != bdf.value)
                continue;
            vf->holder.value = 0;
            picture_changed(tcb, tcb->pfs[i], tcb_now_ns());
        }
}

static int on_closed(void *context, struct frame *frame)
{
    const struct vfio_closed *message = (const void *)frame->bytes;
    uint32_t partition = message->partition.value;
    size_t kept = 0;

    for (size_t i = 0; i < held_count; i++)
        if (held[i].partition.value != partition ||
            (message->vf.value && held[i].vf.value != message->vf.value))
            held[kept++] = held[i];
    held_count = kept;
    if (message->vf.value)
        let_go_one(context, message->vf, message->partition);
    else
        let_go(context, of_partition, partition);
    return 0;
}

/* What waits for it runs after the handlers. */
static int on_vfio_sync(void *context, struct frame *frame)
{
    struct tcb *tcb = context;
    (void)frame;

    let_go(tcb, unconfirmed, 0);
    tcb->holders_known = true;
    sd_event_source_set_enabled(tcb->observe, SD_EVENT_ONESHOT);
    return 0;
}

const struct frame_row lead_rows[] = {
    {VFIO_OPEN, 0, 0, sizeof(struct vfio_open), FRAME_ALWAYS, on_open},
    {VFIO_HELD, 0, 0, sizeof(struct vfio_open), FRAME_ALWAYS, on_held},
    {VFIO_CLOSED, 0, 0, sizeof(struct vfio_closed), FRAME_ALWAYS, on_closed},
    {VFIO_SYNC, 0, 0, sizeof(struct vfio_sync), FRAME_ALWAYS, on_vfio_sync},
};
const size_t lead_rows_count = sizeof(lead_rows) / sizeof(lead_rows[0]);

void lead_up(void *context)
{
    struct tcb *tcb = context;

    held_count = 0;
    for (size_t i = 0; i < HOST_MAX_CARDS; i++)
        for (size_t v = 0; tcb->pfs[i] && v < PARCLOSE_MAX_VFS_PER_PF; v++)
            tcb->pfs[i]->vfs[v].confirmed = false;
}
