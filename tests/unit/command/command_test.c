/* SPDX-License-Identifier: Apache-2.0 */
/* Command against a control that a test plays: configuration, starts, deaths of control. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness.h"

#define HOST                                                                                       \
    "<host><cards><card name='net0' address='0000:01:00.0' driver='igb' vfs='7'/></cards></host>"
#define PARTITION(attributes, body)                                                                \
    "<partition vcpus='1' memory-mib='128' " attributes "><kernel>/k</kernel>" body "</partition>"
#define DB  "partitions/db.xml"
#define WEB "partitions/web.xml"

static void sends_what_control_lacks(void **state)
{
    struct harness *harness = *state;

    write_config(harness, "host.xml", HOST);
    write_config(harness, DB, PARTITION("", "<vfs><vf card='net0' index='3'/></vfs>"));
    link_up(harness, true);
    const struct control_host_set *host = expect(harness, CONTROL_HOST_SET);
    assert_int_equal(host->host.cards_count, 1);
    assert_int_equal(host->host.cards[0].bdf.value, 0x100);
    assert_string_equal(host->requester.reason, "configuration");
    assert_true(host->header.id != 0);
    const struct control_partition_define *define = expect(harness, CONTROL_PARTITION_DEFINE);
    assert_string_equal(define->config.name, "db");
    assert_int_equal(define->config.vfs[0].index, 3);
    expect_nothing(harness);
}

static void sends_nothing_that_control_has(void **state)
{
    struct harness *harness = *state;

    write_config(harness, "host.xml", HOST);
    write_config(harness, DB, PARTITION("", ""));
    link_up(harness, true);
    accept_configuration(harness);
    link_up(harness, true);
    expect_nothing(harness);
}

static void a_bad_file_stops_no_other(void **state)
{
    struct harness *harness = *state;

    write_config(harness, "host.xml", HOST);
    write_config(harness, DB, "<!DOCTYPE x><partition/>");
    write_config(harness, WEB, PARTITION("", ""));
    link_up(harness, true);
    expect(harness, CONTROL_HOST_SET);
    const struct control_partition_define *define = expect(harness, CONTROL_PARTITION_DEFINE);
    assert_string_equal(define->config.name, "web");
    expect_nothing(harness);
}

static void answer_to(struct harness *harness, uint16_t type)
{
    const struct wire_header *request = expect(harness, type);

    answer(harness, request->id, 0, "", NULL, 0);
}

/* Not all are told at once: control remembers a limited number of requests. Besides, enough to make
 * the library take other ways, which the sandbox must know. */
static void as_many_partitions_as_there_may_be(void **state)
{
    struct harness *harness = *state;

    write_config(harness, "host.xml", HOST);
    for (int i = 0; i < PARCLOSE_MAX_PARTITIONS + 1; i++) {
        char path[64];
        snprintf(path, sizeof(path), "partitions/p%d.xml", i);
        write_config(harness, path, PARTITION("", "<cmdline>x</cmdline>"));
    }
    link_up(harness, true);
    answer_to(harness, CONTROL_HOST_SET);
    for (int i = 0; i < PARCLOSE_MAX_PARTITIONS; i++)
        answer_to(harness, CONTROL_PARTITION_DEFINE);
    works(harness);
}

static void undefines_what_vanished_and_is_stopped(void **state)
{
    struct harness *harness = *state;
    struct partition_config gone = {.name = "gone",
                                    .vcpus = 1,
                                    .memory_mib = 64,
                                    .monitor = "native",
                                    .kernel = "/k"},
                            busy = gone;

    strcpy(busy.name, "busy");
    write_config(harness, "host.xml", HOST);
    model_define(&harness->model, &gone);
    model_define(&harness->model, &busy);
    harness->model.partitions[1].phase = PHASE_RUNNING;
    link_up(harness, true);
    const struct control_partition_name *name = expect(harness, CONTROL_PARTITION_UNDEFINE);
    assert_string_equal(name->name, "gone");
    expect(harness, CONTROL_HOST_SET);
    expect_nothing(harness);
}

static void starts_what_is_to_autostart_once(void **state)
{
    struct harness *harness = *state;

    write_config(harness, "host.xml", HOST);
    write_config(harness, DB, PARTITION("autostart='yes'", ""));
    write_config(harness, WEB, PARTITION("", ""));
    link_up(harness, true);
    accept_configuration(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);
    assert_string_equal(start->name, "db");
    assert_string_equal(start->requester.reason, "autostart");
    assert_int_equal(start->generation, harness->model.head.generation);
    assert_int_equal(start->pcpus_count, 1);
    assert_int_equal(start->pcpus[0], 1);
    answer(harness, start->header.id, -ENOSPC, "no", NULL, 0);
    show_snapshot(harness);
    link_up(harness, true);
    expect_nothing(harness);
}

static void does_not_autostart_what_was_stopped(void **state)
{
    struct harness *harness = *state;
    struct partition_config db = {.name = "db",
                                  .vcpus = 1,
                                  .memory_mib = 128,
                                  .autostart = 1,
                                  .monitor = "native",
                                  .kernel = "/k"};

    write_config(harness, "host.xml", HOST);
    write_config(harness, DB, PARTITION("autostart='yes'", ""));
    model_define(&harness->model, &db);
    harness->model.partitions[0].exit = EXIT_STOPPED;
    link_up(harness, true);
    expect(harness, CONTROL_HOST_SET);
    answer(harness, harness->frame.header.id, 0, "", NULL, 0);
    show_snapshot(harness);
    expect_nothing(harness);
}

/* A harness with db and web defined, and a client that asked for the start of db. */
static int asked_to_start(struct harness *harness)
{
    write_config(harness, "host.xml", HOST);
    write_config(harness, DB, PARTITION("", ""));
    write_config(harness, WEB, PARTITION("", ""));
    link_up(harness, true);
    accept_configuration(harness);
    int fd = client(harness);
    say(fd, "{\"verb\": \"start\", \"name\": \"db\", \"reason\": \"test\"}");
    return fd;
}

static void start_carries_who_and_why(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);

    assert_string_equal(start->requester.reason, "test");
    assert_int_equal(start->requester.uid, getuid());
    assert_int_equal(start->requester.pid, getpid());
    answer(harness, start->header.id, 0, "", NULL, 0);
    json_t *json = hear_ok(fd, true);
    assert_int_equal(json_integer_value(json_object_get(json, "transaction")), ANSWERED);
    json_decref(json);
    close(fd);
}

/* Who is told that it is started, and looks, must not see it as it was before. */
static void an_answer_waits_for_its_snapshot(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness), other = client(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);

    harness->model.head.transaction = ANSWERED - 1;
    show_snapshot(harness);
    answer(harness, start->header.id, 0, "", NULL, 0);
    show_snapshot(harness); /* of something else */
    say(other, "{\"verb\": \"show\", \"name\": \"db\"}");
    json_decref(hear_ok(other, true));
    assert_true(silent(fd));
    link_up(harness, false); /* the answer is known: it is not asked for again */
    expect_nothing(harness);
    assert_true(silent(fd));
    harness->model.head.transaction = ANSWERED;
    harness->model.partitions[0].phase = PHASE_STARTING;
    show_snapshot(harness);
    json_decref(hear_ok(fd, true));
    say(fd, "{\"verb\": \"show\", \"name\": \"db\"}");
    json_t *json = hear_ok(fd, true);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "partition"), "phase")),
        "starting");
    json_decref(json);
    close(other);
    close(fd);
}

static void selects_again_from_a_newer_snapshot(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);

    assert_int_equal(start->pcpus[0], 1);
    answer(harness, start->header.id, -ESTALE, "", NULL, 0);
    expect_nothing(harness); /* not from the same one */
    harness->model.pcpus[1].owner.kind = OWNER_CONTROL;
    show_snapshot(harness);
    start = expect(harness, CONTROL_PARTITION_START);
    assert_int_equal(start->pcpus[0], 2);
    assert_int_equal(start->generation, harness->model.head.generation);
    answer(harness, start->header.id, 0, "", NULL, 0);
    json_decref(hear_ok(fd, true));
    close(fd);
}

static void asks_again_with_the_same_id_after_controls_death(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);
    struct control_partition_start first = *start;

    link_up(harness, true);
    start = expect(harness, CONTROL_PARTITION_START);
    assert_memory_equal(&first, start, sizeof(first));
    answer(harness, start->header.id, 0, "", NULL, 0);
    json_decref(hear_ok(fd, true));
    close(fd);
}

static void says_what_is_missing(void **state)
{
    struct harness *harness = *state;

    write_config(harness, "host.xml", HOST);
    write_config(harness, DB,
                 "<partition vcpus='4' memory-mib='128'><kernel>/k</kernel></partition>");
    write_config(harness, WEB,
                 "<partition vcpus='1' memory-mib='8192'><kernel>/k</kernel></partition>");
    link_up(harness, true);
    accept_configuration(harness);
    int fd = client(harness);
    say(fd, "{\"verb\": \"start\", \"name\": \"db\"}");
    json_t *json = hear_ok(fd, false);
    assert_string_equal(json_string_value(json_object_get(json, "text")),
                        "needs 4 pCPUs: 3 are idle");
    json_decref(json);
    say(fd, "{\"verb\": \"start\", \"name\": \"web\"}");
    json = hear_ok(fd, false);
    assert_non_null(strstr(json_string_value(json_object_get(json, "text")), "8192 MiB"));
    json_decref(json);
    say(fd, "{\"verb\": \"start\", \"name\": \"nobody\"}");
    json = hear_ok(fd, false);
    assert_string_equal(json_string_value(json_object_get(json, "error")), "ENOENT");
    json_decref(json);
    expect_nothing(harness);
    close(fd);
}

static void reads_a_changed_file_at_its_start(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);

    answer(harness, start->header.id, -EIO, "no", NULL, 0);
    json_decref(hear_ok(fd, false));
    write_config(harness, DB, PARTITION("", "<cmdline>new</cmdline>"));
    say(fd, "{\"verb\": \"start\", \"name\": \"db\"}");
    const struct control_partition_define *define = expect(harness, CONTROL_PARTITION_DEFINE);
    assert_string_equal(define->config.cmdline, "new");
    model_define(&harness->model, &define->config);
    answer(harness, define->header.id, 0, "", NULL, 0);
    expect_nothing(harness);
    show_snapshot(harness);
    start = expect(harness, CONTROL_PARTITION_START);
    answer(harness, start->header.id, 0, "", NULL, 0);
    json_decref(hear_ok(fd, true));
    close(fd);
}

static void refuses_what_runs_already_kindly(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);

    answer(harness, start->header.id, 0, "", NULL, 0);
    json_decref(hear_ok(fd, true));
    harness->model.partitions[0].phase = PHASE_RUNNING;
    show_snapshot(harness);
    say(fd, "{\"verb\": \"start\", \"name\": \"db\"}");
    json_t *json = hear_ok(fd, true);
    assert_true(json_is_true(json_object_get(json, "already")));
    json_decref(json);
    close(fd);
}

static void reload_reports_each_file(void **state)
{
    struct harness *harness = *state;

    write_config(harness, "host.xml", HOST);
    link_up(harness, true);
    accept_configuration(harness);
    write_config(harness, DB, PARTITION("", "<vfs><vf card='net9' index='0'/></vfs>"));
    write_config(harness, WEB, PARTITION("", ""));
    int fd = client(harness);
    say(fd, "{\"verb\": \"reload\"}");
    expect(harness, CONTROL_PARTITION_DEFINE);
    answer(harness, harness->frame.header.id, 0, "", NULL, 0);
    json_t *json = hear_ok(fd, false);
    const json_t *problem = json_array_get(json_object_get(json, "problems"), 0);
    assert_string_equal(json_string_value(problem), "partitions/db.xml:1: <vf card=\"net9\">: no "
                                                    "such card in host.xml; it has net0");
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "changes"), 0)),
                        "web: defined");
    json_decref(json);
    close(fd);
}

static void a_client_may_leave_while_it_is_served(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);

    close(fd);
    usleep(50000);
    answer(harness, start->header.id, 0, "", NULL, 0);
    fd = client(harness);
    write_config(harness, WEB, PARTITION("", "<cmdline>x</cmdline>"));
    say(fd, "{\"verb\": \"reload\"}");
    const struct control_partition_define *define = expect(harness, CONTROL_PARTITION_DEFINE);
    close(fd);
    usleep(50000);
    answer(harness, define->header.id, 0, "", NULL, 0);
    works(harness);
}

static void refuses_a_snapshot_that_is_not_sealed(void **state)
{
    struct harness *harness = *state;
    struct control_snapshot message = {.header = frame_header(CONTROL_SNAPSHOT, sizeof(message), 0),
                                       .size = 4096};
    char zero[4096] = {0};

    link_up(harness, false);
    int fd = sealed(zero, sizeof(zero), F_SEAL_SHRINK);
    assert_int_equal(frame_send(harness->control, &message, &fd, 1), 0);
    close(fd);
    assert_int_equal(poll(&(struct pollfd){.fd = harness->control, .events = POLLIN}, 1, 5000), 1);
    assert_int_equal(frame_receive(harness->control, &harness->frame), 0);
    fd = client(harness);
    say(fd, "{\"verb\": \"list\"}");
    json_decref(hear_ok(fd, false));
    close(fd);
}

static void refuses_a_snapshot_with_a_wrong_count(void **state)
{
    struct harness *harness = *state;

    harness->model.head.vfs_count = 0;
    harness->model.partitions[0].phase = PARTITION_PHASES;
    harness->model.partitions[0].id.value = 1;
    harness->model.head.partitions_count = 1;
    link_up(harness, false);
    send_snapshot(harness);
    assert_int_equal(poll(&(struct pollfd){.fd = harness->control, .events = POLLIN}, 1, 5000), 1);
    assert_int_equal(frame_receive(harness->control, &harness->frame), 0);
}

static void watch_tells_each_change_once(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness);
    int watcher = client(harness);

    say(watcher, "{\"verb\": \"watch\", \"name\": \"db\"}");
    json_decref(hear_ok(watcher, true));
    show_snapshot(harness); /* nothing new in it */
    harness->model.partitions[0].phase = PHASE_WAITING;
    strcpy(harness->model.partitions[0].waiting_for, "net0: driver unbound");
    show_snapshot(harness);
    json_t *json = hear_ok(watcher, true);
    const json_t *partition = json_object_get(json, "partition");
    assert_string_equal(json_string_value(json_object_get(partition, "phase")), "waiting");
    assert_string_equal(json_string_value(json_object_get(partition, "waiting_for")),
                        "net0: driver unbound");
    json_decref(json);
    close(watcher);
    close(fd);
}

static void audit_brings_the_log_along(void **state)
{
    struct harness *harness = *state;
    int log = sealed("log", 3, 0), got = -1;
    char text[4] = "";

    link_up(harness, true);
    int fd = client(harness);
    say(fd, "{\"verb\": \"audit\"}");
    expect(harness, CONTROL_AUDIT_OPEN);
    answer(harness, harness->frame.header.id, 0, "", &log, 1);
    json_t *json = hear(fd, &got);
    assert_true(json_is_true(json_object_get(json, "ok")));
    assert_true(got >= 0);
    assert_int_equal(pread(got, text, 3, 0), 3);
    assert_string_equal(text, "log");
    json_decref(json);
    close(got);
    close(log);
    close(fd);
}

static void all_files_of_the_log_come_along(void **state)
{
    struct harness *harness = *state;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_MAX_FDS)];
    } control;
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int logs[WIRE_MAX_FDS], got[WIRE_MAX_FDS];

    for (size_t i = 0; i < WIRE_MAX_FDS; i++)
        logs[i] = sealed("log", 3, 0);
    link_up(harness, true);
    int fd = client(harness);
    say(fd, "{\"verb\": \"audit\"}");
    expect(harness, CONTROL_AUDIT_OPEN);
    answer(harness, harness->frame.header.id, 0, "", logs, WIRE_MAX_FDS);
    assert_int_equal(recvmsg(fd, &message, 0), 1);
    assert_int_equal(control.header.cmsg_len, CMSG_LEN(sizeof(got)));
    memcpy(got, CMSG_DATA(&control.header), sizeof(got));
    for (size_t i = 0; i < WIRE_MAX_FDS; i++) {
        close(got[i]);
        close(logs[i]);
    }
    close(fd);
}

static void stop_is_passed_on(void **state)
{
    struct harness *harness = *state;

    link_up(harness, true);
    int fd = client(harness);
    say(fd, "{\"verb\": \"stop\", \"name\": \"db\", \"force\": true, \"timeout_ms\": 1234}");
    const struct control_partition_stop *stop = expect(harness, CONTROL_PARTITION_STOP);
    assert_int_equal(stop->force, 1);
    assert_int_equal(stop->timeout_ms, 1234);
    answer(harness, stop->header.id, -ESRCH, "db is not running", NULL, 0);
    json_t *json = hear_ok(fd, false);
    assert_string_equal(json_string_value(json_object_get(json, "text")), "db is not running");
    json_decref(json);
    close(fd);
}

static const struct control_partition_stop *asked_to_stop(struct harness *harness, int fd,
                                                          const char *request)
{
    char line[128];

    snprintf(line, sizeof(line), "{\"verb\": \"stop\", \"name\": \"db\", \"request\": \"%s\"}",
             request);
    say(fd, line);
    return expect(harness, CONTROL_PARTITION_STOP);
}

/* Its id goes to control as it is, so that any command can ask again. */
static void a_request_has_the_clients_id(void **state)
{
    struct harness *harness = *state;

    link_up(harness, true);
    for (int i = 0; i < 2; i++) { /* the second time its answer was lost */
        int fd = client(harness);
        const struct control_partition_stop *stop = asked_to_stop(harness, fd, "00c0ffee00000001");
        assert_true(stop->header.id == UINT64_C(0x00c0ffee00000001));
        answer(harness, stop->header.id, 0, "", NULL, 0);
        json_decref(hear_ok(fd, true));
        close(fd);
    }
}

/* It is under way: the same client, who was cut off, gets its answer; nobody else does. */
static void a_request_under_way_is_taken_over(void **state)
{
    struct harness *harness = *state;

    link_up(harness, true);
    int first = client(harness), second = client(harness);
    const struct control_partition_stop *stop = asked_to_stop(harness, first, "abc");
    uint64_t id = stop->header.id;
    say(second, "{\"verb\": \"stop\", \"name\": \"db\", \"request\": \"abc\"}");
    json_t *json = hear_ok(second, false);
    assert_string_equal(json_string_value(json_object_get(json, "error")), "EALREADY");
    json_decref(json);
    close(first);
    works(harness);
    say(second, "{\"verb\": \"stop\", \"name\": \"db\", \"request\": \"abc\"}");
    expect_nothing(harness);
    answer(harness, id, 0, "", NULL, 0);
    json_decref(hear_ok(second, true));
    close(second);
}

/* Started, perhaps by this very request, whose answer was lost with a command before: control is
 * the one to say. */
static void a_start_that_is_done_is_asked_of_control(void **state)
{
    struct harness *harness = *state;
    int fd = asked_to_start(harness);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);

    answer(harness, start->header.id, 0, "", NULL, 0);
    json_decref(hear_ok(fd, true));
    harness->model.partitions[0].phase = harness->model.partitions[1].phase = PHASE_RUNNING;
    show_snapshot(harness);
    say(fd, "{\"verb\": \"start\", \"name\": \"db\", \"request\": \"f00d\"}");
    start = expect(harness, CONTROL_PARTITION_START);
    assert_int_equal(start->header.id, 0xf00d);
    answer(harness, 0xf00d, 0, "", NULL, 0);
    json_t *json = hear_ok(fd, true);
    assert_true(json_is_false(json_object_get(json, "already")));
    json_decref(json);
    close(fd);
}

static void ids_that_are_none_are_refused(void **state)
{
    static const char *const ids[] = {"\"\"",   "\"0\"",  "\"x\"",
                                      "7",      "\"-1\"", "\"00000000000000001\"",
                                      "\" 1\"", "\"FF\"", "null"};
    struct harness *harness = *state;
    char line[128];

    link_up(harness, true);
    int fd = client(harness);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        snprintf(line, sizeof(line), "{\"verb\": \"stop\", \"name\": \"db\", \"request\": %s}",
                 ids[i]);
        say(fd, line);
        json_decref(hear_ok(fd, false));
    }
    expect_nothing(harness);
    close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, harness_start, harness_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sends_what_control_lacks),
        CASE(sends_nothing_that_control_has),
        CASE(a_bad_file_stops_no_other),
        CASE(as_many_partitions_as_there_may_be),
        CASE(undefines_what_vanished_and_is_stopped),
        CASE(starts_what_is_to_autostart_once),
        CASE(does_not_autostart_what_was_stopped),
        CASE(start_carries_who_and_why),
        CASE(an_answer_waits_for_its_snapshot),
        CASE(selects_again_from_a_newer_snapshot),
        CASE(asks_again_with_the_same_id_after_controls_death),
        CASE(says_what_is_missing),
        CASE(reads_a_changed_file_at_its_start),
        CASE(refuses_what_runs_already_kindly),
        CASE(reload_reports_each_file),
        CASE(a_client_may_leave_while_it_is_served),
        CASE(refuses_a_snapshot_that_is_not_sealed),
        CASE(refuses_a_snapshot_with_a_wrong_count),
        CASE(watch_tells_each_change_once),
        CASE(audit_brings_the_log_along),
        CASE(all_files_of_the_log_come_along),
        CASE(stop_is_passed_on),
        CASE(a_request_has_the_clients_id),
        CASE(a_request_under_way_is_taken_over),
        CASE(a_start_that_is_done_is_asked_of_control),
        CASE(ids_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
