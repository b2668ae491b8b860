/* SPDX-License-Identifier: Apache-2.0 */
#include "statistics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

#define ANSWER_MS  1000
#define PROCESSOR  39 /* fields of /proc/PID/stat, proc_pid_stat(5) */
#define GUEST_TIME 43
#define MONITOR    "(parclose-monito)" /* what the kernel keeps of its name */

static bool read_text(uint32_t pid, const char *file, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%s", pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* A number by its place in /proc/PID/stat; what is in front of the name's end is 2. */
static uint64_t stat_field(const char *text, int field)
{
    const char *at = strrchr(text, ')');

    for (int i = 2; at && i < field; i++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* Not of a process that has the number by now, and is another one. */
static void add_times(uint32_t pid, json_t *vcpu)
{
    char stat[1024], sched[128];
    char *wait;

    if (!pid || !read_text(pid, "stat", stat, sizeof(stat)) || !strstr(stat, MONITOR))
        return;
    uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    json_object_set_new(vcpu, "pcpu", json_integer((json_int_t)stat_field(stat, PROCESSOR)));
    uint64_t guest_ns = stat_field(stat, GUEST_TIME) * tick_ns;
    json_object_set_new(vcpu, "guest_ns", json_integer((json_int_t)guest_ns));
    if (!read_text(pid, "schedstat", sched, sizeof(sched)))
        return;
    strtoull(sched, &wait, 10); /* time on a processor; then, what it waited for one */
    if (*wait == ' ')
        json_object_set_new(vcpu, "steal_ns", json_integer((json_int_t)strtoull(wait, NULL, 10)));
}

static json_t *counts(const struct session_stats *stats, uint32_t vcpu, uint32_t from, uint32_t to)
{
    json_t *object = json_object();

    for (uint32_t i = from; i < to; i++)
        json_object_set_new(object, stats->names[i],
                            json_integer((json_int_t)stats->values[vcpu][i]));
    return object;
}

static json_t *vcpu_json(const struct session_stats *stats, uint32_t i)
{
    json_t *kernel = counts(stats, i, 0, stats->kernel_names);
    json_t *monitor = counts(stats, i, stats->kernel_names, stats->names_count);
    json_t *vcpu = json_pack("{s:i, s:I, s:I}", "vcpu", (int)i, "pid", (json_int_t)stats->pids[i],
                             "restarts", (json_int_t)stats->restarts[i]);

    json_object_set(vcpu, "exits", json_object_get(kernel, "exits"));
    add_times(stats->pids[i], vcpu);
    json_object_set_new(vcpu, "kernel", kernel);
    json_object_set_new(vcpu, "monitor", monitor);
    return vcpu;
}

json_t *statistics_json(const struct session_stats *stats)
{
    json_t *vcpus = json_array();

    for (uint32_t i = 0; i < stats->vcpus_count; i++)
        json_array_append_new(vcpus, vcpu_json(stats, i));
    return json_pack("{s:b, s:I, s:o}", "answered", 1, "main_restarts",
                     (json_int_t)stats->main_restarts, "vcpus", vcpus);
}

json_t *statistics_ask(const struct cli *cli, const char *name)
{
    static struct session_stats stats;
    struct session_request request = {.header.type = SESSION_STATS};
    struct session_answer answer;
    struct session session;
    long got = session_open(&session, cli, name, "look");

    if (!got)
        got = session_ask(&session, &request, NULL, 0, &answer, &stats, sizeof(stats),
                          cli_now_ms() + ANSWER_MS);
    session_close(&session);
    if (got != (long)sizeof(stats) || !session_stats_ok(&stats))
        return json_pack("{s:b}", "answered", 0);
    return statistics_json(&stats);
}
