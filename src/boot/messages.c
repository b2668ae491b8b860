/* SPDX-License-Identifier: Apache-2.0 */
/* What processes say to boot. A row's context is the child that says it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "host.h"
#include "log/log.h"
#include "parclose/device.h"

static int give_file(struct child *child, const char *name, int file)
{
    struct boot_file message = {.header = frame_header(BOOT_FILE, sizeof(message), 0)};

    if (file < 0)
        return file;
    snprintf(message.name, sizeof(message.name), "%s", name);
    int error = child_send(child, &message, file);
    close(file);
    return error;
}

static int directory(const char *path, int flags)
{
    int file = open(path, flags | O_DIRECTORY | O_CLOEXEC);
    return file < 0 ? -errno : file;
}

static int copy_of(int file)
{
    int copy = fcntl(file, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : copy;
}

static bool is_inventory(int file)
{
    struct stat status;

    return file >= 0 && fstat(file, &status) == 0 && status.st_size == sizeof(struct inventory);
}

/* Made once, and kept for boot's successors: a pCPU that is taken out of the host later is still a
 * resource, an offline one. */
static int inventory(struct boot *boot)
{
    if (!is_inventory(store_find(boot, PROCESS_BOOT, "inventory"))) {
        int file = host_inventory();
        if (file < 0)
            return file;
        if (store_put(boot, PROCESS_BOOT, "inventory", file))
            return host_inventory(); /* the store is full: control has it, no successor will */
    }
    return copy_of(store_find(boot, PROCESS_BOOT, "inventory"));
}

static int give_files(struct child *child)
{
    const struct layout *layout = child->boot->layout;
    unsigned files = child->kind->files;
    int error = 0;

    if (files & KIND_FILE_INVENTORY)
        error = give_file(child, "inventory", inventory(child->boot));
    if (!error && files & KIND_FILE_STATE)
        error = give_file(child, "state", directory(child->kind->state, O_RDONLY));
    if (!error && files & KIND_FILE_LISTEN)
        error = give_file(child, "listen", copy_of(child->boot->listener));
    if (!error && files & KIND_FILE_CONFIG)
        error = give_file(child, "config", directory(layout->config, O_PATH));
    return error;
}

static int say_start(struct child *child)
{
    const struct boot_start message = {.header = frame_header(BOOT_START, sizeof(message), 0),
                                       .generation = child->kept->generation,
                                       .watchdog_ms = child->kept->watchdog_ms};
    return child_send(child, &message, -1);
}

static int on_hello(void *context, struct frame *frame)
{
    struct child *child = context;
    const struct boot_hello *message = (const void *)frame->bytes;

    if (child->hello || message->kind != child->kind->kind || message->pid != child->kept->pid)
        return -EBADMSG;
    child->hello = true;
    int error = give_files(child);
    if (!error)
        error = store_give(child);
    if (!error)
        error = links_make(child);
    return error ? error : say_start(child);
}

static int on_ready(void *context, struct frame *frame)
{
    struct child *child = context;
    struct boot *boot = child->boot;
    (void)frame;

    if (!child->hello || child->kept->health == PROCESS_UP)
        return -EBADMSG;
    child->kept->health = PROCESS_UP;
    child->kept->once_ready = 1;
    log_notice("%s is ready: pid %u, number %u", child->kind->name, child->kept->pid,
               child->kept->generation);
    if (child->kind->kind == PROCESS_CONTROL)
        for (size_t i = 0; i < PROCESS_KINDS; i++)
            child_tell_status(&boot->children[i]);
    else
        child_tell_status(child);
    boot_advance(boot);
    return 0;
}

static int on_alive(void *context, struct frame *frame)
{
    struct child *child = context;
    (void)frame;

    return child->hello ? child_watch(child) : -EBADMSG;
}

/* [a-z0-9.-]+, as it becomes part of a name in the file-descriptor store. */
static bool store_name_ok(const char name[BOOT_STORE_NAME_MAX])
{
    return frame_string_ok(name, BOOT_STORE_NAME_MAX) && name[0] &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-")];
}

static int on_store(void *context, struct frame *frame)
{
    struct child *child = context;
    const struct boot_store *message = (const void *)frame->bytes;

    if (!child->hello || !store_name_ok(message->name))
        return -EBADMSG;
    return store_put(child->boot, child->kind->kind, message->name, frame_take(frame, 0));
}

static int on_store_drop(void *context, struct frame *frame)
{
    struct child *child = context;
    const struct boot_store *message = (const void *)frame->bytes;

    if (!child->hello || !store_name_ok(message->name))
        return -EBADMSG;
    store_drop(child->boot, child->kind->kind, message->name);
    return 0;
}

/* Kills all in a cgroup, whoever they are; without cgroup2 the kind's own process alone. */
static void kill_partition(struct child *child, const char *reason)
{
    int file = child->boot->cgroup < 0
                   ? child->boot->cgroup
                   : host_cgroup_file(child->boot->cgroup, child->kind->cgroup, "cgroup.kill");

    child_kill(child, reason);
    if (file < 0 || write(file, "1", 1) != 1)
        log_warning("cgroup %s is not killed whole: %s", child->kind->cgroup,
                    strerror(file < 0 ? -file : errno));
    if (file >= 0)
        close(file);
}

static int on_restart(void *context, struct frame *frame)
{
    struct child *control = context;
    const struct boot_restart *message = (const void *)frame->bytes;
    struct child *child = &control->boot->children[PROCESS_SR_PCIM];

    if (control->kind->kind != PROCESS_CONTROL ||
        !frame_string_ok(message->reason, sizeof(message->reason)) ||
        (message->rung != RUNG_RESTART_SR_PCIM && message->rung != RUNG_RESTART_ISP))
        return -EBADMSG;
    if (!child->kind)
        return 0;
    log_notice("rung %u: %s", message->rung, message->reason);
    child->ordered = child_alive(child); /* one that is down is on its way already */
    if (message->rung == RUNG_RESTART_ISP)
        kill_partition(child, message->reason);
    else
        child_kill(child, message->reason);
    return 0;
}

static int on_shutdown(void *context, struct frame *frame)
{
    struct child *child = context;
    (void)frame;

    if (child->kind->kind != PROCESS_CONTROL)
        return -EBADMSG;
    log_notice("shutdown ordered by control");
    child->boot->kept->shutting_down = 1;
    boot_advance(child->boot);
    return 0;
}

/* Those that run are told by a second START; one that starts now learns it by its first. */
static int on_settings(void *context, struct frame *frame)
{
    struct child *control = context;
    struct boot *boot = control->boot;
    const struct boot_settings *message = (const void *)frame->bytes;

    if (control->kind->kind != PROCESS_CONTROL || message->watchdog_ms < 1000 ||
        message->watchdog_ms > 600000)
        return -EBADMSG;
    boot->kept->watchdog_ms = message->watchdog_ms;
    for (size_t i = 0; i < PROCESS_KINDS; i++) {
        struct child *child = &boot->children[i];
        if (!child->kind || child->kept->health != PROCESS_UP ||
            child->kept->watchdog_ms == message->watchdog_ms)
            continue;
        child->kept->watchdog_ms = message->watchdog_ms;
        child_watch(child);
        if (say_start(child))
            log_warning("%s does not take its watchdog period", child->kind->name);
    }
    return 0;
}

/* One that fell out with a peer over a link that is already replaced has nothing to say. */
static int on_complaint(void *context, struct frame *frame)
{
    struct child *child = context, *worse;
    const struct boot_complaint *message = (const void *)frame->bytes;
    char reason[PARCLOSE_REASON_MAX];

    if (message->peer >= PROCESS_KINDS || !child->boot->children[message->peer].kind ||
        message->peer == (uint32_t)child->kind->kind || message->error >= 0 ||
        message->error < -4095)
        return -EBADMSG;
    struct child *peer = &child->boot->children[message->peer];
    if (message->generation !=
        link_between(child->boot, child->kind->kind, peer->kind->kind)->generation)
        return 0;
    worse = child->kind->rank > peer->kind->rank ? child : peer;
    snprintf(reason, sizeof(reason), "%s complained about %s: %s", child->kind->name,
             peer->kind->name, strerror(-message->error));
    child_kill(worse, reason);
    return 0;
}

const struct frame_row message_rows[] = {
    {BOOT_HELLO, 0, 0, sizeof(struct boot_hello), FRAME_ALWAYS, on_hello},
    {BOOT_READY, 0, 0, sizeof(struct boot_empty), FRAME_ALWAYS, on_ready},
    {BOOT_ALIVE, 0, 0, sizeof(struct boot_empty), FRAME_ALWAYS, on_alive},
    {BOOT_STORE, 1, 1, sizeof(struct boot_store), FRAME_ALWAYS, on_store},
    {BOOT_STORE_DROP, 0, 0, sizeof(struct boot_store), FRAME_ALWAYS, on_store_drop},
    {BOOT_RESTART, 0, 0, sizeof(struct boot_restart), FRAME_ALWAYS, on_restart},
    {BOOT_SHUTDOWN, 0, 0, sizeof(struct boot_empty), FRAME_ALWAYS, on_shutdown},
    {BOOT_SETTINGS, 0, 0, sizeof(struct boot_settings), FRAME_ALWAYS, on_settings},
    {BOOT_COMPLAINT, 0, 0, sizeof(struct boot_complaint), FRAME_ALWAYS, on_complaint},
};
const size_t message_rows_count = sizeof(message_rows) / sizeof(message_rows[0]);
