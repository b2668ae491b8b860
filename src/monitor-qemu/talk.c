/* SPDX-License-Identifier: Apache-2.0 */
#include "talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "log/log.h"
#include "monitor.h"
#include "observe.h"
#include "steps.h"

#define SECOND_NS UINT64_C(1000000000)
#define LOST_NS   (2 * SECOND_NS) /* from the end of QMP to its own */

/* ---- what is said */

static json_t *plug_arguments(const struct monitor *m, uint32_t vf)
{
    char id[16], port[16], path[BROKER_PATH_MAX];

    snprintf(id, sizeof(id), "vf%u", vf);
    command_port(port, vf);
    command_vf_folder(path, m->vfs[vf]);
    return json_pack("{s:s, s:s, s:s, s:s}", "driver", "vfio-pci", "id", id, "bus", port,
                     "sysfsdev", path);
}

static json_t *stats_arguments(const struct monitor *m, uint32_t unused)
{
    (void)m;
    (void)unused;
    return json_pack("{s:s, s:[{s:s, s:[s]}]}", "target", "vcpu", "providers", "provider", "kvm",
                     "names", "exits");
}

/* ---- what is answered: 0, or what ends the partition */

static int on_greeting(struct monitor *m, const json_t *data)
{
    json_int_t major, minor, micro;

    if (json_unpack((json_t *)(uintptr_t)data, "{s:{s:{s:I, s:I, s:I}}}", "version", "qemu",
                    "major", &major, "minor", &minor, "micro", &micro) ||
        major < 0 || major > 999 || minor < 0 || minor > 999 || micro < 0 || micro > 999)
        return -EBADMSG;
    snprintf(m->talk.version, sizeof(m->talk.version), "%d.%d.%d", (int)major, (int)minor,
             (int)micro);
    log_notice("QEMU %s", m->talk.version);
    return 0;
}

static int on_anything(struct monitor *m, const json_t *data)
{
    (void)m;
    (void)data;
    return 0;
}

/* It must stand before its first instruction, or the gate means nothing. */
static int on_status(struct monitor *m, const json_t *data)
{
    const char *status;
    (void)m;

    if (json_unpack((json_t *)(uintptr_t)data, "{s:s}", "status", &status))
        return -EBADMSG;
    return strcmp(status, "prelaunch") != 0 ? -EPERM : 0;
}

static int on_cpus(struct monitor *m, const json_t *data)
{
    uint32_t tids[PARCLOSE_MAX_VCPUS] = {0};
    size_t count = json_is_array(data) ? json_array_size(data) : 0;

    if (count != m->descriptor.vcpus_count)
        return -EBADMSG;
    for (size_t i = 0; i < count; i++) {
        json_int_t cpu, tid;
        if (json_unpack(json_array_get(data, i), "{s:I, s:I}", "cpu-index", &cpu, "thread-id",
                        &tid) ||
            cpu < 0 || (size_t)cpu >= count || tid <= 0 || tid > INT32_MAX || tids[cpu])
            return -EBADMSG;
        tids[cpu] = (uint32_t)tid;
    }
    return steps_place(m, tids);
}

static int on_plugged(struct monitor *m, const json_t *data)
{
    (void)data;
    return talk_has(&m->talk, TALK_PLUG) ? 0 : steps_plugged(m);
}

static int on_cont(struct monitor *m, const json_t *data)
{
    (void)data;
    steps_running(m);
    return 0;
}

static int on_stats(struct monitor *m, const json_t *data)
{
    size_t count = json_is_array(data) ? json_array_size(data) : 0, ran = 0;

    for (size_t i = 0; i < count; i++) {
        const char *name;
        json_int_t exits;
        if (!json_unpack(json_array_get(data, i), "{s:[{s:s, s:I}]}", "stats", "name", &name,
                         "value", &exits) &&
            !strcmp(name, "exits") && exits > 0)
            ran++;
    }
    observe_exits(m, ran);
    return 0;
}

static const struct {
    const char *command; /* NULL: QEMU speaks by itself */
    const char *what;    /* for the log and the reason */
    bool may_fail;       /* an error of QEMU does not end the partition */
    unsigned seconds;    /* it has so long; 0: for ever, because its vCPUs may be frozen … */
    bool memory;         /* … and a second more for each GiB of guest memory, which is pinned */
    json_t *(*arguments)(const struct monitor *, uint32_t);
    int (*answered)(struct monitor *, const json_t *);
} table[TALK_COMMANDS] = {
    [TALK_GREETING] = {NULL, "its start", false, 120, true, NULL, on_greeting},
    [TALK_CAPABILITIES] = {"qmp_capabilities", "QMP", false, 30, false, NULL, on_anything},
    [TALK_STATUS] = {"query-status", "its state before the gate", false, 30, false, NULL,
                     on_status},
    [TALK_CPUS] = {"query-cpus-fast", "its vCPU threads", false, 30, false, NULL, on_cpus},
    [TALK_PLUG] = {"device_add", "a VF", false, 60, true, plug_arguments, on_plugged},
    [TALK_CONT] = {"cont", "its first instruction", false, 30, false, NULL, on_cont},
    [TALK_STATS] = {"query-stats", "its exits", true, 0, false, stats_arguments, on_stats},
    [TALK_POWER_DOWN] = {"system_powerdown", "the power button", true, 0, false, NULL, on_anything},
    [TALK_QUIT] = {"quit", "the end", true, 0, false, NULL, on_anything},
};

/* ---- turns */

static int send_line(const struct talk *talk, const char *line)
{
    size_t size = strlen(line);
    /* a command is small, the socket's buffer is not, and one is out at a time */
    ssize_t sent = send(talk->socket, line, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0)
        return -errno;
    return (size_t)sent == size ? 0 : -EAGAIN;
}

static int say(struct monitor *m, const struct talk_turn *turn)
{
    struct talk *talk = &m->talk;

    if (!table[turn->command].command)
        return 0;
    json_t *arguments =
        table[turn->command].arguments ? table[turn->command].arguments(m, turn->argument) : NULL;
    char *line = qmp_line(table[turn->command].command, arguments, ++talk->id);
    if (!line)
        return -ENOMEM;
    int error = send_line(talk, line);
    free(line);
    return error;
}

static void broke(struct monitor *m, const char *what, int error)
{
    char text[PARCLOSE_REASON_MAX];

    close(m->talk.socket);
    m->talk.socket = -1;
    m->talk.dead_line_ns = 0;
    snprintf(text, sizeof(text), "QEMU: %.100s", what);
    monitor_fail(m, text, error);
}

/* It ends, most likely: its pidfd says so soon, its standard error why. Or it does not. */
static void lost(struct talk *talk)
{
    close(talk->socket);
    talk->socket = -1;
    talk->dead_line_ns = monitor_now_ns() + LOST_NS;
}

static uint64_t dead_line(const struct monitor *m, enum talk_command command)
{
    uint64_t seconds = table[command].seconds;

    if (table[command].memory)
        seconds += m->descriptor.memory_bytes >> 30;
    return seconds ? monitor_now_ns() + seconds * SECOND_NS : 0;
}

static void next_turn(struct monitor *m)
{
    struct talk *talk = &m->talk;

    if (talk->out || !talk->queued || talk->socket < 0)
        return;
    const struct talk_turn *turn = &talk->queue[0];
    talk->out = true;
    talk->dead_line_ns = dead_line(m, turn->command);
    int error = say(m, turn);
    if (error == -EPIPE || error == -ECONNRESET)
        lost(talk);
    else if (error)
        broke(m, table[turn->command].what, error);
}

void talk_say(struct monitor *m, enum talk_command command, uint32_t argument)
{
    struct talk *talk = &m->talk;

    if (talk->queued == TALK_QUEUE) {
        log_warning("%s is not asked for: too much waits", table[command].what);
        return;
    }
    talk->queue[talk->queued++] = (struct talk_turn){command, argument};
    next_turn(m);
}

bool talk_has(const struct talk *talk, enum talk_command command)
{
    for (uint32_t i = 0; i < talk->queued; i++)
        if (talk->queue[i].command == command)
            return true;
    return false;
}

static void end_turn(struct talk *talk)
{
    talk->queued--;
    memmove(talk->queue, talk->queue + 1, talk->queued * sizeof(talk->queue[0]));
    talk->out = false;
    talk->dead_line_ns = 0;
}

void talk_tick(struct monitor *m)
{
    struct talk *talk = &m->talk;

    if (!talk->dead_line_ns || talk->dead_line_ns > monitor_now_ns())
        return;
    if (talk->socket >= 0) {
        broke(m, table[talk->queue[0].command].what, -ETIMEDOUT);
        return;
    }
    talk->dead_line_ns = 0;
    monitor_fail(m, "QEMU has closed QMP", 0);
}

/* ---- what comes */

static void on_event(struct monitor *m, const struct qmp_message *message)
{
    const char *reason = json_string_value(json_object_get(message->data, "reason"));

    if (!strcmp(message->event, "GUEST_PANICKED"))
        m->panicked = true;
    else if (!strcmp(message->event, "WATCHDOG"))
        m->watchdog = true;
    else if (!strcmp(message->event, "SHUTDOWN"))
        steps_shutdown(m, reason ? reason : "");
}

static void refused(struct monitor *m, enum talk_command command, const json_t *data)
{
    const char *said = json_string_value(json_object_get(data, "desc"));
    char text[PARCLOSE_REASON_MAX];

    snprintf(text, sizeof(text), "QEMU refuses %s: %.100s", table[command].what,
             said ? said : "it does not say why");
    if (!table[command].may_fail)
        monitor_fail(m, text, 0);
    else if (!m->talk.refused[command])
        log_warning("%s", text);
    m->talk.refused[command] = true;
}

/* The answer of the command that is out, or the greeting when that is awaited. */
static int on_answer(struct monitor *m, const struct qmp_message *message)
{
    struct talk *talk = &m->talk;
    enum talk_command command = talk->queue[0].command;

    if (!talk->out || (message->kind == QMP_GREETING) != (command == TALK_GREETING) ||
        (command != TALK_GREETING && message->id != talk->id))
        return -EPROTO;
    end_turn(talk);
    if (message->kind == QMP_ERROR) {
        refused(m, command, message->data);
        return 0;
    }
    int error = table[command].answered(m, message->data);
    if (error)
        broke(m, table[command].what, error);
    return 0;
}

static void serve_messages(struct monitor *m)
{
    struct qmp_message message;
    int got;

    while (m->talk.socket >= 0 && (got = qmp_next(&m->qmp, &message)) != 0) {
        int error = got;
        if (got == 1 && message.kind == QMP_EVENT)
            on_event(m, &message);
        if (got == 1)
            error = message.kind == QMP_EVENT ? 0 : on_answer(m, &message);
        if (got == 1)
            qmp_clear(&message);
        if (error)
            broke(m, "what it says is no QMP", error);
    }
    next_turn(m);
}

void talk_read(struct monitor *m)
{
    char *at;
    size_t room = qmp_room(&m->qmp, &at);
    ssize_t got = recv(m->talk.socket, at, room, MSG_DONTWAIT);

    if (got > 0) {
        qmp_add(&m->qmp, (size_t)got);
        serve_messages(m);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        lost(&m->talk);
    }
}
