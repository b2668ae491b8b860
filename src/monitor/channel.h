/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partition's channels: for each a virtio function on the guest's bus (virtio_pci.h), a
 * connection to its server (vhost.h), and what lies between them.
 *
 *   confined   guest ── its rings ── main copies (shadow.h) ── channel memory ── server
 *   direct     guest ── its rings, in the guest's memory, all of which the server maps ── server
 *
 * Direct doorbells and interrupts are eventfds between KVM and the server; of a confined channel
 * main stands between. A server that is gone is replaced: channel_status says that a connection is
 * wanted, lead brings one, and the requests that the lost one had are put to the new one. A direct
 * channel's server must have tracked them (VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD); else, if any were
 * under way, the channel stays lost: nobody knows which are done. A network may lose packets.
 *
 * All is brought in line by one function, follow(), from what device and connection are now; so a
 * new main calls just that. The server's bytes, files and rings end its connection if they break a
 * rule; the guest's make its device ask for a reset.
 */
#pragma once

#include "irq.h"
#include "memory.h"
#include "parclose/channel.h"
#include "shadow.h"
#include "vhost.h"
#include "virtio_pci.h"

struct pollfd;

/*
 * What wakes whom. A server has the same open file as we, and may change its flags: main must not
 * hang on it. So eventfds are read in the one way that cannot wait (sys_event_clear), and the
 * doorbells that main rings at a confined server are sockets: 8 bytes, as from an eventfd.
 */
struct channel_events {
    int kicks[VIRTIO_QUEUES_MAX];    /* the guest's doorbells, tied to the BAR by KVM */
    int calls[VIRTIO_QUEUES_MAX];    /* the server's interrupts, to main */
    int bells[VIRTIO_QUEUES_MAX][2]; /* main's doorbells: our end, the server's */
};

struct channel {
    unsigned index;
    const struct partition_channel *config;
    struct virtio_pci device;
    struct vhost vhost;
    struct channel_events events;
    uint64_t address; /* where the guest sees BAR 0; 0: nowhere */
    uint64_t tied[VIRTIO_QUEUES_MAX];
    int memory_fd; /* of the channel's own memory, when confined */
    uint8_t *memory;
    bool known;    /* a server has said what it is */
    bool begun;    /* a server has had the queues since the device was reset */
    bool hopeless; /* until the guest resets the device: what was under way is not known */
    uint32_t connections;
    int32_t error;
    uint32_t lines; /* logged of it */
    bool open;      /* shadows are in use */
    struct shadow shadows[VIRTIO_QUEUES_MAX];
};

struct channel_set {
    uint32_t count;
    int vm;
    struct irq_router *router;
    const struct guest_memory *guest;
    struct ring_memory memory; /* the guest's */
    bool dirty;                /* a status has changed */
    struct channel channels[PARCLOSE_MAX_CHANNELS];
};

static inline bool channel_direct(const struct channel *c)
{
    return c->config->mode == CHANNEL_DIRECT;
}

static inline uint32_t channel_queues(const struct channel *c)
{
    return c->device.kind->queues_count;
}

/* Its place in the router, after the VFs'. */
static inline unsigned channel_irq(const struct channel *c)
{
    return PARCLOSE_MAX_PARTITION_VFS + c->index;
}

#define CHANNEL_FILES (PARCLOSE_MAX_CHANNELS * (1 + 2 * VIRTIO_QUEUES_MAX))

/* All made, none connected. */
int channel_make(struct channel_set *set, const struct partition_channel *configs, uint32_t count,
                 const struct guest_memory *memory, struct irq_router *router, int vm);

/* Once in each main. */
void channel_begin(struct channel_set *set);

/* Takes a connected stream socket. -EBUSY: it has one; -EINVAL: no such channel. */
int channel_connect(struct channel_set *set, uint32_t index, int fd);

/* Every one has been answered by a server: the guest may see it. */
bool channel_known(const struct channel_set *set);

/* The guest's driver uses every one. */
bool channel_operating(const struct channel_set *set);

void channel_status(const struct channel_set *set, struct channel_status out[]);

/* What main waits for: fills in at most CHANNEL_FILES, returns how many. Then looks at them. */
unsigned channel_files(const struct channel_set *set, struct pollfd *fds);
void channel_serve(struct channel_set *set, const struct pollfd *fds, unsigned count);

/* The guest's accesses: configuration space, and memory at a BAR (false: none is there). */
uint32_t channel_config_read(const struct channel_set *set, unsigned index, uint32_t offset,
                             unsigned size);
void channel_config_write(struct channel_set *set, unsigned index, uint32_t offset, unsigned size,
                          uint32_t value);
bool channel_memory_read(const struct channel_set *set, uint64_t address, unsigned size,
                         uint64_t *value);
bool channel_memory_write(struct channel_set *set, uint64_t address, unsigned size, uint64_t value);
