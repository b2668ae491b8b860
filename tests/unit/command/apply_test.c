/* SPDX-License-Identifier: Apache-2.0 */
/* An apply: what control is asked, which files count when, and who asks again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/proposal.h"
#include "harness.h"
#include "plan.h"

#define HOST                                                                                       \
    "<host><cards><card name='net0' address='0000:01:00.0' driver='igb' vfs='7'/></cards></host>"
#define PARTITION(attributes)                                                                      \
    "<partition vcpus='1' memory-mib='128' " attributes "><kernel>/k</kernel></partition>"
#define ID   UINT64_C(0xfeed)
#define ASK  "{\"verb\": \"apply\", \"request\": \"feed\"}"
#define LIST "{\"verb\": \"list\"}"

/* db is defined. */
static int start(void **state)
{
    harness_start(state);
    struct harness *harness = *state;

    write_config(harness, "host.xml", HOST);
    write_config(harness, "partitions/db.xml", PARTITION(""));
    link_up(harness, true);
    accept_configuration(harness);
    return 0;
}

static void stage_id(struct harness *harness, const char *id)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/.apply", harness->folder);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/.apply/partitions", harness->folder);
    mkdir(path, 0755);
    write_config(harness, ".apply/request", id);
}

static void stage(struct harness *harness)
{
    stage_id(harness, "000000000000feed");
    write_config(harness, ".apply/partitions/db.xml", PARTITION("autostart='yes'"));
    write_config(harness, ".apply/partitions/web.xml", PARTITION(""));
}

static struct partition_config config(const char *name)
{
    struct partition_config config = {
        .vcpus = 1, .memory_mib = 128, .monitor = "native", .kernel = "/k"};

    strcpy(config.name, name);
    return config;
}

/* The same: db with autostart, web is new. */
static struct proposal *proposal(void)
{
    static struct proposal proposal;

    proposal = (struct proposal){
        .magic = PROPOSAL_MAGIC, .version = PROPOSAL_VERSION, .partitions_count = 2};
    proposal.partitions[0] = config("db");
    proposal.partitions[0].autostart = 1;
    proposal.partitions[1] = config("web");
    return &proposal;
}

static int ask(struct harness *harness, const char *line, const struct proposal *proposal)
{
    int fd = client(harness), file = proposal_seal(proposal);

    say_with(fd, line, file);
    close(file);
    return fd;
}

/* APPLY as control hears it, with its proposal. */
static struct control_apply heard(struct harness *harness, struct proposal *proposal)
{
    const struct control_apply message =
        *(const struct control_apply *)expect(harness, CONTROL_APPLY);
    char reason[PARCLOSE_REASON_MAX];

    assert_int_equal(harness->frame.files_count, 1);
    assert_int_equal(proposal_open(harness->frame.files[0], proposal, reason), 0);
    frame_clear(&harness->frame);
    assert_int_equal(message.header.id, ID);
    assert_int_equal(message.generation, harness->model.head.generation);
    return message;
}

static const char *text_in(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static void refused(int fd, const char *error, const char *words)
{
    json_t *json = hear_ok(fd, false);

    assert_string_equal(text_in(json, "error"), error);
    if (!strstr(text_in(json, "text"), words))
        fail_msg("\"%s\" has no \"%s\"", text_in(json, "text"), words);
    json_decref(json);
    close(fd);
}

/* The snapshot says how far it is; what it did is in the model. */
static void applied(struct harness *harness, uint32_t state)
{
    bool is_new = state == APPLY_TRIAL || state == APPLY_DONE;
    struct partition_config db = config("db"), web = config("web");

    db.autostart = is_new;
    harness->model.head.partitions_count = 0;
    model_define(&harness->model, &db);
    if (is_new)
        model_define(&harness->model, &web);
    harness->model.head.apply =
        (struct snapshot_apply){.id = ID, .transaction = ANSWERED, .state = state};
    show_snapshot(harness);
}

static void one_request_with_all_of_it(void **state)
{
    struct harness *harness = *state;
    struct proposal got;

    stage(harness);
    int fd = ask(harness, ASK, proposal());
    struct control_apply message = heard(harness, &got);
    assert_int_equal(message.requester.uid, getuid());
    assert_int_equal(message.added, 2);
    assert_int_equal(message.running, 0);
    assert_memory_equal(&got, proposal(), sizeof(got));
    answer(harness, ID, 0, "", NULL, 0);
    json_t *json = hear_ok(fd, true);
    assert_int_equal(json_integer_value(json_object_get(json, "transaction")), ANSWERED);
    assert_int_equal(json_array_size(json_object_get(json, "items")), 2);
    char digest[17];
    snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)message.plan);
    assert_string_equal(text_in(json, "plan"), digest);
    json_decref(json);
    close(fd);
}

/* What waits for the next start is left to its file; what runs is told apart. */
static void by_the_way_that_the_plan_names(void **state)
{
    struct harness *harness = *state;
    struct proposal *all = proposal(), got;
    struct model *model = &harness->model;
    struct partition_config web = config("web"), mail = config("mail");

    web.vfs_count = 1;
    web.vfs[0] = (struct partition_vf){.card = "net0"};
    model_define(model, &web);
    model_define(model, &mail);
    for (uint32_t i = 1; i < 3; i++) {
        model->partitions[i].phase = PHASE_RUNNING;
        model->partitions[i].states = STATE_BIT(PARTITION_STATES) - 1;
    }
    show_snapshot(harness);
    stage(harness);
    all->partitions_count = 3;
    all->partitions[0] = mail;
    strcpy(all->partitions[0].cmdline, "quiet");
    all->partitions[2] = config("db");
    all->partitions[2].memory_mib = 64;
    int fd = ask(harness, ASK, all);
    struct control_apply message = heard(harness, &got);
    assert_int_equal(got.partitions_count, 3);
    assert_int_equal(message.left, 1);
    assert_int_equal(message.running, 2);
    assert_int_equal(message.added, 0); /* db changes at once */
    close(fd);
}

static void who_was_stopped_for_it(void **state)
{
    struct harness *harness = *state;
    struct proposal got;

    stage(harness);
    refused(ask(harness, "{\"verb\": \"apply\", \"request\": \"feed\", \"restarted\": [7]}",
                proposal()),
            "EINVAL", "restarted");
    refused(ask(harness, "{\"verb\": \"apply\", \"request\": \"feed\", \"restarted\": \"db\"}",
                proposal()),
            "EINVAL", "restarted");
    int fd = ask(harness,
                 "{\"verb\": \"apply\", \"request\": \"feed\", "
                 "\"restarted\": [\"db\", \"other\"]}",
                 proposal());
    struct control_apply message = heard(harness, &got);
    assert_int_equal(message.restarted, 1);
    assert_int_equal(message.added, 2);
    assert_int_equal(message.left, 0);
    close(fd);
}

static void what_the_plan_refuses_is_not_asked(void **state)
{
    struct harness *harness = *state;
    struct proposal *all = proposal();

    stage(harness);
    all->partitions[1].memory_mib = 100000;
    int fd = ask(harness, ASK, all);
    json_t *json = hear_ok(fd, true);
    assert_true(json_is_true(json_object_get(json, "refused")));
    assert_null(json_object_get(json, "transaction"));
    expect_nothing(harness);
    json_decref(json);
    close(fd);
}

static void wrong_requests(void **state)
{
    struct harness *harness = *state;

    refused(ask(harness, ASK, proposal()), "EINVAL", "not laid ready");
    stage_id(harness, "000000000000beef");
    refused(ask(harness, ASK, proposal()), "EINVAL", "not laid ready");
    stage_id(harness, "feed");
    refused(ask(harness, ASK, proposal()), "EINVAL", "not laid ready");
    stage(harness);
    refused(ask(harness, "{\"verb\": \"apply\"}", proposal()), "EINVAL", "request");
    refused(
        ask(harness, "{\"verb\": \"apply\", \"request\": \"feed\", \"plan\": \"x\"}", proposal()),
        "EINVAL", "plan");
    refused(ask(harness, "{\"verb\": \"apply\", \"request\": \"feed\", \"plan\": 7}", proposal()),
            "EINVAL", "plan");
    refused(
        ask(harness, "{\"verb\": \"apply\", \"request\": \"feed\", \"plan\": \"77\"}", proposal()),
        "ESTALE", "not 0000000000000077");
    int fd = client(harness);
    say(fd, ASK);
    refused(fd, "EPERM", "sealed");
    expect_nothing(harness);
}

static void control_says_no(void **state)
{
    struct harness *harness = *state;
    struct proposal got;

    stage(harness);
    int fd = ask(harness, ASK, proposal());
    heard(harness, &got);
    answer(harness, ID, -EPERM, "only root may apply", NULL, 0);
    refused(fd, "EPERM", "only root");
}

/* Planned anew; the same plan is asked again, another one is not. */
static void from_a_snapshot_that_was_old(void **state)
{
    struct harness *harness = *state;
    struct proposal got;

    stage(harness);
    int fd = ask(harness, ASK, proposal());
    uint64_t plan = heard(harness, &got).plan;
    answer(harness, ID, -ESTALE, "partition other has changed since", NULL, 0);
    expect_nothing(harness);
    show_snapshot(harness);
    assert_int_equal(heard(harness, &got).plan, plan);
    answer(harness, ID, -ESTALE, "partition db was started meanwhile", NULL, 0);
    harness->model.partitions[0].phase = PHASE_RUNNING;
    show_snapshot(harness);
    refused(fd, "ESTALE", "look at it again");
    expect_nothing(harness);
}

static void asked_again_over_deaths(void **state)
{
    struct harness *harness = *state;
    struct proposal got;

    stage(harness);
    int fd = ask(harness, ASK, proposal());
    heard(harness, &got);
    link_up(harness, false); /* control died: with its file it is sent again */
    heard(harness, &got);
    assert_int_equal(got.partitions_count, 2);
    close(fd); /* the CLI died, and asks again */
    usleep(100000);
    fd = ask(harness, ASK, proposal());
    expect_nothing(harness);
    applied(harness, APPLY_TRIAL);
    answer(harness, ID, 0, "", NULL, 0);
    json_decref(hear_ok(fd, true));
    close(fd);
    fd = ask(harness, ASK, proposal()); /* it is known by now */
    json_t *json = hear_ok(fd, true);
    assert_int_equal(json_integer_value(json_object_get(json, "transaction")), ANSWERED);
    json_decref(json);
    close(fd);
}

static void says_how_far_it_is(void **state)
{
    struct harness *harness = *state;
    struct proposal got;
    int other = client(harness);

    stage(harness);
    int fd = ask(harness, ASK, proposal());
    heard(harness, &got);
    say(other, LIST);
    json_t *json = hear_ok(other, true);
    const json_t *apply = json_object_get(json, "apply");
    assert_string_equal(text_in(apply, "state"), "none");
    assert_true(json_is_true(json_object_get(apply, "pending")));
    json_decref(json);
    applied(harness, APPLY_TRIAL);
    answer(harness, ID, 0, "", NULL, 0);
    json_decref(hear_ok(fd, true));
    say(other, LIST);
    json = hear_ok(other, true);
    apply = json_object_get(json, "apply");
    assert_string_equal(text_in(apply, "state"), "trial");
    assert_string_equal(text_in(apply, "request"), "000000000000feed");
    assert_true(json_is_false(json_object_get(apply, "pending")));
    json_decref(json);
    close(other);
    close(fd);
}

/* ---- which files count */

static void reload_says(struct harness *harness, size_t lines)
{
    int fd = client(harness);

    say(fd, "{\"verb\": \"reload\"}");
    expect_nothing(harness);
    json_t *json = hear_ok(fd, true);
    assert_int_equal(json_array_size(json_object_get(json, "changes")), lines);
    json_decref(json);
    close(fd);
}

static void reload(struct harness *harness)
{
    reload_says(harness, 0);
}

/* At every instant the files are what control has, and nothing is sent. */
static void the_new_ones_once_it_is_committed(void **state)
{
    struct harness *harness = *state;

    stage(harness);
    reload(harness);
    applied(harness, APPLY_TRIAL);
    reload(harness);
    applied(harness, APPLY_UNDOING);
    reload(harness);
    applied(harness, APPLY_UNDONE);
    expect_nothing(harness);
    reload(harness);
    link_up(harness, true); /* control's successor, and command's first look */
    expect_nothing(harness);
}

/* As the CLI does it, dead between any two steps or not. */
static void while_they_are_moved_to_their_places(void **state)
{
    struct harness *harness = *state;
    char from[160], to[160];
    static const char *const names[] = {"db", "web"};

    stage(harness);
    applied(harness, APPLY_TRIAL);
    applied(harness, APPLY_DONE);
    expect(harness, CONTROL_PARTITION_START); /* db's autostart */
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof(from), "%s/.apply/partitions/%s.xml", harness->folder, names[i]);
        snprintf(to, sizeof(to), "%s/partitions/%s.xml", harness->folder, names[i]);
        assert_int_equal(rename(from, to), 0);
        reload_says(harness, 1); /* that somebody should go on with it */
    }
    remove_config(harness, ".apply/request");
    reload(harness);
}

static void not_those_of_another(void **state)
{
    struct harness *harness = *state;

    stage(harness);
    stage_id(harness, "00000000000000aa");
    applied(harness, APPLY_UNDONE);
    harness->model.head.apply.state = APPLY_DONE; /* of ID; the files are another's */
    show_snapshot(harness);
    reload(harness);
}

static void a_link_is_not_followed(void **state)
{
    struct harness *harness = *state;
    char folder[160], link[160];

    stage(harness);
    snprintf(folder, sizeof(folder), "%s/elsewhere", harness->folder);
    snprintf(link, sizeof(link), "%s/.apply", harness->folder);
    assert_int_equal(rename(link, folder), 0);
    assert_int_equal(symlink("elsewhere", link), 0);
    refused(ask(harness, ASK, proposal()), "EINVAL", "not laid ready");
}

/* Control would refuse it, and it is not tried again by itself. */
static void nothing_starts_by_itself_on_trial(void **state)
{
    struct harness *harness = *state;

    stage(harness);
    applied(harness, APPLY_TRIAL);
    reload(harness);
    show_snapshot(harness);
    expect_nothing(harness);
    applied(harness, APPLY_DONE);
    const struct control_partition_start *start = expect(harness, CONTROL_PARTITION_START);
    assert_string_equal(start->name, "db");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, harness_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_request_with_all_of_it),
        CASE(by_the_way_that_the_plan_names),
        CASE(who_was_stopped_for_it),
        CASE(what_the_plan_refuses_is_not_asked),
        CASE(wrong_requests),
        CASE(control_says_no),
        CASE(from_a_snapshot_that_was_old),
        CASE(asked_again_over_deaths),
        CASE(says_how_far_it_is),
        CASE(the_new_ones_once_it_is_committed),
        CASE(while_they_are_moved_to_their_places),
        CASE(not_those_of_another),
        CASE(a_link_is_not_followed),
        CASE(nothing_starts_by_itself_on_trial),
    };
    return cmocka_run_group_tests_name("command-apply", tests, NULL, NULL);
}
