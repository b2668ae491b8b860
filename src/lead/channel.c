/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "keep.h"
#include "monitor.h"
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

/* ---- a server, while it is connected ---- */

static int *end_of(struct partition *partition, uint32_t index)
{
    return &partition->files[KEPT_CHANNEL + index];
}

static void drop(struct partition *partition, uint32_t index)
{
    struct channel_server *server = &partition->servers[index];

    sd_event_source_disable_unref(server->gone);
    *server = (struct channel_server){.gone = NULL};
    close(*end_of(partition, index));
    *end_of(partition, index) = -1;
    keep_drop_file(partition, (enum kept_file)(KEPT_CHANNEL + index));
}

/* Nothing but the server's own end is left to be closed: that wakes us. */
static void tell_end(struct partition *partition, uint32_t index)
{
    (void)shutdown(*end_of(partition, index), SHUT_WR);
}

static int on_gone(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct partition *partition = data;
    (void)source;
    (void)events;

    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++)
        if (*end_of(partition, i) == fd)
            drop(partition, i);
    if (partition->gone)
        monitor_clear(partition);
    else
        lead_tell(partition);
    return 0;
}

static int watch(struct partition *partition, uint32_t index, sd_event *event)
{
    int error = sd_event_add_io(event, &partition->servers[index].gone, *end_of(partition, index),
                                0, on_gone, partition); /* EPOLLHUP comes by itself */
    return error < 0 ? error : 0;
}

static void hand(struct partition *partition, uint32_t index)
{
    const struct monitor_channel message = {
        .header = frame_header(MONITOR_CHANNEL, sizeof(message), 0), .index = index};
    int fd = reach(&partition->descriptor.channels[index]);
    int error;

    if (fd < 0)
        return; /* nobody is there yet, or too many are before us */
    *end_of(partition, index) = fd;
    keep_file(partition, (enum kept_file)(KEPT_CHANNEL + index));
    error = watch(partition, index, sd_event_source_get_event(partition->connecting));
    partition->servers[index].ours = true;
    partition->servers[index].connections = partition->state.channels[index].connections;
    if (!error)
        error = partition->link ? link_send(partition->link, &message, &fd, 1) : -EPIPE;
    if (error)
        drop(partition, index);
}

/* What the monitor made of the one that it was handed. */
static void look(struct partition *partition, uint32_t index)
{
    const struct channel_status *status = &partition->state.channels[index];
    struct channel_server *server = &partition->servers[index];
    bool taken = !server->ours || status->connections != server->connections;
    bool has = status->wants == CHANNEL_WANTS_NOTHING;

    if (!server->gone)
        return;
    if (taken && has && (status->state == CHANNEL_READY || status->state == CHANNEL_OPERATING))
        server->answered = true;
    if (taken != has) /* it let go of it, or has another one */
        tell_end(partition, index);
}

uint32_t channel_attached(const struct partition *partition)
{
    uint32_t attached = 0;

    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++)
        if (partition->servers[i].gone && partition->servers[i].answered)
            attached |= UINT32_C(1) << i;
    return attached;
}

bool channel_release(struct partition *partition)
{
    sd_event_source_set_enabled(partition->connecting, SD_EVENT_OFF);
    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++) {
        if (partition->servers[i].gone && partition->servers[i].answered)
            tell_end(partition, i);
        else if (partition->servers[i].gone)
            drop(partition, i);
    }
    return channel_attached(partition) != 0;
}

void channel_forget(struct partition *partition)
{
    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++)
        partition->servers[i].gone = sd_event_source_disable_unref(partition->servers[i].gone);
}

/* ---- which are wanted ---- */

static bool wanted(const struct partition *partition, uint32_t index)
{
    return index < partition->state.channels_count &&
           index < partition->descriptor.channels_count &&
           partition->state.channels[index].wants == CHANNEL_WANTS_SERVER;
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

/* One a channel: the next when the last has let go. */
static int on_time(sd_event_source *source, uint64_t time, void *data)
{
    struct partition *partition = data;
    (void)source;
    (void)time;

    partition->connected_ns = lead_now_ns();
    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++)
        if (wanted(partition, i) && !partition->servers[i].gone)
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
    if (error >= 0)
        error = sd_event_source_set_enabled(partition->connecting, SD_EVENT_OFF);
    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS && error >= 0; i++) {
        if (*end_of(partition, i) < 0)
            continue;
        error = watch(partition, i, event);
        partition->servers[i].answered = true; /* as far as we know */
    }
    return error;
}

bool channel_state_ok(const struct monitor_state *state)
{
    return state->channels_count <= PARCLOSE_MAX_CHANNELS && monitor_channels_ok(state->channels);
}

void channel_follow(struct partition *partition)
{
    for (uint32_t i = 0; i < PARCLOSE_MAX_CHANNELS; i++)
        look(partition, i);
    if (!any_wanted(partition)) {
        sd_event_source_set_enabled(partition->connecting, SD_EVENT_OFF);
        partition->connecting_ms = 0;
    } else if (!partition->connecting_ms) {
        uint64_t since_ms = (lead_now_ns() - partition->connected_ns) / 1000000;

        partition->connecting_ms = FIRST_MS;
        try_after(partition, since_ms < FIRST_MS ? FIRST_MS : 0);
    }
}
