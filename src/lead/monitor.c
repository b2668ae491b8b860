/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "hotplug.h"
#include "keep.h"
#include "log/log.h"
#include "order.h"
#include "process/pidfd.h"
#include "spawn.h"
#include "wire/monitor_word.h"

#define IMAGE_MAX    (INT64_C(1) << 30)
#define MEMORY_SLACK (UINT64_C(64) << 20) /* beside guest memory, pinned for DMA: BARs, rings */
#define ORDER_MS     3000                 /* a monitor that was told to end has so long */
#define CLEAR_MS     20                   /* between two tries to remove its cgroups */
/* A monitor is heard so often in so long: what it says goes to control and the TCB, who have others
 * to hear. An honest one has said by far less when its guest runs. */
#define PACE_US   200000
#define PACE_MOST 64
#define WORDS_MAX 1024 /* more than its socket holds of the smallest */

/* ---- files */

static void close_file(int *file)
{
    if (*file >= 0)
        close(*file);
    *file = -1;
}

/* Read-only, a plain file, of a size that can be a kernel's or an initrd's. */
static int open_image(const char *path, int *file)
{
    struct stat status;

    *file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*file < 0)
        return -errno;
    if (fstat(*file, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    return status.st_size > IMAGE_MAX ? -EFBIG : 0;
}

/* What a guest writes: a plain file or a block device, of one partition at a time. The lock is the
 * open file's: it lasts until the last process that was given it is gone. */
static int open_store(const char *path, int *file)
{
    struct stat status;

    *file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*file < 0 || fstat(*file, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
        return -EINVAL;
    return flock(*file, LOCK_EX | LOCK_NB) < 0 ? (errno == EWOULDBLOCK ? -EBUSY : -errno) : 0;
}

static int make_console(struct partition *partition)
{
    int *files = partition->files;

    files[KEPT_CONSOLE] = memfd_create("console", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (files[KEPT_CONSOLE] < 0 || ftruncate(files[KEPT_CONSOLE], CONSOLE_SIZE) < 0)
        return -errno;
    if (fcntl(files[KEPT_CONSOLE], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    files[KEPT_CONSOLE_OUT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    files[KEPT_CONSOLE_IN] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return files[KEPT_CONSOLE_OUT] < 0 || files[KEPT_CONSOLE_IN] < 0 ? -errno : 0;
}

void monitor_slot(struct lead *lead, struct partition *partition,
                  const struct partition_descriptor *descriptor)
{
    *partition = (struct partition){.lead = lead,
                                    .id = descriptor->partition,
                                    .descriptor = *descriptor,
                                    .cgroup = CGROUP_NONE,
                                    .frozen = true,
                                    .changed_ns = lead_now_ns()};
    for (int kind = 0; kind < KEPT_FILES; kind++)
        partition->files[kind] = -1;
    for (int kind = 0; kind < MONITOR_FILE_KINDS; kind++)
        partition->images[kind] = -1;
}

static void close_images(struct partition *partition)
{
    for (int kind = 0; kind < MONITOR_FILE_KINDS; kind++)
        close_file(&partition->images[kind]);
}

void monitor_forget(struct partition *partition)
{
    link_free(partition->link);
    sd_event_source_disable_unref(partition->died);
    sd_event_source_disable_unref(partition->events);
    sd_event_source_disable_unref(partition->timer);
    sd_event_source_disable_unref(partition->connecting);
    channel_forget(partition);
    sd_event_source_disable_unref(partition->patience);
    cgroup_close(&partition->cgroup);
    close_images(partition);
    /* the link closed its socket itself */
    if (partition->link)
        partition->files[KEPT_LINK] = -1;
    for (int kind = 0; kind < KEPT_FILES; kind++)
        close_file(&partition->files[kind]);
    *partition = (struct partition){.id = {0}};
}

/* ---- birth */

static int request_process(struct partition *partition, int link)
{
    const struct partition_descriptor *d = &partition->descriptor;
    struct spawn_request request = {.header = frame_header(SPAWN_REQUEST, sizeof(request), 0),
                                    .partition = partition->id,
                                    .uid = d->uid,
                                    .kind = (uint32_t)kind_find(d->monitor),
                                    .memory_lock = d->memory_bytes + MEMORY_SLACK};
    int files[2] = {link, cgroup_vm(&partition->cgroup)};

    if (files[1] < 0)
        return files[1];
    int error = frame_send(partition->lead->spawner, &request, files, 2);
    close(files[1]);
    return error;
}

static int failed(char *text, const char *what, int error)
{
    if (error)
        snprintf(text, PARCLOSE_REASON_MAX, "%.110s: %s", what, strerror(-error));
    return error;
}

/* What a kind starts is the distribution's, at a place of its own: not named by anybody. */
static int open_part(struct partition *partition, const struct monitor_part *part,
                     enum monitor_file_kind as, char *text)
{
    char what[128];

    partition->images[as] = open(part->path, O_RDONLY | O_CLOEXEC);
    if (partition->images[as] >= 0)
        return 0;
    int error = -errno;
    if (error == -ENOENT)
        snprintf(what, sizeof(what), "install the package %s: %s", part->package, part->path);
    return failed(text, error == -ENOENT ? what : part->path, error);
}

static int open_parts(struct partition *partition, const struct monitor_kind *kind, char *text)
{
    bool uefi = partition->descriptor.firmware == FIRMWARE_UEFI;
    int error = kind->program.path ? open_part(partition, &kind->program, FILE_PROGRAM, text) : 0;

    if (error || !uefi)
        return error;
    return open_part(partition, &kind->firmware, FILE_FIRMWARE, text);
}

static int open_images(struct partition *partition, char *text)
{
    const struct partition_descriptor *d = &partition->descriptor;
    const struct {
        const char *what, *path;
        enum monitor_file_kind kind;
        int (*open)(const char *path, int *file);
    } images[] = {{"kernel", d->kernel, FILE_KERNEL, open_image},
                  {"initrd", d->initrd, FILE_INITRD, open_image},
                  {"variables", d->variables, FILE_VARIABLES, open_store},
                  {"disk", d->disk, FILE_DISK, open_store}};
    char what[PARCLOSE_PATH_MAX + 16];
    int error = 0;

    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]) && !error; i++) {
        if (!images[i].path[0])
            continue;
        snprintf(what, sizeof(what), "%s %s", images[i].what, images[i].path);
        error =
            failed(text, what, images[i].open(images[i].path, &partition->images[images[i].kind]));
    }
    return error;
}

int monitor_begin(struct partition *partition, char text[PARCLOSE_REASON_MAX])
{
    const struct partition_descriptor *d = &partition->descriptor;
    const struct monitor_kind *kind = &monitor_kinds[kind_find(d->monitor)];
    const char *step;
    int ends[2];

    int error = open_parts(partition, kind, text);
    if (!error)
        error = open_images(partition, text);
    if (!error) {
        error = cgroup_make(&partition->cgroup, d, kind, &step);
        failed(text, step, error);
    }
    if (!error)
        error = failed(text, "its console", make_console(partition));
    if (!error && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        error = failed(text, "its link", -errno);
    if (error)
        return error;
    partition->files[KEPT_LINK] = ends[0];
    error = failed(text, "its process", request_process(partition, ends[1]));
    close(ends[1]);
    return error;
}

static int hand_file(struct partition *partition, enum monitor_file_kind kind, uint32_t index,
                     int file)
{
    struct monitor_file message = {
        .header = frame_header(MONITOR_FILE, sizeof(message), 0), .kind = kind, .index = index};
    return file < 0 ? file : link_send(partition->link, &message, &file, 1);
}

static int hand_cgroups(struct partition *partition)
{
    int error = 0;

    for (uint32_t i = 0; i < partition->descriptor.vcpus_count && !error; i++) {
        int leaf = cgroup_vcpu(&partition->cgroup, i);
        error = hand_file(partition, FILE_VCPU_CGROUP, i, leaf);
        close_file(&leaf);
    }
    return error;
}

static int hand_over(struct partition *partition)
{
    const int *files = partition->files;
    int error = hand_file(partition, FILE_DESCRIPTOR, 0, files[KEPT_DESCRIPTOR]);

    if (!error)
        error = hand_file(partition, FILE_KVM, 0, partition->lead->kvm);
    for (int kind = 0; kind < MONITOR_FILE_KINDS && !error; kind++)
        if (partition->images[kind] >= 0)
            error = hand_file(partition, (enum monitor_file_kind)kind, 0, partition->images[kind]);
    if (!error)
        error = hand_file(partition, FILE_CONSOLE, 0, files[KEPT_CONSOLE]);
    if (!error)
        error = hand_file(partition, FILE_CONSOLE_OUT, 0, files[KEPT_CONSOLE_OUT]);
    if (!error)
        error = hand_file(partition, FILE_CONSOLE_IN, 0, files[KEPT_CONSOLE_IN]);
    if (!error)
        error = hand_cgroups(partition);
    close_images(partition);
    return error ? error : monitor_say(partition, MONITOR_CREATE);
}

int monitor_spawned(struct partition *partition, int pidfd)
{
    partition->files[KEPT_PIDFD] = pidfd;
    for (int kind = 0; kind < KEPT_CHANNEL; kind++)
        keep_file(partition, (enum kept_file)kind);
    int error = monitor_watch(partition);
    return error ? error : hand_over(partition);
}

/* ---- what it says */

int monitor_say(struct partition *partition, uint16_t type)
{
    struct monitor_plain message = {.header = frame_header(type, sizeof(message), 0)};
    return partition->link ? link_send(partition->link, &message, NULL, 0) : -EPIPE;
}

void monitor_ask(struct partition *partition)
{
    partition->asked = monitor_say(partition, MONITOR_QUERY) == 0;
}

/* The predecessor thawed or froze it and could not say so any more. */
static void say_frozen(struct partition *partition, const struct monitor_state *state)
{
    bool begun = state->states & STATE_BIT(STATE_CHANNELS_ATTACHED);

    if (begun ? state->frozen != partition->frozen : !partition->frozen)
        monitor_say(partition, partition->frozen ? MONITOR_DETACHED : MONITOR_ATTACHED);
}

/* Of its vCPUs it may say less than there are, while they are being made. */
static bool vcpus_ok(const struct partition *partition, const struct monitor_state *state)
{
#ifdef PARCLOSE_MUTANT_ANY_VCPUS
    (void)partition;
    (void)state;
    return true;
#else
    return state->vcpus_count <= partition->descriptor.vcpus_count;
#endif
}

static bool state_ok(const struct partition *partition, const struct monitor_state *state)
{
    return state->states < STATE_BIT(PARTITION_STATES) && vcpus_ok(partition, state) &&
           state->session < SESSION_KINDS && state->stopped <= 1 && state->frozen <= 1 &&
           monitor_seats_ok(state->vfs) && channel_state_ok(state);
}

static int on_state(void *context, struct frame *frame)
{
    struct partition *partition = context;
    const struct monitor_state *state = (const void *)frame->bytes;
    const struct monitor_state old = partition->state;

    if (!state_ok(partition, state))
        return -EBADMSG;
    partition->state = *state;
    partition->changed_ns = state->event_ns;
    if (state->states & STATE_BIT(STATE_CHANNEL_IMAGE))
        partition->channels = true;
    hotplug_seats(partition, &old);
    if (partition->asked)
        say_frozen(partition, state);
    partition->asked = false;
    channel_follow(partition);
    lead_tell(partition);
    lead_sync(partition->lead);
    return 0;
}

static int on_exit_message(void *context, struct frame *frame)
{
    struct partition *partition = context;
    const struct monitor_exit *message = (const void *)frame->bytes;

    if (message->reason <= EXIT_NONE || message->reason >= EXIT_REASONS ||
        !frame_string_ok(message->text, sizeof(message->text)))
        return -EBADMSG;
    partition->exit = message->reason;
    memcpy(partition->text, message->text, sizeof(partition->text));
    return 0;
}

static int on_vf_result(void *context, struct frame *frame)
{
    return hotplug_result(context, (const void *)frame->bytes);
}

static const struct frame_row rows[] = {
    {MONITOR_STATE, 0, 0, sizeof(struct monitor_state), FRAME_ALWAYS, on_state},
    {MONITOR_EXIT, 0, 0, sizeof(struct monitor_exit), FRAME_ALWAYS, on_exit_message},
    {MONITOR_VF_RESULT, 0, 0, sizeof(struct monitor_vf_result), FRAME_ALWAYS, on_vf_result},
};

static int timer_set(struct partition *partition, uint64_t ms)
{
    int error = sd_event_source_set_time_relative(partition->timer, ms * 1000);
    return error < 0 ? error : sd_event_source_set_enabled(partition->timer, SD_EVENT_ONESHOT);
}

/* Its link is closed. */
static void note_breach(struct partition *partition, int error)
{
    partition->link = NULL;
    partition->files[KEPT_LINK] = -1;
    if (!error || partition->exit)
        return;
    partition->exit = EXIT_MONITOR_ERROR;
    snprintf(partition->text, sizeof(partition->text), "its monitor broke the protocol: %s",
             strerror(-error));
}

/* A monitor that breaks the protocol is ended; one that closed its end is about to die, and if it
 * is not, it would keep what control wants back: it is ended, too. */
static void on_link_ended(void *context, int error)
{
    struct partition *partition = context;

    note_breach(partition, error);
    if (error)
        monitor_stop(partition, true, 0);
    else if (!partition->steps)
        timer_set(partition, ORDER_MS);
}

/* ---- its end */

/* Everything of it is gone: only now may its VFs and memory be somebody else's. */
static void finish(struct partition *partition)
{
    const struct vfio_closed closed = {.header = frame_header(VFIO_CLOSED, sizeof(closed), 0),
                                       .partition = partition->id};
    struct lead *lead = partition->lead;

    log_notice("partition %s: its monitor is gone%s%s", partition->descriptor.name,
               partition->text[0] ? ": " : "", partition->text);
    process_send(lead->process, PROCESS_TCB, &closed, NULL, 0);
    keep_drop(partition);
    lead_tell(partition);
    monitor_forget(partition);
    lead_sync(lead);
}

void monitor_clear(struct partition *partition)
{
    int error;

    if (channel_release(partition)) { /* what it has stays its own (R-CHAN-2) */
        lead_tell(partition);
        lead_sync(partition->lead);
        return;
    }
    error = cgroup_remove(partition->descriptor.name, partition->descriptor.vcpus_count);

    if (error == -EBUSY && timer_set(partition, CLEAR_MS) >= 0)
        return;
    if (error)
        log_error("partition %s: its cgroup cannot be removed: %s", partition->descriptor.name,
                  strerror(-error));
    finish(partition);
}

/* The steps of a stop: 0 power button, 1 order, 2 kill. Each later one when the time is over. */
static void stop_step(struct partition *partition)
{
    unsigned step = partition->steps++;

    if (step <= 1 && monitor_say(partition, MONITOR_STOP) == 0) {
        partition->steps = 2;
        timer_set(partition, ORDER_MS);
        return;
    }
    cgroup_kill(&partition->cgroup);
}

static int on_timer(sd_event_source *source, uint64_t time, void *data)
{
    struct partition *partition = data;
    (void)source;
    (void)time;

    if (partition->gone) {
        monitor_clear(partition);
        return 0;
    }
    if (!partition->link && !partition->steps && !partition->exit) {
        partition->exit = EXIT_MONITOR_ERROR;
        snprintf(partition->text, sizeof(partition->text), "its monitor closed its link");
    }
    stop_step(partition);
    return 0;
}

void monitor_stop(struct partition *partition, bool force, uint32_t timeout_ms)
{
    if (partition->gone)
        return;
    if (!force && partition->steps == 0 && monitor_say(partition, MONITOR_POWER_BUTTON) == 0) {
        partition->steps = 1;
        timer_set(partition, timeout_ms);
    } else if (force && partition->steps <= 1) {
        partition->steps = 1;
        stop_step(partition);
    }
}

/* What it said before is still in the socket; what another of its processes says now would have no
 * end. The first that is no message is the last. */
static void hear_last_words(struct partition *partition)
{
    int got = 1, error = 0;

    for (int i = 0; partition->link && i < WORDS_MAX && got == 1 && !error; i++) {
        struct frame frame;
        got = frame_receive(partition->files[KEPT_LINK], &frame);
        if (got != 1)
            continue;
        error = frame_dispatch(rows, sizeof(rows) / sizeof(rows[0]), 0, partition, &frame);
        frame_clear(&frame);
    }
    if (!partition->link)
        return;
    link_free(partition->link);
    note_breach(partition, got == -EBADMSG ? got : error);
}

static int on_died(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct partition *partition = data;
    (void)fd;
    (void)events;

    sd_event_source_set_enabled(source, SD_EVENT_OFF);
    cgroup_kill(&partition->cgroup);
    hear_last_words(partition);
    if (!partition->exit) {
        partition->exit = partition->steps ? EXIT_STOPPED : EXIT_MONITOR_DIED;
        snprintf(partition->text, sizeof(partition->text), "%s",
                 partition->steps ? "" : "its spawner died");
    }
    partition->gone = true;
    partition->asked = false;
    monitor_clear(partition);
    return 0;
}

/* ---- watching */

static int on_events(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct partition *partition = data;
    (void)source;
    (void)fd;
    (void)events;
    order_frozen(partition);
    return 0;
}

static int watch_link(struct partition *partition, sd_event *event)
{
    const struct link_table table = {.rows = rows,
                                     .rows_count = sizeof(rows) / sizeof(rows[0]),
                                     .rows_context = partition,
                                     .ended = on_link_ended,
                                     .ended_context = partition};
    int error = link_new(&partition->link, event, partition->files[KEPT_LINK], &table);
    return error ? error : link_set_pace(partition->link, PACE_US, PACE_MOST);
}

int monitor_watch(struct partition *partition)
{
    sd_event *event = process_event(partition->lead->process);
    int frozen = cgroup_frozen(&partition->cgroup);

    if (frozen < 0)
        return frozen;
    partition->frozen = frozen;
    partition->spawner_pid = (uint32_t)pidfd_pid(partition->files[KEPT_PIDFD]);
    int error = watch_link(partition, event);
    if (error >= 0)
        error = sd_event_add_io(event, &partition->died, partition->files[KEPT_PIDFD], EPOLLIN,
                                on_died, partition);
    if (error >= 0)
        error = sd_event_add_io(event, &partition->events, partition->cgroup.events, EPOLLPRI,
                                on_events, partition);
    if (error >= 0)
        error = sd_event_add_time_relative(event, &partition->timer, CLOCK_MONOTONIC, 0, 0,
                                           on_timer, partition);
    if (error >= 0)
        error = sd_event_source_set_enabled(partition->timer, SD_EVENT_OFF);
    return error < 0 ? error : channel_watch(partition, event);
}
