/* SPDX-License-Identifier: Apache-2.0 */
#include "news.h"

#include "failover.h"
#include "gate.h"
#include "log/log.h"
#include "names/names.h"
#include "outage.h"
#include "transaction.h"
#include "wire/monitor_word.h"

#define NS_PER_MS    UINT64_C(1000000)
#define NEWS_SPAN_NS UINT64_C(60000000000)

bool news_may(struct control *control, struct news_limit *limit)
{
    uint64_t now = control_boottime(control);

    if (now - limit->boottime_ns >= NEWS_SPAN_NS)
        *limit = (struct news_limit){.boottime_ns = now};
    return limit->count < NEWS_MOST && ++limit->count;
}

static const char *last_of(const struct news_limit *limit)
{
    return limit->count == NEWS_MOST ? "; more in this minute is not noted" : "";
}

void news_note(struct control *control, struct partition *partition,
               const struct lead_monitor *message)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        const struct vf_seat *seat = &message->vfs[i];
        uint32_t news = seat->marks & ~monitor_vf_marks(partition->monitor.vfs, seat->vf) & VF_NEWS;
        char vf[NAME_BDF_MAX];

        if (!news || !news_may(control, &partition->news))
            continue;
        name_of_bdf(seat->vf, vf);
        transaction_begin(control, AUDIT_VF_NEWS, AUDIT_APPLIED, partition->run.start_transaction);
        transaction_text(control, "%s: VF %s: %s%s", partition->config.name, vf,
                         name_of_vf_news(news), last_of(&partition->news));
        transaction_commit(control, false);
        log_warning("partition %s: VF %s: %s", partition->config.name, vf, name_of_vf_news(news));
    }
}

/* ---- PFs */

static bool takes_readiness(uint32_t action)
{
    return action == ACTION_PF_RESTART || action == ACTION_PF_RESET ||
           action == ACTION_PF_DISABLE || action == ACTION_PF_SLEEP || action == ACTION_PF_RENEW;
}

/* SR-PCIM may say only later what it did. */
void news_action(struct pf *pf, uint32_t action, uint32_t writes)
{
    pf->ours |= pf->was_ready && writes && takes_readiness(action);
}

static bool acting(const struct db *db, struct bdf pf)
{
    for (size_t i = 0; i < DB_ACTIONS_MAX; i++)
        if (db->actions[i].used && db->actions[i].image.pf.value == pf.value)
            return true;
    return false;
}

/* A partition that runs without it is told of in its own entries. */
static bool missed(struct db *db, const struct pf *pf)
{
    for (size_t i = 0; i < db->partitions_end; i++) {
        const struct partition *partition = &db->partitions[i];
        for (uint32_t v = 0; outage_is_for(partition) && v < partition->config.vfs_count; v++)
            if (failover_in_use(partition, v) &&
                db_pf_of_card(db, partition->config.vfs[v].card) == pf)
                return true;
    }
    return false;
}

static void note_lost(struct control *control, struct pf *pf)
{
    uint64_t number = transaction_number(control);
    char text[PARCLOSE_REASON_MAX];

    gate_pf_text(control->db, pf, text);
    transaction_begin(control, AUDIT_PF_LOST, AUDIT_BEGUN, 0);
    transaction_who(control, PROCESS_SR_PCIM, NULL);
    transaction_text(control, "%.110s%s", text, last_of(&pf->news));
    if (!transaction_commit(control, false))
        pf->loss = number;
}

static void note_back(struct control *control, struct pf *pf)
{
    uint64_t ms = (control_boottime(control) - pf->lost_boottime_ns) / NS_PER_MS;
    const struct card_config *card = db_card(control->db, pf->bdf);
    char bdf[NAME_BDF_MAX];

    name_of_bdf(pf->bdf, bdf);
    transaction_begin(control, AUDIT_PF_LOST, AUDIT_APPLIED, pf->loss);
    transaction_who(control, PROCESS_SR_PCIM, NULL);
    transaction_text(control, "PF %s (card %s): it is ready again after %llu ms%s", bdf,
                     card ? card->name : "-", (unsigned long long)ms, last_of(&pf->news));
    transaction_commit(control, false);
}

void news_readiness(struct control *control, struct pf *pf)
{
    switch (pf->readiness) {
    case PF_UNKNOWN:
        return;
    case PF_READY:
        if (pf->loss && news_may(control, &pf->news))
            note_back(control, pf);
        pf->loss = 0;
        pf->ours = false;
        return;
    case PF_DISABLED:
    case PF_ASLEEP:
        pf->loss = 0;
        return;
    default:
        if (pf->was_ready && pf->readiness != PF_BUSY && !pf->ours &&
            !acting(control->db, pf->bdf) && !missed(control->db, pf) &&
            news_may(control, &pf->news))
            note_lost(control, pf);
    }
}
