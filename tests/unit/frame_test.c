/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from a hostile peer: each is refused for its own reason, and no file leaks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/frame.h"

#define TYPE_PLAIN 0x7001
#define TYPE_FILE  0x7002

struct plain {
    struct wire_header header;
    uint64_t value;
};

static int handled;

static int on_plain(void *context, struct frame *frame)
{
    (void)frame;
    handled++;
    *(uint64_t *)context = ((const struct plain *)(const void *)frame->bytes)->value;
    return 0;
}

static int on_file(void *context, struct frame *frame)
{
    *(int *)context = frame_take(frame, 0);
    return 0;
}

static const struct frame_row rows[] = {
    {TYPE_PLAIN, 0, 0, sizeof(struct plain), 1u << 0, on_plain},
    {TYPE_FILE, 1, 1, sizeof(struct plain), FRAME_ALWAYS, on_file},
};

struct pair {
    int ends[2];
};

static int setup(void **state)
{
    static struct pair pair;
    handled = 0;
    *state = &pair;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.ends);
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    close(pair->ends[0]);
    close(pair->ends[1]);
    return 0;
}

static int dispatch(struct frame *frame, unsigned session, void *context)
{
    return frame_dispatch(rows, 2, session, context, frame);
}

static void good_message_arrives(void **state)
{
    struct pair *pair = *state;
    struct plain message = {frame_header(TYPE_PLAIN, sizeof(message), 7), 42};
    struct frame frame;
    uint64_t value = 0;

    assert_int_equal(frame_send(pair->ends[0], &message, NULL, 0), 0);
    assert_int_equal(frame_receive(pair->ends[1], &frame), 1);
    assert_int_equal(frame.header.id, 7);
    assert_int_equal(dispatch(&frame, 0, &value), 0);
    assert_int_equal(value, 42);
    assert_int_equal(frame_receive(pair->ends[1], &frame), -EAGAIN);
}

static void file_travels_and_is_owned_by_the_taker(void **state)
{
    struct pair *pair = *state;
    struct plain message = {frame_header(TYPE_FILE, sizeof(message), 0), 0};
    struct frame frame;
    int pipe_ends[2], got = -1;
    char byte = 0;

    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(frame_send(pair->ends[0], &message, &pipe_ends[0], 1), 0);
    assert_int_equal(frame_receive(pair->ends[1], &frame), 1);
    assert_int_equal(dispatch(&frame, 0, &got), 0);
    frame_clear(&frame);
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    assert_int_equal(read(got, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(got);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void send_raw(int socket, const void *bytes, size_t size)
{
    assert_int_equal(send(socket, bytes, size, 0), (ssize_t)size);
}

static void header_at_odds_with_datagram_is_refused(void **state)
{
    struct pair *pair = *state;
    struct plain message = {frame_header(TYPE_PLAIN, sizeof(message), 0), 0};
    struct frame frame;

    message.header.size++;
    send_raw(pair->ends[0], &message, sizeof(message));
    assert_int_equal(frame_receive(pair->ends[1], &frame), -EBADMSG);
    message.header.size--;
    message.header.version++;
    send_raw(pair->ends[0], &message, sizeof(message));
    assert_int_equal(frame_receive(pair->ends[1], &frame), -EBADMSG);
    send_raw(pair->ends[0], &message, 3);
    assert_int_equal(frame_receive(pair->ends[1], &frame), -EBADMSG);
}

static void datagram_beyond_the_limit_is_refused(void **state)
{
    struct pair *pair = *state;
    uint8_t huge[WIRE_MAX + 1] = {0};
    struct frame frame;
    struct wire_header header = frame_header(TYPE_PLAIN, sizeof(huge), 0);

    memcpy(huge, &header, sizeof(header));
    send_raw(pair->ends[0], huge, sizeof(huge));
    assert_int_equal(frame_receive(pair->ends[1], &frame), -EBADMSG);
    assert_int_equal(frame_send(pair->ends[0], huge, NULL, 0), -EINVAL);
}

static void unknown_type_wrong_size_and_files_are_refused(void **state)
{
    struct pair *pair = *state;
    struct plain message = {frame_header(0x7fff, sizeof(message), 0), 0};
    struct frame frame;
    uint64_t value;

    frame_send(pair->ends[0], &message, NULL, 0);
    assert_int_equal(frame_receive(pair->ends[1], &frame), 1);
    assert_int_equal(dispatch(&frame, 0, &value), -EBADMSG);

    message.header = frame_header(TYPE_PLAIN, sizeof(struct wire_header), 0);
    frame_send(pair->ends[0], &message, NULL, 0);
    assert_int_equal(frame_receive(pair->ends[1], &frame), 1);
    assert_int_equal(dispatch(&frame, 0, &value), -EBADMSG);

    message.header = frame_header(TYPE_PLAIN, sizeof(message), 0);
    frame_send(pair->ends[0], &message, &pair->ends[0], 1);
    assert_int_equal(frame_receive(pair->ends[1], &frame), 1);
    assert_int_equal(dispatch(&frame, 0, &value), -EBADMSG);
    int leaked = frame.files[0];
    frame_clear(&frame);
    assert_int_equal(close(leaked), -1);
    assert_int_equal(handled, 0);
}

static void message_out_of_session_state_is_refused(void **state)
{
    struct pair *pair = *state;
    struct plain message = {frame_header(TYPE_PLAIN, sizeof(message), 0), 0};
    struct frame frame;
    uint64_t value;

    frame_send(pair->ends[0], &message, NULL, 0);
    assert_int_equal(frame_receive(pair->ends[1], &frame), 1);
    assert_int_equal(dispatch(&frame, 1, &value), -EPERM);
    assert_int_equal(handled, 0);
}

static void closed_peer_is_end_of_file(void **state)
{
    struct pair *pair = *state;
    struct plain message = {frame_header(TYPE_PLAIN, sizeof(message), 0), 0};
    struct frame frame;

    close(pair->ends[0]);
    pair->ends[0] = -1;
    assert_int_equal(frame_receive(pair->ends[1], &frame), 0);
    assert_int_equal(frame_send(pair->ends[1], &message, NULL, 0), -EPIPE);
}

static void full_queue_says_again(void **state)
{
    struct pair *pair = *state;
    struct plain message = {frame_header(TYPE_PLAIN, sizeof(message), 0), 0};
    int error = 0;

    for (int i = 0; i < 100000 && !error; i++)
        error = frame_send(pair->ends[0], &message, NULL, 0);
    assert_int_equal(error, -EAGAIN);
}

static void an_error_is_zero_or_a_negative_errno(void **state)
{
    (void)state;
    assert_true(frame_error_ok(0) && frame_error_ok(-1) && frame_error_ok(-4095));
    assert_false(frame_error_ok(1) || frame_error_ok(-4096) || frame_error_ok(INT32_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_message_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(file_travels_and_is_owned_by_the_taker, setup, teardown),
        cmocka_unit_test_setup_teardown(header_at_odds_with_datagram_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(datagram_beyond_the_limit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_type_wrong_size_and_files_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(message_out_of_session_state_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(closed_peer_is_end_of_file, setup, teardown),
        cmocka_unit_test_setup_teardown(full_queue_says_again, setup, teardown),
        cmocka_unit_test(an_error_is_zero_or_a_negative_errno),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
