/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

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
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 8000
#define MIB         (UINT64_C(1) << 20)

static bool readable(int fd, int timeout_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    return poll(&pollfd, 1, timeout_ms) == 1;
}

/* --- boot ---------------------------------------------------------------------------------------
 */

static void boot_send(struct harness *harness, const void *message, const int *files, size_t count)
{
    assert_int_equal(frame_send(harness->boot, message, files, count), 0);
}

static void boot_file(struct harness *harness, const char *name, int fd)
{
    struct boot_file message = {.header = frame_header(BOOT_FILE, sizeof(message), 0)};

    strcpy(message.name, name);
    boot_send(harness, &message, &fd, 1);
}

static void boot_expect(struct harness *harness, uint16_t type)
{
    do {
        assert_true(readable(harness->boot, DEADLINE_MS));
        assert_int_equal(frame_receive(harness->boot, &harness->frame), 1);
    } while (harness->frame.header.type == BOOT_ALIVE);
    assert_int_equal(harness->frame.header.type, type);
}

static int listen_socket(struct harness *harness)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(harness->socket, sizeof(harness->socket), "%s/sock", harness->folder);
    strcpy(address.sun_path, harness->socket);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static void spawn(struct harness *harness, int end)
{
    harness->pid = fork();
    assert_true(harness->pid >= 0);
    if (harness->pid)
        return;
    if (dup2(end, BOOT_FD) == BOOT_FD) {
        fcntl(BOOT_FD, F_SETFD, 0);
        execl(COMMAND_PROGRAM, "parclose-command", (char *)NULL);
    }
    _exit(127);
}

int harness_start(void **state)
{
    struct harness *harness = calloc(1, sizeof(*harness));
    struct boot_start start = {.header = frame_header(BOOT_START, sizeof(start), 0),
                               .generation = 1,
                               .watchdog_ms = 60000};
    char folder[80];
    int ends[2];

    strcpy(harness->folder, "/tmp/parclose-test-XXXXXX");
    assert_non_null(mkdtemp(harness->folder));
    snprintf(folder, sizeof(folder), "%s/partitions", harness->folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    harness->control = -1;
    harness->listen = listen_socket(harness);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    harness->boot = ends[0];
    spawn(harness, ends[1]);
    close(ends[1]);
    boot_expect(harness, BOOT_HELLO);
    int config = open(harness->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    boot_file(harness, "config", config);
    boot_file(harness, "listen", harness->listen);
    close(config);
    boot_send(harness, &start, NULL, 0);
    boot_expect(harness, BOOT_READY);
    model_reset(&harness->model);
    *state = harness;
    return 0;
}

/* Ends it by boot's order: it must obey, whatever the test has done to it. */
int harness_stop(void **state)
{
    struct harness *harness = *state;
    struct boot_empty stop = {.header = frame_header(BOOT_STOP, sizeof(stop), 0)};
    char command[128];
    int status = -1;

    frame_send(harness->boot, &stop, NULL, 0);
    for (int i = 0; i < 500 && waitpid(harness->pid, &status, WNOHANG) == 0; i++)
        usleep(10000);
    if (status == -1) {
        kill(harness->pid, SIGKILL);
        waitpid(harness->pid, &status, 0);
    }
    close(harness->boot);
    close(harness->listen);
    link_down(harness);
    snprintf(command, sizeof(command), "rm -rf '%s'", harness->folder);
    int removed = system(command);
    free(harness);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        print_error("parclose-command ended with status 0x%x\n", status);
    return removed || !WIFEXITED(status) || WEXITSTATUS(status);
}

void write_config(struct harness *harness, const char *path, const char *text)
{
    char full[160];

    snprintf(full, sizeof(full), "%s/%s", harness->folder, path);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

void remove_config(struct harness *harness, const char *path)
{
    char full[160];

    snprintf(full, sizeof(full), "%s/%s", harness->folder, path);
    assert_int_equal(unlink(full), 0);
}

/* --- control ------------------------------------------------------------------------------------
 */

void model_reset(struct model *model)
{
    *model = (struct model){0};
    model->head.magic = SNAPSHOT_MAGIC;
    model->head.version = SNAPSHOT_VERSION;
    model->head.transaction = ANSWERED;
    model->head.realtime_ns = UINT64_C(1790000000123456789);
    model->head.boottime_ns = UINT64_C(5000000000);
    model->head.pcpus_count = 4;
    for (uint32_t i = 0; i < 4; i++)
        model->pcpus[i] =
            (struct snapshot_pcpu){.pcpu = i, .owner.kind = i ? OWNER_IDLE : OWNER_BOOT};
    model->head.memory_count = 1;
    model->memory[0] = (struct snapshot_memory){.bytes = 4096 * MIB, .owner.kind = OWNER_AVAILABLE};
}

void model_define(struct model *model, const struct partition_config *config)
{
    uint32_t at = 0;

    while (at < model->head.partitions_count &&
           strcmp(model->partitions[at].config.name, config->name) != 0)
        at++;
    assert_true(at < MODEL_MAX);
    if (at == model->head.partitions_count)
        model->head.partitions_count++;
    model->partitions[at].id.value = at + 1;
    model->partitions[at].states = STATE_BIT(STATE_ENABLED);
    model->partitions[at].config = *config;
}

int sealed(const void *bytes, size_t size, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static size_t put(uint8_t *buffer, size_t at, const void *items, size_t count, size_t size)
{
    memcpy(buffer + at, items, count * size);
    return at + ((count * size + 7) & ~(size_t)7);
}

void send_snapshot(struct harness *harness)
{
    static uint8_t buffer[sizeof(struct model)];
    struct model *model = &harness->model;
    struct snapshot *head = &model->head;

    memset(buffer, 0, sizeof(buffer));
    head->generation++;
    size_t at = (sizeof(*head) + 7) & ~(size_t)7;
    at = put(buffer, at, model->partitions, head->partitions_count, sizeof(model->partitions[0]));
    at = put(buffer, at, model->pcpus, head->pcpus_count, sizeof(model->pcpus[0]));
    at = put(buffer, at, model->memory, head->memory_count, sizeof(model->memory[0]));
    at = put(buffer, at, model->pfs, head->pfs_count, sizeof(model->pfs[0]));
    at = put(buffer, at, model->vfs, head->vfs_count, sizeof(model->vfs[0]));
    at = put(buffer, at, model->processes, head->processes_count, sizeof(model->processes[0]));
    head->size = at;
    memcpy(buffer, head, sizeof(*head));
    int fd = sealed(buffer, at, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    struct control_snapshot message = {.header = frame_header(CONTROL_SNAPSHOT, sizeof(message), 0),
                                       .generation = head->generation,
                                       .size = at};
    assert_int_equal(frame_send(harness->control, &message, &fd, 1), 0);
    close(fd);
}

/* Clients are told this snapshot. */
static bool reported(struct harness *harness, uint64_t generation)
{
    int fd = client(harness);

    say(fd, "{\"verb\": \"list\"}");
    json_t *json = hear(fd, NULL), *head = json_object_get(json, "snapshot");
    bool is = json_integer_value(json_object_get(head, "generation")) == (json_int_t)generation;
    json_decref(json);
    close(fd);
    return is;
}

void show_snapshot(struct harness *harness)
{
    send_snapshot(harness);
    for (int ms = 0; !reported(harness, harness->model.head.generation); ms += 10) {
        assert_true(ms < DEADLINE_MS);
        usleep(10000);
    }
}

/* What it says first on a new link: the consoles that it holds. */
static void hear_channels(struct harness *harness)
{
    harness->held = 0;
    do {
        assert_true(readable(harness->control, DEADLINE_MS));
        assert_int_equal(frame_receive(harness->control, &harness->frame), 1);
        harness->held += harness->frame.header.type == CONTROL_CHANNEL_HELD;
    } while (harness->frame.header.type == CONTROL_CHANNEL_HELD);
    assert_int_equal(harness->frame.header.type, CONTROL_CHANNEL_SYNC);
}

void link_up(struct harness *harness, bool snapshot)
{
    struct boot_link message = {.header = frame_header(BOOT_LINK, sizeof(message), 0),
                                .peer = PROCESS_CONTROL,
                                .generation = ++harness->generation};
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    boot_send(harness, &message, &ends[1], 1);
    close(ends[1]);
    link_down(harness);
    harness->control = ends[0];
    hear_channels(harness);
    if (snapshot)
        show_snapshot(harness);
}

void link_down(struct harness *harness)
{
    if (harness->control >= 0)
        close(harness->control);
    harness->control = -1;
}

const void *expect(struct harness *harness, uint16_t type)
{
    assert_true(readable(harness->control, DEADLINE_MS));
    assert_int_equal(frame_receive(harness->control, &harness->frame), 1);
    assert_int_equal(harness->frame.header.type, type);
    return harness->frame.bytes;
}

void expect_nothing(struct harness *harness)
{
    assert_false(readable(harness->control, 200));
}

void answer(struct harness *harness, uint64_t id, int error, const char *text, const int *files,
            size_t files_count)
{
    struct control_result message = {.header = frame_header(CONTROL_RESULT, sizeof(message), id),
                                     .error = error,
                                     .transaction = error || files_count ? 0 : ANSWERED};

    strcpy(message.text, text);
    assert_int_equal(frame_send(harness->control, &message, files, files_count), 0);
}

void accept_configuration(struct harness *harness)
{
    while (readable(harness->control, 300)) {
        assert_int_equal(frame_receive(harness->control, &harness->frame), 1);
        const struct control_host_set *host = (const void *)harness->frame.bytes;
        const struct control_partition_define *define = (const void *)harness->frame.bytes;
        if (harness->frame.header.type == CONTROL_HOST_SET)
            harness->model.head.host = host->host;
        else if (harness->frame.header.type == CONTROL_PARTITION_DEFINE)
            model_define(&harness->model, &define->config);
        else
            fail_msg("unexpected message 0x%x", harness->frame.header.type);
        answer(harness, harness->frame.header.id, 0, "", NULL, 0);
    }
    show_snapshot(harness);
}

/* --- the CLI ------------------------------------------------------------------------------------
 */

int client(struct harness *harness)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, harness->socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void say(int fd, const char *line)
{
    size_t length = strlen(line);
    assert_int_equal(send(fd, line, length, MSG_NOSIGNAL), length);
    assert_int_equal(send(fd, "\n", 1, MSG_NOSIGNAL), 1);
}

void say_with(int fd, const char *line, int file)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec iov = {(void *)(uintptr_t)line, strlen(line)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
    assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), iov.iov_len);
    assert_int_equal(send(fd, "\n", 1, MSG_NOSIGNAL), 1);
}

/* Byte by byte, so that nothing behind the line is lost. */
static ssize_t hear_byte(int socket, char *byte, int *fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    assert_true(readable(socket, DEADLINE_MS));
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (fd && got == 1 && message.msg_controllen)
        memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
    return got;
}

json_t *hear(int socket, int *fd)
{
    static char line[1 << 20];
    size_t used = 0;

    do {
        if (hear_byte(socket, &line[used], fd) != 1)
            return NULL;
        assert_true(used < sizeof(line) - 1);
    } while (line[used++] != '\n');
    json_t *json = json_loadb(line, used, 0, NULL);
    assert_non_null(json);
    return json;
}

json_t *hear_ok(int socket, bool ok)
{
    json_t *json = hear(socket, NULL);

    assert_non_null(json);
    if (json_is_true(json_object_get(json, "ok")) != ok) {
        json_dumpf(json, stderr, 0);
        fail_msg("ok is not %d", ok);
    }
    return json;
}

bool silent(int client)
{
    return !readable(client, 200);
}

void works(struct harness *harness)
{
    int fd = client(harness);

    say(fd, "{\"verb\": \"list\"}");
    json_decref(hear_ok(fd, true));
    close(fd);
}
