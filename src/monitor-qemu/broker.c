/* SPDX-License-Identifier: Apache-2.0 */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "log/log.h"

#define PAGE 4096

int broker_add(struct broker *broker, const char *path, int file)
{
    if (broker->count == BROKER_FILES || strlen(path) >= BROKER_PATH_MAX)
        return -ENOSPC;
    struct broker_file *new = &broker->files[broker->count++];
    snprintf(new->path, sizeof(new->path), "%s", path);
    new->file = file;
    return 0;
}

/* ---- the filter */

/*
 * What a QEMU that is somebody else's would need first, beside what its own -sandbox refuses:
 * other processes' memory and files, new sockets, new mounts, kernel interfaces with a history.
 */
static const int refused[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(kcmp),
    SCMP_SYS(socket),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(openat2),
    SCMP_SYS(creat),
};

static int add_rules(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(openat), 0);

    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(open), 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]) && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    return error;
}

int broker_listen(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    if (!filter)
        return -ENOMEM;
    int error = add_rules(filter);
    if (!error)
        error = seccomp_load(filter);
    int listener = error ? error : seccomp_notify_fd(filter);
    if (listener >= 0) {
        listener = fcntl(listener, F_DUPFD_CLOEXEC, 0);
        if (listener < 0)
            listener = -errno;
    }
    seccomp_release(filter);
    return listener;
}

/* ---- the answers */

/* In two parts: a page that is not there must not hide the one before it. "" when it is none. */
static void read_path(struct broker *broker, pid_t pid, uint64_t address,
                      char path[BROKER_PATH_MAX])
{
    size_t first = PAGE - address % PAGE;
    if (first > BROKER_PATH_MAX)
        first = BROKER_PATH_MAX;
    const struct iovec ours = {path, BROKER_PATH_MAX};
    const struct iovec theirs[2] = {
        {(void *)(uintptr_t)address, first},
        {(void *)(uintptr_t)(address + first), BROKER_PATH_MAX - first}};

    ssize_t got = process_vm_readv(pid, &ours, 1, theirs, 2, 0);
    if (got < 0 && errno == EPERM && !broker->blind) {
        log_error("what QEMU opens cannot be read: kernel.yama.ptrace_scope must be 0 or 1");
        broker->blind = true;
    }
    if (got <= 0 || !memchr(path, 0, (size_t)got))
        path[0] = 0;
}

static const struct broker_file *look_up(const struct broker *broker, const char *path)
{
    for (uint32_t i = 0; i < broker->count; i++)
        if (!strcmp(broker->files[i].path, path))
            return &broker->files[i];
    return NULL;
}

static int answer(const struct broker *broker, uint64_t id, int error, uint32_t flags)
{
    struct seccomp_notif_resp response = {.id = id, .error = error, .flags = flags};

    /* ENOENT: the call was interrupted, and comes again */
    if (ioctl(broker->listener, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

/* Each open begins at the start of the file, as if it were its own. */
static int hand_out(const struct broker *broker, uint64_t id, int file, uint64_t flags)
{
    struct seccomp_notif_addfd add = {.id = id,
                                      .flags = SECCOMP_ADDFD_FLAG_SEND,
                                      .srcfd = (uint32_t)file,
                                      .newfd_flags = flags & O_CLOEXEC ? O_CLOEXEC : 0};

    if (file < 0)
        return answer(broker, id, -ENOENT, 0);
    lseek(file, 0, SEEK_SET); /* a device has no place to seek to: fine */
    if (ioctl(broker->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0 || errno == ENOENT)
        return 0;
    return answer(broker, id, -errno, 0);
}

int broker_serve(struct broker *broker)
{
    struct seccomp_notif request = {.id = 0};
    char path[BROKER_PATH_MAX] = "";

    if (ioctl(broker->listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
        return errno == ENOENT || errno == EINTR ? 0 : -errno;
    bool at = request.data.nr == SCMP_SYS(openat);
    read_path(broker, (pid_t)request.pid, request.data.args[at ? 1 : 0], path);
    const struct broker_file *found = path[0] ? look_up(broker, path) : NULL;
    if (found)
        return hand_out(broker, request.id, found->file, request.data.args[at ? 2 : 1]);
    return answer(broker, request.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}
