/* SPDX-License-Identifier: Apache-2.0 */
#include "tell.h"

#include <string.h>

#include "failover.h"
#include "hotplug.h"
#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_control_tcb.h"
#include "wire/monitor_word.h"

static void to_tcb(struct control *control, const void *message)
{
    control_send(control, PROCESS_TCB, message, NULL, 0);
}

static void to_pcim(struct control *control, const void *message)
{
    control_send(control, PROCESS_SR_PCIM, message, NULL, 0);
}

/* As the TCB takes it (msg_control_tcb.h): what it said of the VF before is of another life. */
static void assign(struct vf *vf, const struct vf_attributes *attributes)
{
    if (vf->assigned && (!owner_equal(vf->assigned_to, vf->owner) ||
                         memcmp(&vf->attributes, attributes, sizeof(*attributes)) != 0))
        vf->observed.attributes_set = 0;
    if (vf->owner.kind != OWNER_GUEST)
        vf->requested = false;
    vf->assigned = true;
    vf->assigned_to = vf->owner;
    vf->attributes = *attributes;
}

void tell_assign(struct control *control, const struct pf *pf, uint32_t index,
                 const struct vf_attributes *attributes)
{
    struct vf *vf = &db_pf(control->db, pf->bdf)->vfs[index];

    assign(vf, attributes);
    const struct tcb_assign message = {.header = frame_header(TCB_ASSIGN, sizeof(message), 0),
                                       .pf = pf->bdf,
                                       .index = index,
                                       .owner = vf->owner,
                                       .attributes = *attributes,
                                       .requested = vf->requested};
    to_tcb(control, &message);
}

void tell_assigns(struct control *control, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(control->db, wanted->card);
        const struct vf_attributes attributes = failover_attributes(partition, i);
        if (pf)
            tell_assign(control, pf, wanted->index, &attributes);
    }
}

/* One that the definition no longer names is not wanted, whoever owns it; one whose place was taken
 * is left alone as long as the guest has it, and then kept clean. */
static bool names(const struct db *db, const struct partition *partition, const struct pf *pf,
                  uint32_t index)
{
    const struct card_config *card = db_card(db, pf->bdf);

    for (uint32_t i = 0; card && i < partition->config.vfs_count; i++)
        if (partition->config.vfs[i].index == index &&
            !strcmp(partition->config.vfs[i].card, card->name))
            return true;
    return false;
}

void tell_want(struct control *control, const struct partition *partition, const struct pf *pf,
               uint32_t index, const struct vf_attributes *attributes)
{
    const struct vf *vf = &pf->vfs[index];
    bool wanted = owner_equal(vf->owner, owner_guest(partition->id)) &&
                  names(control->db, partition, pf, index) &&
                  !hotplug_going(control->db, partition, pf, index);
    struct pcim_want message = {.header = frame_header(PCIM_WANT, sizeof(message), 0),
                                .pf = pf->bdf,
                                .index = index,
                                .wanted = wanted,
                                .in_use = wanted && partition->run.channels &&
                                          !hotplug_pending(control->db, partition, pf, index),
                                .attributes = *attributes,
                                .reset = wanted && vf->reset_boottime_ns,
                                .requested = wanted && vf->requested};
    to_pcim(control, &message);
}

void tell_wants(struct control *control, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(control->db, wanted->card);
        const struct vf_attributes attributes = failover_attributes(partition, i);
        if (pf)
            tell_want(control, partition, pf, wanted->index, &attributes);
    }
}

void tell_requests(struct control *control, const struct partition *partition,
                   const struct vf_seat *seats)
{
    bool changed = false;

    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        struct pf *pf = db_pf_of_card(control->db, wanted->card);
        struct vf *vf = pf ? &pf->vfs[wanted->index] : NULL;
        bool requested =
            vf && seats && monitor_vf_marks(seats, db_vf_bdf(pf, wanted->index)) & VF_REQUESTED;
        if (!vf || vf->requested == requested)
            continue;
        vf->requested = requested;
        changed = true;
    }
    if (!changed)
        return;
    tell_assigns(control, partition);
    tell_wants(control, partition);
}

void tell_action(struct control *control, const struct action *action)
{
    const struct action_image *image = &action->image;
    struct tcb_apply message = {.header =
                                    frame_header(TCB_APPLY, sizeof(message), image->transaction),
                                .transaction = image->transaction,
                                .action = image->action,
                                .pf = image->pf,
                                .index = image->index == ACTION_WHOLE_PF ? 0 : image->index,
                                .vfs = image->vfs};
    to_tcb(control, &message);
}

/* All of a started partition's, those that it is giving up, too. */
static void assign_all(struct control *control, const struct partition *partition)
{
    const struct hotplug_vfs leaving = hotplug_leaving(control->db, partition);
    const struct vf_attributes none = {0};

    tell_assigns(control, partition);
    for (uint32_t i = 0; i < leaving.count; i++)
        tell_assign(control, leaving.vfs[i].pf, leaving.vfs[i].index, &none);
}

/* What is wanted of a card's PF. */
static struct pf_image wanted(struct db *db, struct bdf bdf)
{
    const struct pf *pf = db_pf(db, bdf);
    return pf ? pf->image : (struct pf_image){0};
}

void tell_tcb(struct control *control)
{
    const struct host_config *host = &control->db->host;
    const struct tcb_sync sync = {.header = frame_header(TCB_SYNC, sizeof(sync), 0)};

    if (!control->tcb_up)
        return;
    for (uint32_t i = 0; i < host->cards_count; i++) {
        const struct pf_image image = wanted(control->db, host->cards[i].bdf);
        struct tcb_card message = {.header = frame_header(TCB_CARD, sizeof(message), 0),
                                   .card = host->cards[i],
                                   .disabled = image.disabled,
                                   .idle_power = image.idle_power};
        to_tcb(control, &message);
    }
    for (size_t i = 0; i < control->db->partitions_end; i++)
        if (partition_started(&control->db->partitions[i]))
            assign_all(control, &control->db->partitions[i]);
    to_tcb(control, &sync);
}

void tell_pcim(struct control *control)
{
    const struct host_config *host = &control->db->host;
    const struct pcim_sync sync = {.header = frame_header(PCIM_SYNC, sizeof(sync), 0)};

    if (!control->pcim_up)
        return;
    for (uint32_t i = 0; i < host->cards_count; i++) {
        const struct pf_image image = wanted(control->db, host->cards[i].bdf);
        struct pcim_card message = {.header = frame_header(PCIM_CARD, sizeof(message), 0),
                                    .card = host->cards[i],
                                    .disabled = image.disabled,
                                    .idle_power = image.idle_power};
        to_pcim(control, &message);
    }
    for (size_t i = 0; i < control->db->partitions_end; i++)
        if (partition_started(&control->db->partitions[i]))
            tell_wants(control, &control->db->partitions[i]);
    to_pcim(control, &sync);
}
