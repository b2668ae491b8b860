/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of vhost-user against a server that the test plays: in order, and hostile. */
#include "vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#define PROTOCOL (UINT64_C(1) << 30)
#define MODERN   (UINT64_C(1) << 32)
#define CONFIG   (UINT64_C(1) << 9)
#define TRACKS   (UINT64_C(1) << 12)
#define REPLY    5u

static struct vhost v;
static int server;

static int setup(void **state)
{
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    server = pair[1];
    vhost_init(&v, VHOST_CONFIG_MAX);
    assert_int_equal(vhost_begin(&v, pair[0]), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vhost_drop(&v);
    vhost_forget(&v);
    close(server);
    return 0;
}

/* What the front end said next; the first file that came with it, if any. */
static uint32_t heard(struct vhost_message *m, int *file)
{
    char control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec iov = {m, sizeof(m->header)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};

    *file = -1;
    if (recvmsg(server, &message, 0) != sizeof(m->header))
        return 0;
    assert_int_equal(m->header.flags, 1);
    assert_true(m->header.size <= sizeof(*m) - sizeof(m->header));
    if (m->header.size)
        assert_int_equal(recv(server, (char *)m + sizeof(m->header), m->header.size, 0),
                         m->header.size);
    if (CMSG_FIRSTHDR(&message))
        memcpy(file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    return m->header.request;
}

static void expect(uint32_t request, struct vhost_message *m)
{
    int file;

    assert_int_equal(heard(m, &file), request);
    if (file >= 0)
        close(file);
}

static void send_bytes(const void *bytes, size_t size, int file)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (file >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &file, sizeof(int));
    }
    assert_int_equal(sendmsg(server, &message, 0), (ssize_t)size);
}

static struct vhost_message word(uint32_t request, uint64_t value)
{
    return (struct vhost_message){.header = {request, REPLY, 8}, .word = value};
}

static int answer(const struct vhost_message *m, int file)
{
    send_bytes(m, sizeof(m->header) + m->header.size, file);
    return vhost_serve(&v);
}

static int answer_word(uint32_t request, uint64_t value)
{
    struct vhost_message m = word(request, value);

    return answer(&m, -1);
}

static struct vhost_message config(void)
{
    struct vhost_message m = {.header = {24, REPLY, 12 + VHOST_CONFIG_MAX},
                              .config = {.size = VHOST_CONFIG_MAX, .bytes = {7, 8, 9}}};

    return m;
}

static void make_ready(uint64_t protocol)
{
    struct vhost_message m, said = config();

    expect(3, &m);
    expect(1, &m);
    assert_int_equal(answer_word(1, MODERN | PROTOCOL), 0);
    expect(15, &m);
    assert_int_equal(answer_word(15, protocol | 1), 0);
    expect(16, &m);
    assert_int_equal(m.word, protocol); /* what it did not know is not taken */
    expect(24, &m);
    assert_int_equal(answer(&said, -1), 0);
    assert_int_equal(v.step, VHOST_READY);
    assert_int_equal(v.features, MODERN);
    assert_int_equal(v.config[1], 8);
}

static struct vhost_start start_of(bool tracked)
{
    return (struct vhost_start){
        .features = MODERN,
        .memory = STDIN_FILENO,
        .tracked = tracked,
        .queues_count = 1,
        .regions = {{0x1000, 0x2000, 0}, {0x100000, 0x3000, 0x2000}},
        .queues = {{8, 5, {0x1000, 0x1100, 0x1200}, STDIN_FILENO, STDOUT_FILENO}}};
}

static void expect_start(void)
{
    struct vhost_message m;

    expect(8, &m);
    assert_int_equal(m.queue.value, 8);
    expect(10, &m);
    assert_int_equal(m.queue.value, 5);
    expect(9, &m);
    assert_int_equal(m.addresses.available, 0x1100);
    assert_int_equal(m.addresses.used, 0x1200);
    expect(13, &m);
    expect(12, &m);
    expect(18, &m);
    assert_int_equal(m.queue.value, 1);
    assert_int_equal(v.step, VHOST_RUNNING);
}

static void queues_start_and_stop(void **state)
{
    struct vhost_start start = start_of(false);
    struct vhost_message m;

    (void)state;
    make_ready(CONFIG);
    assert_int_equal(vhost_start(&v, &start), 0);
    expect(2, &m);
    assert_int_equal(m.word, MODERN | PROTOCOL);
    expect(5, &m);
    assert_int_equal(m.memory.count, 2);
    assert_int_equal(m.memory.regions[1].guest, 0x100000);
    assert_int_equal(m.memory.regions[1].user, 0x100000);
    assert_int_equal(m.memory.regions[1].offset, 0x2000);
    expect_start();
    assert_int_equal(vhost_stop(&v), 0);
    expect(11, &m);
    assert_false(vhost_rests(&v));
    assert_int_equal(answer_word(11, UINT64_C(9) << 32), 0);
    assert_int_equal(v.step, VHOST_READY);
}

static void what_is_in_flight_outlives_a_server(void **state)
{
    struct vhost_start start = start_of(true);
    struct vhost_message m, inflight = {.header = {31, REPLY, 24}, .inflight = {4096, 0, 1, 8, 0}};
    int file;

    (void)state;
    make_ready(CONFIG | TRACKS);
    assert_int_equal(vhost_start(&v, &start), 0);
    expect(31, &m);
    assert_int_equal(answer(&inflight, STDERR_FILENO), 0);
    assert_int_equal(v.step, VHOST_RUNNING);
    expect(2, &m);
    expect(5, &m);
    assert_int_equal(heard(&m, &file), 32);
    assert_int_equal(m.inflight.size, 4096);
    assert_true(file >= 0);
    close(file);
    teardown(NULL);
    assert_int_equal(v.inflight_file, -1);
}

#define REFUSED(rc, call)                                                                          \
    do {                                                                                           \
        setup(NULL);                                                                               \
        assert_int_equal(call, rc);                                                                \
        teardown(NULL);                                                                            \
    } while (0)

static int answer_cut(uint32_t request, uint32_t flags, uint32_t size)
{
    struct vhost_message m = {.header = {request, flags, size}, .word = MODERN | PROTOCOL};

    send_bytes(&m, sizeof(m.header) + (size < 8 ? size : 8), -1);
    return vhost_serve(&v);
}

static void nonsense_ends_the_connection(void **state)
{
    (void)state;
    teardown(NULL);
    REFUSED(-EPROTO, answer_word(15, 0));               /* of another question */
    REFUSED(-EPROTO, answer_cut(1, 1, 8));              /* no answer */
    REFUSED(-EPROTO, answer_cut(1, REPLY | 8, 8));      /* a flag that nobody set */
    REFUSED(-EPROTO, answer_cut(1, 6, 8));              /* another version */
    REFUSED(-EPROTO, answer_cut(1, REPLY, 4));          /* short */
    REFUSED(-EPROTO, answer_cut(1, REPLY, 0));          /* empty */
    REFUSED(-EPROTO, answer_cut(1, REPLY, UINT32_MAX)); /* longer than anything */
    REFUSED(-EPROTO, answer_cut(1, REPLY, 4096));
    REFUSED(-ENOTSUP, answer_word(1, MODERN)); /* a server of the old protocol */
    setup(NULL);
}

static void config_is_of_the_size_asked_for(void **state)
{
    struct vhost_message m = config();

    (void)state;
    assert_int_equal(answer_word(1, MODERN | PROTOCOL), 0);
    assert_int_equal(answer_word(15, CONFIG), 0);
    m.config.size = 8;
    assert_int_equal(answer(&m, -1), -EPROTO);
}

static void tracking_needs_a_file(void **state)
{
    struct vhost_start start = start_of(true);
    struct vhost_message inflight = {.header = {31, REPLY, 24}};

    (void)state;
    make_ready(CONFIG | TRACKS);
    assert_int_equal(vhost_start(&v, &start), 0);
    assert_int_equal(answer(&inflight, -1), -EPROTO);
}

/* Nothing is asked while the queues run. */
static void an_answer_out_of_turn_ends_the_connection(void **state)
{
    struct vhost_start start = start_of(false);

    (void)state;
    make_ready(CONFIG);
    assert_int_equal(vhost_start(&v, &start), 0);
    assert_int_equal(answer_word(11, 0), -EPROTO);
}

static void an_answer_may_come_in_pieces(void **state)
{
    struct vhost_message m = word(1, MODERN | PROTOCOL);

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        send_bytes((uint8_t *)&m + i, 1, -1);
        assert_int_equal(vhost_serve(&v), 0);
        assert_int_equal(v.step, i < 19 ? VHOST_FEATURES : VHOST_PROTOCOL);
    }
}

static void the_end_is_seen(void **state)
{
    (void)state;
    shutdown(server, SHUT_RDWR);
    assert_int_equal(vhost_serve(&v), -EPIPE);
}

/* Files that were not asked for are closed, however many come. */
static void files_do_not_pile_up(void **state)
{
    struct vhost_message m = word(1, MODERN | PROTOCOL);
    int before = dup(0), after;

    (void)state;
    close(before);
    for (size_t i = 0; i < 20; i++)
        send_bytes((uint8_t *)&m + i, 1, STDERR_FILENO);
    assert_int_equal(vhost_serve(&v), 0);
    after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(queues_start_and_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_in_flight_outlives_a_server, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense_ends_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(config_is_of_the_size_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(tracking_needs_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_out_of_turn_ends_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_may_come_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(files_do_not_pile_up, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
