/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU says to its monitor, once its guest has broken into it: the bytes of QMP through the
 * real conversation, and its standard error. No greeting, no answer and no event reaches further
 * than the monitor's own state.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor.h"
#include "steps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

uint64_t monitor_now_ns(void)
{
    return 1;
}

bool monitor_is(const struct monitor *m, enum partition_state state)
{
    return m->states.entered & STATE_BIT(state);
}

void monitor_enter(struct monitor *m, enum partition_state state)
{
    m->states.entered |= STATE_BIT(state);
}

void monitor_finish(struct monitor *m, enum exit_reason reason, const char *text)
{
    (void)text;
    if (!m->end.reason)
        m->end.reason = reason;
    m->phase = PHASE_ENDING;
}

void monitor_fail(struct monitor *m, const char *what, int error)
{
    (void)error;
    monitor_finish(m, EXIT_MONITOR_ERROR, what);
}

/* As steps_create() says them, and what comes later. */
static void ask(struct monitor *m)
{
    static const enum talk_command commands[] = {TALK_GREETING,   TALK_CAPABILITIES, TALK_STATUS,
                                                 TALK_CPUS,       TALK_CONT,         TALK_STATS,
                                                 TALK_POWER_DOWN, TALK_QUIT};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        talk_say(m, commands[i], 0);
}

static void hear(struct monitor *m, int far, const uint8_t *data, size_t size)
{
    static char bin[65536];

    while (size && m->talk.socket >= 0) {
        ssize_t put = send(far, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put <= 0)
            break;
        data += put;
        size -= (size_t)put;
        for (int i = 0; i < 64 && m->talk.socket >= 0; i++) {
            char byte;
            if (recv(m->talk.socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
                break;
            talk_read(m);
        }
        while (recv(far, bin, sizeof(bin), MSG_DONTWAIT) > 0)
            continue;
    }
}

static void check(const struct monitor *m)
{
    if (m->qmp.used > sizeof(m->qmp.bytes) || m->talk.queued > TALK_QUEUE)
        abort();
    /* the gate: a QEMU whose state and threads are not known stands behind it */
    if (monitor_is(m, STATE_CHANNELS_ATTACHED) && !monitor_is(m, STATE_PROCESSOR_IMAGE))
        abort();
    for (uint32_t i = 0; i < m->descriptor.vcpus_count; i++)
        if (monitor_is(m, STATE_PROCESSOR_IMAGE) && !m->vcpu_tids[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct monitor m;
    int ends[2];

    m = (struct monitor){.descriptor = {.vcpus_count = 2}, .complaint = {.pipe = -1}};
    for (uint32_t i = 0; i < PARCLOSE_MAX_VCPUS; i++)
        m.threads[i] = i < m.descriptor.vcpus_count ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return 0;
    m.talk.socket = ends[0];
    ask(&m);
    hear(&m, ends[1], data, size);
    check(&m);
    complaint_add(&m.complaint, (const char *)data, size);
    close(ends[1]);
    if (m.talk.socket >= 0)
        close(m.talk.socket);
    for (int i = 0; i < PARCLOSE_MAX_VCPUS; i++)
        if (m.threads[i] >= 0)
            close(m.threads[i]);
    return 0;
}
