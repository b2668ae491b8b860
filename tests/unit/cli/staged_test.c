/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are laid ready: whoever dies at whatever call, the files that count are all the old
 * ones or all the new ones (src/command/staged.h says which count), and the next one gets it done.
 */
#include "staged.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ID "000000000000feed"

/* ---- the calls, of which one is the last */

static unsigned calls_left = UINT32_MAX; /* then it dies */
static unsigned calls_made;

static void call(void)
{
    calls_made++;
    if (calls_left-- == 0)
        _exit(9);
}

int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __real_unlinkat(int folder, const char *name, int flags);
int __real_fsync(int fd);
int __real_openat(int folder, const char *name, int flags, mode_t mode);
int __real_mkdirat(int folder, const char *name, mode_t mode);
ssize_t __real_write(int fd, const void *bytes, size_t size);

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_unlinkat(int folder, const char *name, int flags);
int __wrap_fsync(int fd);
int __wrap_openat(int folder, const char *name, int flags, mode_t mode);
int __wrap_mkdirat(int folder, const char *name, mode_t mode);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    call();
    return __real_renameat(from_folder, from, to_folder, to);
}

int __wrap_unlinkat(int folder, const char *name, int flags)
{
    call();
    return __real_unlinkat(folder, name, flags);
}

int __wrap_fsync(int fd)
{
    call();
    return __real_fsync(fd);
}

int __wrap_openat(int folder, const char *name, int flags, mode_t mode)
{
    call();
    return __real_openat(folder, name, flags, mode);
}

int __wrap_mkdirat(int folder, const char *name, mode_t mode)
{
    call();
    return __real_mkdirat(folder, name, mode);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    call();
    return __real_write(fd, bytes, size);
}

/* ---- a configuration directory */

static char folder[64];

static const char *const paths[] = {"host.xml", "partitions/db.xml", "partitions/web.xml"};
#define PATHS 3 /* web.xml is new, mail.xml stays */

static void put(const char *name, const char *text)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* "": there is no such file. */
static const char *get(const char *within, const char *name)
{
    static char text[64];
    char path[192];

    snprintf(path, sizeof(path), "%s/%s%s", folder, within, name);
    FILE *file = fopen(path, "r");
    text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
    if (file)
        fclose(file);
    return text;
}

static void make(const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    make("partitions");
    put("host.xml", "old host");
    put("partitions/db.xml", "old db");
    put("partitions/mail.xml", "mail");
    return 0;
}

static int teardown(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static const struct proposal_texts *texts(void)
{
    static struct proposal_texts texts;
    static const char *const bytes[] = {"new host", "new db", "new web"};

    texts.count = PATHS;
    for (size_t i = 0; i < PATHS; i++) {
        strcpy(texts.files[i].path, paths[i]);
        texts.files[i].text.bytes = (char *)(uintptr_t)bytes[i];
        texts.files[i].text.size = strlen(bytes[i]);
    }
    return &texts;
}

/* ---- deaths */

static int do_write(int config)
{
    static const struct staged_restarts restarts = {2, {"web", "db"}};

    return staged_write(config, ID, &restarts, texts());
}

/* Until the number of calls suffices: true, once it does. */
static bool dies_after(unsigned calls, int (*act)(int config))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        int lock, config = staged_lock(folder, &lock);
        calls_left = calls;
        _exit(act(config) ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 9)
        fail_msg("after %u calls it ends with %d", calls, WEXITSTATUS(status));
    return WEXITSTATUS(status) == 9;
}

static uint64_t id_now(void)
{
    int config = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t id = staged_id(config);

    close(config);
    return id;
}

static void base_is(const char *host, const char *db, const char *web)
{
    assert_string_equal(get("", "host.xml"), host);
    assert_string_equal(get("", "partitions/db.xml"), db);
    assert_string_equal(get("", "partitions/web.xml"), web);
    assert_string_equal(get("", "partitions/mail.xml"), "mail");
}

static void old_base(void)
{
    base_is("old host", "old db", "");
}

/* With control's word that it is done: each file as command reads it. */
static void counts_as_new(void)
{
    static const char *const wanted[] = {"new host", "new db", "new web"};

    for (size_t i = 0; i < PATHS; i++) {
        const char *text = id_now() ? get(".apply/", paths[i]) : "";
        assert_string_equal(text[0] ? text : get("", paths[i]), wanted[i]);
    }
    assert_string_equal(get("", "partitions/mail.xml"), "mail");
}

static void whole_if_it_has_an_id(void)
{
    if (!id_now())
        return;
    assert_int_equal(id_now(), 0xfeed);
    counts_as_new();
}

static void nothing_is_left(void)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/.apply", folder);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/.apply.new", folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void died_while_laying_ready(void **state)
{
    unsigned calls = 0;

    (void)state;
    while (dies_after(calls++, do_write)) {
        old_base();
        whole_if_it_has_an_id();
        if (id_now())
            assert_false(dies_after(UINT32_MAX, staged_remove));
    }
    old_base();
    counts_as_new();
    assert_true(calls > 15);
    assert_false(dies_after(UINT32_MAX, staged_remove));
    old_base();
    nothing_is_left();
}

/* Each death is followed by another one's attempt, that dies a call later. */
static void died_while_moving(void **state)
{
    unsigned calls = 0;

    (void)state;
    assert_false(dies_after(UINT32_MAX, do_write));
    while (dies_after(calls++, staged_move))
        counts_as_new();
    base_is("new host", "new db", "new web");
    nothing_is_left();
    assert_true(calls > 3);
}

/* From the beginning each time. */
static void died_once_while_moving(void **state)
{
    bool died = true;

    (void)state;
    for (unsigned calls = 0; died; calls++) {
        put("host.xml", "old host");
        put("partitions/db.xml", "old db");
        assert_false(dies_after(UINT32_MAX, do_write));
        died = dies_after(calls, staged_move);
        counts_as_new();
        assert_false(dies_after(UINT32_MAX, staged_move));
        base_is("new host", "new db", "new web");
        assert_false(dies_after(UINT32_MAX, staged_remove));
        nothing_is_left();
    }
}

static void died_while_removing(void **state)
{
    unsigned calls = 0;

    (void)state;
    assert_false(dies_after(UINT32_MAX, do_write));
    while (dies_after(calls++, staged_remove)) {
        old_base();
        whole_if_it_has_an_id();
    }
    old_base();
    nothing_is_left();
}

/* ---- the rest */

static void one_at_a_time(void **state)
{
    int lock, other = -1, first = staged_lock(folder, &lock);

    (void)state;
    assert_true(first >= 0);
    assert_int_equal(staged_lock(folder, &other), -EWOULDBLOCK);
    assert_int_equal(other, -1);
    close(first);
    close(lock);
    first = staged_lock(folder, &lock);
    assert_true(first >= 0);
    close(first);
    close(lock);
    assert_int_equal(staged_lock("/nonexistent", &lock), -ENOENT);
}

/* Who can only read the folder cannot keep others from applying. */
static void the_lock_is_its_owners(void **state)
{
    char path[96];
    struct stat stat_of;
    int lock, config = staged_lock(folder, &lock);

    (void)state;
    snprintf(path, sizeof(path), "%s/.apply.lock", folder);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0600);
    close(lock);
    lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    close(config);
    int again, folder_again = staged_lock(folder, &again);
    assert_true(folder_again >= 0);
    close(folder_again);
    close(again);
    close(lock);
}

static void who_is_to_be_started(void **state)
{
    struct staged_restarts restarts;
    int lock, config = staged_lock(folder, &lock);

    (void)state;
    staged_restarts(config, &restarts);
    assert_int_equal(restarts.count, 0);
    assert_int_equal(do_write(config), 0);
    staged_restarts(config, &restarts);
    assert_int_equal(restarts.count, 2);
    assert_string_equal(restarts.names[0], "web");
    assert_string_equal(restarts.names[1], "db");
    assert_int_equal(staged_remove(config), 0);
    nothing_is_left();
    close(config);
    close(lock);
}

/* The TCB's and command's users read them; whoever kept one from them did so on purpose. */
static void files_are_as_those_whose_places_they_take(void **state)
{
    char path[160];
    struct stat stat_of;
    mode_t mask = umask(077);

    (void)state;
    snprintf(path, sizeof(path), "%s/host.xml", folder);
    assert_int_equal(chmod(path, 0640), 0);
    assert_false(dies_after(UINT32_MAX, do_write));
    assert_false(dies_after(UINT32_MAX, staged_move));
    umask(mask);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0640);
    snprintf(path, sizeof(path), "%s/partitions/web.xml", folder);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0644);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(died_while_laying_ready), CASE(died_while_moving),
        CASE(died_once_while_moving),  CASE(died_while_removing),
        CASE(one_at_a_time),           CASE(the_lock_is_its_owners),
        CASE(who_is_to_be_started),    CASE(files_are_as_those_whose_places_they_take),
    };
    return cmocka_run_group_tests_name("cli-staged", tests, NULL, NULL);
}
