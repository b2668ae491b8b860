/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front end of the vhost-user protocol (QEMU's docs/interop/vhost-user.rst): one connection to
 * the server of one channel. Never waits; the server is hostile: whatever it says out of turn, cut,
 * or twice, ends the connection, and the next one begins from the start.
 *
 *   VHOST_NONE      no connection
 *   VHOST_FEATURES  GET_FEATURES is out                 vhost_begin()
 *   VHOST_PROTOCOL  GET_PROTOCOL_FEATURES is out
 *   VHOST_CONFIG    GET_CONFIG is out, where the kind has one
 *   VHOST_READY     known; no queue runs
 *   VHOST_TRACKING  GET_INFLIGHT_FD is out              vhost_start(), direct channels
 *   VHOST_STARTING  what starts the queues is being said; nothing is answered
 *   VHOST_RUNNING   the queues are the server's
 *   VHOST_STOPPING  a GET_VRING_BASE a queue is out     vhost_stop()
 *
 * Main may die at any instruction: a new one goes on at VHOST_NONE, READY and RUNNING, where
 * nothing is under way, and drops the connection in any other step (vhost_rests()).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VHOST_CONFIG_MAX 60
#define VHOST_QUEUES_MAX 2
#define VHOST_REGIONS    2

enum vhost_step {
    VHOST_NONE = 0,
    VHOST_FEATURES,
    VHOST_PROTOCOL,
    VHOST_CONFIG,
    VHOST_READY,
    VHOST_TRACKING,
    VHOST_STARTING,
    VHOST_RUNNING,
    VHOST_STOPPING,
};

/* Memory that the server maps: [address, address + size) of its queues' addresses. */
struct vhost_region {
    uint64_t address;
    uint64_t size; /* 0: none */
    uint64_t offset;
};

struct vhost_queue {
    uint32_t size;
    uint32_t base;         /* the server takes this position first */
    uint64_t addresses[3]; /* descriptors, available, used */
    int kick, call;        /* eventfds */
};

/* What the queues' start says. */
struct vhost_start {
    uint64_t features; /* that the guest's driver accepted */
    int memory;        /* file */
    bool tracked;      /* requests in flight are to be tracked by the server, if it can */
    uint32_t queues_count;
    struct vhost_region regions[VHOST_REGIONS];
    struct vhost_queue queues[VHOST_QUEUES_MAX];
};

struct vhost_header {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* of what follows */
};

struct vhost_inflight {
    uint64_t size, offset;
    uint16_t queues_count, queue_size;
    uint32_t padding;
};

/* A message as it lies on the socket. */
struct vhost_message {
    struct vhost_header header;
    union {
        uint64_t word;
        struct {
            uint32_t index, value;
        } queue;
        struct {
            uint32_t index, flags;
            uint64_t descriptors, used, available, log;
        } addresses;
        struct {
            uint32_t count, padding;
            struct {
                uint64_t guest, size, user, offset;
            } regions[VHOST_REGIONS];
        } memory;
        struct {
            uint32_t offset, size, flags;
            uint8_t bytes[VHOST_CONFIG_MAX];
        } config;
        struct vhost_inflight inflight;
    } __attribute__((packed, aligned(4)));
};

struct vhost {
    int fd; /* a stream socket; -1: none */
    enum vhost_step step;
    uint32_t config_size; /* wanted */
    uint64_t features, protocol;
    uint8_t config[VHOST_CONFIG_MAX];
    struct vhost_start start; /* the last one */
    uint32_t answers;         /* that are still due, while STOPPING */
    uint32_t received;        /* bytes of */
    struct vhost_message reply;
    int reply_file;    /* that came with it; -1: none */
    int inflight_file; /* kept from one server for the next; -1: none */
    struct vhost_inflight inflight;
};

/* All at rest, with no connection. */
void vhost_init(struct vhost *v, uint32_t config_size);

/* Takes the connection. Negative errno of these: the caller drops it. */
int vhost_begin(struct vhost *v, int fd);

/* All that the server has said. */
int vhost_serve(struct vhost *v);

/* Only when READY. */
int vhost_start(struct vhost *v, const struct vhost_start *start);

/* Only when RUNNING. */
int vhost_stop(struct vhost *v);

/* Closes it, if there is one. */
void vhost_drop(struct vhost *v);

/* The guest's driver begins anew: nothing is in flight any more. */
void vhost_forget(struct vhost *v);

bool vhost_rests(const struct vhost *v);

/* The server offered to track what is in flight. */
bool vhost_tracks(const struct vhost *v);
