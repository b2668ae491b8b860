/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit_filter.h"
#include "audit_print.h"
#include "audit_source.h"
#include "audit_verify.h"
#include "connection.h"
#include "options.h"

#define HEAD_DIGITS ((size_t)2 * AUDIT_HASH_SIZE)
#define FOLLOW_NS   200000000

struct audit {
    const struct cli *cli;
    struct audit_source source;
    struct audit_reader *reader;
    struct audit_names *names;
    struct audit_filter filter;
    const char *last, *expect, *entry; /* as given */
    uint64_t only;                     /* `show`: its number; 0: all */
    uint64_t last_count;               /* --last; 0: all */
    uint64_t skip;                     /* so many of those that are wanted are not printed */
    bool follow, verify, all, shown, torn;
};

/* --- names before the first entry that can be read -------------------------------------------- */

/* A number that the log itself defines later had the name that is in the before image there. */
static void name_before(struct audit_names *names, bool *seen, const struct audit_change *change)
{
    const struct partition_config *config = audit_change_before(change);
    char name[PARCLOSE_NAME_MAX] = "";

    if (change->kind != RESOURCE_PARTITION || change->key[0] < 1 ||
        change->key[0] > PARCLOSE_MAX_PARTITIONS || seen[change->key[0] - 1])
        return;
    seen[change->key[0] - 1] = true;
    if (config)
        snprintf(name, sizeof(name), "%.*s", (int)sizeof(config->name) - 1, config->name);
    audit_names_set(names, change->key[0], name);
}

/* The service's oldest segments are not passed on: names that are older than those come from it. */
static void names_now(const struct audit *audit)
{
    struct files files = {.count = 0};
    json_t *answer = NULL, *partition;
    size_t i;

    if (!audit->source.path &&
        !ask_quietly(audit->cli, request_new(audit->cli, "list", NULL), &answer, &files))
        json_array_foreach(json_object_get(answer, "partitions"), i, partition)
        {
            const char *name = json_string_value(json_object_get(partition, "name"));
            json_int_t id = json_integer_value(json_object_get(partition, "id"));
            if (name && id > 0)
                audit_names_set(audit->names, (uint64_t)id, name);
        }
    files_close(&files);
    json_decref(answer);
}

static int names_prepare(const struct audit *audit)
{
    const struct audit_entry *entry;
    struct audit_reader *reader;
    struct audit_place place;
    bool *seen = calloc(PARCLOSE_MAX_PARTITIONS, sizeof(*seen));
    int code = seen ? audit_source_reader(&audit->source, &reader) : CLI_FAILED;

    if (!code) {
        audit_reader_place(reader, &place);
        if (place.entry > 1)
            names_now(audit);
        while (place.entry > 1 && audit_reader_next(reader, &entry) == 1) {
            const struct audit_change *change = NULL;
            while ((change = audit_entry_next(entry, change)))
                name_before(audit->names, seen, change);
        }
        audit_reader_close(reader);
    }
    free(seen);
    return code;
}

/* --- entries ---------------------------------------------------------------------------------- */

static void print(struct audit *audit, const struct audit_entry *entry, const uint8_t *hash)
{
    if (audit->cli->json)
        audit_print_json(audit->names, entry, hash);
    else if (audit->only)
        audit_print_whole(audit->names, entry, hash, audit->all);
    else
        audit_print_short(audit->names, entry);
}

static bool wants(const struct audit *audit, const struct audit_entry *entry)
{
    return audit->only ? entry->sequence == audit->only
                       : audit_filter_wants(&audit->filter, audit->names, entry);
}

static void take(struct audit *audit, const struct audit_entry *entry)
{
    bool wanted = wants(audit, entry);

    audit_names_learn(audit->names, entry);
    if (!wanted)
        return;
    audit->shown = true;
    if (audit->skip)
        audit->skip--;
    else
        print(audit, entry, audit_reader_head(audit->reader));
}

/* Up to the end as it is now: WATCH_ON, or an exit code. */
static int read_on(struct audit *audit)
{
    const struct audit_entry *entry;
    struct audit_place place;
    int got;

    while ((got = audit_reader_next(audit->reader, &entry)) == 1) {
        take(audit, entry);
        if (audit->only && audit->shown)
            return CLI_OK;
    }
    fflush(stdout);
    audit->torn = got == -EAGAIN;
    if (got == 0 || got == -EAGAIN)
        return WATCH_ON;
    audit_reader_place(audit->reader, &place);
    if (got == -EUCLEAN)
        return audit_source_damaged(&place);
    cli_error("the audit log cannot be read: %s", strerror(-got));
    return CLI_FAILED;
}

static int follow(struct audit *audit)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_NS};
    int code = WATCH_ON;

    while (code == WATCH_ON) {
        nanosleep(&pause, NULL);
        if (audit_reader_sealed(audit->reader))
            code = audit_source_renew(&audit->source, audit->reader);
        if (code == CLI_OK || code == WATCH_ON)
            code = read_on(audit);
    }
    return code;
}

static int show_missing(const struct audit *audit)
{
    struct audit_place place;

    audit_reader_place(audit->reader, &place);
    if (audit->only >= place.entry)
        cli_error("there is no entry %" PRIu64 ": the last one is %" PRIu64, audit->only,
                  place.entry - 1);
    else
        cli_error("entry %" PRIu64 " is older than what there is to read%s", audit->only,
                  audit->source.path ? ""
                                     : "; root may read more with --directory " AUDIT_DIRECTORY);
    return CLI_FAILED;
}

/* --last: so many of those that are wanted come before the last ones. Damage is said later. */
static int count_skipped(struct audit *audit)
{
    const struct audit_entry *entry;
    struct audit_reader *reader;
    uint64_t wanted = 0;
    int code = audit_source_reader(&audit->source, &reader);

    if (code)
        return code;
    while (audit_reader_next(reader, &entry) == 1) {
        wanted += wants(audit, entry);
        audit_names_learn(audit->names, entry);
    }
    audit_reader_close(reader);
    audit->skip = wanted > audit->last_count ? wanted - audit->last_count : 0;
    memset(audit->names, 0, sizeof(*audit->names));
    return names_prepare(audit);
}

/* At the end, when nobody waits for more. */
static int list_end(const struct audit *audit)
{
    struct audit_place place;

    audit_reader_place(audit->reader, &place);
    if (audit->torn)
        cli_error("behind entry %" PRIu64 " is one that is not whole: it is being written, or a "
                  "power cut tore it",
                  place.entry - 1);
    return audit->only && !audit->shown ? show_missing(audit) : CLI_OK;
}

static int list(struct audit *audit)
{
    int code = names_prepare(audit);

    if (!code && audit->last_count)
        code = count_skipped(audit);
    if (!code)
        code = audit_source_reader(&audit->source, &audit->reader);
    if (!code)
        code = read_on(audit);
    if (code == WATCH_ON && audit->follow)
        code = follow(audit);
    if (code == WATCH_ON)
        code = list_end(audit);
    return code;
}

/* --- the verb --------------------------------------------------------------------------------- */

static int take_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return isdigit((unsigned char)text[0]) && !*end && !errno && *number >= 1 ? 0 : -EINVAL;
}

static int take_last(struct audit *audit)
{
    if (audit->last && take_number(audit->last, &audit->last_count))
        return cli_usage(audit->cli, "--last %s: expected a number from 1 on", audit->last);
    return 0;
}

static int take_words(struct audit *audit, int argc, char **argv)
{
    const struct cli *cli = audit->cli;

    if (argc > 1 && strcmp(argv[1], "show") != 0)
        return cli_usage(cli, "%s: expected nothing, or show NUMBER", argv[1]);
    if (argc > 1 && (argc != 3 || take_number(argv[2], &audit->only)))
        return cli_usage(cli, "show: expected the number of one entry");
    if (audit->only && (audit->follow || audit->verify || audit->last))
        return cli_usage(cli, "show takes no --follow, --verify or --last");
    if (audit->expect && (strlen(audit->expect) != HEAD_DIGITS ||
                          strspn(audit->expect, "0123456789abcdefABCDEF") != HEAD_DIGITS))
        return cli_usage(cli, "--expect-head: expected 64 hexadecimal digits, as in the journal");
    if (audit->expect && !audit->verify)
        return cli_usage(cli, "--expect-head goes with --verify");
    return 0;
}

static int run_prepared(struct audit *audit)
{
    int code = audit_source_open(&audit->source);

    if (!code && audit->verify)
        return audit_verify(&audit->source, audit->expect, false);
    audit->names = audit_names_new();
    if (!code && !audit->names) {
        cli_error("%s", strerror(ENOMEM));
        code = CLI_FAILED;
    }
    return code ? code : list(audit);
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct audit audit = {.cli = cli, .source = {.cli = cli}};
    const char *file = NULL;
    const struct option_row options[] = {
        {"last", OPTION_TEXT, &audit.last},
        {"since", OPTION_TEXT, &audit.filter.since},
        {"until", OPTION_TEXT, &audit.filter.until},
        {"partition", OPTION_TEXT, &audit.filter.partition},
        {"kind", OPTION_TEXT, &audit.filter.kind},
        {"user", OPTION_TEXT, &audit.filter.user},
        {"resource", OPTION_TEXT, &audit.filter.resource},
        {"directory", OPTION_TEXT, &audit.source.path},
        {"file", OPTION_TEXT, &file},
        {"expect-head", OPTION_TEXT, &audit.expect},
        {"follow", OPTION_FLAG, &audit.follow},
        {"verify", OPTION_FLAG, &audit.verify},
        {"all", OPTION_FLAG, &audit.all},
    };
    int code = options_parse(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv);

    if (!code && file && audit.source.path)
        code = cli_usage(cli, "either --file or --directory");
    if (!code && file)
        audit.source.path = file;
    if (!code)
        code = take_words(&audit, argc, argv);
    if (!code)
        code = audit_filter_prepare(&audit.filter, cli);
    if (!code)
        code = take_last(&audit);
    if (!code)
        code = run_prepared(&audit);
    audit_reader_close(audit.reader);
    audit_source_close(&audit.source);
    free(audit.names);
    return code;
}

const struct verb verb_audit = {
    .name = "audit",
    .arguments = "[show NUMBER]",
    .summary = "the audit log: every transaction, with what was before and after",
    .help = "  show NUMBER     one entry whole, field by field; --all: also what did not change\n"
            "  --last N        only the last N of those that are wanted\n"
            "  --since TIME    90, 15m, 2h, 3d ago, or 2026-01-31T12:00:00Z\n"
            "  --until TIME    the same\n"
            "  --partition N   only what touches this partition\n"
            "  --kind KIND     only this kind: start, attach, stop, device-action, …\n"
            "  --user USER     only what this user asked for: a name or a number\n"
            "  --resource R    only what touches it: \"pCPU 3\", 0000:01:00.0, memory, …\n"
            "  --follow        go on with what comes\n"
            "  --verify        the whole chain: whether every entry is as it was written\n"
            "  --expect-head H with --verify: an entry must have this hash (from the journal)\n"
            "  --directory DIR the log's directory, without the service (root); --verify looks at\n"
            "                  snapshots, too: /var/lib/parclose/control\n"
            "  --file PATH     one segment's file, without the service (root)\n",
    .run = run,
};
