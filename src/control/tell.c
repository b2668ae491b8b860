/* SPDX-License-Identifier: Apache-2.0 */
#include "tell.h"

#include "parclose/msg_control_sr_pcim.h"
#include "parclose/msg_control_tcb.h"

static void to_tcb(struct control *control, const void *message)
{
    control_send(control, PROCESS_TCB, message, NULL, 0);
}

static void to_pcim(struct control *control, const void *message)
{
    control_send(control, PROCESS_SR_PCIM, message, NULL, 0);
}

void tell_assigns(struct control *control, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(control->db, wanted->card);
        if (!pf)
            continue;
        struct tcb_assign message = {.header = frame_header(TCB_ASSIGN, sizeof(message), 0),
                                     .pf = pf->bdf,
                                     .index = wanted->index,
                                     .owner = pf->vfs[wanted->index].owner,
                                     .attributes = wanted->attributes};
        to_tcb(control, &message);
    }
}

void tell_wants(struct control *control, const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        const struct partition_vf *wanted = &partition->config.vfs[i];
        const struct pf *pf = db_pf_of_card(control->db, wanted->card);
        if (!pf)
            continue;
        bool owns = owner_equal(pf->vfs[wanted->index].owner, owner_guest(partition->id));
        struct pcim_want message = {.header = frame_header(PCIM_WANT, sizeof(message), 0),
                                    .pf = pf->bdf,
                                    .index = wanted->index,
                                    .wanted = owns,
                                    .in_use = owns && partition->run.channels,
                                    .attributes = wanted->attributes,
                                    .reset = owns && pf->vfs[wanted->index].reset_boottime_ns};
        to_pcim(control, &message);
    }
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

void tell_tcb(struct control *control)
{
    const struct host_config *host = &control->db->host;
    const struct tcb_sync sync = {.header = frame_header(TCB_SYNC, sizeof(sync), 0)};

    if (!control->tcb_up)
        return;
    for (uint32_t i = 0; i < host->cards_count; i++) {
        struct tcb_card message = {.header = frame_header(TCB_CARD, sizeof(message), 0),
                                   .card = host->cards[i]};
        to_tcb(control, &message);
    }
    for (size_t i = 0; i < control->db->partitions_end; i++)
        if (partition_started(&control->db->partitions[i]))
            tell_assigns(control, &control->db->partitions[i]);
    to_tcb(control, &sync);
}

void tell_pcim(struct control *control)
{
    const struct host_config *host = &control->db->host;
    const struct pcim_sync sync = {.header = frame_header(PCIM_SYNC, sizeof(sync), 0)};

    if (!control->pcim_up)
        return;
    for (uint32_t i = 0; i < host->cards_count; i++) {
        struct pcim_card message = {.header = frame_header(PCIM_CARD, sizeof(message), 0),
                                    .card = host->cards[i]};
        to_pcim(control, &message);
    }
    for (size_t i = 0; i < control->db->partitions_end; i++)
        if (partition_started(&control->db->partitions[i]))
            tell_wants(control, &control->db->partitions[i]);
    to_pcim(control, &sync);
}
