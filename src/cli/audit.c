/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "format.h"
#include "names/names.h"
#include "options.h"
#include "store/audit_reader.h"
#include "store/audit_text.h"
#include "table.h"

#define FOLLOW_MS 500

/* Which entries are wanted, and what has to be known to tell. */
struct filter {
    uint64_t since_ns;     /* CLOCK_REALTIME */
    const char *partition; /* NULL: all */
    uint64_t ids;          /* bit n: partition n has that name now */
};

/* --- filter ----------------------------------------------------------------------------------- */

static bool owned(const struct filter *filter, const struct owner *owner)
{
    return owner->kind == OWNER_GUEST && owner->partition.value >= 1 &&
           owner->partition.value <= PARCLOSE_MAX_PARTITIONS &&
           (filter->ids >> (owner->partition.value - 1) & 1);
}

static const struct owner *owner_of(uint32_t kind, const void *image)
{
    switch (image ? kind : RESOURCE_NONE) {
    case RESOURCE_PCPU:
    case RESOURCE_VF:
        return image;
    case RESOURCE_MEMORY:
        return &((const struct memory_image *)image)->owner;
    default:
        return NULL;
    }
}

/* A partition's number has its name from the entry that defines it on. */
static bool touches_image(struct filter *filter, const struct audit_change *change,
                          const void *image)
{
    const struct owner *owner = owner_of(change->kind, image);
    uint64_t bit = change->key[0] >= 1 && change->key[0] <= PARCLOSE_MAX_PARTITIONS
                       ? UINT64_C(1) << (change->key[0] - 1)
                       : 0;

    if (owner)
        return owned(filter, owner);
    if (change->kind == RESOURCE_RUN)
        return filter->ids & bit;
    if (change->kind != RESOURCE_PARTITION || !image)
        return false;
    const struct partition_config *config = image;
    bool same = !strncmp(config->name, filter->partition, sizeof(config->name));
    filter->ids = same ? filter->ids | bit : filter->ids & ~bit;
    return same;
}

static bool wanted(struct filter *filter, const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;
    bool touches = !filter->partition;

    while (filter->partition && (change = audit_entry_next(entry, change))) {
        touches |= touches_image(filter, change, audit_change_before(change));
        touches |= touches_image(filter, change, audit_change_after(change));
    }
    return touches && entry->realtime_ns >= filter->since_ns;
}

/* --- one entry -------------------------------------------------------------------------------- */

static void time_text(uint64_t realtime_ns, char *text, size_t size)
{
    time_t seconds = (time_t)(realtime_ns / 1000000000);
    char day[32] = "?";
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, size, "%s.%06uZ", day, (unsigned)(realtime_ns % 1000000000 / 1000));
}

static void print_change(const struct audit_change *change)
{
    char resource[AUDIT_TEXT_MAX], before[AUDIT_TEXT_MAX], after[AUDIT_TEXT_MAX];

    audit_resource_text(change, resource, sizeof(resource));
    audit_image_text(change->kind, audit_change_before(change), before, sizeof(before));
    audit_image_text(change->kind, audit_change_after(change), after, sizeof(after));
    printf("      %s: %s -> %s\n", resource, before, after);
}

static void print_entry(const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;
    char when[64], text[PARCLOSE_REASON_MAX], reason[sizeof(entry->who.reason)];

    time_text(entry->realtime_ns, when, sizeof(when));
    printf("%5llu %s %s %s", (unsigned long long)entry->sequence, when,
           audit_kind_name(entry->kind), audit_phase_name(entry->phase));
    if (entry->refers_to)
        printf(" %llu", (unsigned long long)entry->refers_to);
    printf(" by %s", name_of_process(entry->who.process));
    if (entry->who.process == PROCESS_COMMAND)
        printf(" (uid %u, pid %u)", entry->who.uid, entry->who.pid);
    printable(entry->who.reason, reason, sizeof(reason));
    printable(entry->text, text, sizeof(text));
    printf("%s%s%s%s\n", reason[0] ? ", because: " : "", reason, text[0] ? ": " : "", text);
    while ((change = audit_entry_next(entry, change)))
        print_change(change);
}

static json_t *change_json(const struct audit_change *change)
{
    char resource[AUDIT_TEXT_MAX], before[AUDIT_TEXT_MAX], after[AUDIT_TEXT_MAX];

    audit_resource_text(change, resource, sizeof(resource));
    audit_image_text(change->kind, audit_change_before(change), before, sizeof(before));
    audit_image_text(change->kind, audit_change_after(change), after, sizeof(after));
    return json_pack("{s:s, s:s, s:s}", "resource", resource, "before", before, "after", after);
}

static void print_entry_json(const struct audit_entry *entry)
{
    const struct audit_change *change = NULL;
    json_t *changes = json_array();
    char when[64];

    time_text(entry->realtime_ns, when, sizeof(when));
    while ((change = audit_entry_next(entry, change)))
        json_array_append_new(changes, change_json(change));
    json_t *line = json_pack(
        "{s:I, s:s, s:s, s:s, s:I, s:s, s:i, s:i, s:s, s:s, s:o}", "sequence",
        (json_int_t)entry->sequence, "at", when, "kind", audit_kind_name(entry->kind), "phase",
        audit_phase_name(entry->phase), "refers_to", (json_int_t)entry->refers_to, "by",
        name_of_process(entry->who.process), "uid", (int)entry->who.uid, "pid", (int)entry->who.pid,
        "reason", entry->who.reason, "text", entry->text, "changes", changes);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

/* --- the log ---------------------------------------------------------------------------------- */

static int print_log(const struct cli *cli, struct audit_reader *reader, struct filter *filter)
{
    const struct audit_entry *entry;
    int got;

    while ((got = audit_reader_next(reader, &entry)) == 1) {
        if (!wanted(filter, entry))
            continue;
        if (cli->json)
            print_entry_json(entry);
        else
            print_entry(entry);
    }
    fflush(stdout);
    return got;
}

static int read_log(const struct cli *cli, int file, struct filter *filter, bool follow)
{
    struct audit_place place;
    const struct timespec pause = {.tv_nsec = FOLLOW_MS * 1000000L};
    struct audit_reader *reader;
    int error = audit_reader_open(&reader, &file, 1, &place);

    if (error) {
        cli_error("the audit log cannot be read: %s", strerror(-error));
        return CLI_FAILED;
    }
    while ((!(error = print_log(cli, reader, filter)) || error == -EAGAIN) && follow)
        nanosleep(&pause, NULL);
    audit_reader_place(reader, &place);
    if (error)
        cli_error("the audit log is damaged at entry %llu, byte %llu",
                  (unsigned long long)place.entry, (unsigned long long)place.offset);
    audit_reader_close(reader);
    return error ? CLI_FAILED : CLI_OK;
}

/* "90", "15m", "2h", "3d" ago, or an RFC 3339 time in UTC. */
static int parse_since(const struct cli *cli, const char *text, uint64_t *since_ns)
{
    static const struct {
        char unit;
        unsigned seconds;
    } units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct tm tm = {0};
    char *end;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    unsigned long ago = strtoul(text, &end, 10);

    if (rest) {
        *since_ns = (uint64_t)timegm(&tm) * 1000000000;
        return 0;
    }
    for (size_t i = 0; end != text && ago < 1000000000 && i < sizeof(units) / sizeof(units[0]);
         i++) {
        if (*end != units[i].unit || (*end && end[1]))
            continue;
        *since_ns = ((uint64_t)time(NULL) - (uint64_t)ago * units[i].seconds) * 1000000000;
        return 0;
    }
    return cli_usage(cli, "--since %s: expected 90, 15m, 2h, 3d or 2026-01-31T12:00:00Z", text);
}

static int open_log(const struct cli *cli, const char *path, int *file)
{
    json_t *answer;

    if (path) {
        *file = open(path, O_RDONLY | O_CLOEXEC);
        if (*file < 0)
            cli_error("%s: %s", path, strerror(errno));
        return *file < 0 ? CLI_FAILED : CLI_OK;
    }
    struct files files = {.count = 0};
    int code = ask(cli, request_new(cli, "audit", NULL), &answer, &files);
    json_decref(answer);
    if (!code && !files.count) {
        cli_error("the answer brought no log along");
        return CLI_FAILED;
    }
    if (files.count)
        *file = files.fds[--files.count];
    files_close(&files);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    const char *since = NULL, *path = NULL;
    bool follow = false;
    struct filter filter = {0};
    const struct option_row options[] = {{"since", OPTION_TEXT, &since},
                                         {"partition", OPTION_TEXT, &filter.partition},
                                         {"file", OPTION_TEXT, &path},
                                         {"follow", OPTION_FLAG, &follow}};
    int file = -1, code = options_parse(cli, options, 4, &argc, argv);

    if (code)
        return code;
    if (argc > 1)
        return cli_usage(cli, "takes no argument");
    if (since && parse_since(cli, since, &filter.since_ns))
        return CLI_USAGE;
    code = open_log(cli, path, &file);
    if (!code)
        code = read_log(cli, file, &filter, follow);
    if (file >= 0)
        close(file);
    return code;
}

const struct verb verb_audit = {
    .name = "audit",
    .arguments = "",
    .summary = "the audit log: every transaction, with what was before and after",
    .help = "  --since TIME    90, 15m, 2h, 3d ago, or 2026-01-31T12:00:00Z\n"
            "  --partition N   only what touches this partition\n"
            "  --follow        go on with what comes\n"
            "  --file PATH     a log's file, without the service (root)\n",
    .run = run,
};
