/* SPDX-License-Identifier: Apache-2.0 */
#include "crash_history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash_wrap.h"
#include "store/audit_cut.h"
#include "store/audit_reader.h"

#define PCPUS 8

enum mark { MARK_APPEND, MARK_ACK, MARK_CUT, MARK_CUT_DONE };

static const uint8_t boot_id[16] = {9};
static char problem[256];

static const char *wrong(const char *what, uint64_t entry)
{
    snprintf(problem, sizeof(problem), "%s (entry %llu)", what, (unsigned long long)entry);
    return problem;
}

static void cut_begin(struct history *history, uint64_t last)
{
    for (uint64_t i = last + 1; i <= history->must; i++)
        history->aside[history->aside_count++] = history->ids[i];
    if (history->must > last)
        history->must = last;
}

/* A cut that a power cut undid: what it would have set aside is in the log again. */
static void ack(struct history *history, uint64_t last)
{
    history->must = last;
    for (uint64_t entry = 1; entry <= last; entry++)
        for (size_t i = 0; i < history->aside_count; i++)
            if (history->aside[i] == history->ids[entry])
                history->aside[i] = history->aside[--history->aside_count];
}

void history_mark(struct history *history, const struct disk_operation *mark)
{
    switch ((enum mark)mark->mark) {
    case MARK_APPEND:
        history->ids[mark->offset] = mark->size;
        history->may = mark->offset;
        break;
    case MARK_ACK:
        ack(history, mark->offset);
        break;
    case MARK_CUT:
        cut_begin(history, mark->offset);
        break;
    case MARK_CUT_DONE:
        history->may = mark->offset;
        break;
    }
}

static void mark(struct history *history, enum mark kind, uint64_t number, uint64_t id)
{
    const struct disk_operation operation = {.mark = kind, .size = id, .offset = number};

    history_mark(history, &operation);
    disk_record_mark(kind, id, number);
}

/* --- what an entry of an id says, and the map that entries make ------------------------------- */

/* Owner of each pCPU, by the ids that changed it last. */
struct map {
    uint32_t owners[PCPUS];
};

static size_t changes_of(uint64_t id)
{
    return 1 + id % 5;
}

static uint32_t pcpu_of(uint64_t id, size_t change)
{
    return (uint32_t)((id >> 8) + change) % PCPUS;
}

static void map_do(struct map *map, uint64_t id)
{
    for (size_t i = 0; i < changes_of(id); i++)
        map->owners[pcpu_of(id, i)] = (uint32_t)(id >> 32 | 1);
}

static struct map map_after(const struct history *history, uint64_t entry)
{
    struct map map = {0};

    for (uint64_t i = 1; i <= entry; i++)
        map_do(&map, history->ids[i]);
    return map;
}

static void entry_fill(struct audit_entry *entry, uint64_t id, bool big)
{
    static const struct partition_run run;

    audit_entry_begin(entry, AUDIT_START, AUDIT_BEGUN);
    for (size_t i = 0; i < changes_of(id); i++) {
        const struct owner owner = {OWNER_GUEST, {(uint32_t)(id >> 32 | 1)}};
        audit_entry_add(entry, RESOURCE_PCPU, pcpu_of(id, i), id, NULL, &owner);
    }
    size_t room = big ? AUDIT_ENTRY_MAX : id >> 16 & 7 ? 0 : 6000;
    while (entry->size + 2 * sizeof(run) + 100 < room)
        audit_entry_add(entry, RESOURCE_RUN, 1, id, &run, &run);
}

/* --- doing ------------------------------------------------------------------------------------ */

struct runner {
    int directory;
    struct history *history;
    struct audit_log *log;
    struct audit_entry *entry;
    bool big;
    const char *wrong;
};

static void expect(struct runner *runner, const char *what, int error)
{
    if (error && !runner->wrong) {
        snprintf(problem, sizeof(problem), "%s: %s", what, strerror(-error));
        runner->wrong = problem;
    }
}

static void do_open(struct runner *runner)
{
    struct audit_opened opened;

    disk_caller = "opening";
    expect(runner, "opening",
           audit_log_open(&runner->log, runner->directory, boot_id, NULL, &opened));
    if (runner->wrong)
        return;
    uint64_t last = audit_log_next(runner->log) - 1;
    if (last < runner->history->must || last > runner->history->may) {
        runner->wrong = wrong("opening found another end", last);
        return;
    }
    mark(runner->history, MARK_CUT_DONE, last, 0); /* what is not there will not come any more */
    mark(runner->history, MARK_ACK, last, 0);
}

static void do_close(struct runner *runner)
{
    audit_log_close(runner->log);
    runner->log = NULL;
}

static void do_append(struct runner *runner)
{
    uint64_t number = audit_log_next(runner->log), id = 0;

    if (number + 1 >= HISTORY_MAX)
        return;
    while (!id)
        id = disk_random(UINT64_C(1) << 47) << 16 | disk_random(1 << 16);
    entry_fill(runner->entry, id, runner->big);
    mark(runner->history, MARK_APPEND, number, id);
    disk_caller = "append";
    expect(runner, "append", audit_log_append(runner->log, runner->entry));
}

static void do_sync(struct runner *runner)
{
    disk_caller = "sync";
    expect(runner, "sync", audit_log_sync(runner->log));
    mark(runner->history, MARK_ACK, audit_log_next(runner->log) - 1, 0);
}

static void do_reserve(struct runner *runner)
{
    disk_caller = "reserve";
    expect(runner, "reserve", audit_log_reserve(runner->log));
}

static void do_rotate(struct runner *runner, size_t keep)
{
    struct audit_snapshot_writer *snapshot;

    disk_caller = "rotation";
    int error = audit_rotation_begin(runner->log, &snapshot);
    if (error) {
        expect(runner, "rotation", error == -EALREADY ? 0 : error);
        return;
    }
    uint64_t last = audit_log_next(runner->log) - 1;
    mark(runner->history, MARK_ACK, last, 0);
    const struct map map = map_after(runner->history, last);
    for (uint32_t i = 0; i < PCPUS; i++) {
        const struct owner owner = {OWNER_GUEST, {map.owners[i]}};
        if (map.owners[i])
            expect(runner, "snapshot", audit_snapshot_add(snapshot, RESOURCE_PCPU, i, 0, &owner));
    }
    expect(runner, "rotation", audit_rotation_finish(runner->log, snapshot, keep));
}

static void do_cut(struct runner *runner, uint64_t entries)
{
    struct audit_opened opened;
    struct audit_cut cut;
    uint64_t last = runner->history->must;

    if (last <= entries)
        return;
    do_close(runner);
    disk_caller = "cut";
    int error = audit_cut_plan(runner->directory, last - entries + 1, &cut, &opened);
    if (!error) {
        mark(runner->history, MARK_CUT, last - entries, 0);
        error = audit_log_cut(runner->directory, last - entries + 1, &cut, &opened);
        mark(runner->history, MARK_CUT_DONE, last - entries, 0);
    }
    expect(runner, "cut", error == -ENODATA ? 0 : error); /* so far back there is no snapshot */
    if (!runner->wrong)
        do_open(runner);
}

static void do_group(struct runner *runner, size_t entries)
{
    while (entries-- && !runner->wrong)
        do_append(runner);
    if (!runner->wrong)
        do_sync(runner);
}

static void do_something(struct runner *runner)
{
    uint64_t dice = disk_random(100);

    if (dice < 40)
        do_group(runner, 1);
    else if (dice < 56)
        do_group(runner, 2 + disk_random(4));
    else if (dice < 68)
        do_append(runner);
    else if (dice < 72)
        do_reserve(runner);
    else if (dice < 86)
        do_rotate(runner, AUDIT_KEEP_MIN + disk_random(4));
    else if (dice < 95) {
        do_close(runner);
        do_open(runner);
    } else
        do_cut(runner, disk_random(12));
}

static void do_recorded(struct runner *runner)
{
    static const size_t keeps[] = {9, 9, 9, 9, 2, 2};

    do_group(runner, 1);
    do_group(runner, 4);
    do_append(runner);
    do_append(runner);
    do_reserve(runner);
    for (size_t i = 0; i < sizeof(keeps) / sizeof(keeps[0]) && !runner->wrong; i++) {
        do_rotate(runner, keeps[i]);
        do_group(runner, 2);
        do_append(runner);
    }
    do_close(runner);
    if (!runner->wrong)
        do_open(runner);
    if (!runner->wrong)
        do_cut(runner, 2); /* in the last segment */
    if (!runner->wrong)
        do_group(runner, 2);
    if (!runner->wrong)
        do_cut(runner, 5); /* over the edge of one */
    if (!runner->wrong)
        do_group(runner, 1);
}

/* Space is made while an entry is not durable yet, and another follows. */
static void do_big(struct runner *runner)
{
    for (int i = 0; i < 3 && !runner->wrong; i++) {
        do_group(runner, 1);
        do_append(runner);
        do_reserve(runner);
        do_append(runner);
    }
}

const char *history_run(int directory, struct history *history, enum history_flavour flavour,
                        size_t steps)
{
    struct runner runner = {.directory = directory,
                            .history = history,
                            .entry = aligned_alloc(8, AUDIT_ENTRY_MAX),
                            .big = flavour == HISTORY_BIG};

    if (!runner.entry)
        return "no memory";
    do_open(&runner);
    if (flavour == HISTORY_RECORDED && !runner.wrong)
        do_recorded(&runner);
    if (flavour == HISTORY_BIG && !runner.wrong)
        do_big(&runner);
    if (flavour != HISTORY_RECORDED)
        while (steps-- && !runner.wrong)
            do_something(&runner);
    do_close(&runner);
    free(runner.entry);
    return runner.wrong;
}

/* --- verifying -------------------------------------------------------------------------------- */

struct seen {
    const struct history *history;
    struct map map;
    uint64_t last; /* entry, or the snapshot's */
    const char *wrong;
};

static int on_resource(void *context, const struct audit_snapshot *snapshot,
                       const struct audit_change *change)
{
    struct seen *seen = context;
    const struct owner *owner = audit_change_after(change);

    seen->last = snapshot->sequence - 1;
    if (change->kind == RESOURCE_PCPU && change->key[0] < PCPUS)
        seen->map.owners[change->key[0]] = owner->partition.value;
    return 0;
}

/* Every change of the entry is there, and is of the entry with that number. */
static const char *entry_is(const struct audit_entry *entry, uint64_t id)
{
    const struct audit_change *change = NULL;
    size_t pcpus = 0;

    while ((change = audit_entry_next(entry, change))) {
        if (change->key[1] != id)
            return wrong("another entry than was written", entry->sequence);
        pcpus += change->kind == RESOURCE_PCPU;
    }
    return pcpus == changes_of(id) ? NULL : wrong("half an entry", entry->sequence);
}

static int on_entry(void *context, const struct audit_entry *entry)
{
    struct seen *seen = context;

    if (seen->wrong)
        return 0;
    if (entry->sequence > seen->history->may)
        seen->wrong = wrong("an entry that was never written", entry->sequence);
    else
        seen->wrong = entry_is(entry, seen->history->ids[entry->sequence]);
    if (!seen->wrong) {
        map_do(&seen->map, seen->history->ids[entry->sequence]);
        seen->last = entry->sequence;
    }
    return 0;
}

/* All segments that are there, from the oldest on. */
static const char *verify_reader(int directory, const struct history *history,
                                 const struct audit_log *log)
{
    struct seen seen = {.history = history};
    const struct audit_entry *entry;
    struct audit_reader *reader;
    struct audit_place place;
    int got = audit_reader_open_directory(&reader, directory, &place);

    if (got)
        return wrong("a reader cannot begin", place.entry);
    while ((got = audit_reader_next(reader, &entry)) == 1)
        on_entry(&seen, entry);
    audit_reader_place(reader, &place);
    bool same = memcmp(audit_reader_head(reader), audit_log_head(log), AUDIT_HASH_SIZE) == 0;
    audit_reader_close(reader);
    if (seen.wrong)
        return seen.wrong;
    if (got)
        return wrong("a reader finds damage", place.entry);
    return same && place.entry == audit_log_next(log)
               ? NULL
               : wrong("a reader ends elsewhere", place.entry);
}

static bool file_has(int directory, const char *name, uint64_t id)
{
    struct stat status;
    int file = real_openat(directory, name, O_RDONLY | O_CLOEXEC, 0);

    if (file < 0 || fstat(file, &status) < 0)
        abort();
    uint8_t *bytes = malloc((size_t)status.st_size + 1);
    if (!bytes || pread(file, bytes, (size_t)status.st_size, 0) != status.st_size)
        abort();
    bool has = memmem(bytes, (size_t)status.st_size, &id, sizeof(id));
    free(bytes);
    close(file);
    return has;
}

static bool any_file_has(int directory, uint64_t id)
{
    bool has = false;
    size_t count;
    char(*names)[DISK_NAME_MAX] = disk_names(directory, &count);

    for (size_t i = 0; i < count && !has; i++)
        has = file_has(directory, names[i], id);
    free(names);
    return has;
}

static const char *verify_aside(int directory, const struct history *history)
{
    for (size_t i = 0; i < history->aside_count; i++)
        if (!any_file_has(directory, history->aside[i]))
            return wrong("what was cut off is not kept aside", i);
    return NULL;
}

static const char *verify_open(const struct audit_log *log, const struct seen *seen,
                               const struct audit_opened *opened)
{
    uint64_t last = audit_log_next(log) - 1;
    const struct map map = map_after(seen->history, last);

    if (seen->wrong)
        return seen->wrong;
    if (last < seen->history->must)
        return wrong("an acknowledged entry is lost", last + 1);
    if (last > seen->history->may || last != seen->last)
        return wrong("more entries than were written", last);
    if (opened->damaged_snapshot)
        return wrong("a snapshot is damaged", opened->damaged_snapshot);
    if (memcmp(&map, &seen->map, sizeof(map)) != 0)
        return wrong("another map than the entries make", last);
    return NULL;
}

const char *history_verify(int directory, const struct history *history, uint64_t *entries)
{
    struct seen seen = {.history = history};
    const struct audit_visitor visitor = {.load = on_resource, .visit = on_entry, .context = &seen};
    struct audit_opened opened;
    struct audit_log *log;
    const char *result = verify_aside(directory, history);
    int error = result ? 0 : audit_log_open(&log, directory, boot_id, &visitor, &opened);

    if (result)
        return result;
    if (error) {
        snprintf(problem, sizeof(problem), "it cannot be opened: entry %llu %s (%s)",
                 (unsigned long long)opened.bad_entry, audit_damage_text(opened.damage),
                 strerror(-error));
        return problem;
    }
    *entries = audit_log_next(log) - 1;
    result = verify_open(log, &seen, &opened);
    if (!result)
        result = verify_reader(directory, history, log);
    audit_log_close(log);
    return result;
}
