/* SPDX-License-Identifier: Apache-2.0 */
/* Lead reaches the servers that a monitor wants, as long and as often as it does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel.h"
#include "keep.h"
#include "monitor.h"
#include "wire/link.h"

static struct partition partition;
static sd_event *event;
static char folder[] = "/tmp/lead-channel-XXXXXX";
static unsigned handed, told, cleared, kept, dropped;
static uint32_t handed_index;
static int monitors_end; /* of the last connection that it was handed; -1: none */

uint64_t lead_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* A connected stream socket comes with each. */
int link_send(struct link *link, const void *message, const int *files, size_t files_count)
{
    const struct monitor_channel *channel = message;
    struct sockaddr_un peer;
    socklen_t size = sizeof(peer);

    (void)link;
    assert_int_equal(channel->header.type, MONITOR_CHANNEL);
    assert_int_equal(files_count, 1);
    assert_int_equal(getpeername(files[0], (struct sockaddr *)&peer, &size), 0);
    assert_string_equal(peer.sun_path, partition.descriptor.channels[channel->index].server);
    handed_index = channel->index;
    handed++;
    close(monitors_end);
    monitors_end = dup(files[0]);
    return 0;
}

void keep_file(struct partition *of, enum kept_file kind)
{
    assert_ptr_equal(of, &partition);
    assert_true(kind >= KEPT_CHANNEL && partition.files[kind] >= 0);
    kept++;
}
void keep_drop_file(struct partition *of, enum kept_file kind)
{
    (void)of;
    assert_true(kind >= KEPT_CHANNEL);
    dropped++;
}
void lead_tell(struct partition *of)
{
    (void)of;
    told++;
}
void monitor_clear(struct partition *of)
{
    (void)of;
    cleared++;
}

static int listen_at(uint32_t index)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, partition.descriptor.channels[index].server, CHANNEL_SERVER_MAX);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void run_for(uint64_t ms)
{
    uint64_t end = lead_now_ns() + ms * 1000000;

    while (lead_now_ns() < end)
        assert_true(sd_event_run(event, 10000) >= 0);
}

static int setup(void **state)
{
    (void)state;
    memset(&partition, 0, sizeof(partition));
    partition.link = (struct link *)&partition; /* there is one: nobody looks into it */
    partition.state.channels_count = partition.descriptor.channels_count = 2;
    for (int i = 0; i < 2; i++)
        snprintf(partition.descriptor.channels[i].server, CHANNEL_SERVER_MAX, "%s/%d", folder, i);
    memset(partition.files, 0xff, sizeof(partition.files));
    handed = told = cleared = kept = dropped = 0;
    monitors_end = -1;
    assert_true(sd_event_new(&event) >= 0);
    return channel_watch(&partition, event);
}

static int teardown(void **state)
{
    (void)state;
    sd_event_source_disable_unref(partition.connecting);
    channel_forget(&partition);
    for (int i = 0; i < KEPT_FILES; i++)
        close(partition.files[i]);
    close(monitors_end);
    sd_event_unref(event);
    for (int i = 0; i < 2; i++)
        unlink(partition.descriptor.channels[i].server);
    return 0;
}

static void nothing_is_wanted(void **state)
{
    int listener = listen_at(0);

    (void)state;
    channel_follow(&partition);
    run_for(150);
    assert_int_equal(handed, 0);
    close(listener);
}

static void only_what_is_wanted_is_handed_over(void **state)
{
    int first = listen_at(0), second = listen_at(1);

    (void)state;
    partition.state.channels[1].wants = 1;
    channel_follow(&partition);
    run_for(30);
    assert_int_equal(handed, 1);
    assert_int_equal(handed_index, 1);
    partition.state.channels[1].wants = 0;
    channel_follow(&partition);
    run_for(150);
    assert_int_equal(handed, 1);
    close(first);
    close(second);
}

static void a_server_that_comes_late_is_found(void **state)
{
    int listener;

    (void)state;
    partition.state.channels[0].wants = 1;
    channel_follow(&partition);
    run_for(120);
    assert_int_equal(handed, 0);
    listener = listen_at(0);
    run_for(400);
    assert_true(handed >= 1);
    close(listener);
}

/* Whoever wants one again and again gets at most one each 50 ms. */
static void a_server_that_lets_go_at_once_is_not_hammered(void **state)
{
    int listener = listen_at(0);

    (void)state;
    for (int i = 0; i < 50; i++) {
        partition.state.channels[0].wants = CHANNEL_WANTS_SERVER;
        channel_follow(&partition);
        run_for(5);
        close(accept(listener, NULL, NULL));
        partition.state.channels[0].wants = CHANNEL_WANTS_NOTHING;
        partition.state.channels[0].connections = handed;
        channel_follow(&partition);
    }
    assert_true(handed >= 2);
    assert_true(handed <= 20);
    close(listener);
}

/* What the monitor says of channel 0, after `connections` that it was given. */
static void says(enum channel_wants wants, enum channel_state channel, uint32_t connections)
{
    partition.state.channels[0].wants = wants;
    partition.state.channels[0].state = channel;
    partition.state.channels[0].connections = connections;
    channel_follow(&partition);
}

/* The server's end of the first channel's connection; it has answered. */
static int serve(int listener)
{
    int server;

    says(CHANNEL_WANTS_SERVER, CHANNEL_WAITING, 0);
    run_for(20);
    server = accept(listener, NULL, NULL);
    assert_true(server >= 0);
    assert_int_equal(channel_attached(&partition), 0);
    says(CHANNEL_WANTS_NOTHING, CHANNEL_READY, 1);
    assert_int_equal(channel_attached(&partition), 1);
    assert_int_equal(kept, 1);
    return server;
}

static bool sees_the_end(int server)
{
    char byte;

    return recv(server, &byte, 1, MSG_DONTWAIT) == 0;
}

/* It is attached from its first answer until it has let go, which lead tells. */
static void a_server_that_dies_has_let_go(void **state)
{
    int listener = listen_at(0), server = serve(listener);

    (void)state;
    close(server);
    run_for(20);
    assert_int_equal(channel_attached(&partition), 0);
    assert_int_equal(told, 1);
    assert_int_equal(dropped, 1);
    says(CHANNEL_WANTS_SERVER, CHANNEL_LOST, 1);
    run_for(120);
    assert_int_equal(handed, 2);
    close(listener);
}

/* The monitor broke with it: it is told so, and there is no other before it has let go. */
static void two_servers_never_have_a_channel(void **state)
{
    int listener = listen_at(0), server = serve(listener);

    (void)state;
    close(monitors_end);
    monitors_end = -1;
    assert_false(sees_the_end(server));
    says(CHANNEL_WANTS_SERVER, CHANNEL_LOST, 1);
    run_for(200);
    assert_true(sees_the_end(server));
    assert_int_equal(channel_attached(&partition), 1);
    assert_int_equal(handed, 1);
    close(server);
    run_for(300);
    assert_int_equal(handed, 2);
    close(listener);
}

/* State that was said before it took the connection changes nothing. */
static void a_word_from_before_is_no_end(void **state)
{
    int listener = listen_at(0), server;

    (void)state;
    says(CHANNEL_WANTS_SERVER, CHANNEL_WAITING, 0);
    run_for(20);
    server = accept(listener, NULL, NULL);
    says(CHANNEL_WANTS_SERVER, CHANNEL_WAITING, 0);
    run_for(20);
    assert_false(sees_the_end(server));
    assert_int_equal(handed, 1);
    close(server);
    close(listener);
}

static void the_end_of_a_monitor_is_told_and_waited_for(void **state)
{
    int listener = listen_at(0), server = serve(listener);

    (void)state;
    close(monitors_end);
    monitors_end = -1;
    partition.gone = true;
    assert_true(channel_release(&partition));
    assert_true(sees_the_end(server));
    run_for(20);
    assert_int_equal(cleared, 0);
    close(server);
    run_for(20);
    assert_int_equal(cleared, 1);
    assert_false(channel_release(&partition));
    close(listener);
}

/* While one server is waited for, the others are not rung up for nobody. */
static void nobody_is_reached_for_one_that_is_gone(void **state)
{
    int listener = listen_at(0), server = serve(listener), second = listen_at(1);

    (void)state;
    partition.state.channels[1].wants = CHANNEL_WANTS_SERVER;
    channel_follow(&partition);
    partition.gone = true;
    assert_true(channel_release(&partition));
    run_for(300);
    assert_int_equal(handed, 1);
    close(server);
    close(second);
    close(listener);
}

/* Nobody took the connection, or said anything on it: no memory of ours is there. */
static void who_never_answered_is_not_waited_for(void **state)
{
    int listener = listen_at(0);

    (void)state;
    says(CHANNEL_WANTS_SERVER, CHANNEL_WAITING, 0);
    run_for(20);
    says(CHANNEL_WANTS_NOTHING, CHANNEL_WAITING, 1);
    assert_int_equal(handed, 1);
    partition.gone = true;
    assert_false(channel_release(&partition));
    assert_int_equal(dropped, 1);
    close(listener);
}

/* A new lead has the end that boot kept. */
static void a_new_lead_goes_on(void **state)
{
    int listener = listen_at(0), server = serve(listener);

    (void)state;
    sd_event_source_disable_unref(partition.connecting);
    channel_forget(&partition);
    memset(partition.servers, 0, sizeof(partition.servers));
    assert_int_equal(channel_watch(&partition, event), 0);
    assert_int_equal(channel_attached(&partition), 1);
    says(CHANNEL_WANTS_NOTHING, CHANNEL_OPERATING, 1);
    run_for(20);
    assert_false(sees_the_end(server));
    close(server);
    run_for(20);
    assert_int_equal(channel_attached(&partition), 0);
    close(listener);
}

static void a_lying_monitor_is_found_out(void **state)
{
    struct monitor_state said = partition.state;

    (void)state;
    assert_true(channel_state_ok(&said));
    said.channels_count = PARCLOSE_MAX_CHANNELS + 1;
    assert_false(channel_state_ok(&said));
    said = partition.state;
    said.channels[7].state = CHANNEL_STATES;
    assert_false(channel_state_ok(&said));
    said = partition.state;
    said.channels[7].wants = CHANNEL_WANTS;
    assert_false(channel_state_ok(&said));
    said = partition.state;
    said.channels[7].error = 5;
    assert_false(channel_state_ok(&said));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_is_wanted_is_handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_comes_late_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_lets_go_at_once_is_not_hammered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_server_that_dies_has_let_go, setup, teardown),
        cmocka_unit_test_setup_teardown(two_servers_never_have_a_channel, setup, teardown),
        cmocka_unit_test_setup_teardown(a_word_from_before_is_no_end, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_a_monitor_is_told_and_waited_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nobody_is_reached_for_one_that_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(who_never_answered_is_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_lead_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lying_monitor_is_found_out, setup, teardown),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
