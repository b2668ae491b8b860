/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 20000
#define WATCHDOG_MS 600000 /* no sign of life comes by itself while a test lasts */

static void pair_make(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void say(struct stage *stage, const void *message, const int *file)
{
    assert_int_equal(frame_send(stage->boot, message, file, file ? 1 : 0), 0);
}

/* The next message to boot, if there is one; a complaint is noted. Its type; 0: there is none. */
static uint16_t hear_one(struct stage *stage)
{
    struct frame frame;
    int got = frame_receive(stage->boot, &frame);

    if (got == -EAGAIN)
        return 0;
    if (got != 1)
        fail_msg("the daemon is dead");
    if (frame.header.type == BOOT_COMPLAINT) {
        assert_int_equal(frame.size, sizeof(stage->complaint));
        memcpy(&stage->complaint, frame.bytes, sizeof(stage->complaint));
        stage->complaints++;
    }
    frame_clear(&frame);
    return frame.header.type;
}

static void hear(struct stage *stage, uint16_t type)
{
    struct pollfd wait = {.fd = stage->boot, .events = POLLIN};

    do
        assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
    while (hear_one(stage) != type);
}

/* What it says to people is of no interest here, and much. */
static void become(struct stage *stage, int boot)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (chdir(stage->folder) < 0 || dup2(boot, BOOT_FD) < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(126);
    fcntl(BOOT_FD, F_SETFD, 0);
    execl(stage->executable, stage->executable, (char *)NULL);
    _exit(127);
}

static void spawn(struct stage *stage)
{
    int pair[2];

    pair_make(pair);
    stage->pid = fork();
    assert_true(stage->pid >= 0);
    if (stage->pid == 0)
        become(stage, pair[0]);
    close(pair[0]);
    stage->boot = pair[1];
    stage->generation++;
    hear(stage, BOOT_HELLO);
}

void stage_begin(struct stage *stage, const char *executable, enum process_kind kind)
{
    *stage = (struct stage){.kind = kind};
    assert_non_null(realpath(executable, stage->executable));
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        stage->links[i] = -1;
    strcpy(stage->folder, "/tmp/parclose-protocol-XXXXXX");
    assert_non_null(mkdtemp(stage->folder));
    spawn(stage);
}

void stage_kill(struct stage *stage)
{
    int status;

    assert_int_equal(kill(stage->pid, SIGKILL), 0);
    assert_int_equal(waitpid(stage->pid, &status, 0), stage->pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(stage->boot);
}

void stage_again(struct stage *stage)
{
    spawn(stage);
}

void stage_give(struct stage *stage, const char *name, int file)
{
    struct boot_file message = {.header = frame_header(BOOT_FILE, sizeof(message), 0)};

    assert_true(file >= 0);
    snprintf(message.name, sizeof(message.name), "%s", name);
    say(stage, &message, &file);
    close(file);
}

/* Closes the end. */
static void hand_end(struct stage *stage, enum process_kind peer, int end)
{
    struct boot_link message = {.header = frame_header(BOOT_LINK, sizeof(message), 0),
                                .peer = peer,
                                .generation = ++stage->generations[peer]};
    say(stage, &message, &end);
    close(end);
}

void stage_join(struct stage *one, struct stage *other)
{
    int pair[2];

    pair_make(pair);
    hand_end(one, other->kind, pair[0]);
    hand_end(other, one->kind, pair[1]);
}

void stage_link(struct stage *stage, enum process_kind peer)
{
    int pair[2];

    pair_make(pair);
    hand_end(stage, peer, pair[0]);
    if (stage->links[peer] >= 0)
        close(stage->links[peer]);
    stage->links[peer] = pair[1];
}

static void say_start(struct stage *stage)
{
    const struct boot_start message = {.header = frame_header(BOOT_START, sizeof(message), 0),
                                       .generation = stage->generation,
                                       .watchdog_ms = WATCHDOG_MS};
    say(stage, &message, NULL);
}

void stage_start(struct stage *stage)
{
    say_start(stage);
    hear(stage, BOOT_READY);
}

/* Until the other end has read all, or has closed. */
static void wait_read(int socket)
{
    struct pollfd end = {.fd = socket};

    for (int i = 0; i < DEADLINE_MS * 10; i++) {
        int unread = 0;
        assert_int_equal(ioctl(socket, SIOCOUTQ, &unread), 0);
        if (unread == 0 || (poll(&end, 1, 0) == 1 && (end.revents & POLLHUP)))
            return;
        usleep(100);
    }
    fail_msg("the daemon does not read its link");
}

/* It handles one message after the other: that it took boot's says that the one before is done. */
void stage_settle(struct stage *stage, enum process_kind peer)
{
    wait_read(stage->links[peer]);
    say_start(stage);
    wait_read(stage->boot);
    while (hear_one(stage))
        ;
}

int stage_throw(int socket, const void *bytes, size_t size, int file, size_t files)
{
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int) * STAGE_FILES_MAX)] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    assert_true(files <= STAGE_FILES_MAX);
    if (files) {
        message.msg_control = space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * files);
        struct cmsghdr *control = CMSG_FIRSTHDR(&message);
        *control = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                    .cmsg_type = SCM_RIGHTS,
                                    .cmsg_len = CMSG_LEN(sizeof(int) * files)};
        for (size_t i = 0; i < files; i++)
            memcpy(CMSG_DATA(control) + i * sizeof(int), &file, sizeof(int));
    }
    if (sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)size)
        return 0;
    assert_true(errno == EPIPE || errno == ECONNRESET);
    return -EPIPE;
}

/* A second START has the watchdog fed soon. */
void stage_alive(struct stage *stage)
{
    say_start(stage);
    hear(stage, BOOT_ALIVE);
}

static void folder_empty(const char *folder)
{
    char path[512];
    DIR *directory = opendir(folder);

    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(directory);
}

void stage_forget(struct stage *stage)
{
    folder_empty(stage->folder);
}

void stage_end(struct stage *stage)
{
    const struct boot_empty stop = {.header = frame_header(BOOT_STOP, sizeof(stop), 0)};
    int status;

    say(stage, &stop, NULL);
    assert_int_equal(waitpid(stage->pid, &status, 0), stage->pid);
    close(stage->boot);
    for (size_t i = 0; i < PROCESS_KINDS; i++)
        if (stage->links[i] >= 0)
            close(stage->links[i]);
    folder_empty(stage->folder);
    rmdir(stage->folder);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

size_t stage_files(const struct stage *stage)
{
    char path[64];
    size_t count = 0;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)stage->pid);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}
