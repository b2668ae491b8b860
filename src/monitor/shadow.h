/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One confined queue: main takes the guest's requests from its ring, copies what the device may
 * read into the channel's own memory, puts them into a shadow ring there, and gives back to the
 * guest what the server returns. The server maps the channel's memory and nothing else. Both other
 * sides are hostile; both may change what they can reach at any moment.
 *
 * Channel memory of a queue: its shadow ring, then one buffer of SHADOW_PART bytes a descriptor;
 * descriptor n always means buffer n. All that is believed lies in this structure, which only the
 * monitor's processes have, and which outlives any main:
 *
 *   accepted, returned, offered   how many requests ever were: taken from the guest, given back to
 *                                 it, put into the shadow ring. Free-running; the position in the
 *                                 guest's rings is accepted, returned modulo 2^16.
 *   requests[head]                the request of the guest's descriptor `head`, with the number
 *                                 that each of the three counts had after it
 *
 * A request is live when its `accepted` is counted and its `returned` is not (0, or more than the
 * count says); it is with the server when its `offered` is counted. So one aligned store, of a
 * count, makes each step true, and all that was written for it before is either unused or repeated:
 *
 *   take     copy the chain, fill in requests[head] and parts  | accepted + 1
 *   offer    copy bytes out, write descriptors and entry       | offered + 1  | shadow index
 *   return   copy bytes in, write the guest's used entry       | returned + 1 | guest's index
 *
 * The indices right of the counts are their image: a new main writes both again, and interrupts and
 * kicks once in vain. Which descriptors are free follows from the live requests: shadow_begin()
 * works it out anew.
 *
 * Example: main dies in "return" of request 7. Before the count says 7: the guest's index does not
 * cover the entry yet, so the guest has seen nothing; the new main finds the same entry in the
 * shadow ring (its position there is returned less returned_base) and copies again. After it: the
 * request is not live; the new main publishes the index, and nobody copies again into memory that
 * by then may be the guest's once more.
 *
 * A lost server leaves live requests, some of them with `offered` set. What it had returned is
 * given back first; then shadow_renew() makes an empty ring, forgets who was offered (`renewing`
 * is set meanwhile: a new main does it all again), and they are put again, oldest first, with bytes
 * copied from the guest anew. A request that the server carried out without being able to say so is
 * carried out twice: a block written twice with the same bytes, a packet sent twice.
 */
#pragma once

#include "ring/ring.h"

#define SHADOW_SIZE  RING_SIZE_MAX
#define SHADOW_PART  4096
#define SHADOW_RING  12288 /* bytes of a ring: table, available at 4096, used at 8192 */
#define SHADOW_BYTES (SHADOW_RING + SHADOW_SIZE * SHADOW_PART) /* channel memory of a queue */

struct shadow_part {
    uint64_t guest; /* address in the guest */
    uint16_t size;  /* 1..SHADOW_PART */
    uint16_t next;  /* descriptor */
    bool writable;
};

struct shadow_request {
    uint64_t accepted, offered, returned;
    uint16_t first, count; /* descriptors */
    uint32_t writable;     /* bytes */
};

struct shadow {
    bool renewing;
    struct ring guest, server;
    const struct ring_memory *memory; /* the guest's */
    uint8_t *buffers;
    uint64_t address; /* of the channel memory of the queue, to the server */
    uint64_t accepted, offered, returned;
    uint64_t offered_base, returned_base; /* counts when the shadow ring was empty */
    uint32_t free_count;                  /* from here to heads: derived */
    uint16_t free[SHADOW_SIZE];
    uint16_t heads[SHADOW_SIZE]; /* by first descriptor */
    struct shadow_part parts[SHADOW_SIZE];
    struct shadow_request requests[SHADOW_SIZE];
};

/* What a pump has led to. */
struct shadow_news {
    bool interrupt; /* the guest wants one */
    bool kick;      /* the server wants one */
    bool more;      /* there may be more: call again */
};

/* The addresses of the shadow ring, `address` being that of the queue's channel memory. */
struct ring_place shadow_place(uint64_t address);

/* A queue on which nothing has happened. `area`: its SHADOW_BYTES of channel memory, which the
 * server sees at `address`. -EINVAL, -EFAULT: what the guest said is no ring. */
int shadow_open(struct shadow *shadow, const struct ring_memory *memory,
                const struct ring_place *guest, uint8_t *area, uint64_t address);

/* Once in each main, before anything else. */
void shadow_begin(struct shadow *shadow);

/* Before each server: an empty shadow ring. */
void shadow_renew(struct shadow *shadow);

/* From the server to the guest. -EPROTO: the server broke the ring's rules. */
int shadow_return(struct shadow *shadow, struct shadow_news *news);

/* From the guest to the server; first what a lost server had not done. -EPROTO, -EFAULT, -E2BIG:
 * the guest broke the ring's rules; what is under way stays. */
int shadow_submit(struct shadow *shadow, struct shadow_news *news);
