/* SPDX-License-Identifier: Apache-2.0 */
/* parclose-lead as a process: what it opens before its seal, and its links. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "keep.h"
#include "log/log.h"
#include "monitor.h"
#include "order.h"
#include "processors.h"
#include "spawn.h"

#define PATIENCE_US 3000000 /* for the word of monitors that outlived the predecessor */
#ifndef KVM_PATH
#define KVM_PATH "/dev/kvm"
#endif

uint64_t lead_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

struct partition *lead_find(struct lead *lead, struct partition_id id)
{
    if (id.value < 1 || id.value > PARCLOSE_MAX_PARTITIONS)
        return NULL;
    struct partition *partition = &lead->partitions[id.value - 1];
    return partition->id.value ? partition : NULL;
}

bool lead_spawned(const struct partition *partition)
{
    return partition->files[KEPT_PIDFD] >= 0;
}

/* The helper is our own child: what it says is checked all the same, and its end is ours. */
static int on_spawned(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct lead *lead = data;
    struct frame frame;
    (void)events;

    int got = frame_receive(fd, &frame);
    if (got == -EAGAIN)
        return 0;
    const struct spawn_answer *answer = (const void *)frame.bytes;
    if (got != 1 || frame.header.type != SPAWN_ANSWER || frame.size != sizeof(*answer)) {
        log_error("the spawning helper is gone: boot starts us both again");
        return sd_event_exit(sd_event_source_get_event(source), 1);
    }
    struct partition *partition = lead_find(lead, answer->partition);
    if (partition && partition->create)
        order_spawned(partition, answer->error, frame.files_count ? frame_take(&frame, 0) : -1);
    frame_clear(&frame);
    return 0;
}

static int prepare(void *context, struct process *process)
{
    struct lead *lead = context;

    lead->process = process;
    lead->spawner = spawn_helper_start(monitor_kinds, monitor_kinds_count);
    if (lead->spawner < 0)
        return lead->spawner;
    lead->kvm = open(KVM_PATH, O_RDWR | O_CLOEXEC);
    if (lead->kvm < 0) {
        log_error(KVM_PATH ": %s: is the kvm module loaded?", strerror(errno));
        return -errno;
    }
    int error = cgroup_begin();
    if (error) {
        log_error("cgroup v2 with the cpuset controller at /sys/fs/cgroup is needed: %s",
                  strerror(-error));
        return error;
    }
    error = processors_watch(lead);
    if (error) {
        log_error("the kernel's word of its processors cannot be heard: %s", strerror(-error));
        return error;
    }
    return sd_event_add_io(process_event(process), &lead->spawned, lead->spawner, EPOLLIN,
                           on_spawned, lead);
}

static int start(void *context, struct process *process, uint32_t generation)
{
    (void)generation;
    keep_adopt(context);
    return sd_event_add_time_relative(process_event(process), NULL, CLOCK_MONOTONIC, PATIENCE_US, 0,
                                      order_on_patience, context);
}

static const int system_calls[] = {
    SCMP_SYS(openat),  SCMP_SYS(mkdirat),  SCMP_SYS(mkdir),        SCMP_SYS(unlinkat),
    SCMP_SYS(rmdir),   SCMP_SYS(fchownat), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate),
    SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(socketpair),   SCMP_SYS(socket),
    SCMP_SYS(connect), SCMP_SYS(flock),
};

int main(void)
{
    static struct lead lead;
    const struct process_peer peers[] = {
        {PROCESS_CONTROL, order_rows, order_rows_count, control_up, NULL},
        {PROCESS_TCB, vfio_rows, vfio_rows_count, tcb_up, tcb_down},
    };
    const struct process_config config = {
        .kind = PROCESS_LEAD,
        .name = "parclose-lead",
        .peers = peers,
        .peers_count = sizeof(peers) / sizeof(peers[0]),
        .system_calls = system_calls,
        .system_calls_count = sizeof(system_calls) / sizeof(system_calls[0]),
        .prepare = prepare,
        .stored = keep_stored,
        .start = start,
    };
    return process_run(&config, &lead);
}
