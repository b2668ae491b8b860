/* SPDX-License-Identifier: Apache-2.0 */
#include "resets.h"

#include <errno.h>

#include "log/log.h"
#include "names/names.h"
#include "news.h"
#include "tell.h"
#include "transaction.h"
#include "wire/monitor_word.h"

#define NS_PER_MS    UINT64_C(1000000)
#define RENEW_GAP_NS UINT64_C(10000000000)

/* The PF and VF that a partition wants as its number `i`; NULL: the card is not managed. */
static struct vf *vf_of(struct db *db, const struct partition *partition, uint32_t i,
                        struct pf **pf)
{
    const struct partition_vf *wanted = &partition->config.vfs[i];

    *pf = db_pf_of_card(db, wanted->card);
    return *pf ? &(*pf)->vfs[wanted->index] : NULL;
}

static uint32_t marks(const struct partition *partition, const struct vf *vf)
{
    return partition->monitor.present && vf->present
               ? monitor_vf_marks(partition->monitor.vfs, vf->observed.bdf)
               : 0;
}

static bool marked(const struct partition *partition, const struct vf *vf)
{
    return marks(partition, vf) & VF_RESET;
}

/* That it was reset is noted as all news of a VF are. */
static void note_mended(struct control *control, struct partition *partition, const struct vf *vf,
                        uint64_t outage_ns)
{
    char name[NAME_BDF_MAX];

    if (!news_may(control, &partition->news))
        return;
    name_of_bdf(vf->observed.bdf, name);
    transaction_begin(control, AUDIT_VF_NEWS, AUDIT_APPLIED, partition->run.start_transaction);
    transaction_text(control, "%s: VF %s: it works again after %llu ms", partition->config.name,
                     name, (unsigned long long)(outage_ns / NS_PER_MS));
    transaction_commit(control, false);
    log_notice("partition %s: VF %s: it works again after %llu ms", partition->config.name, name,
               (unsigned long long)(outage_ns / NS_PER_MS));
}

void resets_follow(struct control *control, struct partition *partition)
{
    uint64_t now = control_boottime(control);
    bool changed = false;
    struct pf *pf;

    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        struct vf *vf = vf_of(control->db, partition, i, &pf);
        if (!vf || marked(partition, vf) == (vf->reset_boottime_ns != 0))
            continue;
        if (vf->reset_boottime_ns && marks(partition, vf)) /* else it has left */
            note_mended(control, partition, vf, now - vf->reset_boottime_ns);
        vf->reset_boottime_ns = vf->reset_boottime_ns ? 0 : now;
        changed = true;
    }
    if (changed)
        tell_wants(control, partition);
}

const char *resets_refusal(struct control *control, const struct pf *pf)
{
    bool any = pf->observed.reset;

    for (size_t i = 0; i < PARCLOSE_MAX_VFS_PER_PF; i++)
        any |= pf->vfs[i].reset_boottime_ns != 0;
    if (!any)
        return "neither it nor a VF of it under its guest was reset";
    return control_boottime(control) < pf->renew_boottime_ns ? "it was renewed just now" : NULL;
}

static void mend(struct control *control, const struct partition *partition, const struct vf *vf)
{
    const struct lead_vf message = {.header = frame_header(LEAD_VF_MEND, sizeof(message), 0),
                                    .partition = partition->id,
                                    .vf = vf->observed.bdf};

    control_send(control, PROCESS_LEAD, &message, NULL, 0);
}

void resets_renewed(struct control *control, struct bdf bdf, int error)
{
    struct pf *renewed = db_pf(control->db, bdf), *pf;

    if (!renewed || (error && error != -EBUSY))
        return; /* proposed again */
    if (!error)
        renewed->renew_boottime_ns = control_boottime(control) + RENEW_GAP_NS;
    for (size_t n = 0; n < control->db->partitions_end; n++) {
        const struct partition *partition = &control->db->partitions[n];
        for (uint32_t i = 0; partition_started(partition) && i < partition->config.vfs_count; i++) {
            const struct vf *vf = vf_of(control->db, partition, i, &pf);
            if (vf && pf == renewed && vf->present && (!error || vf->reset_boottime_ns))
                mend(control, partition, vf);
        }
    }
}

void resets_forget(struct control *control, const struct partition *partition)
{
    bool any = false;
    struct pf *pf;

    for (uint32_t i = 0; i < partition->config.vfs_count; i++) {
        struct vf *vf = vf_of(control->db, partition, i, &pf);
        if (!vf || !vf->reset_boottime_ns)
            continue;
        vf->reset_boottime_ns = 0;
        any = true;
    }
    if (any)
        tell_wants(control, partition);
}
