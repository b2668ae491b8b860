/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CLI's side of a session without the CLI: file 3 is its socket. For the lab, under mini-lead.
 *
 *   session-tool stats      counts, one a line
 *   session-tool stop N     N times: stop, look at each vCPU, resume
 *   session-tool dump MIB FILE
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dump_take.h"
#include "session.h"

#define ANSWER_MS 10000

static struct session session = {.socket = 3};
static uint8_t data[SESSION_DATA_MAX];

uint64_t cli_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static long ask_for(uint16_t type, uint32_t vcpu, uint32_t flags, uint64_t address, uint64_t size)
{
    struct session_request request = {
        .header.type = type, .vcpu = vcpu, .flags = flags, .address = address, .size = size};
    struct session_answer answer;
    long got = session_ask(&session, &request, NULL, 0, &answer, data, sizeof(data),
                           cli_now_ms() + ANSWER_MS);

    if (got < 0)
        printf("tool: request %#x of vCPU %u: %s\n", type, vcpu, strerror((int)-got));
    return got;
}

static int stats(void)
{
    const struct session_stats *s = (const void *)data;

    if (ask_for(SESSION_STATS, 0, 0, 0, 0) != (long)sizeof(*s) || !session_stats_ok(s))
        return 1;
    for (uint32_t v = 0; v < s->vcpus_count; v++)
        for (uint32_t i = 0; i < s->names_count; i++)
            printf("tool: vcpu %u %s %s %" PRIu64 "\n", v,
                   i < s->kernel_names ? "kernel" : "monitor", s->names[i], s->values[v][i]);
    return 0;
}

static int stop_once(uint32_t vcpus)
{
    const struct session_registers *r = (const void *)data;
    struct session_answer stop;
    uint64_t began = cli_now_ms();
    int error = (int)ask_for(SESSION_STOP, 0, 0, 0, 0);

    if (!error)
        error = session_wait_stop(&session, &stop, cli_now_ms() + ANSWER_MS);
    if (error)
        printf("tool: no stop: %s\n", strerror(-error));
    for (uint32_t v = 0; v < vcpus && !error; v++) {
        if (ask_for(SESSION_REGISTERS, v, 0, 0, 0) != (long)sizeof(*r))
            return 1;
        uint64_t rip = r->regs.rip, cr3 = r->sregs.cr3;
        long got = ask_for(SESSION_READ, v, SESSION_VIRTUAL, rip, 16);
        printf("tool: vcpu %u rip %" PRIx64 " cr3 %" PRIx64 " bytes %ld %02x%02x%02x%02x, %" PRIu64
               " ms\n",
               v, rip, cr3, got, data[0], data[1], data[2], data[3], cli_now_ms() - began);
        if (got != 16)
            return 1;
    }
    if (!error && ask_for(SESSION_RESUME, 0, 0, 0, 0))
        return 1;
    return error;
}

static int stops(int count)
{
    if (ask_for(SESSION_INFO, 0, 0, 0, 0) != (long)sizeof(struct session_info))
        return 1;
    uint32_t vcpus = ((const struct session_info *)(const void *)data)->vcpus_count;
    for (int i = 0; i < count; i++) {
        if (stop_once(vcpus))
            return 1;
        usleep((useconds_t)(i * 7919 % 20000));
    }
    printf("tool: %d stops\n", count);
    return 0;
}

static int dump(const char *mib, const char *path)
{
    static struct dump d;

    d.session = session;
    d.memory_bytes = strtoull(mib, NULL, 10) << 20;
    int error = dump_file_open(&d.file, path);
    if (!error)
        error = dump_take(&d);
    int closed = dump_file_close(&d.file, error != 0);
    printf("tool: dump %s: %s, %" PRIu64 " bytes written, stopped %" PRIu64 " ms, vmcoreinfo %zu\n",
           d.what, strerror(error ? -error : -closed), d.file.written, d.stopped_ms,
           d.core.vmcoreinfo_size);
    return error || closed;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && !strcmp(argv[1], "stats"))
        return stats();
    if (argc == 3 && !strcmp(argv[1], "stop"))
        return stops(atoi(argv[2]));
    if (argc == 4 && !strcmp(argv[1], "dump"))
        return dump(argv[2], argv[3]);
    return 2;
}
