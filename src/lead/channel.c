/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/monitor_word.h"

#define FIRST_MS 50
#define MOST_MS  1000

/* The socket, connected; never waits. */
static int reach(const struct partition_channel *channel)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (fd < 0)
        return -errno;
    _Static_assert(sizeof(address.sun_path) == sizeof(channel->server), "a path fits");
    memcpy(address.sun_path, channel->server, sizeof(address.sun_path));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

static void hand(struct partition *partition, uint32_t index)
{
    const struct monitor_channel message = {
        .header = frame_header(MONITOR_CHANNEL, sizeof(message), 0), .index = index};
    int fd = reach(&partition->descriptor.channels[index]);

    if (fd < 0)
        return; /* nobody is there yet, or too many are before us */
    if (partition->link)
        link_send(partition->link, &message, &fd, 1);
    close(fd);
}

static bool wanted(const struct partition *partition, uint32_t index)
{
    return index < partition->state.channels_count &&
           index < partition->descriptor.channels_count && partition->state.channels[index].wants;
}

static bool any_wanted(const struct partition *partition)
{
    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++)
        if (wanted(partition, i))
            return true;
    return false;
}

static void try_after(struct partition *partition, uint64_t ms)
{
    sd_event_source_set_time_relative(partition->connecting, ms * 1000);
    sd_event_source_set_enabled(partition->connecting, SD_EVENT_ONESHOT);
}

/* What is handed over is wanted until the monitor has said otherwise: too many do no harm. */
static int on_time(sd_event_source *source, uint64_t time, void *data)
{
    struct partition *partition = data;
    (void)source;
    (void)time;

    partition->connected_ns = lead_now_ns();
    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++)
        if (wanted(partition, i))
            hand(partition, i);
    partition->connecting_ms =
        partition->connecting_ms * 2 < MOST_MS ? partition->connecting_ms * 2 : MOST_MS;
    try_after(partition, partition->connecting_ms);
    return 0;
}

int channel_watch(struct partition *partition, sd_event *event)
{
    int error = sd_event_add_time_relative(event, &partition->connecting, CLOCK_MONOTONIC, 0, 0,
                                           on_time, partition);
    return error < 0 ? error : sd_event_source_set_enabled(partition->connecting, SD_EVENT_OFF);
}

bool channel_state_ok(const struct monitor_state *state)
{
    return state->channels_count <= PARCLOSE_MAX_CHANNELS && monitor_channels_ok(state->channels);
}

void channel_follow(struct partition *partition)
{
    if (!any_wanted(partition)) {
        sd_event_source_set_enabled(partition->connecting, SD_EVENT_OFF);
        partition->connecting_ms = 0;
    } else if (!partition->connecting_ms) {
        uint64_t since_ms = (lead_now_ns() - partition->connected_ns) / 1000000;

        partition->connecting_ms = FIRST_MS;
        try_after(partition, since_ms < FIRST_MS ? FIRST_MS : 0);
    }
}
