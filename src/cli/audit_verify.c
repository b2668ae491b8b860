/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain shows every change but one: of its end. Who writes a whole log anew, or cuts its end
 * off, writes good hashes too. So what was noted elsewhere (control writes the head into the
 * journal at each rotation) must be found in it: --expect-head.
 */
#include "audit_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/audit_hash.h"
#include "store/audit_snapshot.h"

#define TAIL_TRIES 20 /* the writer may be adding the last entry */
#define TAIL_NS    50000000

struct verification {
    const struct audit_source *source;
    struct audit_reader *reader;
    const char *expected;
    uint64_t first, next; /* entries read: first … next - 1 */
    uint64_t expected_at; /* the entry with the expected hash */
    bool expected_found;
    bool torn;                        /* what is behind the last entry is not whole */
    int directory;                    /* -1: no snapshots can be read */
    uint64_t *snapshots;              /* ascending */
    size_t snapshots_count, snapshot; /* which is next */
    uint64_t snapshots_compared;
};

static int wrong_snapshot(uint64_t number, const char *what)
{
    cli_error("the audit log is damaged: %s%020" PRIu64 " %s", AUDIT_SNAPSHOT_PREFIX, number, what);
    return CLI_FAILED;
}

/* Whole in itself; and the head that it has of the entry before it is that entry's. */
static int check_snapshot(struct verification *v, uint64_t number, const uint8_t *head)
{
    struct audit_snapshot header;
    int error = audit_snapshot_read(v->directory, number, &header, NULL, NULL);

    if (error == -ENOENT)
        return CLI_OK; /* deleted meanwhile: the service rotates */
    if (error)
        return wrong_snapshot(number, error == -EUCLEAN ? "is damaged" : strerror(-error));
    if (!head)
        return CLI_OK;
    v->snapshots_compared++;
    if (memcmp(header.head, head, AUDIT_HASH_SIZE) != 0)
        return wrong_snapshot(number, "does not fit the entries before it");
    return CLI_OK;
}

/* The snapshots up to the place before entry v->next, of which the head is known. */
static int check_snapshots(struct verification *v)
{
    int code = CLI_OK;

    while (!code && v->snapshot < v->snapshots_count && v->snapshots[v->snapshot] <= v->next) {
        uint64_t number = v->snapshots[v->snapshot++];
        code = check_snapshot(v, number, number == v->next ? audit_reader_head(v->reader) : NULL);
    }
    return code;
}

static void look_for_head(struct verification *v)
{
    char text[AUDIT_HASH_TEXT];

    if (!v->expected || v->expected_found)
        return;
    audit_hash_text(audit_reader_head(v->reader), text);
    v->expected_found = !strcasecmp(text, v->expected);
    v->expected_at = v->next - 1;
}

/* 0 at the end, or what the reader says; -EAGAIN only when it stays so. */
static int next_entry(struct verification *v, const struct audit_entry **entry)
{
    const struct timespec pause = {.tv_nsec = TAIL_NS};
    int got = -EAGAIN;

    for (int i = 0; i < TAIL_TRIES && got == -EAGAIN; i++) {
        got = audit_reader_next(v->reader, entry);
        if (got == -EAGAIN)
            nanosleep(&pause, NULL);
    }
    return got;
}

static int read_all(struct verification *v)
{
    const struct audit_entry *entry;
    struct audit_place place;
    int got, code;

    audit_reader_place(v->reader, &place);
    v->first = v->next = place.entry;
    look_for_head(v);
    code = check_snapshots(v);
    while (!code && (got = next_entry(v, &entry)) == 1) {
        v->next = entry->sequence + 1;
        look_for_head(v);
        code = check_snapshots(v);
    }
    if (code)
        return code;
    v->torn = got == -EAGAIN;
    if (got == -EUCLEAN) {
        audit_reader_place(v->reader, &place);
        return audit_source_damaged(&place);
    }
    if (got < 0 && !v->torn)
        cli_error("the audit log cannot be read: %s", strerror(-got));
    return got < 0 && !v->torn ? CLI_FAILED : CLI_OK;
}

/* A snapshot of what comes after the last entry: entries are missing. */
static int check_rest(const struct verification *v)
{
    if (v->snapshot < v->snapshots_count)
        return wrong_snapshot(v->snapshots[v->snapshot],
                              "is of later than the last entry: entries are missing");
    if (v->expected && !v->expected_found) {
        cli_error("no entry from %" PRIu64 " to %" PRIu64
                  " has the hash %s: the log is not the one of which that was noted, or that part "
                  "of it is not here",
                  v->first, v->next - 1, v->expected);
        return CLI_FAILED;
    }
    return CLI_OK;
}

/* --- what is said ----------------------------------------------------------------------------- */

static void say_json(const struct verification *v, const char *head)
{
    json_t *answer = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "ok", 1, "entries",
                               (json_int_t)(v->next - v->first), "first", (json_int_t)v->first,
                               "segments", (json_int_t)v->source->count, "snapshots",
                               (json_int_t)v->snapshots_count, "snapshots_compared",
                               (json_int_t)v->snapshots_compared, "torn", v->torn, "head", head);

    if (v->expected)
        json_object_set_new(answer, "expected_at", json_integer((json_int_t)v->expected_at));
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
}

static void say_text(const struct verification *v, const char *head)
{
    printf("%" PRIu64 " entries, from %" PRIu64 " on, in %zu segments: every one fits\n",
           v->next - v->first, v->first, v->source->count);
    if (v->directory >= 0)
        printf("%zu snapshots: whole; %" PRIu64 " begin at one of these entries, and fit\n",
               v->snapshots_count, v->snapshots_compared);
    else
        printf("snapshots: not looked at (root: --directory %s)\n", AUDIT_DIRECTORY);
    if (v->expected)
        printf("expected head: is that of entry %" PRIu64 "\n", v->expected_at);
    if (v->torn)
        puts("behind the last entry: one that is not whole, as a power cut leaves it; the next "
             "start cuts it off");
    printf("head: %s\n", head);
}

static void say(const struct verification *v)
{
    char head[AUDIT_HASH_TEXT];

    audit_hash_text(audit_reader_head(v->reader), head);
    if (v->source->cli->json)
        say_json(v, head);
    else
        say_text(v, head);
}

/* --- all of it -------------------------------------------------------------------------------- */

static int list_snapshots(struct verification *v)
{
    struct stat status;

    if (!v->source->path || stat(v->source->path, &status) < 0 || !S_ISDIR(status.st_mode))
        return CLI_OK;
    v->directory = open(v->source->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t count = v->directory < 0
                        ? -errno
                        : audit_files_list(v->directory, AUDIT_SNAPSHOT_PREFIX, &v->snapshots);
    if (count < 0) {
        cli_error("%s: %s", v->source->path, strerror((int)-count));
        return CLI_FAILED;
    }
    v->snapshots_count = (size_t)count;
    return CLI_OK;
}

int audit_verify(const struct audit_source *source, const char *expected, bool quiet)
{
    struct verification v = {.source = source, .expected = expected, .directory = -1};
    int code = list_snapshots(&v);

    if (!code)
        code = audit_source_reader(source, &v.reader);
    if (!code)
        code = read_all(&v);
    if (!code)
        code = check_rest(&v);
    if (!code && !quiet)
        say(&v);
    audit_reader_close(v.reader);
    free(v.snapshots);
    if (v.directory >= 0)
        close(v.directory);
    return code;
}
