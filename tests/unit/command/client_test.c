/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile clients of the CLI's socket: each loses at most its own connection. */
#include <dirent.h>
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

#include "config/proposal.h"
#include "harness.h"

#define CLIENTS_MAX 32

static int start(void **state)
{
    int error = harness_start(state);

    if (!error)
        link_up(*state, true);
    return error;
}

static void refused_with(int fd, const char *line, const char *error)
{
    say(fd, line);
    json_t *json = hear_ok(fd, false);
    assert_string_equal(json_string_value(json_object_get(json, "error")), error);
    json_decref(json);
}

static void a_line_that_is_too_long(void **state)
{
    struct harness *harness = *state;
    static char line[200 * 1024];
    int fd = client(harness);

    memset(line, 'x', sizeof(line));
    send(fd, line, sizeof(line), MSG_NOSIGNAL | MSG_DONTWAIT);
    json_t *json = hear_ok(fd, false);
    assert_string_equal(json_string_value(json_object_get(json, "error")), "EMSGSIZE");
    json_decref(json);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    works(harness);
}

static void what_is_no_json(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    refused_with(fd, "hello", "EINVAL");
    refused_with(fd, "", "EINVAL");
    refused_with(fd, "{\"verb\": \"list\"", "EINVAL");
    refused_with(fd, "{\"verb\": \"list\", \"verb\": \"list\"}", "EINVAL");
    refused_with(fd, "\xff\xfe{}", "EINVAL");
    refused_with(fd, "[]", "ENOSYS");
    refused_with(fd, "17", "EINVAL");
    refused_with(fd, "{}", "ENOSYS");
    refused_with(fd, "{\"verb\": 3}", "ENOSYS");
    refused_with(fd, "{\"verb\": \"reboot\"}", "ENOSYS");
    say(fd, "{\"verb\": \"list\"}");
    json_decref(hear_ok(fd, true));
    close(fd);
}

static void a_nul_within(void **state)
{
    struct harness *harness = *state;
    static const char bytes[] = "{\"verb\": \"list\0\"}\n{\"verb\": \"list\\u0000\"}\n";
    int fd = client(harness);

    assert_true(send(fd, bytes, sizeof(bytes) - 1, 0) > 0);
    json_decref(hear_ok(fd, false));
    json_decref(hear_ok(fd, false));
    close(fd);
    works(harness);
}

static void deep_nesting(void **state)
{
    struct harness *harness = *state;
    static char line[60001];
    int fd = client(harness);

    memset(line, '[', sizeof(line) - 1);
    refused_with(fd, line, "EINVAL");
    for (size_t i = 0; i + 5 < sizeof(line); i += 5)
        memcpy(line + i, "{\"a\":", 5);
    refused_with(fd, line, "EINVAL");
    close(fd);
    works(harness);
}

static void wrong_members(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    refused_with(fd, "{\"verb\": \"show\"}", "EINVAL");
    refused_with(fd, "{\"verb\": \"show\", \"name\": 3}", "EINVAL");
    refused_with(fd, "{\"verb\": \"show\", \"name\": \"../../etc\"}", "EINVAL");
    refused_with(fd, "{\"verb\": \"show\", \"name\": \"Upper\"}", "EINVAL");
    refused_with(fd, "{\"verb\": \"show\", \"name\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
                 "EINVAL");
    refused_with(fd, "{\"verb\": \"show\", \"name\": \"nobody\"}", "ENOENT");
    refused_with(fd, "{\"verb\": \"stop\", \"name\": \"db\", \"timeout_ms\": -1}", "EINVAL");
    refused_with(fd, "{\"verb\": \"stop\", \"name\": \"db\", \"timeout_ms\": 1e9}", "EINVAL");
    refused_with(fd, "{\"verb\": \"stop\", \"name\": \"db\", \"timeout_ms\": 4294967297}",
                 "EINVAL");
    refused_with(fd, "{\"verb\": \"reload\", \"reason\": \"two\\nlines\"}", "EINVAL");
    refused_with(fd,
                 "{\"verb\": \"reload\", \"reason\": \"0123456789012345678901234567890123456789"
                 "012345678901234567890123456789\"}",
                 "EINVAL");
    expect_nothing(harness);
    close(fd);
}

/* The model's PFs: 0000:01:00.0 is net0's, 0000:02:00.0 is no card. */
static void have_pfs(struct harness *harness)
{
    struct model *model = &harness->model;

    model->head.pfs_count = 2;
    model->pfs[0] = (struct snapshot_pf){.observed = {.bdf = {0x100}}, .card = "net0"};
    model->pfs[1] = (struct snapshot_pf){.observed = {.bdf = {0x200}}};
    show_snapshot(harness);
}

static void orders_name_a_card(void **state)
{
    static const char *const names[] = {"net0", "0000:01:00.0", "01:00.0"};
    struct harness *harness = *state;
    int fd = client(harness);
    char line[160];

    have_pfs(harness);
    for (size_t i = 0; i < 3; i++) {
        snprintf(line, sizeof(line),
                 "{\"verb\": \"pf\", \"order\": \"%s\", \"pf\": \"%s\", \"request\": \"%zx\"}",
                 i ? "reset" : "restart", names[i], i + 16);
        say(fd, line);
        const struct control_order *order = expect(harness, CONTROL_ORDER);
        assert_int_equal(order->pf.value, 0x100);
        assert_int_equal(order->force, 0);
        assert_int_equal(order->order, i ? DEVICE_ORDER_PF_RESET : DEVICE_ORDER_PF_RESTART);
        assert_int_equal(order->header.id, i + 16);
        assert_int_equal(order->requester.uid, getuid());
        answer(harness, order->header.id, 0, "net0: done", NULL, 0);
        json_t *json = hear_ok(fd, true);
        assert_string_equal(json_string_value(json_object_get(json, "text")), "net0: done");
        json_decref(json);
    }
    say(fd, "{\"verb\": \"sr-pcim\", \"order\": \"reset\", \"force\": true}");
    const struct control_order *order = expect(harness, CONTROL_ORDER);
    assert_int_equal(order->order, DEVICE_ORDER_SR_PCIM_RESET);
    assert_int_equal(order->pf.value, 0);
    assert_int_equal(order->force, 1);
    answer(harness, order->header.id, -EBUSY, "sr-pcim-reset is under way: try again", NULL, 0);
    json_decref(hear_ok(fd, false));
    close(fd);
}

static void orders_that_are_none(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    have_pfs(harness);
    refused_with(fd, "{\"verb\": \"pf\", \"pf\": \"net0\"}", "EINVAL");
    refused_with(fd, "{\"verb\": \"pf\", \"order\": \"fly\", \"pf\": \"net0\"}", "EINVAL");
    refused_with(fd, "{\"verb\": \"pf\", \"order\": 3, \"pf\": \"net0\"}", "EINVAL");
    refused_with(fd, "{\"verb\": \"pf\", \"order\": \"reset\"}", "ENODEV");
    refused_with(fd, "{\"verb\": \"pf\", \"order\": \"reset\", \"pf\": 7}", "ENODEV");
    refused_with(fd, "{\"verb\": \"pf\", \"order\": \"reset\", \"pf\": \"\"}", "ENODEV");
    refused_with(fd, "{\"verb\": \"pf\", \"order\": \"reset\", \"pf\": \"net1\"}", "ENODEV");
    refused_with(fd, "{\"verb\": \"pf\", \"order\": \"reset\", \"pf\": \"0000:02:00.0\"}",
                 "ENODEV");
    refused_with(fd,
                 "{\"verb\": \"pf\", \"order\": \"reset\", \"pf\": "
                 "\"0123456789012345678901234567890123456789\"}",
                 "ENODEV");
    refused_with(fd, "{\"verb\": \"sr-pcim\"}", "EINVAL");
    refused_with(fd, "{\"verb\": \"sr-pcim\", \"order\": \"restart\"}", "EINVAL");
    expect_nothing(harness);
    close(fd);
    works(harness);
}

static void devices_are_watched(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    have_pfs(harness);
    say(fd, "{\"verb\": \"watch\", \"devices\": true}");
    json_t *json = hear_ok(fd, true);
    assert_int_equal(json_array_size(json_object_get(json, "cards")), 2);
    json_decref(json);
    show_snapshot(harness); /* nothing has changed */
    harness->model.pfs[0].disabled = 1;
    harness->model.pfs[0].counts.rungs[1] = 5;
    show_snapshot(harness);
    json = hear_ok(fd, true);
    json_t *card = json_array_get(json_object_get(json, "cards"), 0);
    json_t *rungs = json_object_get(json_object_get(card, "counts"), "rungs");
    assert_true(json_is_true(json_object_get(card, "disabled")));
    assert_int_equal(json_array_size(rungs), 4);
    assert_int_equal(json_integer_value(json_array_get(rungs, 1)), 5);
    json_decref(json);
    close(fd);
    works(harness);
}

static void a_child_that_is_stuck_is_said(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    have_pfs(harness);
    harness->model.pfs[0].observed.stuck_pid = 815;
    show_snapshot(harness);
    say(fd, "{\"verb\": \"devices\"}");
    json_t *json = hear_ok(fd, true);
    const json_t *cards = json_object_get(json, "cards");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(cards, 0), "stuck_pid")),
                     815);
    assert_true(json_is_null(json_object_get(json_array_get(cards, 1), "stuck_pid")));
    json_decref(json);
    close(fd);
}

static void vfs_are_said_whole(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    have_pfs(harness);
    harness->model.head.vfs_count = 1;
    harness->model.vfs[0].observed = (struct vf_observed){.bdf = {0x0180},
                                                          .pf = harness->model.pfs[0].observed.bdf,
                                                          .index = 3,
                                                          .answers = 1,
                                                          .iommu_group = UINT32_MAX,
                                                          .bind_error = EIO,
                                                          .for_host = 1};
    harness->model.vfs[0].owner = (struct owner){.kind = OWNER_INTERCONNECT};
    show_snapshot(harness);
    say(fd, "{\"verb\": \"devices\"}");
    json_t *json = hear_ok(fd, true);
    json_t *card = json_array_get(json_object_get(json, "cards"), 0);
    json_t *vf = json_array_get(json_object_get(card, "vfs"), 0);
    assert_int_equal(json_integer_value(json_object_get(vf, "index")), 3);
    assert_string_equal(json_string_value(json_object_get(vf, "driver")), "");
    assert_string_equal(json_string_value(json_object_get(vf, "status")), "absent");
    assert_true(json_is_true(json_object_get(vf, "answers")));
    assert_string_equal(json_string_value(json_object_get(vf, "not_bound")),
                        "vfio-pci does not take it: see the kernel's log");
    assert_true(json_is_true(json_object_get(vf, "for_host")));
    json_decref(json);
    harness->model.vfs[0].observed.bind_error = 0;
    show_snapshot(harness);
    say(fd, "{\"verb\": \"devices\"}");
    json = hear_ok(fd, true);
    card = json_array_get(json_object_get(json, "cards"), 0);
    vf = json_array_get(json_object_get(card, "vfs"), 0);
    assert_true(json_is_null(json_object_get(vf, "not_bound")));
    json_decref(json);
    close(fd);
}

static void one_that_closes_its_half(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    say(fd, "{\"verb\": \"list\"}");
    shutdown(fd, SHUT_WR);
    json_decref(hear_ok(fd, true));
    assert_null(hear(fd, NULL));
    close(fd);

    fd = client(harness);
    assert_int_equal(send(fd, "{\"verb\"", 7, 0), 7);
    shutdown(fd, SHUT_WR);
    assert_null(hear(fd, NULL));
    close(fd);

    /* with an answer that comes later */
    fd = client(harness);
    say(fd, "{\"verb\": \"audit\"}");
    shutdown(fd, SHUT_WR);
    expect(harness, CONTROL_AUDIT_OPEN);
    answer(harness, harness->frame.header.id, -EIO, "no", NULL, 0);
    json_decref(hear_ok(fd, false));
    assert_null(hear(fd, NULL));
    close(fd);
    works(harness);
}

static void many_requests_at_once(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    for (int i = 0; i < 100; i++)
        say(fd, "{\"verb\": \"list\"}");
    for (int i = 0; i < 100; i++)
        json_decref(hear_ok(fd, true));
    close(fd);
}

static void the_thirty_third(void **state)
{
    struct harness *harness = *state;
    int clients[CLIENTS_MAX];

    for (int i = 0; i < CLIENTS_MAX; i++) {
        clients[i] = client(harness);
        say(clients[i], "{\"verb\": \"watch\"}");
        json_decref(hear_ok(clients[i], true));
    }
    int fd = client(harness);
    json_t *json = hear_ok(fd, false);
    assert_string_equal(json_string_value(json_object_get(json, "error")), "EBUSY");
    json_decref(json);
    assert_null(hear(fd, NULL));
    close(fd);
    for (int i = 0; i < CLIENTS_MAX; i++)
        close(clients[i]);
    usleep(100000);
    works(harness);
}

static void one_that_does_not_read(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);

    for (int i = 0; i < 20000; i++)
        if (send(fd, "{\"verb\": \"list\"}\n", 17, MSG_NOSIGNAL | MSG_DONTWAIT) != 17)
            break;
    works(harness);
    close(fd);
    works(harness);
}

static void one_that_is_silent(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    char byte;

    assert_int_equal(send(fd, "{", 1, 0), 1);
    assert_int_equal(poll(&pollfd, 1, 12000), 1); /* CLIENT_FIRST_US is ten seconds */
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    works(harness);
}

static void those_that_come_and_go(void **state)
{
    struct harness *harness = *state;

    for (int i = 0; i < 300; i++) {
        int fd = client(harness);
        if (i % 3)
            say(fd, i % 3 == 1 ? "{\"verb\": \"audit\"}" : "{\"verb\": \"watch\"}");
        close(fd);
    }
    usleep(200000);
    works(harness);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, harness_stop)

static struct proposal *fresh_proposal(void)
{
    static struct proposal proposal;

    memset(&proposal, 0, sizeof(proposal));
    proposal.magic = PROPOSAL_MAGIC;
    proposal.version = PROPOSAL_VERSION;
    proposal.partitions_count = 1;
    proposal.partitions[0] = (struct partition_config){
        .name = "web", .vcpus = 1, .memory_mib = 64, .monitor = "native", .kernel = "/k"};
    return &proposal;
}

static void plan_refused_with(struct harness *harness, int file, const char *error)
{
    int fd = client(harness);

    say_with(fd, "{\"verb\": \"plan\"}", file);
    json_t *json = hear_ok(fd, false);
    assert_string_equal(json_string_value(json_object_get(json, "error")), error);
    json_decref(json);
    close(fd);
}

static void a_plan_of_a_proposal(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness), file = proposal_seal(fresh_proposal());

    say_with(fd, "{\"verb\": \"plan\"}", file);
    json_t *json = hear_ok(fd, true);
    const json_t *item = json_array_get(json_object_get(json, "items"), 0);
    assert_string_equal(json_string_value(json_object_get(item, "partition")), "web");
    assert_string_equal(json_string_value(json_object_get(item, "change")), "add");
    assert_string_equal(json_string_value(json_object_get(item, "way")), "at-once");
    assert_int_equal(strlen(json_string_value(json_object_get(json, "plan"))), 16);
    json_decref(json);
    refused_with(fd, "{\"verb\": \"plan\"}", "EPERM"); /* its file was the first request's */
    expect_nothing(harness);
    close(file);
    close(fd);
}

static void a_file_that_is_no_proposal(void **state)
{
    struct harness *harness = *state;
    struct proposal *proposal = fresh_proposal();
    int ends[2], loose = sealed(proposal, sizeof(*proposal), 0);
    int small = sealed(proposal, 64, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);

    assert_int_equal(pipe(ends), 0);
    plan_refused_with(harness, loose, "EPERM");
    plan_refused_with(harness, small, "EBADMSG");
    plan_refused_with(harness, ends[0], "EPERM");
    proposal->partitions[0].vcpus = 0;
    int bad = proposal_seal(proposal);
    plan_refused_with(harness, bad, "EINVAL");
    works(harness);
    close(bad);
    close(loose);
    close(small);
    close(ends[0]);
    close(ends[1]);
}

static int open_files(const struct harness *harness)
{
    char folder[64];
    int count = 0;

    snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)harness->pid);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* An answer may be read before the file of its request is closed. */
static void expect_open_files(const struct harness *harness, int count)
{
    for (int i = 0; i < 2000 && open_files(harness) != count; i++)
        usleep(1000);
    assert_int_equal(open_files(harness), count);
}

/* With requests that take none, and beside a line that never ends. */
static void files_that_nobody_asked_for_are_closed(void **state)
{
    struct harness *harness = *state;
    int fd = client(harness), before;

    say(fd, "{\"verb\": \"list\"}");
    json_decref(hear_ok(fd, true));
    before = open_files(harness);
    for (int i = 0; i < 50; i++) {
        say_with(fd, "{\"verb\": \"list\"}", fd);
        json_decref(hear_ok(fd, true));
    }
    expect_open_files(harness, before);
    for (int i = 0; i < 50; i++)
        say_with(fd, "{\"verb\": ", fd);
    for (int i = 0; i < 50; i++)
        json_decref(hear_ok(fd, false));
    expect_open_files(harness, before);
    close(fd);
    works(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_line_that_is_too_long),
        CASE(what_is_no_json),
        CASE(a_nul_within),
        CASE(deep_nesting),
        CASE(wrong_members),
        CASE(orders_name_a_card),
        CASE(orders_that_are_none),
        CASE(devices_are_watched),
        CASE(a_child_that_is_stuck_is_said),
        CASE(vfs_are_said_whole),
        CASE(one_that_closes_its_half),
        CASE(many_requests_at_once),
        CASE(the_thirty_third),
        CASE(one_that_does_not_read),
        CASE(one_that_is_silent),
        CASE(those_that_come_and_go),
        CASE(a_plan_of_a_proposal),
        CASE(a_file_that_is_no_proposal),
        CASE(files_that_nobody_asked_for_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
