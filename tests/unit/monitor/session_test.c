/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions from a hostile client: what each kind may say, sizes that lie, a client that does not
 * read, that goes away while it has stopped the guest, one too many. And a main that dies
 * meanwhile. There is no KVM here: the vCPUs are words in memory that the test moves.
 */
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pause.h"
#include "session.h"
#include "sys.h"
#include "test.h"

#include "monitor.h"

static struct monitor monitor;
static struct kvm_run runs[2];
static int client;

/* In the place of the spawner: nobody is to be kicked. */
int __wrap_spawner_order(struct spawner_desk *desk, enum spawner_order order);
int __wrap_spawner_order(struct spawner_desk *desk, enum spawner_order order)
{
    (void)desk;
    assert_int_equal(order, ORDER_KICK);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    client = -1;
    memset(&monitor, 0, sizeof(monitor));
    memset(runs, 0, sizeof(runs));
    monitor.phase = PHASE_ATTACHED;
    monitor.vm.vcpus_count = 2;
    for (int i = 0; i < 2; i++) {
        monitor.vm.runs[i] = &runs[i];
        monitor.vm.vcpus[i] = monitor.vm.stats[i] = -1;
        runs[i].exit_reason = SLOT_RUNNING;
    }
    return memory_make(&monitor.memory, 64 << 20, UINT32_MAX, PAGES_ORDINARY);
}

static int teardown(void **state)
{
    (void)state;
    for (monitor.session_at = SESSIONS_MOST; monitor.session_at;) {
        uint32_t at = monitor.session_at;
        session_begin(&monitor); /* closes it */
        monitor.session_at = at - 1;
    }
    close(client);
    munmap(monitor.memory.base, monitor.memory.size);
    return close(monitor.memory.fd);
}

static int connect_as(uint32_t kind)
{
    struct monitor_session message = {.kind = kind};
    struct inbox inbox = {.files_count = 1};
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    memcpy(inbox.bytes, &message, sizeof(message));
    inbox.files[0] = ends[1];
    assert_int_equal(session_open(&monitor, &inbox), 0);
    inbox_close(&inbox);
    return ends[0];
}

/* As the loop does. */
static void turn(void)
{
    struct pollfd fds[SESSIONS_MOST];

    (void)session_wait(&monitor, fds);
    (void)poll(fds, SESSIONS_MOST, 0);
    session_serve(&monitor, fds);
    session_step(&monitor);
}

static void say(int socket, uint16_t type, uint32_t vcpu, uint32_t flags, uint64_t address,
                uint64_t size)
{
    struct session_request r = {.header = {WIRE_VERSION, type, sizeof(r), 7},
                                .vcpu = vcpu,
                                .flags = flags,
                                .address = address,
                                .size = size};

    assert_int_equal(send(socket, &r, sizeof(r), MSG_NOSIGNAL), sizeof(r));
    turn();
}

static struct session_answer answer;
static uint8_t data[SESSION_DATA_MAX];

/* Bytes of data; -EPIPE: closed; -EAGAIN: nothing. */
static long hear(int socket)
{
    struct iovec iov[2] = {{&answer, sizeof(answer)}, {data, sizeof(data)}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT);

    if (got <= 0)
        return got == 0 ? -EPIPE : -errno;
    assert_int_equal(answer.header.size, got);
    return got - (ssize_t)sizeof(answer);
}

static long ask(int socket, uint16_t type, uint32_t flags, uint64_t address, uint64_t size)
{
    say(socket, type, 0, flags, address, size);
    long got = hear(socket);
    return got >= 0 && answer.error ? answer.error : got;
}

static void both_stand(bool stand)
{
    for (int i = 0; i < 2; i++)
        atomic_store(&monitor.slots[i].held, stand && atomic_load(&monitor.slots[i].hold));
}

static bool kept_out(void)
{
    return runs[0].immediate_exit && runs[1].immediate_exit &&
           atomic_load(&monitor.slots[0].hold) && atomic_load(&monitor.slots[1].hold);
}

static bool let_in(void)
{
    return !runs[0].immediate_exit && !runs[1].immediate_exit &&
           !atomic_load(&monitor.slots[0].hold) && !atomic_load(&monitor.slots[1].hold);
}

static void stop(int socket)
{
    assert_int_equal(ask(socket, SESSION_STOP, 0, 0, 0), 0);
    assert_true(kept_out());
    assert_int_equal(hear(socket), -EAGAIN); /* not before all stand */
    both_stand(true);
    turn();
    assert_int_equal(hear(socket), 0);
    assert_int_equal(answer.header.type, SESSION_STOPPED);
}

/* ---- rights ---- */

static void each_kind_has_its_own_words(void **state)
{
    (void)state;
    for (uint32_t kind = SESSION_LOOK; kind < SESSION_KINDS; kind++)
        for (uint32_t type = 0; type <= UINT16_MAX; type++) {
            struct session_request r = {.header = {WIRE_VERSION, (uint16_t)type, sizeof(r), 1}};
            bool one = type >= SESSION_STATS && type <= SESSION_UNBREAK;
            bool data_due = type == SESSION_WRITE || type == SESSION_REGISTERS_SET;
            bool mine =
                kind == SESSION_DEBUG || type == SESSION_STATS ||
                (kind == SESSION_DUMP && (type == SESSION_INFO || type == SESSION_STOP ||
                                          type == SESSION_READ || type == SESSION_REGISTERS));
            assert_int_equal(session_row(&r, sizeof(r), kind, 2) != NULL, one && mine && !data_due);
        }
}

static void sizes_that_lie_and_other_versions(void **state)
{
    static union {
        struct session_request r;
        uint8_t bytes[sizeof(struct session_request) + SESSION_DATA_MAX + 1];
    } big;
    struct session_request *r = &big.r;

    (void)state;
    *r = (struct session_request){.header = {WIRE_VERSION, SESSION_WRITE, sizeof(*r) + 1, 1}};
    assert_non_null(session_row(r, sizeof(*r) + 1, SESSION_DEBUG, 2));
    assert_null(session_row(r, sizeof(*r) + 2, SESSION_DEBUG, 2));
    assert_null(session_row(r, sizeof(*r), SESSION_DEBUG, 2));
    assert_null(session_row(r, 3, SESSION_DEBUG, 2));
    r->header.size = sizeof(big);
    assert_null(session_row(r, sizeof(big), SESSION_DEBUG, 2));
    r->header.size = sizeof(*r) + 1;
    r->vcpu = 2;
    assert_null(session_row(r, sizeof(*r) + 1, SESSION_DEBUG, 2));
    r->vcpu = 0;
    r->header.version++;
    assert_null(session_row(r, sizeof(*r) + 1, SESSION_DEBUG, 2));
}

static void wrong_words_end_the_session(void **state)
{
    (void)state;
    client = connect_as(SESSION_LOOK);
    say(client, SESSION_STOP, 0, 0, 0, 0);
    assert_int_equal(hear(client), -EPIPE);
    assert_true(let_in());
}

static void kinds_that_are_none_are_not_taken(void **state)
{
    (void)state;
    client = connect_as(SESSION_NONE);
    assert_int_equal(hear(client), -EPIPE);
    close(client);
    client = connect_as(SESSION_KINDS);
    assert_int_equal(hear(client), -EPIPE);
}

static void a_fifth_takes_the_oldest_ones_place(void **state)
{
    int looks[SESSIONS_MOST];

    (void)state;
    client = connect_as(SESSION_DEBUG);
    for (int i = 0; i < SESSIONS_MOST; i++)
        looks[i] = connect_as(SESSION_LOOK);
    assert_int_equal(hear(looks[0]), -EPIPE);
    assert_int_equal(ask(looks[SESSIONS_MOST - 1], SESSION_STATS, 0, 0, 0),
                     sizeof(struct session_stats));
    assert_int_equal(ask(client, SESSION_INFO, 0, 0, 0), sizeof(struct session_info));
    for (int i = 0; i < SESSIONS_MOST; i++)
        close(looks[i]);
}

/* ---- stopping ---- */

static void a_stop_is_told_when_all_stand(void **state)
{
    (void)state;
    client = connect_as(SESSION_DEBUG);
    assert_int_equal(ask(client, SESSION_REGISTERS, 0, 0, 0), -EBUSY);
    stop(client);
    assert_int_equal(ask(client, SESSION_RESUME, 0, 0, 0), 0);
    assert_true(let_in());
    assert_int_equal(ask(client, SESSION_RESUME, 0, 0, 0), -EBUSY);
}

static void who_goes_away_lets_the_guest_go_on(void **state)
{
    (void)state;
    for (int stands = 0; stands < 2; stands++) {
        int socket = connect_as(SESSION_DUMP);

        both_stand(false);
        if (stands)
            stop(socket);
        else
            assert_int_equal(ask(socket, SESSION_STOP, 0, 0, 0), 0);
        close(socket);
        turn();
        assert_true(let_in());
        assert_int_equal(monitor.debugger.owner, 0);
    }
    client = -1;
}

/* ---- main dies: session_begin() is the new one's first word ---- */

static void a_new_main_keeps_it_standing(void **state)
{
    (void)state;
    client = connect_as(SESSION_DEBUG);
    stop(client);
    session_begin(&monitor);
    assert_true(kept_out());
    turn();
    assert_int_equal(hear(client), 0); /* told once more */
    assert_int_equal(answer.header.type, SESSION_STOPPED);
    assert_int_equal(ask(client, SESSION_RESUME, 0, 0, 0), 0);
    assert_true(let_in());
    session_begin(&monitor);
    turn();
    assert_true(let_in());
    assert_int_equal(hear(client), -EAGAIN);
}

static void a_stop_that_main_died_in_is_gone_on_with(void **state)
{
    (void)state;
    client = connect_as(SESSION_DUMP);
    assert_int_equal(ask(client, SESSION_STOP, 0, 0, 0), 0);
    runs[1].immediate_exit = 0; /* it had come so far only */
    atomic_store(&monitor.slots[1].hold, 0);
    session_begin(&monitor);
    assert_true(kept_out());
    both_stand(true);
    turn();
    assert_int_equal(hear(client), 0);
    assert_int_equal(answer.header.type, SESSION_STOPPED);
}

static void a_request_that_kills_main_ends_its_session(void **state)
{
    int other;

    (void)state;
    client = connect_as(SESSION_DEBUG);
    other = connect_as(SESSION_LOOK);
    stop(client);
    monitor.session_at = 1;
    session_begin(&monitor);
    assert_int_equal(hear(client), -EPIPE);
    assert_true(let_in());
    assert_int_equal(ask(other, SESSION_STATS, 0, 0, 0), sizeof(struct session_stats));
    close(other);
}

static void an_end_that_main_died_in_is_gone_on_with(void **state)
{
    (void)state;
    client = connect_as(SESSION_DEBUG);
    stop(client);
    monitor.sessions[0].kind = SESSION_NONE; /* it had come so far only */
    close(monitor.sessions[0].fd);
    session_begin(&monitor);
    assert_true(let_in());
    assert_int_equal(monitor.debugger.owner, 0);
}

/* Caught, but nobody was asked to stop yet: the exit is still posted, and served again. */
static void a_hit_that_main_died_in_is_looked_at_again(void **state)
{
    (void)state;
    client = connect_as(SESSION_DEBUG);
    stop(client);
    assert_int_equal(ask(client, SESSION_RESUME, 0, 0, 0), 0);
    atomic_store(&monitor.slots[1].state, SLOT_POSTED);
    monitor.debugger.caught = 2;
    session_begin(&monitor);
    assert_false(debug_caught(&monitor, 1));
    runs[1].debug.arch = (struct kvm_debug_exit_arch){.exception = 1, .dr6 = 1 << 14};
    debug_exit(&monitor, 1);
    assert_true(debug_caught(&monitor, 1) && kept_out());
}

static void only_one_stops(void **state)
{
    int second;

    (void)state;
    client = connect_as(SESSION_DEBUG);
    second = connect_as(SESSION_DUMP);
    stop(client);
    assert_int_equal(ask(second, SESSION_STOP, 0, 0, 0), -EBUSY);
    assert_int_equal(ask(second, SESSION_REGISTERS, 0, 0, 0), -EBUSY);
    close(second);
    turn();
    assert_true(kept_out());
}

static void before_the_gate_nothing_is_stopped(void **state)
{
    (void)state;
    monitor.phase = PHASE_COMPLETE;
    client = connect_as(SESSION_DEBUG);
    assert_int_equal(ask(client, SESSION_STOP, 0, 0, 0), -EAGAIN);
    assert_true(let_in());
}

static void a_dump_that_sleeps_is_over(void **state)
{
    (void)state;
    client = connect_as(SESSION_DUMP);
    stop(client);
    turn();
    assert_true(kept_out());
    monitor.sessions[0].used_ns -= UINT64_C(31000000000);
    turn();
    assert_true(let_in());
    assert_int_equal(hear(client), -EPIPE);
}

static void who_does_not_read_is_left(void **state)
{
    struct session_request r = {.header = {WIRE_VERSION, SESSION_READ, sizeof(r), 7},
                                .size = SESSION_DATA_MAX};

    (void)state;
    client = connect_as(SESSION_DUMP);
    stop(client);
    for (int i = 0; i < 100 && monitor.sessions[0].kind; i++) {
        (void)!send(client, &r, sizeof(r), MSG_NOSIGNAL | MSG_DONTWAIT);
        turn();
    }
    assert_int_equal(monitor.sessions[0].kind, SESSION_NONE);
    assert_true(let_in());
}

/* ---- breakpoints ---- */

static struct session_request breakpoint(uint32_t kind, uint64_t address, uint64_t size)
{
    return (struct session_request){.flags = kind, .address = address, .size = size};
}

static int put(uint32_t kind, uint64_t address, uint64_t size)
{
    struct session_request r = breakpoint(kind, address, size);
    return debug_break(&monitor, &r);
}

static void there_are_four_breakpoints(void **state)
{
    (void)state;
    assert_int_equal(put(SESSION_AT_CODE, 0x1001, 1), 0);
    assert_int_equal(put(SESSION_AT_CODE, 0x1001, 1), 0); /* the same one */
    assert_int_equal(put(SESSION_AT_WRITE, 0x1008, 8), 0);
    assert_int_equal(put(SESSION_AT_ACCESS, 0x1002, 2), 0);
    assert_int_equal(put(SESSION_AT_CODE, 0x1004, 1), 0);
    assert_int_equal(put(SESSION_AT_CODE, 0x1005, 1), -ENOSPC);
    struct session_request r = breakpoint(SESSION_AT_CODE, 0x1001, 1);
    assert_int_equal(debug_unbreak(&monitor, &r), 0);
    assert_int_equal(debug_unbreak(&monitor, &r), -ENOENT);
    assert_int_equal(put(SESSION_AT_CODE, 0x1005, 1), 0);
}

static void a_breakpoint_that_no_processor_has_is_refused(void **state)
{
    (void)state;
    assert_int_equal(put(SESSION_AT_WRITE, 0x1004, 8), -EINVAL);
    assert_int_equal(put(SESSION_AT_WRITE, 0x1000, 3), -EINVAL);
    assert_int_equal(put(SESSION_AT_WRITE, 0x1000, 0), -EINVAL);
    assert_int_equal(put(SESSION_AT_WRITE, 0x1000, UINT64_C(1) << 32 | 1), -EINVAL);
    assert_int_equal(put(SESSION_AT_CODE, 0x1000, 2), -EINVAL);
    assert_int_equal(put(SESSION_AT_CODE | SESSION_AT_WRITE, 0x1000, 1), -EINVAL);
    assert_int_equal(put(0, 0x1000, 1), -EINVAL);
    assert_int_equal(put(SESSION_STEP, 0x1000, 1), -EINVAL);
}

/* ENDING stops once more, then takes them out. */
static void breakpoints_are_taken_out_at_the_end(void **state)
{
    (void)state;
    client = connect_as(SESSION_DEBUG);
    stop(client);
    assert_int_equal(put(SESSION_AT_CODE, 0x1001, 1), 0);
    assert_int_equal(ask(client, SESSION_RESUME, 0, 0, 0), -EBADF); /* no KVM here */
    close(client);
    client = -1;
    turn();
    assert_int_equal(monitor.debugger.owner, 0);
    assert_int_equal(monitor.debugger.breaks[0].kind, 0);
    assert_true(let_in());
}

static void a_breakpoint_hit_stops_the_others(void **state)
{
    (void)state;
    client = connect_as(SESSION_DEBUG);
    stop(client);
    assert_int_equal(ask(client, SESSION_RESUME, 0, 0, 0), 0);
    both_stand(false);
    runs[1].exit_reason = KVM_EXIT_DEBUG;
    runs[1].debug.arch = (struct kvm_debug_exit_arch){.exception = 1, .dr6 = 1, .pc = 0x1234};
    atomic_store(&monitor.slots[1].state, SLOT_POSTED);
    monitor.debugger.breaks[0] =
        (struct debug_break){.address = 0x9990, .kind = SESSION_AT_WRITE, .size = 8};
    debug_exit(&monitor, 1);
    assert_true(debug_caught(&monitor, 1) && kept_out());
    turn();
    assert_int_equal(hear(client), -EAGAIN);
    atomic_store(&monitor.slots[0].held, 1);
    turn();
    assert_int_equal(hear(client), 0);
    assert_int_equal(answer.error, SESSION_BROKE);
    assert_int_equal(answer.vcpu, 1);
    assert_int_equal(answer.address, 0x9990);
    monitor.debugger.breaks[0].kind = 0;
    close(client);
    client = -1;
    turn();
    assert_int_equal(atomic_load(&monitor.slots[1].state), SLOT_DONE); /* its exit is answered */
    assert_true(let_in());
}

/* ---- memory ---- */

static void reads_stay_in_memory(void **state)
{
    static const uint64_t beyond[] = {64 << 20, UINT64_MAX, UINT64_MAX - 4095, UINT64_C(1) << 32,
                                      UINT64_C(1) << 63};

    (void)state;
    client = connect_as(SESSION_DUMP);
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
        assert_int_equal(ask(client, SESSION_READ, 0, beyond[i], 4096), -EFAULT);
    assert_int_equal(ask(client, SESSION_READ, 0, (64 << 20) - 3, UINT64_MAX), 3);
    assert_int_equal(ask(client, SESSION_READ, 0, 0, UINT64_MAX), SESSION_DATA_MAX);
    assert_int_equal(ask(client, SESSION_READ, SESSION_VIRTUAL, 0, 8), -EBUSY);
}

static void zeros_do_not_travel(void **state)
{
    (void)state;
    client = connect_as(SESSION_DUMP);
    monitor.memory.base[(1 << 20) + 5] = 9;
    assert_int_equal(ask(client, SESSION_READ, SESSION_SPARSE, 0, SESSION_DATA_MAX),
                     SESSION_DATA_MAX);
    assert_int_equal(answer.zeros, 1 << 20);
    assert_int_equal(data[5], 9);
    assert_int_equal(ask(client, SESSION_READ, SESSION_SPARSE, 32 << 20, SESSION_DATA_MAX), 0);
    assert_int_equal(answer.zeros, SESSION_SKIP_MAX);
    assert_int_equal(ask(client, SESSION_READ, SESSION_SPARSE, (64 << 20) - 4096, 65536), 0);
    assert_int_equal(answer.zeros, 4096);
}

static void writes_stay_in_memory(void **state)
{
    struct {
        struct session_request r;
        uint8_t bytes[16];
    } m = {.r = {.header = {WIRE_VERSION, SESSION_WRITE, sizeof(m), 7}, .address = (64 << 20) - 8}};

    (void)state;
    client = connect_as(SESSION_DEBUG);
    memset(m.bytes, 0x5a, sizeof(m.bytes));
    assert_int_equal(send(client, &m, sizeof(m), 0), sizeof(m));
    turn();
    assert_int_equal(hear(client), 0);
    assert_int_equal(answer.error, -EFAULT);
    m.r.address = 0x100;
    assert_int_equal(send(client, &m, sizeof(m), 0), sizeof(m));
    turn();
    assert_int_equal(hear(client), 0);
    assert_int_equal(answer.error, 0);
    assert_int_equal(monitor.memory.base[0x10f], 0x5a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_kind_has_its_own_words),
        TEST(sizes_that_lie_and_other_versions),
        TEST(wrong_words_end_the_session),
        TEST(kinds_that_are_none_are_not_taken),
        TEST(a_fifth_takes_the_oldest_ones_place),
        TEST(a_stop_is_told_when_all_stand),
        TEST(who_goes_away_lets_the_guest_go_on),
        TEST(a_new_main_keeps_it_standing),
        TEST(a_stop_that_main_died_in_is_gone_on_with),
        TEST(a_request_that_kills_main_ends_its_session),
        TEST(an_end_that_main_died_in_is_gone_on_with),
        TEST(a_hit_that_main_died_in_is_looked_at_again),
        TEST(only_one_stops),
        TEST(before_the_gate_nothing_is_stopped),
        TEST(a_dump_that_sleeps_is_over),
        TEST(who_does_not_read_is_left),
        TEST(there_are_four_breakpoints),
        TEST(a_breakpoint_that_no_processor_has_is_refused),
        TEST(breakpoints_are_taken_out_at_the_end),
        TEST(a_breakpoint_hit_stops_the_others),
        TEST(reads_stay_in_memory),
        TEST(zeros_do_not_travel),
        TEST(writes_stay_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
