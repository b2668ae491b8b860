/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_print.h"

#include <stdio.h>
#include <string.h>

#include "format.h"
#include "table.h"

static const char *sign(const char *change)
{
    if (!strcmp(change, "add"))
        return "+";
    return strcmp(change, "remove") != 0 ? "~" : "-";
}

static const char *way(const char *name)
{
    static const char *const words[][2] = {
        {"at-once", "at once"},
        {"hot-plug", "by hot-plug, while its guest runs"},
        {"next-start", "at its next start"},
        {"restart", "by a restart"},
        {"refused", "REFUSED"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(words[i][0], name))
            return words[i][1];
    return "?";
}

static void print_object(const json_t *item)
{
    const char *object = text_of(item, "object"), *of = text_of(item, "partition");

    if (!strcmp(object, "vf"))
        printf("VF %s/%lld%s%s", text_of(item, "card"), (long long)number_of(item, "index"),
               of[0] ? " of " : "", of);
    else if (!strcmp(object, "partition"))
        printf("partition %s", of);
    else
        printf("%s%s%s", object, text_of(item, "card")[0] ? " " : "", text_of(item, "card"));
}

static double seconds(const json_t *outage, const char *key)
{
    return (double)number_of(outage, key) / 1000;
}

/* Every time with where it is from. */
static void print_restart(const json_t *outage)
{
    char vfs[256];
    bool some = json_array_size(json_object_get(outage, "vfs")) > 0;

    printf(
        "its guest loses its processors%s%s until it has stopped (forced after %g s) and started",
        some ? " and VFs " : "", vfs_text(json_object_get(outage, "vfs"), vfs, sizeof(vfs)),
        seconds(outage, "stop_max_ms"));
    if (number_of(outage, "start_ms"))
        printf(" (%.1f s at its last start)", seconds(outage, "start_ms"));
    else
        printf(" (its last start was not measured)");
    if (number_of(outage, "gate_max_ms"))
        printf("; a PF of it is not ready: the gate's time-outs add %g s at most",
               seconds(outage, "gate_max_ms"));
    putchar('\n');
}

static void print_outage(const json_t *item, bool restart)
{
    const json_t *outage = json_object_get(item, "outage");

    if (!json_is_object(outage))
        return;
    printf("      ");
    if (!strcmp(text_of(outage, "kind"), "for-good")) {
        printf("its guest loses it for good: it has %g s to give it up, then it is taken\n",
               seconds(outage, "stop_max_ms"));
        return;
    }
    if (!restart)
        printf("with --restart: ");
    print_restart(outage);
}

static void print_item(const json_t *item, bool restart)
{
    char text[512];

    printf("%s ", sign(text_of(item, "change")));
    print_object(item);
    printf(": %s", way(text_of(item, "way")));
    if (text_of(item, "reason")[0])
        printf(": %s", printable(text_of(item, "reason"), text, sizeof(text)));
    putchar('\n');
    if (text_of(item, "text")[0])
        printf("      %s\n", printable(text_of(item, "text"), text, sizeof(text)));
    print_outage(item, restart);
}

void plan_print(const json_t *plan, bool restart)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(plan, "items"), i, item) print_item(item, restart);
}
