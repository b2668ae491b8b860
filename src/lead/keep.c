/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"
#include "log/log.h"
#include "monitor.h"

static const char *const kinds[KEPT_FILES] = {
    [KEPT_DESCRIPTOR] = "descriptor",
    [KEPT_LINK] = "link",
    [KEPT_PIDFD] = "pidfd",
    [KEPT_CONSOLE] = "console",
    [KEPT_CONSOLE_OUT] = "console-out",
    [KEPT_CONSOLE_IN] = "console-in",
    [KEPT_CHANNEL] = "channel-0",
    "channel-1",
    "channel-2",
    "channel-3",
    "channel-4",
    "channel-5",
    "channel-6",
    "channel-7",
};

/* Files that came by name, before it is known whose they are. */
struct handed {
    char name[PARCLOSE_NAME_MAX];
    int files[KEPT_FILES];
};
static struct handed handed[PARCLOSE_MAX_PARTITIONS];
static size_t handed_count;

static void name_of(char *text, const char *partition, enum kept_file kind)
{
    snprintf(text, BOOT_STORE_NAME_MAX, "%.*s.%s", PARCLOSE_NAME_MAX, partition, kinds[kind]);
}

void keep_file(struct partition *partition, enum kept_file kind)
{
    char name[BOOT_STORE_NAME_MAX];

    name_of(name, partition->descriptor.name, kind);
    int error = process_store(partition->lead->process, name, partition->files[kind]);
    if (error)
        log_error("boot cannot keep %s: %s", name, strerror(-error));
}

static void drop_name(struct lead *lead, const char *partition)
{
    char name[BOOT_STORE_NAME_MAX];

    for (int kind = 0; kind < KEPT_FILES; kind++) {
        name_of(name, partition, (enum kept_file)kind);
        process_store_drop(lead->process, name);
    }
}

void keep_drop_file(struct partition *partition, enum kept_file kind)
{
    char name[BOOT_STORE_NAME_MAX];

    name_of(name, partition->descriptor.name, kind);
    process_store_drop(partition->lead->process, name);
}

void keep_drop(struct partition *partition)
{
    drop_name(partition->lead, partition->descriptor.name);
}

static struct handed *handed_get(const char *name, size_t length)
{
    if (!length || length >= PARCLOSE_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < handed_count; i++)
        if (strlen(handed[i].name) == length && !strncmp(handed[i].name, name, length))
            return &handed[i];
    if (handed_count == PARCLOSE_MAX_PARTITIONS)
        return NULL;
    struct handed *new = &handed[handed_count++];
    memcpy(new->name, name, length);
    for (int kind = 0; kind < KEPT_FILES; kind++)
        new->files[kind] = -1;
    return new;
}

int keep_stored(void *context, const char *name, int fd)
{
    const char *dot = strrchr(name, '.');
    struct handed *to = dot ? handed_get(name, (size_t)(dot - name)) : NULL;
    (void)context;

    for (int kind = 0; to && kind < KEPT_FILES; kind++) {
        if (strcmp(dot + 1, kinds[kind]) != 0)
            continue;
        if (to->files[kind] >= 0)
            close(to->files[kind]);
        to->files[kind] = fd;
        return 0;
    }
    log_warning("boot kept %s, which nobody knows", name);
    close(fd);
    return 0;
}

static bool whole(const struct handed *one)
{
    for (int kind = 0; kind < KEPT_CHANNEL; kind++)
        if (one->files[kind] < 0)
            return false;
    return true;
}

static int adopt(struct lead *lead, struct handed *one)
{
    struct partition_descriptor descriptor;

    if (!whole(one))
        return -ENOENT;
    int error = descriptor_take(one->files[KEPT_DESCRIPTOR], &descriptor);
    if (error)
        return error;
    struct partition *partition = &lead->partitions[descriptor.partition.value - 1];
    if (partition->id.value)
        return -EEXIST;
    monitor_slot(lead, partition, &descriptor);
    memcpy(partition->files, one->files, sizeof(partition->files));
    error = cgroup_open(&partition->cgroup, descriptor.name);
    if (!error)
        error = monitor_watch(partition);
    if (error) {
        memset(partition->files, 0xff, sizeof(partition->files));
        monitor_forget(partition);
        return error;
    }
    monitor_ask(partition);
    return 0;
}

void keep_adopt(struct lead *lead)
{
    for (size_t i = 0; i < handed_count; i++) {
        int error = adopt(lead, &handed[i]);
        if (!error) {
            log_notice("partition %s: its monitor goes on", handed[i].name);
            continue;
        }
        log_warning("partition %s: what boot kept is of no use: %s", handed[i].name,
                    strerror(-error));
        for (int kind = 0; kind < KEPT_FILES; kind++)
            if (handed[i].files[kind] >= 0)
                close(handed[i].files[kind]);
        drop_name(lead, handed[i].name);
    }
    handed_count = 0;
}
