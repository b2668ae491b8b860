/* SPDX-License-Identifier: Apache-2.0 */
/* Consoles: scroll-back, several watchers, one writer, a monitor that lies. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness.h"
#include "parclose/console.h"

static struct console_ring *ring;
static int files[3] = {-1, -1, -1};

static int start(void **state)
{
    struct partition_config db = {
        .name = "db", .vcpus = 1, .memory_mib = 64, .monitor = "native", .kernel = "/k"};
    int error = harness_start(state);
    struct harness *harness = *state;

    files[0] = memfd_create("console", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(files[0], CONSOLE_SIZE), 0);
    assert_int_equal(fcntl(files[0], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    files[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    files[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ring = mmap(NULL, CONSOLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, files[0], 0);
    model_define(&harness->model, &db);
    harness->model.partitions[0].phase = PHASE_RUNNING;
    harness->model.partitions[0].states |= STATE_BIT(STATE_ACTIVE);
    harness->model.partitions[0].times[STATE_ACTIVE].boottime_ns = 100;
    link_up(harness, true);
    return error;
}

static int stop(void **state)
{
    munmap(ring, CONSOLE_SIZE);
    for (int i = 0; i < 3; i++)
        close(files[i]);
    return harness_stop(state);
}

/* As the monitor does. */
static void print(const char *text)
{
    uint64_t head = atomic_load(&ring->out_head), one = 1;

    for (; *text; text++)
        ring->out[head++ % CONSOLE_RING] = (uint8_t)*text;
    atomic_store(&ring->out_head, head);
    assert_int_equal(write(files[1], &one, sizeof(one)), sizeof(one));
}

/* A client on the console; `opens`: it is the first one, control is asked. */
static int attach(struct harness *harness, const char *members, bool opens, bool writes)
{
    char line[128];
    int fd = client(harness);

    snprintf(line, sizeof(line), "{\"verb\": \"console\", \"name\": \"db\"%s}", members);
    say(fd, line);
    if (opens) {
        const struct control_partition_name *name = expect(harness, CONTROL_CONSOLE_OPEN);
        assert_string_equal(name->name, "db");
        answer(harness, name->header.id, 0, "", files, 3);
    }
    json_t *json = hear_ok(fd, true);
    assert_int_equal(json_is_true(json_object_get(json, "input")), writes);
    json_decref(json);
    return fd;
}

/* It tells control that it has the console no more. */
static void let_go(struct harness *harness)
{
    const struct control_channel *message = expect(harness, CONTROL_CHANNEL_DETACHED);
    assert_string_equal(message->name, "db");
}

static void hears(int fd, const char *text)
{
    char got[256] = "";
    size_t length = strlen(text), used = 0;

    while (used < length) {
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&pollfd, 1, 5000), 1);
        ssize_t more = recv(fd, got + used, length - used, 0);
        assert_true(more > 0);
        used += (size_t)more;
    }
    assert_string_equal(got, text);
}

static void ends(int fd)
{
    char byte;
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&pollfd, 1, 5000), 1);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

static void scroll_back_comes_first(void **state)
{
    print("booted\n");
    int fd = attach(*state, "", true, false);
    hears(fd, "booted\n");
    print("login: ");
    hears(fd, "login: ");
    close(fd);
}

static void without_follow_it_ends(void **state)
{
    print("booted\n");
    int fd = attach(*state, ", \"follow\": false", true, false);
    hears(fd, "booted\n");
    ends(fd);
    works(*state);
}

static void several_watch_and_one_writes(void **state)
{
    int first = attach(*state, ", \"input\": true", true, true);
    int second = attach(*state, ", \"input\": true", false, false);
    uint64_t bells = 0;

    print("hello");
    hears(first, "hello");
    hears(second, "hello");
    assert_int_equal(send(second, "no", 2, 0), 2);
    assert_int_equal(send(first, "ls\n", 3, 0), 3);
    struct pollfd bell = {.fd = files[2], .events = POLLIN};
    assert_int_equal(poll(&bell, 1, 5000), 1);
    assert_int_equal(read(files[2], &bells, sizeof(bells)), sizeof(bells));
    assert_int_equal(atomic_load(&ring->in_head), 3);
    assert_memory_equal(ring->in, "ls\n", 3);
    close(first);
    usleep(100000);
    int third = attach(*state, ", \"input\": true", false, true);
    close(second);
    close(third);
}

static void input_waits_for_room(void **state)
{
    static char bytes[CONSOLE_RING + 1000];
    int fd = attach(*state, ", \"input\": true", true, true);

    memset(bytes, 'a', sizeof(bytes));
    for (size_t sent = 0; sent < sizeof(bytes);) {
        ssize_t got = send(fd, bytes + sent, sizeof(bytes) - sent, 0);
        assert_true(got > 0);
        sent += (size_t)got;
    }
    usleep(200000);
    assert_int_equal(atomic_load(&ring->in_head), CONSOLE_RING);
    atomic_store(&ring->in_tail, CONSOLE_RING);
    for (int i = 0; i < 100 && atomic_load(&ring->in_head) != sizeof(bytes); i++)
        usleep(20000);
    assert_int_equal(atomic_load(&ring->in_head), sizeof(bytes));
    close(fd);
}

static void positions_that_are_lies(void **state)
{
    struct harness *harness = *state;
    static const uint64_t lies[] = {UINT64_MAX, 0, UINT64_MAX / 2, CONSOLE_RING * 3, 1};
    int fd = attach(harness, ", \"input\": true", true, true);
    uint64_t one = 1;

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        atomic_store(&ring->out_head, lies[i]);
        atomic_store(&ring->in_tail, lies[i]);
        atomic_store(&ring->in_head, lies[i] / 3);
        assert_int_equal(write(files[1], &one, sizeof(one)), sizeof(one));
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        works(harness);
    }
    close(fd);
}

static void bells_that_block(void **state)
{
    struct harness *harness = *state;
    uint64_t full = UINT64_MAX - 1;
    int fd = attach(harness, ", \"input\": true", true, true);

    fcntl(files[1], F_SETFL, 0);
    fcntl(files[2], F_SETFL, 0);
    assert_int_equal(write(files[2], &full, sizeof(full)), sizeof(full));
    assert_int_equal(write(files[1], &full, sizeof(full)), sizeof(full));
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    works(harness);
    close(fd);
}

static void memory_that_could_shrink(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness), loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const int bad[] = {loose, files[1], files[2]};

    assert_int_equal(ftruncate(loose, CONSOLE_SIZE), 0);
    say(fd, "{\"verb\": \"console\", \"name\": \"db\"}");
    expect(harness, CONTROL_CONSOLE_OPEN);
    answer(harness, harness->frame.header.id, 0, "", bad, 3);
    json_decref(hear_ok(fd, false));
    let_go(harness);
    close(loose);
    close(fd);
    works(harness);
}

static void the_end_of_the_run_ends_it(void **state)
{
    struct harness *harness = *state;
    int fd = attach(harness, "", true, false);

    print("bye");
    harness->model.partitions[0].phase = PHASE_STOPPING;
    show_snapshot(harness);
    works(harness);
    harness->model.partitions[0].phase = PHASE_RELEASING;
    show_snapshot(harness);
    let_go(harness);
    harness->model.partitions[0].phase = PHASE_DEFINED;
    show_snapshot(harness);
    hears(fd, "bye");
    ends(fd);
    fd = client(harness);
    say(fd, "{\"verb\": \"console\", \"name\": \"db\"}");
    expect(harness, CONTROL_CONSOLE_OPEN);
    answer(harness, harness->frame.header.id, -ESRCH, "db is not running", NULL, 0);
    json_decref(hear_ok(fd, false));
    close(fd);
}

static void a_flood_goes_to_those_who_read(void **state)
{
    struct harness *harness = *state;
    static char line[CONSOLE_RING / 2];
    int slow = attach(harness, "", true, false);
    int fast = attach(harness, "", false, false);
    static char got[CONSOLE_RING];

    memset(line, 'f', sizeof(line) - 1);
    for (int i = 0; i < 100; i++) {
        print(line);
        while (recv(fast, got, sizeof(got), MSG_DONTWAIT) > 0)
            ;
        usleep(1000);
    }
    works(harness);
    close(fast);
    close(slow);
}

/* The memory is let go of at once; who is slow gets the rest from command's own. */
static void a_slow_watcher_holds_nobody_up(void **state)
{
    struct harness *harness = *state;
    static char line[CONSOLE_RING], got[CONSOLE_RING];
    int slow = attach(harness, "", true, false);
    size_t all = 0;
    ssize_t more;

    memset(line, 'f', sizeof(line) - 1);
    for (int i = 0; i < 20; i++) {
        print(line);
        works(harness);
    }
    harness->model.partitions[0].phase = PHASE_RELEASING;
    show_snapshot(harness);
    let_go(harness);
    memset(ring->out, '!', sizeof(ring->out)); /* somebody else's now */
    while ((more = recv(slow, got, sizeof(got), 0)) > 0) {
        assert_null(memchr(got, '!', (size_t)more));
        all += (size_t)more;
    }
    assert_true(all > 2 * sizeof(line));
    close(slow);
}

/* The last one that leaves; and one that left before control answered. */
static void it_is_held_while_somebody_watches(void **state)
{
    struct harness *harness = *state;
    int first = attach(harness, "", true, false);
    int second = attach(harness, "", false, false);

    close(first);
    works(harness);
    link_up(harness, true);
    assert_int_equal(harness->held, 1);
    close(second);
    let_go(harness);
    link_up(harness, true);
    assert_int_equal(harness->held, 0);
    int third = client(harness);
    say(third, "{\"verb\": \"console\", \"name\": \"db\"}");
    const struct control_partition_name *name = expect(harness, CONTROL_CONSOLE_OPEN);
    uint64_t id = name->header.id;
    close(third);
    works(harness);
    answer(harness, id, 0, "", files, 3);
    let_go(harness);
}

/* Control died with the answer: it is asked again, once for all who wait. */
static void who_waits_for_it_waits_together(void **state)
{
    struct harness *harness = *state;
    int fds[2];

    for (int i = 0; i < 2; i++) {
        fds[i] = client(harness);
        say(fds[i], "{\"verb\": \"console\", \"name\": \"db\"}");
        works(harness);
    }
    const struct control_partition_name *name = expect(harness, CONTROL_CONSOLE_OPEN);
    uint64_t id = name->header.id;
    link_up(harness, true);
    assert_int_equal(harness->held, 0);
    name = expect(harness, CONTROL_CONSOLE_OPEN);
    assert_int_equal(name->header.id, id);
    answer(harness, id, 0, "", files, 3);
    for (int i = 0; i < 2; i++)
        json_decref(hear_ok(fds[i], true));
    print("both");
    for (int i = 0; i < 2; i++) {
        hears(fds[i], "both");
        close(fds[i]);
    }
    let_go(harness);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(scroll_back_comes_first),           CASE(without_follow_it_ends),
        CASE(several_watch_and_one_writes),      CASE(input_waits_for_room),
        CASE(positions_that_are_lies),           CASE(bells_that_block),
        CASE(memory_that_could_shrink),          CASE(the_end_of_the_run_ends_it),
        CASE(a_flood_goes_to_those_who_read),    CASE(a_slow_watcher_holds_nobody_up),
        CASE(it_is_held_while_somebody_watches), CASE(who_waits_for_it_waits_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
