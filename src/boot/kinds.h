/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what boot starts: in the order of its rows, each process after the one before it
 * is ready. What a row does not give, the process does not have.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "parclose/ids.h"

/* What a process sees at /sys; cgroup2 below it is as the host has it. */
enum sys_view {
    SYS_READ_ONLY = 0,
    SYS_WRITABLE = 1,
    SYS_ABSENT = 2,
};

/* Files of its own that a process gets by BOOT_FILE. */
enum kind_file {
    KIND_FILE_INVENTORY = 1,
    KIND_FILE_STATE = 2,
    KIND_FILE_LISTEN = 4,
    KIND_FILE_CONFIG = 8,
};

struct kind {
    enum process_kind kind;
    const char *name;      /* executable parclose-NAME, cgroup NAME unless said otherwise */
    const char *user;      /* NULL: root */
    const char *cgroup;    /* its own below boot's */
    const char *state;     /* directory of KIND_FILE_STATE, made and owned by the user */
    uint64_t capabilities; /* 1 << CAP_…: all that it and its children can ever have */
    enum sys_view sys;     /* in a mount namespace of its own, unless SYS_READ_ONLY */
    bool network;          /* stays in the host's network namespace */
    bool locks_memory;     /* RLIMIT_MEMLOCK unlimited, to be handed down */
    unsigned files;        /* enum kind_file */
    unsigned rank;         /* of two that fell out, the higher number is restarted */
};

struct kind_link {
    enum process_kind ends[2];
};

/* Where everything is: one for the product, others in tests. */
struct layout {
    const char *libexec;
    const char *run;    /* /run/parclose */
    const char *config; /* /etc/parclose */
    const char *group;  /* may connect to RUN/command.sock; NULL: root only */
    bool modules;       /* load kernel modules at the first start */
    const struct kind *kinds;
    size_t kinds_count;
    const struct kind_link *links;
    size_t links_count;
};

extern const struct layout host_layout;
