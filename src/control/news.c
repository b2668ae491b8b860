/* SPDX-License-Identifier: Apache-2.0 */
#include "news.h"

#include "log/log.h"
#include "names/names.h"
#include "transaction.h"
#include "wire/monitor_word.h"

#define NEWS_MOST                                                                                  \
    32 /* entries of one partition in NEWS_SPAN_NS; of honest VFs it is some in a day */
#define NEWS_SPAN_NS UINT64_C(60000000000)

bool news_may(struct control *control, struct partition *partition)
{
    uint64_t now = control_boottime(control);

    if (now - partition->news_boottime_ns >= NEWS_SPAN_NS) {
        partition->news_boottime_ns = now;
        partition->news = 0;
    }
    return partition->news < NEWS_MOST && ++partition->news;
}

void news_note(struct control *control, struct partition *partition,
               const struct lead_monitor *message)
{
    for (size_t i = 0; i < PARCLOSE_MAX_PARTITION_VFS; i++) {
        const struct vf_seat *seat = &message->vfs[i];
        uint32_t news = seat->marks & ~monitor_vf_marks(partition->monitor.vfs, seat->vf) & VF_NEWS;
        char vf[NAME_BDF_MAX];

        if (!news || !news_may(control, partition))
            continue;
        name_of_bdf(seat->vf, vf);
        transaction_begin(control, AUDIT_VF_NEWS, AUDIT_APPLIED, partition->run.start_transaction);
        transaction_text(control, "%s: VF %s: %s%s", partition->config.name, vf,
                         name_of_vf_news(news),
                         partition->news == NEWS_MOST ? "; more in this minute is not noted" : "");
        transaction_commit(control, false);
        log_warning("partition %s: VF %s: %s", partition->config.name, vf, name_of_vf_news(news));
    }
}
