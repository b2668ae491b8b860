/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who opens files for QEMU: a filter of its child, inherited through exec, that asks us at each
 * open (seccomp_unotify(2)). A path of the table is answered with our file; any other goes on, and
 * meets a root that has libraries and firmware to read and nothing else.
 *
 * The path is read from QEMU's memory and QEMU may change it meanwhile: it then gets another file
 * of its own partition, or what it can open anyway. Reading needs no more than the same user and
 * our being its parent (Yama's ptrace_scope 0 or 1).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BROKER_PATH_MAX 64
#define BROKER_FILES    24

struct broker_file {
    char path[BROKER_PATH_MAX];
    int file; /* -1: ENOENT */
};

struct broker {
    int listener; /* -1: none */
    bool blind;   /* the kernel lets nobody read its paths: that was said */
    uint32_t count;
    struct broker_file files[BROKER_FILES];
};

/* From now on `path` is `file`, which stays the caller's. -ENOSPC: the table is full. */
int broker_add(struct broker *broker, const char *path, int file);

/* In the child: loads the filter for all that follows; the listener, or a negative errno. */
int broker_listen(void);

/* Answers one open. 0, or -errno: the listener is of no use any more. */
int broker_serve(struct broker *broker);
