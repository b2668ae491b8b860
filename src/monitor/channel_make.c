/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "channel.h"
#include "layout.h"
#include "sys.h"

static int make_memory(struct channel *c)
{
    uint64_t size = channel_queues(c) * (uint64_t)SHADOW_BYTES;
    long fd =
        sys_call3(SYS_memfd_create, (long)"channel", (long)(MFD_CLOEXEC | MFD_ALLOW_SEALING), 0);
    long rc;

    if (fd < 0)
        return (int)fd;
    rc = sys_call3(SYS_ftruncate, fd, (long)size, 0);
    if (rc >= 0) /* the server has the file, too */
        rc = sys_fcntl((int)fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    if (rc >= 0)
        rc = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    if (sys_is_error(rc))
        return (int)rc;
    c->memory_fd = (int)fd;
    c->memory = (uint8_t *)rc;
    return (int)sys_call3(SYS_madvise, rc, (long)size, MADV_DONTDUMP);
}

static int make_events(struct channel *c)
{
    const int bell = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
    long rc = 0;

    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX && rc >= 0; i++) {
        rc = sys_eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
        c->events.kicks[i] = (int)rc;
        if (rc >= 0)
            rc = sys_eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
        c->events.calls[i] = (int)rc;
        if (rc >= 0)
            rc = sys_call6(SYS_socketpair, AF_UNIX, bell, 0, (long)c->events.bells[i], 0, 0);
    }
    return rc < 0 ? (int)rc : 0;
}

static int make_one(struct channel_set *set, unsigned index, const struct partition_channel *config)
{
    const struct virtio_kind *kind = virtio_kind(config->kind);
    struct channel *c = &set->channels[index];
    int rc = 0;

    c->index = index;
    c->config = config;
    c->memory_fd = -1;
    virtio_begin(&c->device, kind);
    vhost_init(&c->vhost, kind->server_config);
    pci_config_set_bar(&c->device.config, 0, LAYOUT_CHANNELS + index * (uint64_t)VIRTIO_BAR_SIZE);
    if (!channel_direct(c))
        rc = make_memory(c);
    if (rc >= 0)
        rc = make_events(c);
    if (rc >= 0)
        rc = irq_attach(set->router, channel_irq(c), &c->device.msix);
    return rc;
}

int channel_make(struct channel_set *set, const struct partition_channel *configs, uint32_t count,
                 const struct guest_memory *memory, struct irq_router *router, int vm)
{
    int rc = 0;

    set->vm = vm;
    set->router = router;
    set->guest = memory;
    set->memory.count = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct memory_extent e = memory_extent(memory, i);

        if (e.size)
            set->memory.regions[set->memory.count++] =
                (struct ring_region){e.gpa.value, e.size, memory->base + e.offset};
    }
    for (uint32_t i = 0; i < count && rc >= 0; i++)
        rc = make_one(set, i, &configs[i]);
    set->count = count;
    return rc;
}
