/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry of the audit log, as it is on disk: a header, then `changes_count` changes, each with
 * the images of one resource before and after. Integers are the host's (the log does not travel
 * between hosts of different byte order). Everything is aligned to 8 bytes.
 *
 *   +--------------------+------------------------------+------------------------------+---
 *   | audit_entry        | audit_change, before, after  | audit_change, before, after  | …
 *   +--------------------+------------------------------+------------------------------+---
 *
 * A transaction is one BEGUN entry. What became of its effect is a later APPLIED or UNDONE entry
 * that refers to it and carries what that itself changed. Replaying the log is applying the after
 * images of every entry in order; nothing else.
 *
 * The entries are a chain: each carries the SHA-256 of the whole entry before it. Who knows the
 * last one's hash (the head, which control writes into the journal) knows all of them: no entry can
 * be changed, left out or added later without the head becoming another. The CRC is for torn
 * entries alone; it protects against nobody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "store/audit_image.h"

#define AUDIT_ENTRY_MAGIC UINT32_C(0x41434c50) /* "PLCA" */
#define AUDIT_VERSION     6
#ifndef AUDIT_ENTRY_MAX        /* the tests of power cuts have smaller ones */
#define AUDIT_ENTRY_MAX 262144 /* bytes, header included */
#endif
#define AUDIT_IMAGE_MAX 4096 /* bytes of one image */
#define AUDIT_HASH_SIZE 32   /* SHA-256 (FIPS 180-4) */
#define AUDIT_ZONE      0    /* whose resources: there is one zone so far */

enum audit_phase { AUDIT_BEGUN = 1, AUDIT_APPLIED = 2, AUDIT_UNDONE = 3, AUDIT_PHASES };

enum audit_kind {
    AUDIT_NONE = 0,
    AUDIT_RESET = 1, /* a new boot of the host, or a first start: nothing runs any more */
    AUDIT_HOST_SET = 2,
    AUDIT_DEFINE = 3,
    AUDIT_UNDEFINE = 4,
    AUDIT_START = 5,
    AUDIT_WAIT = 6,     /* a partition waits before the gate */
    AUDIT_CHANNELS = 7, /* its VFs were handed to its monitor */
    AUDIT_ATTACH = 8,
    AUDIT_STOP = 9,
    AUDIT_RELEASE = 10, /* its monitor is gone; its resources are back */
    AUDIT_RUNG = 11,
    AUDIT_ACTION = 12, /* on a device */
    AUDIT_SHUTDOWN = 13,
    AUDIT_RECOVERED = 14, /* a PF in error is ready again */
    AUDIT_CHANNEL = 15,   /* a server attached a channel, or let go of it */
    AUDIT_PCPU = 16,      /* a pCPU went offline or came back; a vCPU has another one */
    AUDIT_VF_NEWS = 17,   /* the host's kernel reported an error of a VF, or asks for it back */
    AUDIT_EDIT = 18,      /* of devices.xml */
    AUDIT_SESSION = 19,   /* somebody dumps or debugs a partition */
    AUDIT_OUTAGE = 20,    /* a PF behind a partition that runs is not ready; or all are again */
    AUDIT_ORDER = 21,     /* an administrator's, about a PF or SR-PCIM */
    AUDIT_FREEZE = 22,    /* a partition's processors are frozen for an outage, thawed again */
    AUDIT_APPLY = 23,     /* a proposal: host, definitions and attributes at once */
    AUDIT_FAILOVER = 24,  /* a stand-by takes the place of a partition's VF */
    AUDIT_ERRORS = 25,    /* AER errors of a PF were counted; of a VF in use: VF_NEWS */
    AUDIT_PF_LOST = 26,   /* a PF that no partition runs with is ready no more, by nobody's order;
                             or it is again */
    AUDIT_KINDS
};

struct audit_requester {
    uint32_t process; /* enum process_kind: who asked control */
    uint32_t uid;     /* for PROCESS_COMMAND: of the person */
    uint32_t pid;
    uint32_t reserved;
    char reason[64];
};
_Static_assert(sizeof(struct audit_requester) == 80, "on disk");

struct audit_entry {
    uint32_t magic;
    uint32_t size; /* of the whole entry: a multiple of 8, at most AUDIT_ENTRY_MAX */
    uint32_t crc;  /* CRC32C of the whole entry with 0 here */
    uint16_t version;
    uint16_t phase;         /* enum audit_phase */
    uint64_t sequence;      /* 1, 2, …; without gaps */
    uint64_t unsynced_from; /* first entry that was not known to be durable when this was written */
    uint64_t refers_to;     /* APPLIED, UNDONE: the BEGUN entry; else 0 */
    uint64_t realtime_ns;
    uint64_t boottime_ns;
    uint8_t boot_id[16];
    uint32_t kind; /* enum audit_kind */
    uint32_t changes_count;
    uint64_t request_id; /* of command's request; 0: none */
    uint32_t request_type;
    uint32_t request_digest; /* CRC32C of its body: two requests with one id are told apart */
    uint32_t zone;           /* AUDIT_ZONE */
    uint32_t reserved;
    uint8_t previous[AUDIT_HASH_SIZE]; /* SHA-256 of the whole entry before; of 1: zeros */
    struct audit_requester who;
    char text[PARCLOSE_REASON_MAX]; /* for people: why, or what is affected */
};
_Static_assert(sizeof(struct audit_entry) == 136 + 80 + 160, "on disk");

struct audit_change {
    uint32_t kind;        /* enum resource_kind */
    uint32_t before_size; /* 0: it did not exist before; else the size of its kind's image */
    uint32_t after_size;  /* 0: it does not exist any more */
    uint32_t zone;        /* AUDIT_ZONE: the key is one of this zone */
    uint64_t key[2];
};
_Static_assert(sizeof(struct audit_change) == 32, "on disk");

/* Size of the image of a kind of resource; 0: no such kind. */
size_t audit_image_size(uint32_t kind);

/* Empties `entry`, a buffer of AUDIT_ENTRY_MAX bytes, and sets what every entry needs. */
void audit_entry_begin(struct audit_entry *entry, enum audit_kind kind, enum audit_phase phase);

/*
 * Adds a change to an entry in a buffer of AUDIT_ENTRY_MAX bytes. before or after may be NULL; each
 * has audit_image_size(kind) bytes. -E2BIG when the buffer is full, -EINVAL on an unknown kind.
 */
int audit_entry_add(struct audit_entry *entry, enum resource_kind kind, uint64_t key0,
                    uint64_t key1, const void *before, const void *after);

/* Whether header and changes are in bounds, of known kinds, and the CRC is right. `available`:
 * bytes that can be read at `entry`, at least sizeof(*entry). */
bool audit_entry_ok(const struct audit_entry *entry, size_t available);

/* Whether a change in the image of its kind is whole; `available`: bytes at `change`. */
bool audit_change_ok(const struct audit_change *change, size_t available);

/* Bytes of a change with its images, a multiple of 8. The change must be ok. */
size_t audit_change_size(const struct audit_change *change);

/*
 * Puts a change with its images at `at`: how many bytes, a multiple of 8. before or after may be
 * NULL. -E2BIG: more than `available`; -EINVAL: unknown kind.
 */
ssize_t audit_change_put(void *at, size_t available, enum resource_kind kind, uint64_t key0,
                         uint64_t key1, const void *before, const void *after);

/* The change after `previous` (NULL: the first); NULL at the end. The entry must be ok. */
const struct audit_change *audit_entry_next(const struct audit_entry *entry,
                                            const struct audit_change *previous);

/* The images of a change; NULL when there is none. */
const void *audit_change_before(const struct audit_change *change);
const void *audit_change_after(const struct audit_change *change);

/* CRC32C of an entry as it should be in its crc member. */
uint32_t audit_entry_crc(const struct audit_entry *entry);
