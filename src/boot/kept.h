/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives boot. Whoever started boot (systemd, or parclose-holder) keeps files for it by name
 * and hands them to the next boot: sd_pid_notify_with_fds() with FDSTORE=1, and LISTEN_FDS.
 *
 *   state           a memfd, mapped: struct kept, always up to date
 *   listen          the socket of the command line
 *   p.KIND.GEN      pidfd of process number GEN of a kind
 *   c.KIND.GEN      boot's end of its link; both there: it can be adopted
 *   s.KIND.SEQ.NAME what that kind stored under NAME (boot itself: the inventory); of two, the one
 * with the higher SEQ counts
 *
 * A file is added under a new name before the old one is removed, so that a death at any moment
 * loses nothing. A file that is kept already is not kept again under another name (systemd compares
 * open file descriptions): to store the same one again changes nothing. KIND is a number, GEN and
 * SEQ are decimal.
 */
#pragma once

#include <stdbool.h>

#include "parclose/msg_boot.h"

#define KEPT_NAME_MAX 128
#define KEPT_MAGIC    UINT64_C(0x50434c534b455031) /* "PCLSKEP1": change with the structure */

struct kept_process {
    uint32_t generation;
    uint32_t health; /* enum process_health */
    uint32_t pid;
    uint32_t restarts;
    uint32_t deaths; /* in a row, without a quiet minute */
    uint32_t once_ready;
    uint32_t watchdog_ms; /* that this process knows */
    uint32_t reserved;
    uint64_t started_realtime_ns;
    uint64_t started_boottime_ns;
    char reason[PARCLOSE_REASON_MAX]; /* of its last restart */
};

struct kept_link {
    uint32_t generation;
    uint32_t handing; /* 1: an end may not have arrived; to be made again */
};

struct kept {
    uint64_t magic;
    uint32_t watchdog_ms; /* for those that start from now on */
    uint32_t shutting_down;
    uint64_t sequence; /* of stored files */
    struct kept_process processes[PROCESS_KINDS];
    struct kept_link links[PROCESS_KINDS][PROCESS_KINDS]; /* [lower kind][higher kind] */
};

/* A new one, added to the store. */
int kept_new(struct kept **kept);

/* That of the boot before; takes the file. -EBADMSG: of another version. */
int kept_open(struct kept **kept, int file);

/* 1: one and the same open file; 0: two; -ENOSYS and the like: the kernel does not tell. */
int kept_same(int one, int other);

void kept_add(const char *name, int file);
void kept_remove(const char *name);

__attribute__((format(printf, 2, 3))) void kept_name(char name[KEPT_NAME_MAX], const char *format,
                                                     ...);
