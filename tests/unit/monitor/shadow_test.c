/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The confined copier (shadow.h) between a guest and a server that the test plays: what it carries,
 * what hostile sides can do, and the promise that a main which is killed loses and doubles nothing:
 * the copier runs in a child, one instruction at a time; every few of them the child is taken for
 * dead: a new main goes on from the memory as it is then.
 */
#include "shadow.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define GUEST   UINT64_C(0x40000000)
#define SERVER  UINT64_C(0x100000) /* channel memory, to the server */
#define SIZE    8
#define NONE    RING_SIZE_MAX
#define REQUEST 40 /* bytes each way */
#define STRIDE  3  /* instructions between two deaths */

/* All that outlives a main, and the guest. */
static struct arena {
    struct shadow shadow;
    struct ring_memory memory;
    uint8_t channel[SHADOW_BYTES] __attribute__((aligned(4096)));
    uint8_t guest[1 << 19] __attribute__((aligned(4096)));
} * a;

static struct ring guest, server; /* as their owners have them */
static const struct ring_place place = {GUEST, GUEST + 4096, GUEST + 8192, SIZE};
static struct outside {
    uint16_t guest_put, guest_seen, server_seen, server_done;
    unsigned served[SIZE]; /* by seed: how often the server did it */
} o;

static int setup(void **state)
{
    const struct ring_place at = shadow_place(SERVER);
    const struct ring_memory channel = {1, {{SERVER, SHADOW_BYTES, a->channel}}};

    (void)state;
    memset(a, 0, sizeof(*a));
    a->memory = (struct ring_memory){1, {{GUEST, sizeof(a->guest), a->guest}}};
    assert_int_equal(ring_open(&guest, &a->memory, &place), 0);
    assert_int_equal(ring_open(&server, &channel, &at), 0);
    assert_int_equal(shadow_open(&a->shadow, &a->memory, &place, a->channel, SERVER), 0);
    memset(&o, 0, sizeof(o));
    return 0;
}

/* ---- the guest: request n has descriptors 2n and 2n + 1 ---- */

static uint8_t *guest_bytes(uint16_t head, bool in)
{
    return a->guest + 65536 + head * 16384u + (in ? 8192u : 0);
}

static void guest_request(uint16_t head, uint32_t out, uint32_t in, uint8_t seed)
{
    const struct ring_part parts[2] = {
        {GUEST + (uint64_t)(guest_bytes(head, false) - a->guest), out, false},
        {GUEST + (uint64_t)(guest_bytes(head, true) - a->guest), in, true}};

    memset(guest_bytes(head, false), seed, out);
    memset(guest_bytes(head, true), 0, in);
    ring_describe(&guest, head, &parts[0], head + 1u);
    ring_describe(&guest, (uint16_t)(head + 1), &parts[1], NONE);
    ring_put(&guest, o.guest_put++, head);
    (void)ring_publish_available(&guest, o.guest_put);
}

/* Takes what came back: its bytes are those of the request, each plus one. */
static int guest_collect(void)
{
    struct ring_used used;
    int count = 0;

    while (ring_collect(&guest, o.guest_seen, SIZE, &used) == 1) {
        uint16_t head = (uint16_t)used.id;

        assert_true(head < SIZE && head % 2 == 0);
        assert_int_equal(used.written, REQUEST);
        for (uint32_t i = 0; i < REQUEST; i++)
            assert_int_equal(guest_bytes(head, true)[i],
                             (uint8_t)(guest_bytes(head, false)[i] + 1));
        o.guest_seen++;
        count++;
    }
    return count;
}

/* ---- the server ---- */

static uint8_t *channel_at(uint64_t address)
{
    return a->channel + (address - SERVER);
}

static void serve(uint16_t head, struct ring_chain *chain)
{
    const struct ring_memory channel = {1, {{SERVER, SHADOW_BYTES, a->channel}}};
    uint8_t seed = 0;

    assert_int_equal(ring_chain(&server, &channel, head, chain), 0);
    assert_int_equal(chain->count, 2);
    seed = *channel_at(chain->parts[0].address);
    for (uint32_t i = 0; i < REQUEST; i++) {
        assert_int_equal(channel_at(chain->parts[0].address)[i], seed);
        channel_at(chain->parts[1].address)[i] = (uint8_t)(seed + 1);
    }
    o.served[seed % SIZE]++;
}

/* Serves `count` of what is there, the last taken first. */
static void server_run(unsigned count)
{
    static struct ring_chain chain;
    uint16_t heads[SIZE];
    unsigned n = 0;

    while (n < count && ring_take(&server, o.server_seen, &heads[n]) == 1) {
        o.server_seen++;
        n++;
    }
    while (n--) {
        serve(heads[n], &chain);
        ring_give(&server, o.server_done++, heads[n], REQUEST);
    }
    (void)ring_publish_used(&server, o.server_done);
}

static void server_new(void)
{
    o.server_seen = o.server_done = 0;
}

/* ---- main ---- */

static struct shadow_news pump(void)
{
    struct shadow_news news = {0};

    assert_int_equal(shadow_return(&a->shadow, &news), 0);
    assert_int_equal(shadow_submit(&a->shadow, &news), 0);
    return news;
}

static void requests_go_through(void **state)
{
    struct shadow_news news;

    (void)state;
    for (int round = 0; round < 50; round++) {
        for (uint16_t head = 0; head < SIZE; head += 2)
            guest_request(head, REQUEST, REQUEST, (uint8_t)(round * 8 + head));
        news = pump();
        assert_true(news.kick && !news.interrupt);
        server_run(SIZE);
        news = pump();
        assert_true(news.interrupt);
        assert_int_equal(guest_collect(), SIZE / 2);
    }
    assert_int_equal(a->shadow.free_count, SHADOW_SIZE);
}

/* Parts that are cut to buffers, odd ends included; and what is more than there is room for. */
static void long_requests(void **state)
{
    static struct ring_chain chain;
    const struct ring_memory channel = {1, {{SERVER, SHADOW_BYTES, a->channel}}};
    struct shadow_news news = {0};
    uint32_t total = 0;
    uint16_t head;

    (void)state;
    guest_request(0, 8000, 8192, 1);
    news = pump();
    assert_int_equal(ring_take(&server, 0, &head), 1);
    assert_int_equal(ring_chain(&server, &channel, head, &chain), 0);
    assert_int_equal(chain.count, 4);
    for (uint32_t i = 0; i < 2; i++)
        total += chain.parts[i].size;
    assert_int_equal(total, 8000);
    for (uint32_t i = 2; i < 4; i++)
        memset(channel_at(chain.parts[i].address), 0x77, 4096);
    ring_give(&server, 0, head, 5000);
    (void)ring_publish_used(&server, 1);
    (void)pump();
    assert_int_equal(guest_bytes(0, true)[4999], 0x77); /* as much as the server said */
    assert_int_equal(guest_bytes(0, true)[5000], 0);

    const struct ring_part huge = {GUEST, sizeof(a->guest), false};
    for (uint16_t i = 2; i < 5; i++)
        ring_describe(&guest, i, &huge, i < 4 ? i + 1u : NONE);
    ring_put(&guest, o.guest_put++, 2);
    (void)ring_publish_available(&guest, o.guest_put);
    assert_int_equal(shadow_submit(&a->shadow, &news), -E2BIG);
}

/* More than fits waits for what is under way, and comes in order. */
static void no_room_waits(void **state)
{
    const struct ring_part large = {GUEST, 100 * SHADOW_PART, false};
    struct shadow_news news = {0};
    struct ring_used used;
    uint16_t head;

    (void)state;
    for (uint16_t i = 0; i < 4; i++) {
        ring_describe(&guest, i, &large, NONE);
        ring_put(&guest, i, i);
    }
    (void)ring_publish_available(&guest, 4);
    assert_int_equal(shadow_submit(&a->shadow, &news), 0);
    assert_int_equal(a->shadow.accepted, 2);
    for (uint16_t i = 0; i < 4; i++) {
        assert_int_equal(ring_take(&server, i, &head), 1);
        ring_give(&server, i, head, 0);
        (void)ring_publish_used(&server, (uint16_t)(i + 1));
        (void)pump();
        assert_int_equal(ring_collect(&guest, i, SIZE, &used), 1);
        assert_int_equal(used.id, i);
    }
    assert_int_equal(a->shadow.free_count, SHADOW_SIZE);
}

static void a_hostile_guest(void **state)
{
    struct shadow_news news = {0};

    (void)state;
    guest_request(0, REQUEST, REQUEST, 1);
    (void)pump();
    ring_put(&guest, o.guest_put++, 0); /* the same one again while it is under way */
    (void)ring_publish_available(&guest, o.guest_put);
    assert_int_equal(shadow_submit(&a->shadow, &news), -EPROTO);
    server_run(1);
    assert_int_equal(shadow_return(&a->shadow, &news), 0);
    assert_int_equal(guest_collect(), 1);
    (void)ring_publish_available(&guest, (uint16_t)(o.guest_put + SIZE + 1));
    assert_int_equal(shadow_submit(&a->shadow, &news), -EPROTO);
    guest.descriptors[2] = (struct ring_descriptor){GUEST - 1, 2, 0, 0};
    ring_put(&guest, (uint16_t)a->shadow.accepted, 2);
    (void)ring_publish_available(&guest, (uint16_t)(a->shadow.accepted + 1));
    assert_int_equal(shadow_submit(&a->shadow, &news), -EFAULT);
    assert_int_equal(a->shadow.free_count, SHADOW_SIZE);
}

static int returned_with(uint32_t id, uint32_t written, uint16_t index)
{
    struct shadow_news news = {0};

    ring_give(&server, 0, (uint16_t)id, written);
    ((struct ring_used *)(server.used + 2))[0].id = id;
    (void)ring_publish_used(&server, index);
    return shadow_return(&a->shadow, &news);
}

static void a_hostile_server(void **state)
{
    (void)state;
    guest_request(0, REQUEST, REQUEST, 1);
    (void)pump();
    uint16_t first = a->shadow.requests[0].first;
    assert_int_equal(returned_with(first, 1, 2), -EPROTO); /* two, but it has one */
    a->shadow.renewing = true;
    shadow_begin(&a->shadow);
    (void)pump();
    assert_int_equal(returned_with(SHADOW_SIZE, 1, 1), -EPROTO);
    assert_int_equal(returned_with(UINT32_MAX, 1, 1), -EPROTO);
    assert_int_equal(returned_with((first + 1u) % SHADOW_SIZE, 1, 1), -EPROTO);
    assert_int_equal(returned_with(first, UINT32_MAX, 1), 0); /* more than there was room for */
    assert_int_equal(((struct ring_used *)(guest.used + 2))[0].written, REQUEST);
    assert_int_equal(returned_with(first, 1, 2), -EPROTO); /* and once more */
}

/* It writes over everything it can reach: nothing of it is believed. */
static void a_server_that_writes_everywhere(void **state)
{
    struct shadow_news news = {0};

    (void)state;
    guest_request(0, REQUEST, REQUEST, 3);
    guest_request(2, REQUEST, REQUEST, 4);
    (void)pump();
    memset(a->channel, 0xee, SHADOW_BYTES);
    assert_int_equal(shadow_return(&a->shadow, &news), -EPROTO);
    shadow_renew(&a->shadow);
    server_new();
    (void)pump();
    server_run(SIZE);
    (void)pump();
    assert_int_equal(guest_collect(), 2);
}

static void a_new_server_gets_what_the_last_had_not_done(void **state)
{
    (void)state;
    for (uint16_t head = 0; head < 6; head += 2)
        guest_request(head, REQUEST, REQUEST, (uint8_t)head);
    (void)pump();
    server_run(1); /* done, not seen by main; two are under way */
    o.server_seen++;
    (void)pump();
    shadow_renew(&a->shadow);
    server_new();
    guest_request(6, REQUEST, REQUEST, 6);
    (void)pump();
    server_run(SIZE);
    (void)pump();
    assert_int_equal(guest_collect(), 4);
    for (int seed = 0; seed < SIZE; seed += 2)
        assert_int_equal(o.served[seed], 1);
    assert_int_equal(a->shadow.free_count, SHADOW_SIZE);
}

/* ---- mains that are killed ---- */

static void step_pump(void)
{
    shadow_begin(&a->shadow);
    (void)pump();
}

static void step_renew(void)
{
    shadow_begin(&a->shadow);
    shadow_renew(&a->shadow);
    (void)pump();
}

/* The guest and the next main go on from here: three requests come back, each once. */
static void go_on(void (*step)(void), bool new_server)
{
    int back = guest_collect(); /* their memory is the guest's again */

    for (uint16_t head = 0; head < 4 && back > 1; head += 2)
        memset(guest_bytes(head, true), 0x99, REQUEST);
    step();
    if (new_server)
        server_new();
    server_run(SIZE);
    (void)pump();
    if (back > 1)
        assert_int_equal(guest_bytes(0, true)[0], 0x99); /* nobody wrote there again */
    back += guest_collect();
    assert_int_equal(back, 3);
    for (int seed = 0; seed < 6; seed += 2)
        assert_true(o.served[seed] == 1 || (new_server && o.served[seed] == 2));
    assert_int_equal(a->shadow.free_count, SHADOW_SIZE);
}

/* As above, and everything is put back as it was. */
static void die_here(void (*step)(void), bool new_server)
{
    static struct arena arena;
    struct outside outside = o;

    memcpy(&arena, a, sizeof(arena));
    go_on(step, new_server);
    memcpy(a, &arena, sizeof(arena));
    o = outside;
}

static pid_t begin_child(void (*step)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(9);
        raise(SIGSTOP);
        step();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    return child;
}

static void killed_anywhere(void (*step)(void), bool new_server)
{
    unsigned deaths = 0;
    int status;

    guest_request(0, REQUEST, REQUEST, 0);
    guest_request(2, REQUEST, REQUEST, 2);
    (void)pump();
    server_run(new_server ? 1 : 2);
    guest_request(4, REQUEST, REQUEST, 4);
    pid_t child = begin_child(step);
    for (long n = 0;; n++) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status))
            break;
        assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
        if (n % STRIDE == 0)
            die_here(step, new_server), deaths++;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(deaths > 100);
    go_on(step, new_server);
}

static void a_main_that_is_killed_anywhere(void **state)
{
    (void)state;
    killed_anywhere(step_pump, false);
}

static void a_main_that_is_killed_while_it_renews(void **state)
{
    (void)state;
    killed_anywhere(step_renew, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(requests_go_through, setup),
        cmocka_unit_test_setup(long_requests, setup),
        cmocka_unit_test_setup(no_room_waits, setup),
        cmocka_unit_test_setup(a_hostile_guest, setup),
        cmocka_unit_test_setup(a_hostile_server, setup),
        cmocka_unit_test_setup(a_server_that_writes_everywhere, setup),
        cmocka_unit_test_setup(a_new_server_gets_what_the_last_had_not_done, setup),
        cmocka_unit_test_setup(a_main_that_is_killed_anywhere, setup),
        cmocka_unit_test_setup(a_main_that_is_killed_while_it_renews, setup),
    };

    a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (a == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
