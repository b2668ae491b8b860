/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "layout.h"
#include "sys.h"
#include "text.h"

#define SERVER_ADDRESS UINT64_C(0x100000) /* of a channel's own memory */
#define LINES_MOST     32

/* ---- server gone, guest gone wrong ---- */

/* Guest and server can cause these as often as they like: the first few of a channel are logged. */
static void complain(struct channel *c, const char *what, int error)
{
    struct text text = {.length = 0};

    if (c->lines++ >= LINES_MOST)
        return;
    text_add(text_add(text_add(&text, "channel "), c->config->name), what);
    if (error)
        text_error(&text, error);
    text_log_line(&text);
}

static void lose(struct channel_set *set, struct channel *c, int error)
{
    complain(c, ": server lost: ", error);
    c->error = error;
    vhost_drop(&c->vhost);
    set->dirty = true;
}

static void interrupt(const struct channel_set *set, const struct channel *c, uint16_t vector)
{
    if (vector < c->device.msix.count)
        sys_event_signal(set->router->vectors[channel_irq(c) * MSIX_VECTORS + vector]);
}

/* Virtio 1.2, 2.1.2: DEVICE_NEEDS_RESET. */
static void ask_for_reset(const struct channel_set *set, struct channel *c)
{
    complain(c, ": the guest broke its rings", 0);
    c->device.status |= VIRTIO_NEEDS_RESET;
    interrupt(set, c, c->device.config_vector);
}

/* ---- a confined queue ---- */

/* Full: the server is due to look anyway. */
static void ring_bell(const struct channel *c, uint32_t queue)
{
    uint64_t one = 1;
    struct iovec iov = {&one, sizeof(one)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    (void)sys_sendmsg(c->events.bells[queue][0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void pump(struct channel_set *set, struct channel *c, uint32_t queue)
{
    struct shadow *shadow = &c->shadows[queue];
    struct shadow_news news = {.more = false};
    int rc = shadow_return(shadow, &news);

    if (rc < 0 && c->vhost.step != VHOST_NONE)
        lose(set, c, rc);
    if (c->vhost.step == VHOST_RUNNING && virtio_running(&c->device)) {
        rc = shadow_submit(shadow, &news);
        if (rc < 0)
            ask_for_reset(set, c);
    }
    if (news.interrupt)
        interrupt(set, c, c->device.queues[queue].vector);
    if (news.kick && c->vhost.step == VHOST_RUNNING)
        ring_bell(c, queue);
    if (news.more)
        sys_event_signal(c->events.kicks[queue]);
}

static void pump_all(struct channel_set *set, struct channel *c)
{
    for (uint32_t i = 0; c->open && i < channel_queues(c); i++)
        pump(set, c, i);
}

/* ---- the queues' start ---- */

static struct ring_place guest_place(const struct virtio_queue *q)
{
    return (struct ring_place){q->addresses[0], q->addresses[1], q->addresses[2], q->size};
}

static uint64_t server_address(uint32_t queue)
{
    return SERVER_ADDRESS + queue * (uint64_t)SHADOW_BYTES;
}

static int open_shadows(const struct channel_set *set, struct channel *c)
{
    int rc = 0;

    for (uint32_t i = 0; i < channel_queues(c) && rc == 0; i++) {
        struct ring_place place = guest_place(&c->device.queues[i]);

        if (!c->open)
            rc = shadow_open(&c->shadows[i], &set->memory, &place,
                             c->memory + i * (size_t)SHADOW_BYTES, server_address(i));
    }
    c->open = rc == 0;
    return rc;
}

static void describe_confined(struct channel *c, struct vhost_start *start)
{
    start->memory = c->memory_fd;
    start->regions[0] =
        (struct vhost_region){SERVER_ADDRESS, channel_queues(c) * (uint64_t)SHADOW_BYTES, 0};
    for (uint32_t i = 0; i < channel_queues(c); i++) {
        struct ring_place place = shadow_place(server_address(i));

        shadow_renew(&c->shadows[i]);
        start->queues[i] = (struct vhost_queue){
            .size = SHADOW_SIZE,
            .addresses = {place.descriptors, place.available, place.used},
            .kick = c->events.bells[i][1],
            .call = c->events.calls[i],
        };
    }
}

static int describe_direct(const struct channel_set *set, const struct channel *c,
                           struct vhost_start *start)
{
    bool goes_on = c->begun && !vhost_tracks(&c->vhost);

    start->memory = set->guest->fd;
    start->tracked = true;
    for (unsigned i = 0; i < VHOST_REGIONS; i++) {
        struct memory_extent e = memory_extent(set->guest, i);

        start->regions[i] = (struct vhost_region){e.gpa.value, e.size, e.offset};
    }
    for (uint32_t i = 0; i < channel_queues(c); i++) {
        const struct virtio_queue *q = &c->device.queues[i];
        struct ring_place place = guest_place(q);
        struct ring ring;
        int rc = ring_open(&ring, &set->memory, &place);

        if (rc < 0)
            return rc;
        if (goes_on && !c->device.kind->lossy && ring_waits(&ring))
            return -ENOTRECOVERABLE;
        start->queues[i] = (struct vhost_queue){
            .size = q->size,
            .base = ring_used_index(&ring),
            .addresses = {place.descriptors, place.available, place.used},
            .kick = c->events.kicks[i],
            .call = q->vector < c->device.msix.count
                        ? set->router->vectors[channel_irq(c) * MSIX_VECTORS + q->vector]
                        : c->events.calls[i],
        };
    }
    return 0;
}

static int describe(const struct channel_set *set, struct channel *c, struct vhost_start *start)
{
    int rc = 0;

    *start = (struct vhost_start){
        .features =
            c->device.accepted & (c->device.kind->passes[c->config->mode] | VIRTIO_F_VERSION_1),
        .queues_count = channel_queues(c),
    };
    for (uint32_t i = 0; i < channel_queues(c); i++)
        if (!c->device.queues[i].enabled)
            return -EINVAL;
    if (channel_direct(c))
        return describe_direct(set, c, start);
    rc = open_shadows(set, c);
    if (rc == 0)
        describe_confined(c, start);
    return rc;
}

static void start_queues(struct channel_set *set, struct channel *c)
{
    struct vhost_start start;
    int rc = describe(set, c, &start);

    if (rc == -ENOTRECOVERABLE) {
        c->hopeless = true;
        lose(set, c, rc);
        return;
    }
    if (rc < 0) {
        ask_for_reset(set, c);
        return;
    }
    c->begun = true;
    rc = vhost_start(&c->vhost, &start);
    if (rc < 0)
        lose(set, c, rc);
}

/* The queues are with the server: what waits is put to it. Either side is woken once in vain. */
static void wake_both(struct channel_set *set, struct channel *c)
{
    pump_all(set, c);
    for (uint32_t i = 0; i < channel_queues(c); i++) {
        if (channel_direct(c))
            sys_event_signal(c->events.kicks[i]);
        else
            ring_bell(c, i);
        interrupt(set, c, c->device.queues[i].vector);
    }
}

/* ---- one function brings all in line ---- */

static void finish_reset(struct channel *c)
{
    c->open = c->begun = c->hopeless = false;
    vhost_forget(&c->vhost);
    virtio_reset(&c->device);
}

/* Neither can be interrupted safely: their end is waited for. */
static bool is_stopping(const struct channel *c)
{
    enum vhost_step step = c->vhost.step;

    return step == VHOST_STOPPING || step == VHOST_TRACKING || step == VHOST_STARTING;
}

static void follow(struct channel_set *set, struct channel *c)
{
    int rc;

    if (c->device.resetting && c->vhost.step == VHOST_RUNNING) {
        rc = vhost_stop(&c->vhost);
        if (rc < 0)
            lose(set, c, rc);
    }
    if (c->device.resetting && !is_stopping(c))
        finish_reset(c);
    if (c->vhost.step == VHOST_READY && virtio_running(&c->device)) {
        start_queues(set, c);
        if (c->vhost.step == VHOST_RUNNING)
            wake_both(set, c);
    }
}

static void follow_bar(struct channel_set *set, struct channel *c)
{
    uint32_t command = virtio_config_read(&c->device, PCI_COMMAND, 2);
    uint64_t at = command & PCI_COMMAND_MEMORY ? pci_config_bar(&c->device.config, 0) : 0;

    if (at < LAYOUT_PCI_WINDOW || at > LAYOUT_PCI_WINDOW + LAYOUT_PCI_SIZE - VIRTIO_BAR_SIZE)
        at = 0;
    c->address = at;
    for (uint32_t i = 0; i < channel_queues(c); i++) {
        uint64_t doorbell = at ? at + VIRTIO_NOTIFY + VIRTIO_NOTIFY_ONE * (uint64_t)i : 0;
        struct kvm_ioeventfd tie = {.fd = c->events.kicks[i]};

        if (c->tied[i] == doorbell)
            continue;
        tie.addr = c->tied[i];
        tie.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
        if (c->tied[i])
            (void)sys_ioctl_ptr(set->vm, KVM_IOEVENTFD, &tie);
        c->tied[i] = doorbell;
        tie.addr = doorbell;
        tie.flags = 0;
        if (doorbell) /* over another's: then the trapped write serves */
            (void)sys_ioctl_ptr(set->vm, KVM_IOEVENTFD, &tie);
    }
}

static void follow_msix(struct channel_set *set, struct channel *c)
{
    int rc = irq_follow(set->router, channel_irq(c), &c->device.msix);

    if (rc < 0)
        complain(c, ": MSI-X routing: ", rc);
}

static void take_news(struct channel_set *set, struct channel *c, unsigned news)
{
    if (news & VIRTIO_NEWS_BAR)
        follow_bar(set, c);
    if (news & VIRTIO_NEWS_MSIX)
        follow_msix(set, c);
    if (news & VIRTIO_NEWS_STATUS) {
        set->dirty = true;
        follow(set, c);
    }
    for (uint32_t i = 0; i < channel_queues(c); i++)
        if (news & VIRTIO_NEWS_NOTIFY << i)
            sys_event_signal(c->events.kicks[i]);
}

void channel_begin(struct channel_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct channel *c = &set->channels[i];

        if (!vhost_rests(&c->vhost))
            lose(set, c, -EINTR);
        for (uint32_t q = 0; c->open && q < channel_queues(c); q++)
            shadow_begin(&c->shadows[q]);
        follow_bar(set, c);
        if (c->vhost.step == VHOST_RUNNING)
            wake_both(set, c);
        follow(set, c);
    }
    set->dirty = true;
}

/* ---- the connection ---- */

int channel_connect(struct channel_set *set, uint32_t index, int fd)
{
    struct channel *c = &set->channels[index < set->count ? index : 0];
    int rc;

    if (index >= set->count)
        return -EINVAL;
    if (c->vhost.step != VHOST_NONE)
        return -EBUSY;
    c->connections++;
    set->dirty = true;
    rc = vhost_begin(&c->vhost, fd);
    if (rc < 0)
        lose(set, c, rc);
    return 0;
}

/* What a server offers now. The guest has been told by the first: later ones must do as much. */
static int learn(struct channel *c)
{
    const struct virtio_kind *kind = c->device.kind;
    uint8_t config[VIRTIO_CONFIG_MAX] = {0};
    uint64_t features = c->vhost.features & (kind->passes[c->config->mode] | VIRTIO_F_VERSION_1);

    if (!(features & VIRTIO_F_VERSION_1))
        return -ENOTSUP;
    memcpy(config, c->vhost.config, kind->server_config);
    features |= kind->fill(c->config, config);
    if (c->known)
        return c->device.offered & ~features ? -ENOTSUP : 0;
    virtio_offer(&c->device, features, config);
    c->known = true;
    return 0;
}

static void serve_server(struct channel_set *set, struct channel *c)
{
    enum vhost_step before = c->vhost.step;
    int rc = vhost_serve(&c->vhost);

    if (rc == 0 && before <= VHOST_CONFIG && c->vhost.step == VHOST_READY)
        rc = learn(c);
    if (c->vhost.step != before)
        set->dirty = true;
    if (rc < 0) {
        pump_all(set, c); /* what it has returned is the guest's */
        if (c->vhost.step != VHOST_NONE)
            lose(set, c, rc);
    } else if (before == VHOST_TRACKING && c->vhost.step == VHOST_RUNNING) {
        wake_both(set, c);
    }
    follow(set, c);
}

/* ---- main's loop ---- */

static bool is_pumped(const struct channel *c)
{
    return c->open && c->vhost.step == VHOST_RUNNING && virtio_running(&c->device);
}

unsigned channel_files(const struct channel_set *set, struct pollfd *fds)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        const struct channel *c = &set->channels[i];

        if (c->vhost.step != VHOST_NONE)
            fds[count++] = (struct pollfd){.fd = c->vhost.fd, .events = POLLIN};
        for (uint32_t q = 0; is_pumped(c) && q < channel_queues(c); q++) {
            fds[count++] = (struct pollfd){.fd = c->events.kicks[q], .events = POLLIN};
            fds[count++] = (struct pollfd){.fd = c->events.calls[q], .events = POLLIN};
        }
    }
    return count;
}

struct ready {
    const struct pollfd *fds;
    unsigned count;
};

static bool is_ready(const struct ready *ready, int fd)
{
    for (unsigned i = 0; i < ready->count; i++)
        if (ready->fds[i].fd == fd)
            return ready->fds[i].revents != 0;
    return false;
}

/* Cleared before the rings are looked at: none is missed. */
static bool take_event(const struct ready *ready, int fd)
{
    bool there = is_ready(ready, fd);

    if (there)
        sys_event_clear(fd);
    return there;
}

static void serve_one(struct channel_set *set, struct channel *c, const struct ready *ready)
{
    bool server = c->vhost.step != VHOST_NONE && is_ready(ready, c->vhost.fd);

    for (uint32_t q = 0; is_pumped(c) && q < channel_queues(c); q++) {
        bool kick = take_event(ready, c->events.kicks[q]);
        bool call = take_event(ready, c->events.calls[q]);

        if (kick || call)
            pump(set, c, q);
    }
    if (server && c->vhost.step != VHOST_NONE)
        serve_server(set, c);
}

void channel_serve(struct channel_set *set, const struct pollfd *fds, unsigned count)
{
    const struct ready ready = {fds, count};

    for (uint32_t i = 0; i < set->count; i++)
        serve_one(set, &set->channels[i], &ready);
}

/* ---- what others ask ---- */

bool channel_known(const struct channel_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (!set->channels[i].known)
            return false;
    return true;
}

bool channel_operating(const struct channel_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->channels[i].vhost.step != VHOST_RUNNING)
            return false;
    return true;
}

static enum channel_state state_of(const struct channel *c)
{
    if (!c->known)
        return CHANNEL_WAITING;
    if (c->vhost.step < VHOST_READY)
        return CHANNEL_LOST;
    return c->vhost.step == VHOST_RUNNING ? CHANNEL_OPERATING : CHANNEL_READY;
}

void channel_status(const struct channel_set *set, struct channel_status out[])
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct channel *c = &set->channels[i];

        out[i] = (struct channel_status){
            .state = state_of(c),
            .wants = c->vhost.step != VHOST_NONE ? CHANNEL_WANTS_NOTHING
                     : c->hopeless               ? CHANNEL_WANTS_RESET
                                                 : CHANNEL_WANTS_SERVER,
            .connections = c->connections,
            .error = c->error,
        };
    }
}

/* ---- the guest's accesses ---- */

uint32_t channel_config_read(const struct channel_set *set, unsigned index, uint32_t offset,
                             unsigned size)
{
    return virtio_config_read(&set->channels[index].device, offset, size);
}

void channel_config_write(struct channel_set *set, unsigned index, uint32_t offset, unsigned size,
                          uint32_t value)
{
    struct channel *c = &set->channels[index];

    take_news(set, c, virtio_config_write(&c->device, offset, size, value));
}

/* The channel whose BAR is there; -1: none. */
static int find(const struct channel_set *set, uint64_t address)
{
    for (uint32_t i = 0; i < set->count; i++) {
        uint64_t at = set->channels[i].address;

        if (at && address >= at && address - at < VIRTIO_BAR_SIZE)
            return (int)i;
    }
    return -1;
}

bool channel_memory_read(const struct channel_set *set, uint64_t address, unsigned size,
                         uint64_t *value)
{
    int index = find(set, address);
    const struct channel *c = &set->channels[index < 0 ? 0 : index];
    uint64_t offset = address - c->address;

    if (index < 0)
        return false;
    *value = virtio_bar_read(&c->device, offset, size);
    if (offset >= VIRTIO_PENDING && offset < VIRTIO_PENDING + 8)
        *value = irq_pending(set->router, channel_irq(c), &c->device.msix) >>
                 8 * (offset - VIRTIO_PENDING);
    return true;
}

bool channel_memory_write(struct channel_set *set, uint64_t address, unsigned size, uint64_t value)
{
    int index = find(set, address);
    struct channel *c = &set->channels[index < 0 ? 0 : index];

    if (index < 0)
        return false;
    take_news(set, c, virtio_bar_write(&c->device, address - c->address, size, value));
    return true;
}
