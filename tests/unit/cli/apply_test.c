/* SPDX-License-Identifier: Apache-2.0 */
/* parclose apply: where its files are at each step, what it asks, how it ends, what it goes on
 * with. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/proposal.h"

enum { OK = 0, FAILED = 1, USAGE = 2, UNREACHABLE = 3 };

#define WEB(more)                                                                                  \
    "<partition vcpus=\"1\" memory-mib=\"512\">\n<kernel>/boot/vmlinuz</kernel>\n" more            \
    "</partition>\n"
#define OLD WEB("<!-- old -->")
#define NEW WEB("<!-- new -->")

static char folder[64], output[1 << 16];
static pid_t server = -1;

static void make(const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void put(const char *name, const char *text)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *get(const char *name)
{
    static char text[1024];
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
    if (file)
        fclose(file);
    return text;
}

static bool there(const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    make("etc");
    make("etc/partitions");
    put("etc/partitions/web.xml", OLD);
    put("web.xml", NEW);
    return 0;
}

static int teardown(void **state)
{
    char command[96];

    (void)state;
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = -1;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

/* ---- the service */

/* What it says; states are of the apply whose id it was asked with, or `id`. */
static struct {
    const char *plan;      /* answer to plan */
    const char *answer;    /* to apply; NULL: it dies before it says anything */
    const char *states[6]; /* of watch, one after the other */
    const char *listed;    /* state in list */
    const char *id;        /* of the apply that list tells of; "": of the one that was asked */
    bool pending;
} script;

#define ITEMS "\"transaction\":70,\"refused\":false,\"items\":[]"

static void say_state(int fd, const char *id, const char *state)
{
    dprintf(fd,
            "{\"ok\":true,\"apply\":{\"request\":\"%s\",\"state\":\"%s\",\"pending\":%s,"
            "\"text\":\"VF 3 of card net1: its PF is down\"}}\n",
            id, state, script.pending ? "true" : "false");
    usleep(20000);
}

static int receive(int socket, char *line, size_t size)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {line, size - 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int file = -1;

    ssize_t got = recvmsg(socket, &message, 0);
    line[got > 0 ? got : 0] = '\0';
    if (got > 0 && message.msg_controllen)
        memcpy(&file, CMSG_DATA(&control.header), sizeof(file));
    return file;
}

/* At this instant everything must be ready, and nothing in its place. */
static void on_apply(int fd, const json_t *request, int file)
{
    static struct proposal proposal;
    char reason[PARCLOSE_REASON_MAX];
    const char *id = json_string_value(json_object_get(request, "request"));
    bool ready = id && !strcmp(get("etc/.apply/request"), id) &&
                 !strcmp(get("etc/.apply/partitions/web.xml"), NEW) &&
                 !strcmp(get("etc/partitions/web.xml"), OLD);

    put("id", id ? id : "");
    put("asked", json_dumps(request, JSON_COMPACT));
    if (!ready || proposal_open(file, &proposal, reason) || proposal.partitions_count != 1)
        dprintf(fd, "{\"ok\":false,\"errno\":22,\"text\":\"the test finds nothing ready\"}\n");
    else if (script.answer)
        dprintf(fd, "%s\n", script.answer);
}

static void note_verb(const char *verb)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/verbs", folder);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file, "%s ", verb);
    fclose(file);
}

/* A partition that stops, or is started. */
static void on_partition(int fd, const char *verb)
{
    if (!strcmp(verb, "watch"))
        dprintf(fd, "{\"ok\":true,\"partition\":{\"phase\":\"stopping\"}}\n"
                    "{\"ok\":true,\"partition\":{\"phase\":\"defined\"}}\n");
    else
        dprintf(fd, "{\"ok\":true}\n");
    usleep(20000);
}

static void serve_one(int fd)
{
    char line[4096], id[64];
    int file = receive(fd, line, sizeof(line));
    json_t *request = json_loads(line, 0, NULL);
    const char *verb = json_string_value(json_object_get(request, "verb"));

    snprintf(id, sizeof(id), "%s", script.id ? script.id : get("id"));
    note_verb(verb ? verb : "?");
    if (json_object_get(request, "name"))
        on_partition(fd, verb);
    else if (verb && !strcmp(verb, "plan"))
        dprintf(fd, "%s\n", script.plan);
    else if (verb && !strcmp(verb, "apply"))
        on_apply(fd, request, file);
    else if (verb && !strcmp(verb, "list"))
        say_state(fd, id, script.listed ? script.listed : "none");
    else if (verb && !strcmp(verb, "watch"))
        for (size_t i = 0; script.states[i]; i++)
            say_state(fd, get("id"), script.states[i]);
    if (file >= 0)
        close(file);
    json_decref(request);
    close(fd);
}

static void serve(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", folder);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        signal(SIGPIPE, SIG_IGN);
        for (;;) {
            int fd = accept(listener, NULL, NULL);
            serve_one(fd);
            if (!script.answer && there("asked"))
                _exit(0);
        }
    }
    close(listener);
}

/* ---- the command line */

static void exits(const char *arguments, int code)
{
    char command[512];

    snprintf(command, sizeof(command),
             "cd %s && %s apply --config etc --socket %s/sock %s </dev/null 2>&1", folder,
             CLI_PROGRAM, folder, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("apply %s: status 0x%x, not %d: %s", arguments, status, code, output);
}

static void says(const char *text)
{
    if (!strstr(output, text))
        fail_msg("expected \"%s\" in: %s", text, output);
}

static void is_in_its_place(const char *text)
{
    assert_string_equal(get("etc/partitions/web.xml"), text);
    assert_false(there("etc/.apply"));
    assert_false(there("etc/.apply.new"));
}

#define SCRIPT(...)                                                                                \
    script = (__typeof__(script))                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void applied(void **state)
{
    (void)state;
    SCRIPT(.answer = "{\"ok\":true," ITEMS "}", .states = {"trial", "trial", "done"});
    serve();
    exits("web.xml", OK);
    says("waits: VF 3 of card net1");
    says("applied: transaction 70");
    is_in_its_place(NEW);
    assert_null(strstr(get("asked"), "\"plan\""));
}

static void only_as_that_plan(void **state)
{
    (void)state;
    SCRIPT(.answer = "{\"ok\":true," ITEMS "}", .states = {"done"});
    serve();
    exits("--plan 00000000000000aa --reason why --json web.xml", OK);
    assert_non_null(strstr(get("asked"), "\"plan\":\"00000000000000aa\""));
    assert_non_null(strstr(get("asked"), "\"reason\":\"why\""));
    says("\"transaction\": 70");
    is_in_its_place(NEW);
}

static void rolled_back(void **state)
{
    (void)state;
    SCRIPT(.answer = "{\"ok\":true," ITEMS "}", .states = {"trial", "undoing", "undone"});
    serve();
    exits("web.xml", FAILED);
    says("is being rolled back");
    says("rolled back, all is as it was: VF 3 of card net1");
    is_in_its_place(OLD);
}

static void refused(void **state)
{
    (void)state;
    SCRIPT(.answer = "{\"ok\":false,\"errno\":1,\"text\":\"only root may apply\"}",
           .id = "00000000000000bb");
    serve();
    exits("web.xml", FAILED);
    says("only root may apply");
    is_in_its_place(OLD);
}

static void refused_by_the_plan(void **state)
{
    (void)state;
    SCRIPT(.answer = "{\"ok\":true,\"refused\":true,\"items\":[{\"object\":\"vf\",\"change\":"
                     "\"add\",\"way\":\"refused\",\"partition\":\"web\",\"card\":\"net0\","
                     "\"index\":1,\"text\":\"\",\"reason\":\"partition db has it\"}]}");
    serve();
    exits("web.xml", FAILED);
    says("REFUSED: partition db has it");
    says("refused: nothing is changed");
    is_in_its_place(OLD);
}

static void a_bad_file_is_never_asked(void **state)
{
    (void)state;
    SCRIPT(.answer = "{\"ok\":true," ITEMS "}");
    serve();
    put("web.xml", "<partition/>");
    exits("web.xml", FAILED);
    assert_false(there("asked"));
    is_in_its_place(OLD);
    exits("--plan", USAGE);
    exits("web.txt", USAGE);
}

static void no_service(void **state)
{
    (void)state;
    exits("web.xml", UNREACHABLE);
    says("is not running");
    is_in_its_place(OLD);
    exits("--config /nonexistent web.xml", FAILED);
}

/* ---- restarts */

#define RESTART                                                                                    \
    "{\"ok\":true,\"plan\":\"00000000000000aa\",\"refused\":false,\"items\":[{\"object\":"         \
    "\"partition\",\"change\":\"change\",\"way\":\"restart\",\"partition\":\"web\",\"text\":\"\"," \
    "\"reason\":\"its monitor is made with it\",\"outage\":null}]}"

static void stopped_applied_started(void **state)
{
    (void)state;
    SCRIPT(.plan = RESTART, .answer = "{\"ok\":true," ITEMS "}", .states = {"trial", "done"});
    serve();
    exits("--restart --plan 00000000000000aa web.xml", OK);
    says("by a restart");
    assert_non_null(strstr(get("asked"), "\"restarted\":[\"web\"]"));
    assert_string_equal(get("verbs"), "list plan stop watch apply start watch start ");
    is_in_its_place(NEW);
}

static void started_with_the_old_when_it_is_undone(void **state)
{
    (void)state;
    SCRIPT(.plan = RESTART, .answer = "{\"ok\":true," ITEMS "}", .states = {"undone"});
    serve();
    exits("--restart web.xml", FAILED);
    assert_string_equal(get("verbs"), "list plan stop watch apply start watch start ");
    is_in_its_place(OLD);
}

static void started_when_it_is_refused(void **state)
{
    (void)state;
    SCRIPT(.plan = RESTART, .answer = "{\"ok\":false,\"errno\":16,\"text\":\"no\"}",
           .id = "00000000000000bb");
    serve();
    exits("--restart web.xml", FAILED);
    assert_string_equal(get("verbs"), "list plan stop watch apply list start ");
    is_in_its_place(OLD);
}

static void nobody_is_stopped_for_what_is_refused(void **state)
{
    (void)state;
    SCRIPT(.plan = "{\"ok\":true,\"plan\":\"00000000000000aa\",\"refused\":true,\"items\":[]}");
    serve();
    exits("--restart web.xml", FAILED);
    assert_string_equal(get("verbs"), "list plan ");
    is_in_its_place(OLD);
}

static void nor_for_another_plan(void **state)
{
    (void)state;
    SCRIPT(.plan = RESTART);
    serve();
    exits("--restart --plan 00000000000000bb web.xml", FAILED);
    says("look at it again");
    assert_string_equal(get("verbs"), "list plan ");
    is_in_its_place(OLD);
}

/* ---- what another left */

static void leave(void)
{
    make("etc/.apply");
    make("etc/.apply/partitions");
    put("etc/.apply/request", "00000000000000aa");
    put("etc/.apply/partitions/db.xml", "of another");
}

static void another_that_was_done_is_finished_first(void **state)
{
    (void)state;
    leave();
    SCRIPT(.answer = "{\"ok\":true," ITEMS "}", .states = {"done"}, .listed = "done",
           .id = "00000000000000aa");
    serve();
    exits("web.xml", OK);
    is_in_its_place(NEW);
    assert_string_equal(get("etc/partitions/db.xml"), "of another");
}

static void another_that_was_not_done_is_removed(void **state)
{
    (void)state;
    leave();
    SCRIPT(.listed = "done", .id = "00000000000000bb"); /* the last was another one */
    serve();
    exits("", OK);
    says("removed");
    is_in_its_place(OLD);
    assert_false(there("etc/partitions/db.xml"));
    exits("", OK);
    says("nothing was left");
}

/* It died after it had stopped one. */
static void who_was_stopped_for_another_is_started(void **state)
{
    (void)state;
    leave();
    put("etc/.apply/restart", "web\n");
    SCRIPT(.listed = "done", .id = "00000000000000bb");
    serve();
    exits("", OK);
    assert_string_equal(get("verbs"), "list start ");
    is_in_its_place(OLD);
}

static void another_that_was_undone_is_removed(void **state)
{
    (void)state;
    leave();
    SCRIPT(.listed = "undone", .id = "00000000000000aa");
    serve();
    exits("", OK);
    is_in_its_place(OLD);
    assert_false(there("etc/partitions/db.xml"));
}

static void another_that_is_under_way_is_left_alone(void **state)
{
    (void)state;
    leave();
    SCRIPT(.listed = "trial", .id = "00000000000000aa");
    serve();
    exits("web.xml", FAILED);
    says("another apply is under way");
    assert_string_equal(get("etc/.apply/request"), "00000000000000aa");
    assert_string_equal(get("etc/.apply/partitions/db.xml"), "of another");
    assert_false(there("asked"));
}

/* Control may have it, and nobody knows yet. */
static void another_that_is_pending_is_left_alone(void **state)
{
    (void)state;
    leave();
    SCRIPT(.listed = "done", .id = "00000000000000bb", .pending = true);
    serve();
    exits("", FAILED);
    assert_string_equal(get("etc/.apply/partitions/db.xml"), "of another");
}

static void one_at_a_time(void **state)
{
    char path[96];

    (void)state;
    snprintf(path, sizeof(path), "%s/etc/.apply.lock", folder);
    int other = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(other, LOCK_EX), 0);
    exits("web.xml", FAILED);
    says("another apply is under way");
    close(other);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(applied),
        CASE(only_as_that_plan),
        CASE(rolled_back),
        CASE(refused),
        CASE(refused_by_the_plan),
        CASE(a_bad_file_is_never_asked),
        CASE(no_service),
        CASE(stopped_applied_started),
        CASE(started_with_the_old_when_it_is_undone),
        CASE(started_when_it_is_refused),
        CASE(nobody_is_stopped_for_what_is_refused),
        CASE(nor_for_another_plan),
        CASE(who_was_stopped_for_another_is_started),
        CASE(another_that_was_done_is_finished_first),
        CASE(another_that_was_not_done_is_removed),
        CASE(another_that_was_undone_is_removed),
        CASE(another_that_is_under_way_is_left_alone),
        CASE(another_that_is_pending_is_left_alone),
        CASE(one_at_a_time),
    };
    return cmocka_run_group_tests_name("cli-apply", tests, NULL, NULL);
}
