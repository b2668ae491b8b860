/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtqueues of every virtio function (virtio 1.2, sections 2.7 and 4.1.4): rings that lie
 * nowhere, unaligned or over one another; loops; parts that are nowhere or endless; heads that are
 * none; indexes that jump; all registers at any width. What a device may write lies in `arena`.
 * After all of it a disk must still do as it is told, and a queue that is full must become empty.
 */
#include "pci.h"

#define VENDOR        0x1af4
#define DISK          0x1042
#define CAP_VENDOR    9
#define QUEUES        2
#define ENTRIES       256
#define BUFFERS       UINT64_C(0x10000)
#define MEMORY_END    UINT64_C(0x4000000) /* of a partition of 64 MiB */
#define PATIENCE      50000               /* reads of a port */
#define MANY          (ENTRIES / 3)       /* requests that fill a table */
#define LARGE         61440               /* bytes that each of them reads */
#define GUARD         0x5a5aa5a5deadbeef
#define FLAG_NEXT     1
#define FLAG_WRITE    2
#define FLAG_INDIRECT 4
#define STATUS_OK     8 /* features */
#define STATUS_GO     4

/* Common configuration, by offset. */
enum { OFFER_SELECT = 0, OFFER = 4, ACCEPT_SELECT = 8, ACCEPT = 12, STATUS = 20, QUEUE = 22 };
enum { QUEUE_SIZE = 24, QUEUE_VECTOR = 26, QUEUE_ENABLE = 28, QUEUE_RINGS = 32, COMMON_END = 56 };

struct descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags, next;
};

static struct {
    uint64_t before[512];
    struct arena {
        struct rings {
            struct descriptor table[ENTRIES];
            volatile uint16_t available[2048], used[2048]; /* flags, index, entries */
        } rings[QUEUES];
        uint8_t buffers[BUFFERS];
    } arena;
    uint64_t after[512];
} memory __attribute__((aligned(4096)));

struct function {
    unsigned device;
    uint64_t common, notify;
};

/* What the device reads is written, and what it wrote is read anew. */
static void barrier(void)
{
    __asm__ volatile("" : : : "memory");
}

static void notify(const struct function *f, unsigned queue)
{
    barrier();
    write_mem(f->notify + 4 * (uint64_t)queue, 2, queue);
}

static void guard(bool check)
{
    barrier();
    for (unsigned i = 0; i < 512; i++) {
        if (check && (memory.before[i] != GUARD || memory.after[i] != GUARD))
            broken("a device wrote what is not its own, at", i);
        memory.before[i] = memory.after[i] = GUARD;
    }
}

static bool find(unsigned device, struct function *f)
{
    uint64_t bar = pci_bar(device, 0).address;
    unsigned at = config_read(device, 0x34, 1);

    *f = (struct function){.device = device};
    if (config_read(device, 0, 2) != VENDOR)
        return false;
    for (unsigned i = 0; i < 48 && at >= 0x40; i++, at = config_read(device, at + 1, 1)) {
        if (config_read(device, at, 1) != CAP_VENDOR)
            continue;
        if (config_read(device, at + 3, 1) == 1)
            f->common = bar + config_read(device, at + 8, 4);
        if (config_read(device, at + 3, 1) == 2)
            f->notify = bar + config_read(device, at + 8, 4);
    }
    return f->common && f->notify;
}

/* ---- set-up ---- */

static void reset(const struct function *f)
{
    write_mem(f->common + STATUS, 1, 0);
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (read_mem(f->common + STATUS, 1) == 0)
            return;
        (void)in_port(0x80, 1);
    }
    broken("a virtio function is never reset", f->device);
}

static void accept(const struct function *f, bool all)
{
    write_mem(f->common + STATUS, 1, 1);
    write_mem(f->common + STATUS, 1, 3);
    for (unsigned word = 0; word < 2; word++) {
        write_mem(f->common + OFFER_SELECT, 4, word);
        write_mem(f->common + ACCEPT_SELECT, 4, word);
        uint32_t offered = (uint32_t)read_mem(f->common + OFFER, 4);

        write_mem(f->common + ACCEPT, 4, all ? offered : random_value());
    }
    write_mem(f->common + STATUS, 1, 3 | STATUS_OK);
}

static uint64_t nowhere(void)
{
    const uint64_t places[] = {MEMORY_END,
                               MEMORY_END - 8,
                               PCI_WINDOW,
                               ECAM,
                               LAPIC,
                               IOAPIC,
                               UINT64_C(1) << 32,
                               UINT64_C(1) << 52,
                               UINT64_MAX - 15,
                               UINT64_MAX,
                               UINT64_C(1) << 63,
                               ECAM - 8,
                               MEMORY_END - 4096};

    return places[random_below(sizeof(places) / sizeof(places[0]))];
}

static uint64_t arena_at(uint64_t size)
{
    return (uint64_t)&memory.arena + random_below(sizeof(memory.arena) - size + 1);
}

static void place_queue(const struct function *f, unsigned queue, bool good)
{
    struct rings *rings = &memory.arena.rings[queue];
    const uint64_t places[3] = {(uint64_t)rings->table, (uint64_t)rings->available,
                                (uint64_t)rings->used};

    write_mem(f->common + QUEUE, 2, queue);
    if (!good && random_below(2))
        write_mem(f->common + QUEUE_SIZE, 2,
                  random_below(2) ? random_value() : 1u << random_below(9));
    write_mem(f->common + QUEUE_VECTOR, 2, good ? 0xffff : random_value());
    for (unsigned i = 0; i < 3; i++) {
        uint64_t place = places[i];

        if (!good && random_below(8) == 0)
            place = random_below(2) ? nowhere() : arena_at(8192); /* 8192: no ring is longer */
        write_mem(f->common + QUEUE_RINGS + 8 * (uint64_t)i, 4, (uint32_t)place);
        write_mem(f->common + QUEUE_RINGS + 8 * (uint64_t)i + 4, 4, place >> 32);
    }
    write_mem(f->common + QUEUE_ENABLE, 2, 1);
}

static void begin(const struct function *f, bool good)
{
    reset(f);
    for (uint64_t *at = (uint64_t *)&memory.arena; at < (uint64_t *)(&memory.arena + 1); at++)
        *at = 0;
    guard(false);
    accept(f, good || random_below(8));
    for (unsigned i = 0; i < QUEUES; i++)
        place_queue(f, i, good || random_below(2));
    write_mem(f->common + STATUS, 1, 3 | STATUS_OK | STATUS_GO);
}

/* ---- requests ---- */

/* Whole in the arena, or not whole in memory: then no byte of it may be written. */
static void random_part(struct descriptor *d)
{
    uint64_t size = random_below(4) ? random_below(BUFFERS) : random_below(64);

    if (random_below(4)) {
        d->address = arena_at(size);
        d->size = (uint32_t)size;
    } else if (random_below(2)) {
        d->address = nowhere();
        d->size = (uint32_t)random_value() | 4097;
    } else {
        d->address = arena_at(0);
        d->size = UINT32_MAX - (uint32_t)random_below(4096);
    }
    d->flags = (uint16_t)(random_below(8) ? random_below(8) : random64());
    d->next = (uint16_t)(random_below(4) ? random_below(ENTRIES) : random64());
}

static void random_requests(const struct function *f, unsigned queue)
{
    struct rings *rings = &memory.arena.rings[queue];

    for (unsigned i = 0; i < ENTRIES; i++)
        if (random_below(4) == 0)
            random_part(&rings->table[i]);
    if (random_below(4) == 0) { /* a loop */
        unsigned head = (unsigned)random_below(ENTRIES);

        rings->table[head] = (struct descriptor){arena_at(16), 16, FLAG_NEXT, (uint16_t)head};
    }
    for (unsigned i = 0; i < ENTRIES; i++)
        rings->available[2 + i] = (uint16_t)(random_below(16) ? random_below(ENTRIES) : random64());
    rings->available[0] = (uint16_t)random_below(2);
    rings->available[1] += (uint16_t)(random_below(4) ? random_below(4) : random64());
    notify(f, queue);
}

static void random_register(const struct function *f)
{
    uint64_t value, at = f->common + random_below(COMMON_END);

    if (at == f->common + STATUS)
        return;
    if (random_below(2))
        (void)try_write(at, 1u << random_below(4), random_value());
    else
        (void)try_read(at, 1u << random_below(4), &value);
}

static void attack_step(const struct function *f)
{
    begin(f, false);
    for (unsigned i = 0; i < 4; i++) {
        random_requests(f, (unsigned)random_below(QUEUES));
        random_register(f);
        (void)read_mem(f->common + STATUS, 1);
    }
    guard(true);
}

/* ---- a disk does as it is told ---- */

/* `count` requests at once, each reads `size` bytes from sector 0; they share their buffers. */
static void read_disk(const struct function *f, unsigned count, uint32_t size)
{
    struct rings *rings = &memory.arena.rings[0];
    const uint64_t header = (uint64_t)memory.arena.buffers, data = header + 64;
    uint8_t *status = memory.arena.buffers + BUFFERS - 1;

    begin(f, true);
    for (unsigned i = 0; i < count; i++) {
        struct descriptor *d = &rings->table[3 * i];

        d[0] = (struct descriptor){header, 16, FLAG_NEXT, (uint16_t)(3 * i + 1)};
        d[1] = (struct descriptor){data, size, FLAG_NEXT | FLAG_WRITE, (uint16_t)(3 * i + 2)};
        d[2] = (struct descriptor){(uint64_t)status, 1, FLAG_WRITE, 0};
        rings->available[2 + i] = (uint16_t)(3 * i);
    }
    *status = 0xff;
    rings->available[1] = (uint16_t)count;
    notify(f, 0);
    for (unsigned i = 0; i < PATIENCE && rings->used[1] != count; i++)
        (void)in_port(0x80, 1);
    barrier();
    if (rings->used[1] != count || *status != 0)
        broken("a disk does not read, requests done", rings->used[1]);
    guard(true);
}

/* As it is used, then with more in the queue than a monitor has room for at once. */
static void read_disks(const struct function *f)
{
    read_disk(f, 1, 512);
    read_disk(f, MANY, LARGE);
}

void attack_queues(uint64_t steps)
{
    struct function f;

    pci_save();
    for (unsigned device = 1; device < PCI_DEVICES; device++) {
        if (!pci_present(device) || !find(device, &f))
            continue;
        pci_enable(device, true);
        for (uint64_t i = 0; i < steps; i++)
            attack_step(&f);
        if (config_read(device, 2, 2) == DISK)
            read_disks(&f);
        reset(&f);
        say_number("\nH: virtio function", device);
        say_line("");
    }
    pci_restore();
}
