/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration directory says, file by file, and bringing control to the same: HOST_SET,
 * DEFINE for what is new or changed, UNDEFINE for what is gone. A bad file never stops the others,
 * and what control holds of it stays.
 *
 * Only differences to the snapshot are sent: a restart of command sends nothing.
 */
#pragma once

#include "config/config.h"
#include "requests.h"
#include "snapshot_view.h"

struct definition {
    char name[PARCLOSE_NAME_MAX];
    bool good; /* config is what the file says; else error is why not */
    struct partition_config config;
    struct config_error error;
};

struct definitions {
    bool host_good;  /* host is what host.xml says now */
    bool host_known; /* host was good once: the cards that partitions are checked against */
    struct host_config host;
    struct config_error host_error;
    bool listed;                    /* partitions/ could be read: what is not in list is gone */
    struct config_error list_error; /* listed false, or a file name that is none; "" else */
    uint64_t reads;                 /* how often they were read */
    size_t count;
    struct definition list[PARCLOSE_MAX_PARTITIONS]; /* in the order of their names */
};

/* Reads everything anew. `staged`: a folder whose files count in the place of those of `dir`
 * (staged.h); -1: none does. */
void definitions_read(struct definitions *definitions, const struct config_reader *reader, int dir,
                      int staged);

/* NULL: there is no such file. */
const struct definition *definitions_find(const struct definitions *definitions, const char *name);

/* The files' errors and what control refused, one line each. */
#define SYNC_LINES_MAX 160
struct sync_line {
    char name[PARCLOSE_NAME_MAX]; /* of the partition; "" for the host */
    bool problem;                 /* else: something that was done */
    char text[CONFIG_ERROR_MAX];
};

struct sync;
typedef void sync_done(void *context, const struct sync_line *lines, size_t count);

/*
 * Sends what differs from the snapshot, some at a time; `done` is called once, when everything is
 * answered: possibly within this call. 0 or a negative errno, then `done` is not called. All that
 * it points to is used until `done`, but may be read anew or replaced by a newer snapshot
 * meanwhile.
 */
int definitions_sync(const struct definitions *definitions, const struct snapshot_view *view,
                     struct requests *requests, const struct requester *requester, sync_done *done,
                     void *context);
