/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash_test [HISTORIES]: power cuts at every point of recorded and random histories of the log; a
 * fixed one, one with big entries, and HISTORIES random ones. Then once for each place in the code
 * that syncs, with that sync left out: which must be found out.
 *
 * At each point, between two operations on the disk, what was pending is lost, kept, reordered and
 * torn in several ways, and the log is opened by the real code from what is left. At some points
 * the process is killed instead, or comes back after the cut, does a few things more, and the power
 * goes (again) at each point of those. One PASS or FAIL line each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash_history.h"

#define SECOND_EVERY 24 /* at one point in so many, for a kill and for a second cut each */
#define SECOND_STEPS 4

static int directory;
static uint64_t states, points, seconds;
static const char *failure;

static void state_try(const struct disk *disk, const struct history *history, enum disk_fate files,
                      enum disk_fate names, bool old_sizes)
{
    struct disk *copy = disk_copy(disk);
    uint64_t entries;

    disk_cut(copy, files, names, old_sizes);
    disk_put(copy, directory, false);
    failure = history_verify(directory, history, &entries);
    disk_clear(directory);
    disk_free(copy);
    states++;
}

static enum disk_fate any_fate(enum disk_fate below)
{
    return (enum disk_fate)disk_random(below);
}

/* All ways of losing, file by file and name by name, as far as there is something to lose. */
static void point_try(const struct disk *disk, const struct history *history)
{
    size_t names, files = disk_pending(disk, &names);
    enum disk_fate names_below = names ? FATE_TORN_512 : FATE_ALL;

    points++;
    for (enum disk_fate fate = FATE_NONE; !failure && fate < (files ? FATES : FATE_ALL); fate++)
        state_try(disk, history, fate, any_fate(names_below), disk_random(4) == 0);
    for (enum disk_fate fate = FATE_NONE; !failure && names && fate < names_below; fate++)
        state_try(disk, history, any_fate(FATES), fate, disk_random(4) == 0);
}

/* A few of them, for points that there are many of. */
static void point_sample(const struct disk *disk, const struct history *history)
{
    points++;
    for (int i = 0; !failure && i < 3; i++)
        state_try(disk, history, any_fate(FATES), any_fate(FATE_TORN_512), disk_random(4) == 0);
}

static void walk(const struct disk_record *record, struct disk *disk, struct history *history,
                 bool first);

/* What comes after a kill (`seen`), or after a power cut that is over. */
static void second_try(struct disk *disk, const struct history *history, bool seen)
{
    struct history *end = malloc(sizeof(*end)), *begin = malloc(sizeof(*begin));
    struct disk_record record = {0};

    if (!end || !begin)
        abort();
    seconds++;
    *end = *begin = *history;
    disk_put(disk, directory, seen);
    disk_record_begin(&record, disk);
    failure = history_run(directory, end, HISTORY_SMALL, SECOND_STEPS);
    disk_record_end();
    disk_clear(directory);
    if (!failure)
        walk(&record, disk, begin, false);
    disk_record_free(&record);
    free(begin);
    free(end);
}

static void seconds_try(const struct disk *disk, const struct history *history)
{
    if (!failure && disk_random(SECOND_EVERY) == 0) {
        struct disk *copy = disk_copy(disk);
        second_try(copy, history, true);
        disk_free(copy);
    }
    if (!failure && disk_random(SECOND_EVERY) == 0) {
        struct disk *copy = disk_copy(disk);
        disk_cut(copy, any_fate(FATES), any_fate(FATE_TORN_512), disk_random(4) == 0);
        second_try(copy, history, false);
        disk_free(copy);
    }
}

/* A mark promises more, and changes nothing on the disk: the point is after it. */
static bool is_point(const struct disk_record *record, size_t index)
{
    return index == record->count || record->operations[index].kind != DISK_MARK;
}

static void walk(const struct disk_record *record, struct disk *disk, struct history *history,
                 bool first)
{
    for (size_t i = 0; !failure && i <= record->count; i++) {
        if (is_point(record, i) && first) {
            point_try(disk, history);
            seconds_try(disk, history);
        } else if (is_point(record, i)) {
            point_sample(disk, history);
        }
        if (i == record->count)
            break;
        if (record->operations[i].kind == DISK_MARK)
            history_mark(history, &record->operations[i]);
        else
            disk_do(disk, &record->operations[i]);
    }
}

/* One history: done once, then gone through point by point. */
static void history_try(enum history_flavour flavour, size_t steps, uint64_t seed)
{
    struct history *history = calloc(1, sizeof(*history));
    struct disk_record record = {0};
    struct disk *disk = disk_new();

    if (!history)
        abort();
    disk_seed = seed * UINT64_C(0x9e3779b97f4a7c15);
    disk_record_begin(&record, disk);
    failure = history_run(directory, history, flavour, steps);
    disk_record_end();
    disk_clear(directory);
    *history = (struct history){0};
    if (!failure)
        walk(&record, disk, history, true);
    disk_record_free(&record);
    disk_free(disk);
    free(history);
}

/* NULL, or what is wrong. */
static const char *all_try(size_t histories)
{
    states = points = seconds = 0;
    failure = NULL;
    history_try(HISTORY_RECORDED, 0, 1);
    if (!failure)
        history_try(HISTORY_BIG, 6, 2);
    for (size_t i = 0; !failure && i < histories; i++)
        history_try(HISTORY_SMALL, 25, 3 + i);
    return failure;
}

static int mutants_try(size_t histories)
{
    size_t places = disk_sync_places();
    int bad = 0;

    for (size_t i = 0; i < places; i++) {
        disk_sync_skip((int)i);
        const char *found = all_try(histories);
        printf("%s mutant without %s: %s after %llu states%s%s\n", found ? "PASS" : "FAIL",
               disk_sync_name(i), found ? "caught" : "not caught", (unsigned long long)states,
               found ? ": " : "", found ? found : "");
        bad |= !found;
    }
    disk_sync_skip(-1);
    return bad;
}

int main(int argc, char **argv)
{
    size_t histories = argc > 1 ? strtoul(argv[1], NULL, 10) : 20;
    char path[] = "/dev/shm/parclose-crash-XXXXXX", path_disk[] = "/tmp/parclose-crash-XXXXXX";
    const char *made = mkdtemp(path) ? path : mkdtemp(path_disk);

    directory = made ? open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (directory < 0) {
        perror("crash: no directory");
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *wrong = all_try(histories);
    printf(
        "%s crash: %llu states at %llu points of %zu histories (%llu of them went on after a kill "
        "or a cut): %s\n",
        wrong ? "FAIL" : "PASS", (unsigned long long)states, (unsigned long long)points,
        histories + 2, (unsigned long long)seconds, wrong ? wrong : "every promise kept");
    int bad = wrong ? 1 : mutants_try(histories);
    rmdir(made);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
