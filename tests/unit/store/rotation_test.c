/* SPDX-License-Identifier: Apache-2.0 */
/* Segments and snapshots: rotation, retention, damage of every kind, the cut, following readers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/audit_cut.h"
#include "store/audit_reader.h"

#define PER_SEGMENT 4

static const uint8_t boot_id[16] = {7};

struct fixture {
    char path[64];
    int directory;
    struct audit_log *log;
    struct audit_entry *entry;
    struct audit_opened opened;
    uint64_t loaded; /* the snapshot's one resource: entries that were there when it was made */
    uint64_t visited, last;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    *state = fixture;
    strcpy(fixture->path, "/tmp/parclose-rotation-XXXXXX");
    assert_non_null(mkdtemp(fixture->path));
    fixture->directory = open(fixture->path, O_RDONLY | O_DIRECTORY);
    fixture->entry = aligned_alloc(8, AUDIT_ENTRY_MAX);
    return fixture->directory >= 0 && fixture->entry ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    DIR *stream = fdopendir(fixture->directory);
    const struct dirent *file;

    audit_log_close(fixture->log);
    while ((file = readdir(stream)))
        if (file->d_name[0] != '.')
            unlinkat(fixture->directory, file->d_name, 0);
    closedir(stream);
    rmdir(fixture->path);
    free(fixture->entry);
    free(fixture);
    return 0;
}

static int load(void *context, const struct audit_snapshot *snapshot,
                const struct audit_change *change)
{
    struct fixture *fixture = context;

    assert_int_equal(change->kind, RESOURCE_PCPU);
    fixture->loaded = change->key[0];
    assert_int_equal(fixture->loaded, snapshot->sequence - 1);
    fixture->last = fixture->loaded;
    return 0;
}

static int visit(void *context, const struct audit_entry *entry)
{
    struct fixture *fixture = context;

    assert_int_equal(entry->sequence, fixture->last + 1);
    fixture->last = entry->sequence;
    fixture->visited++;
    return 0;
}

static int reopen(struct fixture *fixture)
{
    const struct audit_visitor visitor = {.load = load, .visit = visit, .context = fixture};

    audit_log_close(fixture->log);
    fixture->log = NULL;
    fixture->loaded = fixture->visited = fixture->last = 0;
    return audit_log_open(&fixture->log, fixture->directory, boot_id, &visitor, &fixture->opened);
}

static void append(struct fixture *fixture, size_t count)
{
    const struct owner owner = {.kind = OWNER_GUEST, .partition = {3}};

    while (count--) {
        audit_entry_begin(fixture->entry, AUDIT_START, AUDIT_BEGUN);
        assert_int_equal(audit_entry_add(fixture->entry, RESOURCE_PCPU, 1, 0, NULL, &owner), 0);
        assert_int_equal(audit_log_append(fixture->log, fixture->entry), 0);
        assert_int_equal(audit_log_sync(fixture->log), 0);
    }
}

static int rotate(struct fixture *fixture, size_t keep)
{
    const struct owner owner = {.kind = OWNER_IDLE};
    struct audit_snapshot_writer *snapshot;
    int error = audit_rotation_begin(fixture->log, &snapshot);

    if (error)
        return error;
    assert_int_equal(
        audit_snapshot_add(snapshot, RESOURCE_PCPU, audit_log_next(fixture->log) - 1, 0, &owner),
        0);
    return audit_rotation_finish(fixture->log, snapshot, keep);
}

/* Segments 1, 5, 9, …, snapshots of all but 1, two entries in the last. */
static void fill(struct fixture *fixture, size_t segments, size_t keep)
{
    assert_int_equal(reopen(fixture), 0);
    while (--segments) {
        append(fixture, PER_SEGMENT);
        assert_int_equal(rotate(fixture, keep), 0);
    }
    append(fixture, 2);
}

static size_t count(struct fixture *fixture, const char *prefix, uint64_t *first)
{
    uint64_t *numbers;
    ssize_t got = audit_files_list(fixture->directory, prefix, &numbers);

    assert_true(got >= 0);
    *first = got ? numbers[0] : 0;
    free(numbers);
    return (size_t)got;
}

static int open_file(struct fixture *fixture, const char *prefix, uint64_t number)
{
    char name[AUDIT_NAME_MAX];

    audit_file_name(prefix, number, name);
    int file = openat(fixture->directory, name, O_RDWR);
    assert_true(file >= 0);
    return file;
}

static void flip(struct fixture *fixture, const char *prefix, uint64_t number, off_t offset)
{
    int file = open_file(fixture, prefix, number);
    uint8_t byte;

    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= 0x20;
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    close(file);
}

static off_t place(struct fixture *fixture, uint64_t entry)
{
    return (off_t)(AUDIT_SEGMENT_HEADER + (entry - 1) % PER_SEGMENT * fixture->entry->size);
}

static void assert_damage(struct fixture *fixture, enum audit_damage damage, uint64_t entry,
                          uint64_t segment)
{
    assert_int_equal(reopen(fixture), -EUCLEAN);
    assert_int_equal(fixture->opened.damage, damage);
    assert_int_equal(fixture->opened.bad_entry, entry);
    assert_int_equal(fixture->opened.segment, segment);
}

static void snapshot_and_what_follows_come_back(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture, 3, 9);
    assert_int_equal(rotate(fixture, 9), 0);
    assert_int_equal(rotate(fixture, 9), -EALREADY); /* nothing new */
    append(fixture, 3);
    assert_int_equal(reopen(fixture), 0);
    assert_int_equal(fixture->opened.snapshot, 11);
    assert_int_equal(fixture->loaded, 10);
    assert_int_equal(fixture->visited, 3);
    assert_int_equal(fixture->opened.entries, 3);
    assert_int_equal(audit_log_next(fixture->log), 14);
}

static void no_entry_may_come_between(void **state)
{
    struct fixture *fixture = *state;
    struct audit_snapshot_writer *snapshot;

    fill(fixture, 2, 9);
    assert_int_equal(audit_rotation_begin(fixture->log, &snapshot), 0);
    append(fixture, 1);
    assert_int_equal(audit_rotation_finish(fixture->log, snapshot, 9), -EBUSY);
    append(fixture, 1);
    assert_int_equal(reopen(fixture), 0);
    assert_int_equal(fixture->opened.snapshot, 5);
    assert_int_equal(fixture->last, 8);
}

static void what_two_snapshots_need_is_kept(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first;

    fill(fixture, 9, 5);
    assert_int_equal(count(fixture, AUDIT_SEGMENT_PREFIX, &first), 5);
    assert_int_equal(first, 1 + 4 * PER_SEGMENT);
    assert_int_equal(count(fixture, AUDIT_SNAPSHOT_PREFIX, &first), 2);
    assert_int_equal(first, 1 + 7 * PER_SEGMENT);
    assert_int_equal(rotate(fixture, 0), 0); /* less than the least */
    assert_int_equal(count(fixture, AUDIT_SEGMENT_PREFIX, &first), 2);
    assert_int_equal(first, 1 + 8 * PER_SEGMENT);
    assert_int_equal(reopen(fixture), 0);
}

static void damaged_snapshot_falls_back(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture, 4, 2);
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 13, 90);
    assert_int_equal(reopen(fixture), 0);
    assert_int_equal(fixture->opened.snapshot, 9);
    assert_int_equal(fixture->opened.damaged_snapshot, 13);
    assert_int_equal(fixture->last, 14);
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 9, 90);
    assert_damage(fixture, AUDIT_BAD_SNAPSHOT, 9, 9); /* the segments before 9 are gone */
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 13, 90);
    assert_int_equal(reopen(fixture), 0);
    assert_int_equal(fixture->opened.snapshot, 13);
}

static void without_snapshots_all_entries_are_read(void **state)
{
    struct fixture *fixture = *state;

    fill(fixture, 3, 9);
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 5, 70);
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 9, 70);
    assert_int_equal(reopen(fixture), 0);
    assert_int_equal(fixture->visited, 10);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 5, place(fixture, 7) + 100);
    assert_damage(fixture, AUDIT_BAD_ENTRY, 7, 5);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 5, place(fixture, 7) + 100);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 5, 20); /* a header */
    assert_damage(fixture, AUDIT_BAD_HEADER, 5, 5);
}

/* The last whole entry before a snapshot cannot be a torn one. */
static void snapshot_knows_how_far_entries_went(void **state)
{
    struct fixture *fixture = *state;
    struct audit_snapshot_writer *snapshot;

    fill(fixture, 2, 9);
    assert_int_equal(audit_rotation_begin(fixture->log, &snapshot), 0);
    assert_int_equal(audit_snapshot_commit(snapshot), 0); /* and then the power goes */
    flip(fixture, AUDIT_SEGMENT_PREFIX, 5, place(fixture, 6) + 100);
    assert_damage(fixture, AUDIT_MISSING, 6, 5);
}

static void missing_segment_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    char name[AUDIT_NAME_MAX];

    fill(fixture, 4, 9);
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 9, 70);
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 13, 70);
    audit_file_name(AUDIT_SEGMENT_PREFIX, 9, name);
    assert_int_equal(unlinkat(fixture->directory, name, 0), 0);
    assert_damage(fixture, AUDIT_MISSING, 9, 5);
}

/* Somebody changes an entry and makes its CRC right: the next one's hash says so. */
static void tampering_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    size_t size;

    fill(fixture, 2, 9);
    append(fixture, 2);
    size = fixture->entry->size;
    int file = open_file(fixture, AUDIT_SEGMENT_PREFIX, 5);
    assert_int_equal(pread(file, fixture->entry, size, place(fixture, 6)), (ssize_t)size);
    fixture->entry->who.uid = 4711;
    fixture->entry->crc = audit_entry_crc(fixture->entry);
    assert_int_equal(pwrite(file, fixture->entry, size, place(fixture, 6)), (ssize_t)size);
    close(file);
    assert_damage(fixture, AUDIT_BAD_CHAIN, 7, 5);
}

static void cut_goes_on_before_the_damage(void **state)
{
    struct fixture *fixture = *state;
    struct audit_cut cut, plan;
    char name[96];

    fill(fixture, 4, 9);
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 9, 70);
    flip(fixture, AUDIT_SNAPSHOT_PREFIX, 13, 70);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 5, place(fixture, 7) + 100);
    assert_damage(fixture, AUDIT_BAD_ENTRY, 7, 5);
    assert_int_equal(audit_cut_plan(fixture->directory, 7, &plan, &fixture->opened), 0);
    assert_damage(fixture, AUDIT_BAD_ENTRY, 7, 5); /* a plan changes nothing */
    assert_int_equal(audit_log_cut(fixture->directory, 7, &cut, &fixture->opened), 0);
    assert_memory_equal(&plan, &cut, sizeof(cut));
    assert_int_equal(cut.kept_last, 6);
    assert_int_equal(cut.lost, 1 + 4 + 2);
    assert_int_equal(cut.files, 5); /* an end, two segments, two snapshots */
    snprintf(name, sizeof(name), "cut.%020d.audit.%020d", 7, 9);
    assert_int_equal(faccessat(fixture->directory, name, F_OK, 0), 0);
    assert_int_equal(reopen(fixture), 0);
    assert_int_equal(fixture->visited, 6); /* from 1 on: the snapshots were of later */
    assert_int_equal(fixture->last, 6);
    append(fixture, 1);
    assert_int_equal(reopen(fixture), 0);
    assert_int_equal(fixture->last, 7);
}

static void cut_refuses_what_would_not_open(void **state)
{
    struct fixture *fixture = *state;
    struct audit_cut cut;

    fill(fixture, 3, 2);
    append(fixture, 2);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 9, place(fixture, 10) + 100);
    assert_damage(fixture, AUDIT_BAD_ENTRY, 10, 9);
    assert_int_equal(audit_log_cut(fixture->directory, 11, &cut, &fixture->opened), -ENODATA);
    assert_int_equal(fixture->opened.bad_entry, 10);
    assert_int_equal(audit_log_cut(fixture->directory, 0, &cut, &fixture->opened), -ENOENT);
    assert_int_equal(audit_log_cut(fixture->directory, 10, &cut, &fixture->opened), 0);
    assert_int_equal(reopen(fixture), 0);
    assert_int_equal(audit_log_cut(fixture->directory, 30, &cut, &fixture->opened), -ENOENT);
    audit_log_close(fixture->log);
    fixture->log = NULL;
    assert_int_equal(audit_log_cut(fixture->directory, 1, &cut, &fixture->opened), 0);
    assert_int_equal(reopen(fixture), 0); /* a new log */
    assert_int_equal(audit_log_next(fixture->log), 1);
}

static size_t read_on(struct audit_reader *reader)
{
    const struct audit_entry *entry;
    size_t entries = 0;
    int got;

    while ((got = audit_reader_next(reader, &entry)) == 1)
        entries++;
    assert_int_equal(got, 0);
    return entries;
}

static void reader_follows_over_rotations(void **state)
{
    struct fixture *fixture = *state;
    struct audit_reader *reader;
    struct audit_place at;
    int files[3];

    fill(fixture, 2, 9);
    assert_int_equal(audit_log_files(fixture->log, files, 3), 2);
    assert_int_equal(fcntl(files[0], F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(audit_reader_open(&reader, files, 2, &at), 0);
    assert_int_equal(read_on(reader), 6);
    append(fixture, 1);
    assert_int_equal(read_on(reader), 1);
    assert_false(audit_reader_sealed(reader));
    append(fixture, 1);
    assert_int_equal(rotate(fixture, 9), 0);
    append(fixture, PER_SEGMENT);
    assert_int_equal(rotate(fixture, 9), 0);
    append(fixture, 1);
    assert_int_equal(read_on(reader), 1);
    assert_true(audit_reader_sealed(reader));
    close(files[0]);
    close(files[1]);
    assert_int_equal(audit_log_files(fixture->log, files, 3), 3); /* from 5 on */
    assert_int_equal(audit_reader_continue(reader, files, 3, &at), 0);
    assert_int_equal(read_on(reader), PER_SEGMENT + 1);
    assert_memory_equal(audit_reader_head(reader), audit_log_head(fixture->log), AUDIT_HASH_SIZE);
    audit_reader_close(reader);
    for (size_t i = 0; i < 3; i++)
        close(files[i]);
}

static void reader_that_fell_behind_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct audit_reader *reader;
    struct audit_place at;
    int first[1], last[1];

    fill(fixture, 1, 9);
    assert_int_equal(audit_log_files(fixture->log, first, 1), 1);
    assert_int_equal(audit_reader_open(&reader, first, 1, &at), 0);
    assert_int_equal(read_on(reader), 2);
    append(fixture, 2);
    assert_int_equal(rotate(fixture, 9), 0);
    append(fixture, 1);
    assert_int_equal(audit_log_files(fixture->log, last, 1), 1);
    assert_int_equal(audit_reader_continue(reader, last, 1, &at), -ENODATA);
    audit_reader_close(reader);
    close(first[0]);
    close(last[0]);
}

static void reader_says_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    const struct audit_entry *entry;
    struct audit_reader *reader;
    struct audit_place at;
    int got;

    fill(fixture, 3, 9);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 5, place(fixture, 6) + 100);
    assert_int_equal(audit_reader_open_directory(&reader, fixture->directory, &at), 0);
    while ((got = audit_reader_next(reader, &entry)) == 1)
        ;
    assert_int_equal(got, -EUCLEAN);
    audit_reader_place(reader, &at);
    assert_int_equal(at.damage, AUDIT_BAD_ENTRY);
    assert_int_equal(at.entry, 6);
    assert_int_equal(at.segment, 5);
    assert_int_equal(at.offset, place(fixture, 6));
    audit_reader_close(reader);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 1, 3);
    assert_int_equal(audit_reader_open_directory(&reader, fixture->directory, &at), -EUCLEAN);
    assert_int_equal(at.damage, AUDIT_BAD_HEADER);
}

/* The last entry is being written, or was torn. */
static void reader_waits_for_the_tail(void **state)
{
    struct fixture *fixture = *state;
    const struct audit_entry *entry;
    struct audit_reader *reader;
    struct audit_place at;

    fill(fixture, 2, 9);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 5, place(fixture, 6) + 100);
    assert_int_equal(audit_reader_open_directory(&reader, fixture->directory, &at), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(audit_reader_next(reader, &entry), 1);
    assert_int_equal(audit_reader_next(reader, &entry), -EAGAIN);
    flip(fixture, AUDIT_SEGMENT_PREFIX, 5, place(fixture, 6) + 100);
    assert_int_equal(read_on(reader), 1);
    audit_reader_close(reader);
}

static void snapshot_notices_every_flipped_bit(void **state)
{
    struct fixture *fixture = *state;
    struct audit_snapshot header;

    fill(fixture, 2, 9);
    int file = open_file(fixture, AUDIT_SNAPSHOT_PREFIX, 5);
    off_t size = lseek(file, 0, SEEK_END);
    assert_int_equal(audit_snapshot_read_file(file, 5, &header, NULL, NULL), 0);
    assert_int_equal(audit_snapshot_read_file(file, 6, &header, NULL, NULL), -EUCLEAN);
    for (off_t at = 0; at < size; at++) {
        flip(fixture, AUDIT_SNAPSHOT_PREFIX, 5, at);
        assert_int_equal(audit_snapshot_read_file(file, 0, &header, NULL, NULL), -EUCLEAN);
        flip(fixture, AUDIT_SNAPSHOT_PREFIX, 5, at);
    }
    while (size--) {
        assert_int_equal(ftruncate(file, size), 0);
        assert_int_equal(audit_snapshot_read_file(file, 0, &header, NULL, NULL), -EUCLEAN);
    }
    close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(snapshot_and_what_follows_come_back),
        TEST(no_entry_may_come_between),
        TEST(what_two_snapshots_need_is_kept),
        TEST(damaged_snapshot_falls_back),
        TEST(without_snapshots_all_entries_are_read),
        TEST(snapshot_knows_how_far_entries_went),
        TEST(missing_segment_is_noticed),
        TEST(tampering_is_noticed),
        TEST(cut_goes_on_before_the_damage),
        TEST(cut_refuses_what_would_not_open),
        TEST(reader_follows_over_rotations),
        TEST(reader_that_fell_behind_is_told),
        TEST(reader_says_what_is_wrong),
        TEST(reader_waits_for_the_tail),
        TEST(snapshot_notices_every_flipped_bit),
    };
    return cmocka_run_group_tests_name("audit-rotation", tests, NULL, NULL);
}
