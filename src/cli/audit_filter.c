/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_filter.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/audit_text.h"

#define AGO_MAX 1000000000

/* --- what was given --------------------------------------------------------------------------- */

/* "90", "15m", "2h", "3d" ago. */
static bool take_ago(const char *text, uint64_t *realtime_ns)
{
    static const struct {
        char unit;
        unsigned seconds;
    } units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    uint64_t now = (uint64_t)time(NULL);
    char *end;
    unsigned long ago = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || ago >= AGO_MAX)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        uint64_t seconds = (uint64_t)ago * units[i].seconds;
        if (*end != units[i].unit || (*end && end[1]))
            continue;
        *realtime_ns = seconds < now ? (now - seconds) * 1000000000 : 0;
        return true;
    }
    return false;
}

/* An age, or an RFC 3339 time in UTC: "2026-01-31", "2026-01-31T12:00:00Z". */
static int take_time(const struct cli *cli, const char *name, const char *text,
                     uint64_t *realtime_ns)
{
    struct tm tm = {0}, day = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!rest) {
        rest = strptime(text, "%Y-%m-%d", &day);
        tm = day;
    }
    if (rest && (!*rest || !strcmp(rest, "Z"))) {
        *realtime_ns = (uint64_t)timegm(&tm) * 1000000000;
        return 0;
    }
    if (take_ago(text, realtime_ns))
        return 0;
    return cli_usage(cli, "--%s %s: expected 90, 15m, 2h, 3d or 2026-01-31T12:00:00Z", name, text);
}

static int take_kind(const struct cli *cli, const char *text)
{
    char all[512] = "";
    size_t used = 0;

    for (uint32_t kind = AUDIT_NONE + 1; kind < AUDIT_KINDS; kind++) {
        const char *name = audit_kind_name(kind);
        if (!strcmp(text, name))
            return 0;
        if (used < sizeof(all))
            used += (size_t)snprintf(all + used, sizeof(all) - used, " %s", name);
    }
    return cli_usage(cli, "--kind %s: expected one of%s", text, all);
}

static int take_user(const struct cli *cli, const char *text, uint32_t *uid)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    const struct passwd *user = getpwnam(text);

    if (user)
        *uid = user->pw_uid;
    else if (isdigit((unsigned char)text[0]) && !*end && number <= UINT32_MAX)
        *uid = (uint32_t)number;
    else
        return cli_usage(cli, "--user %s: there is no such user", text);
    return 0;
}

int audit_filter_prepare(struct audit_filter *filter, const struct cli *cli)
{
    int error = 0;

    if (filter->since)
        error = take_time(cli, "since", filter->since, &filter->since_ns);
    if (!error && filter->until)
        error = take_time(cli, "until", filter->until, &filter->until_ns);
    if (!error && filter->kind)
        error = take_kind(cli, filter->kind);
    if (!error && filter->user)
        error = take_user(cli, filter->user, &filter->uid);
    return error;
}

/* --- one entry -------------------------------------------------------------------------------- */

static const struct owner *owner_of(uint32_t kind, const void *image)
{
    switch (image ? kind : RESOURCE_NONE) {
    case RESOURCE_PCPU:
    case RESOURCE_VF:
        return image;
    case RESOURCE_MEMORY:
        return &((const struct memory_image *)image)->owner;
    case RESOURCE_CHANNEL:
        return &((const struct channel_image *)image)->owner;
    default:
        return NULL;
    }
}

static bool image_touches(const struct audit_filter *filter, const struct audit_names *names,
                          const struct audit_change *change, const void *image)
{
    const struct owner *owner = owner_of(change->kind, image);
    const struct partition_config *config = image;

    if (owner)
        return owner->kind == OWNER_GUEST &&
               !strcmp(audit_name_of(names, owner->partition.value), filter->partition);
    if (change->kind == RESOURCE_RUN)
        return !strcmp(audit_name_of(names, change->key[0]), filter->partition);
    return change->kind == RESOURCE_PARTITION && image &&
           !strncmp(config->name, filter->partition, sizeof(config->name));
}

static bool touches_partition(const struct audit_filter *filter, const struct audit_names *names,
                              const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;

    while ((change = audit_entry_next(entry, change)))
        if (image_touches(filter, names, change, audit_change_before(change)) ||
            image_touches(filter, names, change, audit_change_after(change)))
            return true;
    return false;
}

/* "pCPU 3" is in "pCPU 3" and not in "pCPU 31"; "0000:01:00.0" in "VF 0000:01:00.0/2". */
static bool has_words(const char *text, const char *words)
{
    size_t length = strlen(words);

    for (const char *at = text; (at = strcasestr(at, words)) && length; at++)
        if ((at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[length]))
            return true;
    return false;
}

static bool touches_resource(const struct audit_filter *filter, const struct audit_names *names,
                             const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;
    char text[AUDIT_TEXT_MAX];

    while ((change = audit_entry_next(entry, change))) {
        audit_names_resource(names, change, text, sizeof(text));
        if (has_words(text, filter->resource))
            return true;
    }
    return false;
}

bool audit_filter_wants(const struct audit_filter *filter, const struct audit_names *names,
                        const struct audit_entry *entry)
{
    if (entry->realtime_ns < filter->since_ns ||
        (filter->until_ns && entry->realtime_ns > filter->until_ns))
        return false;
    if (filter->kind && strcmp(filter->kind, audit_kind_name(entry->kind)) != 0)
        return false;
    if (filter->user && (entry->who.process != PROCESS_COMMAND || entry->who.uid != filter->uid))
        return false;
    return (!filter->partition || touches_partition(filter, names, entry)) &&
           (!filter->resource || touches_resource(filter, names, entry));
}
