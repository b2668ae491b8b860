/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "report.h"

/* The VFs that a guest loses while its partition restarts. */
static json_t *vfs_lost(const struct plan *plan, const struct plan_item *item)
{
    const struct snapshot_partition *partition =
        snapshot_view_partition(plan->view, item->partition);
    json_t *vfs = json_array();

    if (item->object == PLAN_VF)
        json_array_append_new(
            vfs, json_pack("{s:s, s:i}", "card", item->card, "index", (int)item->index));
    for (uint32_t i = 0;
         item->object == PLAN_PARTITION && partition && i < partition->config.vfs_count; i++)
        json_array_append_new(vfs, json_pack("{s:s, s:i}", "card", partition->config.vfs[i].card,
                                             "index", (int)partition->config.vfs[i].index));
    return vfs;
}

static json_t *outage(const struct plan *plan, const struct plan_item *item)
{
    const struct plan_outage *outage = &item->outage;

    if (!outage->restart && !outage->for_good)
        return json_null();
    return json_pack("{s:s, s:o, s:i, s:o, s:o}", "kind", outage->for_good ? "for-good" : "restart",
                     "vfs", vfs_lost(plan, item), "stop_max_ms", (int)outage->stop_max_ms,
                     "start_ms", outage->start_ms ? json_integer(outage->start_ms) : json_null(),
                     "gate_max_ms",
                     outage->gate_max_ms ? json_integer(outage->gate_max_ms) : json_null());
}

static json_t *item_report(const struct plan *plan, const struct plan_item *item)
{
    static const char *const objects[] = {"host", "card", "partition", "vf"};
    static const char *const changes[] = {"add", "change", "remove"};
    static const char *const ways[] = {"at-once", "hot-plug", "next-start", "restart", "refused"};
    json_t *report =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "object", objects[item->object], "change",
                  changes[item->change], "way", ways[item->way], "text", report_text(item->text),
                  "reason", report_text(item->reason), "outage", outage(plan, item));

    if (item->partition[0])
        json_object_set_new(report, "partition", json_string(item->partition));
    if (item->card[0])
        json_object_set_new(report, "card", json_string(item->card));
    if (item->object == PLAN_VF)
        json_object_set_new(report, "index", json_integer(item->index));
    return report;
}

json_t *plan_report(const struct plan *plan)
{
    json_t *items = json_array();
    char digest[17];

    for (size_t i = 0; i < plan->count; i++)
        json_array_append_new(items, item_report(plan, &plan->items[i]));
    snprintf(digest, sizeof(digest), "%016" PRIx64, plan_digest(plan));
    return json_pack("{s:b, s:I, s:s, s:b, s:o}", "ok", 1, "generation",
                     (json_int_t)plan->view->head->generation, "plan", digest, "refused",
                     plan_refused(plan), "items", items);
}
