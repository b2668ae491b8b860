/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `parclose metrics` and the counts of `parclose show`, from a service and a monitor that a test
 * plays; the text is read by a strict reader of its own.
 */
#include <errno.h>
#include <jansson.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "parclose/session.h"

#define PARTITIONS                                                                                 \
    "{\"name\":\"db\",\"phase\":\"running\",\"rung\":\"wait\",\"vcpus\":2,\"memory_mib\":256},"    \
    "{\"name\":\"web\",\"phase\":\"defined\",\"rung\":\"a\\\\\\\"b\\nc\",\"vcpus\":1,"             \
    "\"memory_mib\":64}"
static const char list[] =
    "{\"ok\":true,\"partitions\":[" PARTITIONS "],\"owners\":[{\"name\":\"idle\",\"pcpus\":[3,4],"
    "\"memory_mib\":0},{\"name\":\"available\",\"pcpus\":[],\"memory_mib\":1024}],\"processes\":[{"
    "\"name\":\"lead\",\"health\":\"up\",\"restarts\":3}]}";
static const char devices[] =
    "{\"ok\":true,\"cards\":[{\"card\":\"net0\",\"address\":\"0000:01:00.0\",\"readiness\":"
    "\"ready\",\"disabled\":false,\"counts\":{\"device_writes\":17,\"rungs\":[2,1,0,0],"
    "\"recovery_bounds_ms\":[500,1000],\"recoveries\":[3,1,2],\"recovery_ns\":4500000000},"
    "\"vfs\":[{\"index\":3,\"outage_ns\":2500000000,\"outage_since_boottime_ns\":0,\"address\":"
    "\"0000:01:10.0\",\"status\":\"active\",\"owner\":{\"kind\":"
    "\"guest\",\"partition\":\"db\"}}]}]}";
static const char show_db[] =
    "{\"ok\":true,\"partition\":{\"name\":\"db\",\"monitor_pid\":1,\"main_restarts\":1,"
    "\"session\":\"dump\",\"session_stopped\":true,\"gate_latency_ns\":1500000,\"states\":[{"
    "\"state\":\"Alive\",\"entered\":true}]}}";
static const char show_web[] = "{\"ok\":true,\"partition\":{\"name\":\"web\",\"monitor_pid\":0,"
                               "\"states\":[{\"state\":\"Alive\",\"entered\":false}]}}";

/* How the monitor answers. */
enum monitor_mood { GOOD, SILENT, SHORT, BAD_NAME, TOO_MANY, NO_FILE };

static char folder[64], path[96], output[1 << 18];
static pid_t server = -1;

/* ---- the service and the monitor */

static void fill(struct session_stats *stats, enum monitor_mood mood)
{
    *stats = (struct session_stats){.vcpus_count = 2, .names_count = 3, .kernel_names = 2};
    strcpy(stats->names[0], mood == BAD_NAME ? "io\"} 1\nx" : "io_exits");
    strcpy(stats->names[1], "exits");
    strcpy(stats->names[2], "port_serial");
    stats->values[0][0] = 11;
    stats->values[1][1] = 22;
    stats->values[1][2] = 33;
    stats->restarts[1] = 4;
    if (mood == TOO_MANY)
        stats->vcpus_count = UINT32_MAX;
}

static void monitor(int socket, enum monitor_mood mood)
{
    static struct {
        struct session_answer answer;
        struct session_stats stats;
    } m;
    struct session_request r;

    if (recv(socket, &r, sizeof(r), 0) != sizeof(r) || mood == SILENT) {
        pause();
        _exit(0);
    }
    fill(&m.stats, mood);
    m.answer.header = (struct wire_header){WIRE_VERSION, SESSION_STATS, sizeof(m), r.header.id};
    if (mood == SHORT)
        m.answer.header.size = sizeof(m) - 8;
    (void)!send(socket, &m, mood == SHORT ? sizeof(m) - 8 : sizeof(m), 0);
    _exit(0);
}

static void pass_file(int fd, const char *line, int file)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(void *)(uintptr_t)line, strlen(line)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};

    CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &file, sizeof(int));
    (void)!sendmsg(fd, &m, 0);
}

static void serve_session(int fd, enum monitor_mood mood)
{
    int ends[2];

    if (mood == NO_FILE) {
        dprintf(fd, "{\"ok\":true}\n");
        return;
    }
    (void)!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
    pass_file(fd, "{\"ok\":true}\n", ends[0]);
    close(ends[0]);
    if (fork() == 0)
        monitor(ends[1], mood);
    close(ends[1]);
}

static void serve_one(int fd, enum monitor_mood mood)
{
    char line[4096] = "";
    size_t used = 0;

    while (used < sizeof(line) - 1 && read(fd, line + used, 1) == 1 && line[used] != '\n')
        used++;
    if (strstr(line, "\"verb\":\"session\""))
        serve_session(fd, mood);
    else if (strstr(line, "\"verb\":\"show\""))
        dprintf(fd, "%s\n", strstr(line, "\"name\":\"db\"") ? show_db : show_web);
    else
        dprintf(fd, "%s\n", strstr(line, "\"verb\":\"list\"") ? list : devices);
}

static void serve(enum monitor_mood mood)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    server = fork();
    if (server == 0) {
        setpgid(0, 0);
        for (;;) {
            int fd = accept(listener, NULL, NULL);
            serve_one(fd, mood);
            close(fd);
        }
    }
    close(listener);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/sock", folder);
    server = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (server > 0) {
        kill(-server, SIGKILL); /* and the monitors that it made */
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    unlink(path);
    return rmdir(folder);
}

static int cli(const char *arguments)
{
    char command[512];

    snprintf(command, sizeof(command), "'%s' %s --socket '%s' 2>&1", CLI_PROGRAM, arguments, path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof(output) - 1, pipe);
    output[got] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

/* ---- a strict reader (prometheus.io, "exposition formats") */

#define NAME  "[a-zA-Z_:][a-zA-Z0-9_:]*"
#define LABEL "[a-zA-Z_][a-zA-Z0-9_]*=\"([^\"\\\\]|\\\\[\\\\\"n])*\""
#define VALUE "(-?[0-9]+(\\.[0-9]+)?(e[-+][0-9]+)?|NaN|[-+]Inf)"

static bool matches(const char *pattern, const char *line)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool found = regexec(&regex, line, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

/* A histogram's samples have three names. */
static bool same_name(const char *sample, const char *family, bool histogram)
{
    static const char *const ends[] = {"_bucket", "_sum", "_count"};
    size_t length = strcspn(sample, "{ "), begins = strlen(family);

    if (!histogram || length < begins || strncmp(sample, family, begins) != 0)
        return !histogram && begins == length && !strncmp(sample, family, length);
    for (size_t i = 0; i < 3; i++)
        if (strlen(ends[i]) == length - begins &&
            !strncmp(sample + begins, ends[i], length - begins))
            return i > 0 || strstr(sample, ",le=\"");
    return false;
}

/* Each family once, HELP then TYPE then its samples; each sample once; counters end in _total. */
static void read_strictly(void)
{
    static char text[sizeof(output)], families[16384], series[1 << 17];
    char name[128] = "", type[16] = "", word[160];
    char *rest = NULL;

    strcpy(text, output);
    families[0] = series[0] = '\0';
    assert_int_equal(output[strlen(output) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (matches("^# HELP " NAME " [^\\\\]+$", line)) {
            sscanf(line, "# HELP %127s", name);
            snprintf(word, sizeof(word), " %s ", name);
            assert_null(strstr(families, word));
            strcat(families, word);
            type[0] = '\0';
        } else if (matches("^# TYPE " NAME " (gauge|counter|histogram)$", line)) {
            char of[128];
            assert_int_equal(sscanf(line, "# TYPE %127s %15s", of, type), 2);
            assert_string_equal(of, name);
            bool total = strlen(of) > 6 && !strcmp(of + strlen(of) - 6, "_total");
            assert_int_equal(total, !strcmp(type, "counter"));
        } else {
            if (!matches("^" NAME "(\\{" LABEL "(," LABEL ")*\\})? " VALUE "$", line))
                fail_msg("not a sample: %s", line);
            assert_true(type[0] && same_name(line, name, !strcmp(type, "histogram")));
            *strrchr(line, ' ') = '\0';
            assert_null(strstr(series, line));
            strcat(strcat(series, line), "\n");
        }
    }
}

static void has(const char *line)
{
    if (!strstr(output, line))
        fail_msg("no \"%s\" in:\n%s", line, output);
}

/* ---- tests */

static void the_text_is_what_prometheus_reads(void **state)
{
    (void)state;
    serve(GOOD);
    assert_int_equal(cli("metrics"), 0);
    read_strictly();
    has("parclose_up 1\n");
    has("parclose_partitions{phase=\"running\"} 1\n");
    has("parclose_partition_phase{partition=\"web\",phase=\"defined\",rung=\"a\\\\\\\"b\\nc\"} "
        "1\n");
    has("parclose_partition_state{partition=\"db\",state=\"Alive\"} 1\n");
    has("parclose_partition_memory_bytes{partition=\"db\"} 268435456\n");
    has("parclose_partition_gate_latency_seconds{partition=\"db\"} 0.0015");
    has("parclose_partition_stopped{partition=\"db\"} 1\n");
    has("parclose_pcpus{owner=\"idle\"} 2\n");
    has("parclose_memory_bytes{owner=\"available\"} 1073741824\n");
    has("parclose_pf_ready{card=\"net0\",address=\"0000:01:00.0\",readiness=\"ready\"} 1\n");
    has("parclose_vf_active{card=\"net0\",address=\"0000:01:10.0\",partition=\"db\",status="
        "\"active\"} "
        "1\n");
    has("parclose_vf_outage_seconds_total{card=\"net0\",address=\"0000:01:00.0\",vf=\"3\"} 2.5\n");
    has("parclose_pf_rungs_total{card=\"net0\",address=\"0000:01:00.0\",rung=\"restart the PF\"} "
        "2\n");
    has("parclose_pf_rungs_total{card=\"net0\",address=\"0000:01:00.0\",rung=\"restart SR-PCIM\"} "
        "1\n");
    has("parclose_pf_recovery_seconds_bucket{card=\"net0\",address=\"0000:01:00.0\",le=\"0.5\"} "
        "3\n");
    has("parclose_pf_recovery_seconds_bucket{card=\"net0\",address=\"0000:01:00.0\",le=\"1\"} 4\n");
    has("parclose_pf_recovery_seconds_bucket{card=\"net0\",address=\"0000:01:00.0\",le=\"+Inf\"} "
        "6\n");
    has("parclose_pf_recovery_seconds_sum{card=\"net0\",address=\"0000:01:00.0\"} 4.5\n");
    has("parclose_pf_recovery_seconds_count{card=\"net0\",address=\"0000:01:00.0\"} 6\n");
    has("parclose_device_writes_total{card=\"net0\",address=\"0000:01:00.0\"} 17\n");
    has("parclose_pf_disabled{card=\"net0\",address=\"0000:01:00.0\"} 0\n");
    has("parclose_process_restarts_total{process=\"lead\"} 3\n");
    has("parclose_main_restarts_total{partition=\"db\"} 1\n");
    has("parclose_monitor_answered{partition=\"db\"} 1\n");
    has("parclose_vcpu_exits_total{partition=\"db\",vcpu=\"1\"} 22\n");
    has("parclose_vcpu_exits_by_reason_total{partition=\"db\",vcpu=\"0\",reason=\"io\"} 11\n");
    has("parclose_vcpu_monitor_accesses_total{partition=\"db\",vcpu=\"1\",device=\"port_serial\"} "
        "33\n");
    has("parclose_vcpu_restarts_total{partition=\"db\",vcpu=\"1\"} 4\n");
}

/* A monitor that hangs, or that its guest has taken over: no counts, and everything else. */
static void a_monitor_that_lies_or_hangs_is_left_out(void **state)
{
    static const enum monitor_mood moods[] = {SILENT, SHORT, BAD_NAME, TOO_MANY, NO_FILE};

    for (size_t i = 0; i < sizeof(moods) / sizeof(moods[0]); i++) {
        serve(moods[i]);
        assert_int_equal(cli("metrics"), 0);
        read_strictly();
        has("parclose_monitor_answered{partition=\"db\"} 0\n");
        has("parclose_partitions{phase=\"running\"} 1\n");
        assert_null(strstr(output, "parclose_vcpu_exits_total{"));
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void nobody_there_is_a_metric_too(void **state)
{
    (void)state;
    assert_int_equal(cli("metrics 2>/dev/null"), 3);
    has("parclose_up 0\n");
}

static void show_has_the_counts(void **state)
{
    (void)state;
    serve(GOOD);
    assert_int_equal(cli("show db --json"), 0);
    json_t *answer = json_loads(output, 0, NULL);
    json_t *statistics = json_object_get(json_object_get(answer, "partition"), "statistics");
    json_t *vcpu = json_array_get(json_object_get(statistics, "vcpus"), 1);
    assert_true(json_is_true(json_object_get(statistics, "answered")));
    assert_int_equal(json_integer_value(json_object_get(vcpu, "exits")), 22);
    assert_int_equal(json_integer_value(json_object_get(vcpu, "restarts")), 4);
    json_decref(answer);
    assert_int_equal(cli("show db"), 0);
    has("VCPU");
    has("dump, its vCPUs are stopped");
}

static void show_says_when_there_is_no_answer(void **state)
{
    (void)state;
    serve(SILENT);
    assert_int_equal(cli("show db"), 0);
    has("its monitor does not answer");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_text_is_what_prometheus_reads), TEST(a_monitor_that_lies_or_hangs_is_left_out),
        TEST(nobody_there_is_a_metric_too),      TEST(show_has_the_counts),
        TEST(show_says_when_there_is_no_answer),
    };

    return cmocka_run_group_tests_name("cli-metrics", tests, NULL, NULL);
}
