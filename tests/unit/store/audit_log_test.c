/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: what was appended comes back; a torn tail is cut, a damaged middle is refused. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/audit_log.h"
#include "store/audit_reader.h"
#include "store/audit_text.h"
#include "store/crc32c.h"

#define FIRST_SEGMENT "audit.00000000000000000001"

static const uint8_t boot_id[16] = {7};

struct fixture {
    char directory[64];
    int state;
    struct audit_log *log;
    struct audit_entry *entry;
    uint64_t visited;
    uint64_t last_key;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    *state = fixture;
    strcpy(fixture->directory, "/tmp/parclose-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->state = open(fixture->directory, O_RDONLY | O_DIRECTORY);
    fixture->entry = aligned_alloc(8, AUDIT_ENTRY_MAX);
    return fixture->state >= 0 && fixture->entry ? 0 : -1;
}

static void clear(int directory)
{
    DIR *stream = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *file;

    assert_non_null(stream);
    while ((file = readdir(stream)))
        if (file->d_name[0] != '.')
            unlinkat(directory, file->d_name, 0);
    closedir(stream);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    audit_log_close(fixture->log);
    clear(fixture->state);
    close(fixture->state);
    rmdir(fixture->directory);
    free(fixture->entry);
    free(fixture);
    return 0;
}

/* Entries count up in their one change's key. */
static int visit(void *context, const struct audit_entry *entry)
{
    struct fixture *fixture = context;
    const struct audit_change *change = audit_entry_next(entry, NULL);

    assert_int_equal(entry->sequence, ++fixture->visited);
    assert_non_null(change);
    fixture->last_key = change->key[0];
    assert_int_equal(fixture->last_key, fixture->visited);
    return 0;
}

static int reopen(struct fixture *fixture, struct audit_opened *opened)
{
    audit_log_close(fixture->log);
    fixture->log = NULL;
    fixture->visited = 0;
    const struct audit_visitor visitor = {.visit = visit, .context = fixture};
    return audit_log_open(&fixture->log, fixture->state, boot_id, &visitor, opened);
}

static void append(struct fixture *fixture, bool sync)
{
    const struct owner before = {.kind = OWNER_IDLE};
    const struct owner after = {.kind = OWNER_GUEST, .partition = {3}};

    audit_entry_begin(fixture->entry, AUDIT_START, AUDIT_BEGUN);
    assert_int_equal(audit_entry_add(fixture->entry, RESOURCE_PCPU, audit_log_next(fixture->log), 0,
                                     &before, &after),
                     0);
    assert_int_equal(audit_log_append(fixture->log, fixture->entry), 0);
    if (sync)
        assert_int_equal(audit_log_sync(fixture->log), 0);
}

static int open_file(struct fixture *fixture)
{
    int file = openat(fixture->state, FIRST_SEGMENT, O_RDWR);
    assert_true(file >= 0);
    return file;
}

static void crc_is_castagnolis(void **state)
{
    uint8_t page[128];

    (void)state;
    for (size_t i = 0; i < sizeof(page); i++)
        page[i] = (uint8_t)(i * 37);
    /* RFC 3720, B.4: "123456789", and 32 bytes of zeros */
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, (const uint8_t[32]){0}, 32), 0x8a9136aa);
    for (size_t size = 0; size < 100; size++) /* by the CPU's instruction and without */
        assert_int_equal(crc32c(3, page + size % 7, size),
                         crc32c_portable(3, page + size % 7, size));
}

static void what_was_appended_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;

    assert_int_equal(reopen(fixture, &opened), 0);
    for (int i = 0; i < 100; i++)
        append(fixture, i % 3 == 0);
    assert_int_equal(reopen(fixture, &opened), 0);
    assert_int_equal(opened.entries, 100);
    assert_int_equal(opened.cut_bytes, 0);
    assert_int_equal(fixture->visited, 100);
    append(fixture, true);
    assert_int_equal(reopen(fixture, &opened), 0);
    assert_int_equal(opened.entries, 101);
}

static void grows_beyond_its_first_space(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;
    struct stat status;

    assert_int_equal(reopen(fixture, &opened), 0);
    for (int i = 0; i < 6000; i++)
        append(fixture, false);
    assert_int_equal(reopen(fixture, &opened), 0);
    assert_int_equal(opened.entries, 6000);
    assert_int_equal(fstatat(fixture->state, FIRST_SEGMENT, &status, 0), 0);
    assert_int_equal(status.st_size % AUDIT_GROW, 0);
    assert_true(status.st_size > AUDIT_GROW);
}

/* Writes only the first `size` bytes of the last entry, the rest as if it never reached the disk.
 */
static void tear(struct fixture *fixture, size_t size, uint64_t *end)
{
    uint8_t zeros[sizeof(struct audit_entry) + 256] = {0};
    int file = open_file(fixture);
    size_t whole = fixture->entry->size;

    assert_int_equal(pwrite(file, zeros, whole - size, (off_t)(*end - whole + size)),
                     (ssize_t)(whole - size));
    close(file);
}

static uint64_t end_of(struct fixture *fixture)
{
    return AUDIT_SEGMENT_HEADER + audit_log_segment_bytes(fixture->log);
}

static void torn_tail_is_cut_at_each_byte(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;

    assert_int_equal(reopen(fixture, &opened), 0);
    append(fixture, true);
    append(fixture, true);
    for (size_t size = 0;; size++) {
        append(fixture, true);
        uint64_t end = end_of(fixture);
        if (size >= fixture->entry->size)
            break;
        tear(fixture, size, &end);
        assert_int_equal(reopen(fixture, &opened), 0);
        if (opened.entries == 3) { /* what was torn off was zeros anyway */
            assert_true(size > sizeof(struct audit_entry));
            break;
        }
        assert_int_equal(opened.entries, 2);
        assert_int_equal(fixture->visited, 2);
        if (size)
            assert_int_equal(opened.bad_entry, 3);
    }
}

static void garbage_behind_a_zero_gap_is_cut(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;

    assert_int_equal(reopen(fixture, &opened), 0);
    append(fixture, true);
    uint64_t end = end_of(fixture);
    int file = open_file(fixture);
    assert_int_equal(pwrite(file, "rubbish", 7, (off_t)end + 4096), 7);
    close(file);
    assert_int_equal(reopen(fixture, &opened), 0);
    assert_int_equal(opened.entries, 1);
    assert_true(opened.cut_bytes > 0);
    append(fixture, true);
    assert_int_equal(reopen(fixture, &opened), 0);
    assert_int_equal(opened.entries, 2);
    assert_int_equal(opened.cut_bytes, 0);
}

static void damage(struct fixture *fixture, uint64_t number)
{
    int file = open_file(fixture);
    uint64_t offset = AUDIT_SEGMENT_HEADER + (number - 1) * fixture->entry->size + 100;
    uint8_t byte;

    assert_int_equal(pread(file, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(file, &byte, 1, (off_t)offset), 1);
    close(file);
}

static void damaged_middle_is_refused_with_its_number(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;

    assert_int_equal(reopen(fixture, &opened), 0);
    for (int i = 0; i < 10; i++)
        append(fixture, true);
    for (uint64_t bad = 1; bad < 10; bad++) {
        damage(fixture, bad);
        assert_int_equal(reopen(fixture, &opened), -EUCLEAN);
        assert_int_equal(opened.bad_entry, bad);
        assert_int_equal(opened.damage, AUDIT_BAD_ENTRY);
        assert_int_equal(opened.segment, 1);
        damage(fixture, bad);
    }
    assert_int_equal(reopen(fixture, &opened), 0);
    assert_int_equal(opened.entries, 10);
}

/* 4 and 5 were in flight together when the power went: 5 reached the disk, 4 did not. */
static void later_one_of_the_same_flight_is_cut_too(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;

    assert_int_equal(reopen(fixture, &opened), 0);
    for (int i = 1; i <= 3; i++)
        append(fixture, true);
    append(fixture, false);
    append(fixture, true);
    damage(fixture, 4);
    assert_int_equal(reopen(fixture, &opened), 0);
    assert_int_equal(opened.entries, 3);
    assert_int_equal(opened.bad_entry, 4);
}

static void foreign_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;
    int file = openat(fixture->state, FIRST_SEGMENT, O_RDWR | O_CREAT, 0600);

    assert_int_equal(write(file, "#!/bin/sh\nexit 0\n", 17), 17);
    close(file);
    assert_int_equal(reopen(fixture, &opened), -EUCLEAN);
}

/* A power cut while the log was made, or made longer. */
static void half_made_files_are_no_harm(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;
    int file = openat(fixture->state, FIRST_SEGMENT ".new", O_RDWR | O_CREAT, 0600);

    assert_int_equal(ftruncate(file, 70000), 0);
    close(file);
    assert_int_equal(reopen(fixture, &opened), 0);
    append(fixture, true);
    assert_int_equal(reopen(fixture, &opened), 0);
    assert_int_equal(opened.entries, 1);
    assert_int_equal(faccessat(fixture->state, FIRST_SEGMENT ".new", F_OK, 0), -1);
}

static void other_versions_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;
    struct audit_segment header;
    const uint8_t head[AUDIT_HASH_SIZE] = {0};

    assert_int_equal(reopen(fixture, &opened), 0);
    audit_segment_fill(&header, 1, head);
    header.version = 1;
    int file = open_file(fixture);
    assert_int_equal(pwrite(file, &header, sizeof(header), 0), sizeof(header));
    close(file);
    assert_int_equal(reopen(fixture, &opened), -EUCLEAN);
    assert_int_equal(opened.damage, AUDIT_OTHER_VERSION);
}

static void entries_beyond_the_limit_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct host_config host;
    int error = 0, added = 0;

    audit_entry_begin(fixture->entry, AUDIT_HOST_SET, AUDIT_BEGUN);
    while (!(error = audit_entry_add(fixture->entry, RESOURCE_HOST, 0, 0, &host, &host)))
        added++;
    assert_int_equal(error, -E2BIG);
    assert_true(fixture->entry->size <= AUDIT_ENTRY_MAX && added > 30);
    assert_int_equal(audit_entry_add(fixture->entry, (enum resource_kind)99, 0, 0, NULL, NULL),
                     -EINVAL);
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;

    assert_int_equal(reopen(fixture, &opened), 0);
    append(fixture, true);
    struct audit_entry *entry = fixture->entry;
    size_t size = entry->size;
    for (size_t bit = 0; bit < size * 8; bit++) {
        ((uint8_t *)entry)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(audit_entry_ok(entry, size));
        ((uint8_t *)entry)[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(audit_entry_ok(entry, size));
}

/* A whole entry by its CRC, but with changes that reach beyond it. */
static void forged_changes_are_noticed(void **state)
{
    struct fixture *fixture = *state;
    struct audit_opened opened;

    assert_int_equal(reopen(fixture, &opened), 0);
    append(fixture, true);
    struct audit_entry *entry = fixture->entry;
    struct audit_change *change = (void *)(entry + 1);
    const struct audit_change good = *change;
    change->after_size = 0x7fffffff;
    entry->crc = audit_entry_crc(entry);
    assert_false(audit_entry_ok(entry, entry->size));
    *change = good;
    change->kind = RESOURCE_HOST;
    entry->crc = audit_entry_crc(entry);
    assert_false(audit_entry_ok(entry, entry->size));
    *change = good;
    entry->changes_count = 2;
    entry->crc = audit_entry_crc(entry);
    assert_false(audit_entry_ok(entry, entry->size));
    entry->changes_count = 0;
    entry->crc = audit_entry_crc(entry);
    assert_false(audit_entry_ok(entry, entry->size));
    entry->changes_count = 1;
    entry->crc = audit_entry_crc(entry);
    assert_true(audit_entry_ok(entry, entry->size));
}

static void entries_have_words(void **state)
{
    struct fixture *fixture = *state;
    char text[AUDIT_TEXT_MAX];
    const struct owner before = {.kind = OWNER_INTERCONNECT};
    const struct owner after = {.kind = OWNER_GUEST, .partition = {2}};

    audit_entry_begin(fixture->entry, AUDIT_ATTACH, AUDIT_APPLIED);
    audit_entry_add(fixture->entry, RESOURCE_VF, 0x0100, 3, &before, &after);
    const struct audit_change *change = audit_entry_next(fixture->entry, NULL);
    assert_string_equal(audit_kind_name(fixture->entry->kind), "attach");
    assert_string_equal(audit_phase_name(fixture->entry->phase), "applied");
    audit_resource_text(change, text, sizeof(text));
    assert_string_equal(text, "VF 0000:01:00.0/3");
    audit_image_text(change->kind, audit_change_before(change), text, sizeof(text));
    assert_string_equal(text, "interconnect");
    audit_image_text(change->kind, audit_change_after(change), text, sizeof(text));
    assert_string_equal(text, "partition 2");
    assert_null(audit_entry_next(fixture->entry, change));
    for (uint32_t kind = 0; kind < RESOURCE_KINDS + 3; kind++) { /* no kind is without words */
        static const uint8_t zeros[AUDIT_IMAGE_MAX];
        const struct audit_change any = {.kind = kind};
        audit_image_text(kind, zeros, text, sizeof(text));
        audit_resource_text(&any, text, sizeof(text));
        assert_true(text[0] != 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(crc_is_castagnolis),
        TEST(what_was_appended_comes_back),
        TEST(grows_beyond_its_first_space),
        TEST(torn_tail_is_cut_at_each_byte),
        TEST(garbage_behind_a_zero_gap_is_cut),
        TEST(damaged_middle_is_refused_with_its_number),
        TEST(later_one_of_the_same_flight_is_cut_too),
        TEST(foreign_file_is_refused),
        TEST(half_made_files_are_no_harm),
        TEST(other_versions_are_refused),
        TEST(entries_beyond_the_limit_are_refused),
        TEST(every_flipped_bit_is_noticed),
        TEST(forged_changes_are_noticed),
        TEST(entries_have_words),
    };
    return cmocka_run_group_tests_name("audit-log", tests, NULL, NULL);
}
