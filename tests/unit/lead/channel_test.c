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
#include "wire/link.h"

static struct partition partition;
static sd_event *event;
static char folder[] = "/tmp/lead-channel-XXXXXX";
static unsigned handed;
static uint32_t handed_index;

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
    return 0;
}

static int listen_at(uint32_t index)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

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
    handed = 0;
    assert_true(sd_event_new(&event) >= 0);
    return channel_watch(&partition, event);
}

static int teardown(void **state)
{
    (void)state;
    sd_event_source_disable_unref(partition.connecting);
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
        partition.state.channels[0].wants = 1;
        channel_follow(&partition);
        run_for(5);
        partition.state.channels[0].wants = 0;
        channel_follow(&partition);
    }
    assert_true(handed <= 20);
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
    said.channels[7].wants = 2;
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
        cmocka_unit_test_setup_teardown(a_lying_monitor_is_found_out, setup, teardown),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
