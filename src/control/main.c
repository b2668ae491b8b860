/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parclose-control as a process: the event loop under the core of control.h.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "control.h"
#include "log/log.h"
#include "orders.h"
#include "process/process.h"

struct daemon {
    struct process *process;
    struct control *control;
    struct inventory inventory;
    bool inventory_read;
    int state; /* directory; -1: not handed over */
    sd_event_source *timer;
    sd_event_source *idle;
    sd_event_source *group;       /* below the links: runs when no message is left */
    sd_event_source *group_timer; /* beside the links: messages without end do not put it off */
};

/* The core is every handler's context; the process is what its effects act on. */
static struct daemon *daemon_of(void *context)
{
    return ((struct control *)context)->effects_context;
}

/* ---- effects */

static int effect_send(void *context, enum process_kind peer, const void *message, const int *files,
                       size_t files_count)
{
    struct daemon *daemon = context;
    return process_send(daemon->process, peer, message, files, files_count);
}

static int effect_send_boot(void *context, const void *message)
{
    struct daemon *daemon = context;
    return process_send_boot(daemon->process, message);
}

static void effect_timer(void *context, uint64_t boottime_ns)
{
    struct daemon *daemon = context;

    if (boottime_ns)
        sd_event_source_set_time(daemon->timer, (boottime_ns + 999) / 1000);
    sd_event_source_set_enabled(daemon->timer, boottime_ns ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void effect_changed(void *context)
{
    struct daemon *daemon = context;
    sd_event_source_set_enabled(daemon->idle, SD_EVENT_ONESHOT);
}

static void effect_group(void *context)
{
    struct daemon *daemon = context;

    sd_event_source_set_enabled(daemon->group, SD_EVENT_ONESHOT);
    sd_event_source_set_time_relative(daemon->group_timer, OUTBOX_GROUP_NS / 1000);
    sd_event_source_set_enabled(daemon->group_timer, SD_EVENT_ONESHOT);
}

static uint64_t effect_clock_ns(void *context, int clock)
{
    struct timespec now;
    (void)context;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void effect_fatal(void *context)
{
    struct daemon *daemon = context;
    sd_event_exit(process_event(daemon->process), EXIT_FAILURE);
}

static const struct effects effects = {
    .send = effect_send,
    .send_boot = effect_send_boot,
    .timer = effect_timer,
    .changed = effect_changed,
    .group = effect_group,
    .clock_ns = effect_clock_ns,
    .fatal = effect_fatal,
};

/* ---- from boot */

static int on_status(void *context, struct frame *frame)
{
    struct control *control = context;
    const struct boot_status *status = (const void *)frame->bytes;

    if (status->kind == PROCESS_NONE || status->kind >= PROCESS_KINDS ||
        status->health > PROCESS_BACKING_OFF || status->silent > 1 ||
        !frame_string_ok(status->reason, sizeof(status->reason)))
        return -EBADMSG;
    control->processes[status->kind] = *status;
    if (!control->db)
        return 0;
    control_changed(control);
    if (status->silent && status->kind == PROCESS_SR_PCIM)
        orders_pcim_hung(control);
    orders_follow(control);
    return 0;
}

static const struct frame_row boot_rows[] = {
    {BOOT_STATUS, 0, 0, sizeof(struct boot_status), FRAME_ALWAYS, on_status},
};

static int take_file(void *context, const char *name, int fd)
{
    struct daemon *daemon = daemon_of(context);

    if (!strcmp(name, "inventory")) {
        int error = inventory_read(fd, &daemon->inventory);
        if (error)
            log_error("the inventory is no good: %s", strerror(-error));
        daemon->inventory_read = !error;
        return error;
    }
    if (strcmp(name, "state") != 0 || daemon->state >= 0) {
        close(fd);
        return -EBADMSG;
    }
    daemon->state = fd;
    return 0;
}

/* ---- event sources */

static int on_timer(sd_event_source *source, uint64_t time, void *data)
{
    struct daemon *daemon = data;
    (void)source;
    (void)time;
    control_deadline(daemon->control);
    return 0;
}

static int on_idle(sd_event_source *source, void *data)
{
    struct daemon *daemon = data;
    (void)source;
    control_idle(daemon->control);
    return 0;
}

static void group_end(struct daemon *daemon)
{
    sd_event_source_set_enabled(daemon->group, SD_EVENT_OFF);
    sd_event_source_set_enabled(daemon->group_timer, SD_EVENT_OFF);
    control_group_end(daemon->control);
}

static int on_group(sd_event_source *source, void *data)
{
    (void)source;
    group_end(data);
    return 0;
}

static int on_group_timer(sd_event_source *source, uint64_t time, void *data)
{
    (void)source;
    (void)time;
    group_end(data);
    return 0;
}

/* A group of transactions ends when no message is left to handle, or when its time is over. */
static int group_sources_add(struct daemon *daemon)
{
    sd_event *event = process_event(daemon->process);

    int error = sd_event_add_defer(event, &daemon->group, on_group, daemon);
    if (error >= 0)
        error = sd_event_source_set_enabled(daemon->group, SD_EVENT_OFF);
    if (error >= 0)
        error = sd_event_source_set_priority(daemon->group, SD_EVENT_PRIORITY_NORMAL + 1);
    if (error >= 0)
        error = sd_event_add_time(event, &daemon->group_timer, CLOCK_MONOTONIC, 0, 1,
                                  on_group_timer, daemon);
    if (error >= 0)
        error = sd_event_source_set_enabled(daemon->group_timer, SD_EVENT_OFF);
    return error;
}

/* Snapshots, checks and space for the log wait until no message is left to handle. */
static int sources_add(struct daemon *daemon)
{
    sd_event *event = process_event(daemon->process);

    int error = sd_event_add_time(event, &daemon->timer, CLOCK_BOOTTIME, 0, 0, on_timer, daemon);
    if (error >= 0)
        error = sd_event_source_set_enabled(daemon->timer, SD_EVENT_OFF);
    if (error >= 0)
        error = sd_event_add_defer(event, &daemon->idle, on_idle, daemon);
    if (error >= 0)
        error = sd_event_source_set_enabled(daemon->idle, SD_EVENT_OFF);
    if (error >= 0)
        error = sd_event_source_set_priority(daemon->idle, SD_EVENT_PRIORITY_IDLE);
    return error;
}

/* ---- the process */

static int prepare(void *context, struct process *process)
{
    struct daemon *daemon = daemon_of(context);

    daemon->process = process;
    int error = sources_add(daemon);
    return error >= 0 ? group_sources_add(daemon) : error;
}

static int start(void *context, struct process *process, uint32_t generation)
{
    struct daemon *daemon = daemon_of(context);
    char text[PARCLOSE_REASON_MAX];
    (void)process;

    if (!daemon->inventory_read || daemon->state < 0)
        return -EINVAL;
    int error = control_start(daemon->control, &daemon->inventory, daemon->state, generation, text);
    if (error && text[0])
        log_error("%s", text);
    return error;
}

static void stop(void *context)
{
    struct control *control = context;

    if (!control->log)
        return;
    outbox_hold(control); /* for the notes */
    control_group_end(control);
}

static const int system_calls[] = {
    SCMP_SYS(openat),       SCMP_SYS(pread64),   SCMP_SYS(pwrite64),  SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),    SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(memfd_create),
    SCMP_SYS(clock_getres), SCMP_SYS(renameat),  SCMP_SYS(unlinkat),  SCMP_SYS(getdents64),
};

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--check"))
        return check_files(argv[2]);

    const struct process_peer peers[] = {
        {PROCESS_COMMAND, command_rows, command_rows_count, command_up, command_down},
        {PROCESS_TCB, tcb_rows, tcb_rows_count, tcb_up, tcb_down},
        {PROCESS_SR_PCIM, pcim_rows, pcim_rows_count, pcim_up, pcim_down},
        {PROCESS_LEAD, lead_rows, lead_rows_count, lead_up, lead_down},
    };
    const struct process_config config = {
        .kind = PROCESS_CONTROL,
        .name = "parclose-control",
        .peers = peers,
        .peers_count = sizeof(peers) / sizeof(peers[0]),
        .boot_rows = boot_rows,
        .boot_rows_count = sizeof(boot_rows) / sizeof(boot_rows[0]),
        .system_calls = system_calls,
        .system_calls_count = sizeof(system_calls) / sizeof(system_calls[0]),
        .prepare = prepare,
        .file = take_file,
        .start = start,
        .stop = stop,
    };
    struct daemon daemon = {.state = -1};

    daemon.control = control_new(&effects, &daemon);
    if (!daemon.control)
        return EXIT_FAILURE;
    int status = process_run(&config, daemon.control);
    sd_event_source_disable_unref(daemon.timer);
    sd_event_source_disable_unref(daemon.idle);
    sd_event_source_disable_unref(daemon.group);
    sd_event_source_disable_unref(daemon.group_timer);
    control_free(daemon.control);
    return status;
}
