/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define AT_AVAILABLE 4096
#define AT_USED      8192

static struct ring_chain chain; /* main only, of one call */

/* What was prepared becomes true. */
static void commit(uint64_t *count)
{
    atomic_signal_fence(memory_order_seq_cst);
    __atomic_store_n(count, *count + 1, __ATOMIC_RELEASE);
    atomic_signal_fence(memory_order_seq_cst);
}

static bool is_live(const struct shadow *s, const struct shadow_request *r)
{
    return r->accepted && r->accepted <= s->accepted &&
           (r->returned == 0 || r->returned > s->returned);
}

static bool is_offered(const struct shadow *s, const struct shadow_request *r)
{
    return r->offered && r->offered <= s->offered;
}

struct ring_place shadow_place(uint64_t address)
{
    return (struct ring_place){address, address + AT_AVAILABLE, address + AT_USED, SHADOW_SIZE};
}

int shadow_open(struct shadow *s, const struct ring_memory *memory, const struct ring_place *guest,
                uint8_t *area, uint64_t address)
{
    const struct ring_memory own = {1, {{0, SHADOW_BYTES, area}}};
    const struct ring_place place = shadow_place(0);
    int rc;

    memset(s, 0, sizeof(*s));
    s->memory = memory;
    s->buffers = area + SHADOW_RING;
    s->address = address;
    rc = ring_open(&s->server, &own, &place);
    if (rc == 0)
        rc = ring_open(&s->guest, memory, guest);
    if (rc == 0)
        shadow_begin(s);
    return rc;
}

/* ---- descriptors ---- */

static uint16_t take_descriptor(struct shadow *s)
{
    return s->free[--s->free_count];
}

static void free_descriptors(struct shadow *s, const struct shadow_request *r)
{
    uint16_t at = r->first;

    for (uint32_t i = 0; i < r->count; i++, at = s->parts[at].next)
        s->free[s->free_count++] = at;
}

void shadow_begin(struct shadow *s)
{
    bool used[SHADOW_SIZE] = {false};

    for (uint32_t head = 0; head < SHADOW_SIZE; head++) {
        const struct shadow_request *r = &s->requests[head];
        uint16_t at = r->first;

        if (!is_live(s, r))
            continue;
        s->heads[r->first] = (uint16_t)head;
        for (uint32_t i = 0; i < r->count; i++, at = s->parts[at].next)
            used[at] = true;
    }
    s->free_count = 0;
    for (uint32_t i = 0; i < SHADOW_SIZE; i++)
        if (!used[i])
            s->free[s->free_count++] = (uint16_t)i;
    if (s->renewing)
        shadow_renew(s);
}

void shadow_renew(struct shadow *s)
{
    s->renewing = true;
    atomic_signal_fence(memory_order_seq_cst);
    for (uint32_t head = 0; head < SHADOW_SIZE; head++)
        s->requests[head].offered = 0;
    s->offered_base = s->offered;
    s->returned_base = s->returned;
    ring_clear(&s->server);
    atomic_signal_fence(memory_order_seq_cst);
    s->renewing = false;
}

/* ---- from the guest ---- */

static uint32_t parts_needed(const struct ring_chain *c)
{
    uint32_t needed = 0;

    for (uint32_t i = 0; i < c->count && needed <= SHADOW_SIZE; i++) {
        uint32_t parts = c->parts[i].size / SHADOW_PART + (c->parts[i].size % SHADOW_PART != 0);

        needed = parts > SHADOW_SIZE ? parts : needed + parts;
    }
    return needed;
}

/* Cuts the guest's parts to buffers: a part of the guest's begins a buffer of its own. */
static void lay_out(struct shadow *s, struct shadow_request *r, const struct ring_chain *c)
{
    uint16_t *link = &r->first;

    for (uint32_t i = 0; i < c->count; i++) {
        const struct ring_part *p = &c->parts[i];

        for (uint32_t done = 0; done < p->size; done += SHADOW_PART) {
            uint32_t left = p->size - done;
            uint16_t at = take_descriptor(s);

            *link = at;
            link = &s->parts[at].next;
            s->parts[at] = (struct shadow_part){
                .guest = p->address + done,
                .size = (uint16_t)(left < SHADOW_PART ? left : SHADOW_PART),
                .writable = p->writable,
            };
            r->count++;
            r->writable += p->writable ? s->parts[at].size : 0;
        }
    }
}

/* 1: taken, *head says which; 0: none there, or no room now. */
static int take(struct shadow *s, uint16_t *head)
{
    int rc = ring_take(&s->guest, (uint16_t)s->accepted, head);
    struct shadow_request *r;
    uint32_t needed;

    if (rc <= 0)
        return rc;
    r = &s->requests[*head];
    if (is_live(s, r))
        return -EPROTO; /* twice at once */
    rc = ring_chain(&s->guest, s->memory, *head, &chain);
    if (rc < 0)
        return rc;
    needed = parts_needed(&chain);
    if (needed == 0 || needed > SHADOW_SIZE)
        return needed ? -E2BIG : -EPROTO;
#ifndef PARCLOSE_MUTANT_QUEUE_ENDLESS /* more than there is room for is taken */
    if (needed > s->free_count)
        return 0;
#endif
    r->accepted = s->accepted + 1; /* first: from here on it is neither the old one nor live */
    atomic_signal_fence(memory_order_seq_cst);
    r->offered = r->returned = 0;
    r->count = 0;
    r->writable = 0;
    lay_out(s, r, &chain);
    s->heads[r->first] = *head;
    commit(&s->accepted);
    return 1;
}

static void copy_out(const struct shadow *s, uint16_t descriptor)
{
    const struct shadow_part *p = &s->parts[descriptor];
    const void *from = ring_memory_at(s->memory, p->guest, p->size);

    if (from && !p->writable)
        memcpy(s->buffers + (size_t)descriptor * SHADOW_PART, from, p->size);
}

static void offer(struct shadow *s, struct shadow_request *r)
{
    uint16_t at = r->first;

    for (uint32_t i = 0; i < r->count; i++, at = s->parts[at].next) {
        const struct shadow_part *p = &s->parts[at];
        const struct ring_part part = {s->address + SHADOW_RING + (uint64_t)at * SHADOW_PART,
                                       p->size, p->writable};

        copy_out(s, at);
        ring_describe(&s->server, at, &part, i + 1u < r->count ? p->next : SHADOW_SIZE);
    }
    ring_put(&s->server, (uint16_t)(s->offered - s->offered_base), r->first);
    r->offered = s->offered + 1;
    commit(&s->offered);
}

/* With the server now. */
static uint64_t out(const struct shadow *s)
{
    return (s->offered - s->offered_base) - (s->returned - s->returned_base);
}

/* The oldest live request that no server has; NULL: none. */
static struct shadow_request *left_over(struct shadow *s)
{
    struct shadow_request *oldest = NULL;

    if (s->accepted - s->returned == out(s))
        return NULL;
    for (uint32_t head = 0; head < SHADOW_SIZE; head++) {
        struct shadow_request *r = &s->requests[head];

        if (is_live(s, r) && !is_offered(s, r) && (!oldest || r->accepted < oldest->accepted))
            oldest = r;
    }
    return oldest;
}

int shadow_submit(struct shadow *s, struct shadow_news *news)
{
    struct shadow_request *left;
    uint32_t taken = 0;
    uint16_t head;
    int rc = 1;

    while ((left = left_over(s)) != NULL)
        offer(s, left);
    for (; taken < SHADOW_SIZE && (rc = take(s, &head)) == 1; taken++)
        offer(s, &s->requests[head]);
    news->more |= rc == 1;
    news->kick |= ring_publish_available(&s->server, (uint16_t)(s->offered - s->offered_base));
    return rc < 0 ? rc : 0;
}

/* ---- from the server ---- */

static void copy_in(struct shadow *s, const struct shadow_request *r, uint32_t written)
{
    uint16_t at = r->first;

    for (uint32_t i = 0; i < r->count && written; i++, at = s->parts[at].next) {
        const struct shadow_part *p = &s->parts[at];
        uint32_t size = written < p->size ? written : p->size;
        void *to = ring_memory_at(s->memory, p->guest, size);

        if (!p->writable)
            continue;
        if (to)
            memcpy(to, s->buffers + (size_t)at * SHADOW_PART, size);
        written -= size;
    }
}

/* Whose it is; NULL: the server has no such request. */
static struct shadow_request *whose(struct shadow *s, uint32_t id, uint16_t *head)
{
    struct shadow_request *r;

    if (id >= SHADOW_SIZE)
        return NULL;
    *head = s->heads[id];
    r = &s->requests[*head];
    return is_live(s, r) && is_offered(s, r) && r->first == id ? r : NULL;
}

static int give_back(struct shadow *s, const struct ring_used *used)
{
    uint16_t head;
    struct shadow_request *r = whose(s, used->id, &head);
    uint32_t written;

    if (!r)
        return -EPROTO;
    written = used->written < r->writable ? used->written : r->writable;
    copy_in(s, r, written);
    ring_give(&s->guest, (uint16_t)s->returned, head, written);
    r->returned = s->returned + 1;
    commit(&s->returned);
    free_descriptors(s, r);
    return 1;
}

int shadow_return(struct shadow *s, struct shadow_news *news)
{
    uint64_t before = s->returned;
    struct ring_used used;
    int rc = 1;

    for (uint32_t i = 0; i < SHADOW_SIZE && rc == 1; i++) {
        rc = ring_collect(&s->server, (uint16_t)(s->returned - s->returned_base), (uint32_t)out(s),
                          &used);
        if (rc == 1)
            rc = give_back(s, &used);
    }
    news->more |= rc == 1;
    if (ring_publish_used(&s->guest, (uint16_t)s->returned) && s->returned != before)
        news->interrupt = true;
    return rc < 0 ? rc : 0;
}
