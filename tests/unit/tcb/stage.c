/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree.h"

#define DEADLINE_MS 10000

const char *stage_executable;

static const enum process_kind peers[] = {PROCESS_CONTROL, PROCESS_SR_PCIM, PROCESS_LEAD};

void stage_root(const struct stage *stage, char root[80])
{
    snprintf(root, 80, "%s/sys", stage->folder);
}

static void say_file(struct stage *stage, const void *message, int file)
{
    assert_int_equal(frame_send(stage->ends[PROCESS_BOOT], message, &file, 1), 0);
    close(file);
}

void stage_say(struct stage *stage, enum process_kind as, const void *message)
{
    assert_int_equal(frame_send(stage->ends[as], message, NULL, 0), 0);
}

void stage_keep(struct stage *stage, const char *name, int file)
{
    size_t i = 0;

    while (i < stage->kept_count && strcmp(stage->kept[i].name, name) != 0)
        i++;
    assert_true(i < STAGE_KEPT_MAX && file >= 0);
    if (i == stage->kept_count)
        stage->kept_count++;
    else
        close(stage->kept[i].file);
    snprintf(stage->kept[i].name, sizeof(stage->kept[i].name), "%s", name);
    stage->kept[i].file = file;
}

static void drop(struct stage *stage, const char *name)
{
    for (size_t i = 0; i < stage->kept_count; i++)
        if (!strcmp(stage->kept[i].name, name)) {
            close(stage->kept[i].file);
            stage->kept[i] = stage->kept[--stage->kept_count];
            return;
        }
    fail_msg("%s is dropped, and was not kept", name);
}

/* What the TCB says to boot besides what a test waits for. */
static void take(struct stage *stage, struct frame *frame)
{
    const struct boot_store *store = (const void *)frame->bytes;

    if (frame->header.type == BOOT_STORE)
        stage_keep(stage, store->name, frame_take(frame, 0));
    else if (frame->header.type == BOOT_STORE_DROP)
        drop(stage, store->name);
}

void stage_hear(struct stage *stage, enum process_kind as, uint16_t type, struct frame *frame)
{
    struct pollfd wait = {.fd = stage->ends[as], .events = POLLIN};

    for (;;) {
        assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
        assert_int_equal(frame_receive(stage->ends[as], frame), 1);
        if (frame->header.type == type)
            return;
        if (as == PROCESS_BOOT)
            take(stage, frame);
        frame_clear(frame);
    }
}

void stage_hear_end(struct stage *stage, enum process_kind as)
{
    struct pollfd wait = {.fd = stage->ends[as], .events = POLLIN};
    struct frame frame;
    int got;

    do {
        assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
        got = frame_receive(stage->ends[as], &frame);
        if (got == 1)
            frame_clear(&frame);
    } while (got == 1);
    assert_int_equal(got, 0);
}

size_t stage_kept(struct stage *stage)
{
    struct frame frame;

    while (frame_receive(stage->ends[PROCESS_BOOT], &frame) == 1) {
        take(stage, &frame);
        frame_clear(&frame);
    }
    return stage->kept_count;
}

static void hand_over(struct stage *stage)
{
    for (size_t i = 0; i < stage->kept_count; i++) {
        struct boot_store store = {.header = frame_header(BOOT_STORED, sizeof(store), 0)};
        memcpy(store.name, stage->kept[i].name, sizeof(store.name));
        assert_int_equal(frame_send(stage->ends[PROCESS_BOOT], &store, &stage->kept[i].file, 1), 0);
    }
}

bool stage_silent(struct stage *stage, enum process_kind as, int ms)
{
    struct pollfd wait = {.fd = stage->ends[as], .events = POLLIN};
    return poll(&wait, 1, ms) == 0;
}

void stage_link(struct stage *stage, enum process_kind peer)
{
    struct boot_link message = {.header = frame_header(BOOT_LINK, sizeof(message), 0),
                                .peer = peer,
                                .generation = ++stage->generation};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    say_file(stage, &message, pair[0]);
    if (stage->ends[peer] >= 0)
        close(stage->ends[peer]);
    stage->ends[peer] = pair[1];
}

static void spawn(struct stage *stage)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    stage->pid = fork();
    assert_true(stage->pid >= 0);
    if (stage->pid == 0) {
        if (chdir(stage->folder) < 0 || dup2(pair[0], BOOT_FD) < 0)
            _exit(126);
        fcntl(BOOT_FD, F_SETFD, 0);
        execl(stage_executable, stage_executable, (char *)NULL);
        _exit(127);
    }
    close(pair[0]);
    stage->ends[PROCESS_BOOT] = pair[1];
}

void stage_start(struct stage *stage)
{
    struct boot_file file = {.header = frame_header(BOOT_FILE, sizeof(file), 0), .name = "state"};
    struct boot_start go = {.header = frame_header(BOOT_START, sizeof(go), 0),
                            .generation = ++stage->generation,
                            .watchdog_ms = 10000};
    struct frame frame;

    spawn(stage);
    stage_hear(stage, PROCESS_BOOT, BOOT_HELLO, &frame);
    say_file(stage, &file, open(stage->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    hand_over(stage);
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
        stage_link(stage, peers[i]);
    stage_say(stage, PROCESS_BOOT, &go);
    stage_hear(stage, PROCESS_BOOT, BOOT_READY, &frame);
}

void stage_die(struct stage *stage)
{
    kill(stage->pid, SIGKILL);
    waitpid(stage->pid, NULL, 0);
    stage_kept(stage);
    for (size_t i = 0; i < PROCESS_KINDS; i++) {
        if (stage->ends[i] >= 0)
            close(stage->ends[i]);
        stage->ends[i] = -1;
    }
}

int stage_setup(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    char root[80];

    assert_non_null(stage);
    *state = stage;
    memset(stage->ends, 0xff, sizeof(stage->ends));
    strcpy(stage->folder, "/tmp/parclose-tcb-XXXXXX");
    assert_non_null(mkdtemp(stage->folder));
    stage_root(stage, root);
    tree_make(root);
    stage_start(stage);
    return 0;
}

int stage_teardown(void **state)
{
    struct stage *stage = *state;

    stage_die(stage);
    while (stage->kept_count)
        close(stage->kept[--stage->kept_count].file);
    tree_remove(stage->folder);
    free(stage);
    return 0;
}
