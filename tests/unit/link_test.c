/* SPDX-License-Identifier: Apache-2.0 */
/* Links: order is kept over a full queue, a peer that never reads is ended, a broken one too. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "parclose/ids.h"
#include "wire/link.h"

#define TYPE_NUMBER 0x7001
#define PICTURE     (PARCLOSE_MAX_PFS * (1 + PARCLOSE_MAX_VFS_PER_PF) + PARCLOSE_MAX_FUNCTIONS)

struct number {
    struct wire_header header;
    uint64_t value;
};

struct fixture {
    sd_event *event;
    int ends[2];
    struct link *link;
    uint64_t expected;
    int error;
    int ended;
};

static int on_number(void *context, struct frame *frame)
{
    struct fixture *fixture = context;
    assert_int_equal(((const struct number *)(const void *)frame->bytes)->value,
                     fixture->expected++);
    return 0;
}

static void on_ended(void *context, int error)
{
    struct fixture *fixture = context;
    fixture->link = NULL;
    fixture->error = error;
    fixture->ended++;
}

static const struct frame_row rows[] = {
    {TYPE_NUMBER, 0, 0, sizeof(struct number), FRAME_ALWAYS, on_number},
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){0};
    *state = &fixture;
    assert_true(sd_event_new(&fixture.event) >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fixture.ends), 0);
    const struct link_table table = {rows, 1, &fixture, on_ended, &fixture};
    return link_new(&fixture.link, fixture.event, fixture.ends[0], &table);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    link_free(fixture->link);
    if (fixture->ends[1] >= 0)
        close(fixture->ends[1]);
    sd_event_unref(fixture->event);
    return 0;
}

static void run_until_idle(struct fixture *fixture)
{
    while (sd_event_run(fixture->event, 0) > 0)
        ;
}

static int send_number(struct link *link, uint64_t value)
{
    struct number message = {frame_header(TYPE_NUMBER, sizeof(message), 0), value};
    return link_send(link, &message, NULL, 0);
}

static void order_survives_a_full_queue(void **state)
{
    struct fixture *fixture = *state;
    struct frame frame;
    uint64_t sent = 0, got = 0;

    while (sent < PICTURE) /* a largest host's, in one burst */
        assert_int_equal(send_number(fixture->link, sent++), 0);
    while (got < sent) {
        run_until_idle(fixture);
        while (frame_receive(fixture->ends[1], &frame) == 1)
            assert_int_equal(((const struct number *)(const void *)frame.bytes)->value, got++);
    }
}

static void peer_that_never_reads_is_told_apart(void **state)
{
    struct fixture *fixture = *state;
    int error = 0;

    for (uint64_t i = 0; i < 1000000 && !error; i++)
        error = send_number(fixture->link, i);
    assert_int_equal(error, -ENOBUFS);
}

static void files_that_nobody_takes_are_told_apart(void **state)
{
    const struct rlimit enough = {4096, 4096};
    struct fixture *fixture = *state;
    struct number message = {frame_header(TYPE_NUMBER, sizeof(message), 0), 0};
    int error = 0;

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &enough), 0);
    for (int i = 0; i < 4096 && !error; i++)
        error = link_send(fixture->link, &message, &fixture->ends[0], 1);
    assert_int_equal(error, -ENOBUFS);
}

static void broken_message_ends_the_link(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(send(fixture->ends[1], "rubbish", 7, 0), 7);
    run_until_idle(fixture);
    assert_int_equal(fixture->ended, 1);
    assert_int_equal(fixture->error, -EBADMSG);
}

static void an_ended_link_is_closed_though_a_child_holds_it(void **state)
{
    struct fixture *fixture = *state;
    int childs = dup(fixture->ends[0]);
    struct frame frame;

    link_free(fixture->link);
    fixture->link = NULL;
    assert_int_equal(frame_receive(fixture->ends[1], &frame), 0);
    close(childs);
}

static void messages_before_the_end_are_delivered(void **state)
{
    struct fixture *fixture = *state;

    for (uint64_t i = 0; i < 10; i++) {
        struct number message = {frame_header(TYPE_NUMBER, sizeof(message), 0), i};
        assert_int_equal(frame_send(fixture->ends[1], &message, NULL, 0), 0);
    }
    close(fixture->ends[1]);
    fixture->ends[1] = -1;
    run_until_idle(fixture);
    assert_int_equal(fixture->expected, 10);
    assert_int_equal(fixture->ended, 1);
    assert_int_equal(fixture->error, 0);
}

/* So many messages to a peer, which reads none of them, says one of its own, and dies. */
static void die_unheard(struct fixture *fixture, uint64_t unread)
{
    const struct number last = {frame_header(TYPE_NUMBER, sizeof(last), 0), 0};

    for (uint64_t i = 0; i < unread; i++)
        assert_int_equal(send_number(fixture->link, i), 0);
    assert_int_equal(frame_send(fixture->ends[1], &last, NULL, 0), 0);
    close(fixture->ends[1]);
    fixture->ends[1] = -1;
}

/* The kernel says that the end was early before it gives what was said before it. */
static void last_words_of_who_did_not_listen_are_heard(void **state)
{
    struct fixture *fixture = *state;

    die_unheard(fixture, 1);
    run_until_idle(fixture);
    assert_int_equal(fixture->expected, 1);
    assert_int_equal(fixture->ended, 1);
    assert_int_equal(fixture->error, 0);
}

static void and_while_it_is_told_something(void **state)
{
    struct fixture *fixture = *state;

    die_unheard(fixture, PICTURE);
    assert_int_not_equal(link_queued(fixture->link), 0);
    run_until_idle(fixture);
    assert_int_equal(fixture->expected, 1);
    assert_int_equal(fixture->ended, 1);
    assert_int_equal(fixture->error, 0);
}

/* A peer that says more than its pace allows is heard in the end, but not at once. */
static void a_pace_is_kept(void **state)
{
    struct fixture *fixture = *state;
    uint64_t begun, now;

    assert_int_equal(link_set_pace(fixture->link, 50000, 8), 0);
    for (uint64_t i = 0; i < 40; i++) {
        struct number message = {frame_header(TYPE_NUMBER, sizeof(message), 0), i};
        assert_int_equal(frame_send(fixture->ends[1], &message, NULL, 0), 0);
    }
    assert_true(sd_event_now(fixture->event, CLOCK_MONOTONIC, &begun) >= 0);
    run_until_idle(fixture);
    assert_in_range(fixture->expected, 1, 16);
    while (fixture->expected < 40)
        assert_true(sd_event_run(fixture->event, 1000000) >= 0);
    assert_true(sd_event_now(fixture->event, CLOCK_MONOTONIC, &now) >= 0);
    assert_true(now - begun >= 4 * 50000 - 1000);
    assert_int_equal(fixture->ended, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_survives_a_full_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(peer_that_never_reads_is_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_nobody_takes_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_message_ends_the_link, setup, teardown),
        cmocka_unit_test_setup_teardown(an_ended_link_is_closed_though_a_child_holds_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(messages_before_the_end_are_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(last_words_of_who_did_not_listen_are_heard, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(and_while_it_is_told_something, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pace_is_kept, setup, teardown),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
