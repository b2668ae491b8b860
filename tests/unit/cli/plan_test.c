/* SPDX-License-Identifier: Apache-2.0 */
/* parclose plan: which files it takes, what it says of bad ones, what it sends, how it ends. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/proposal.h"

enum { OK = 0, FAILED = 1, USAGE = 2, UNREACHABLE = 3, CHANGES = 5 };

#define HOST                                                                                       \
    "<?xml version=\"1.0\"?>\n<host>\n<cards>\n"                                                   \
    "<card name=\"net0\" address=\"0000:01:00.0\" driver=\"igb\" vfs=\"4\"/>\n</cards>\n</host>\n"
#define WEB(more)                                                                                  \
    "<partition vcpus=\"1\" memory-mib=\"512\">\n<kernel>/boot/vmlinuz</kernel>\n" more            \
    "</partition>\n"

static char folder[64], output[1 << 16];
static pid_t server;
static struct proposal sent;

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    server = -1;
    return mkdtemp(folder) ? 0 : -1;
}

static void end_server(void)
{
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = -1;
}

static int teardown(void **state)
{
    char command[96];

    (void)state;
    end_server();
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
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

/* --- the service: takes one request, keeps its proposal in a file, says `answer` ---------------
 */

static int take(int socket)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char line[4096];
    struct iovec iov = {line, sizeof(line)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int file = -1;

    if (recvmsg(socket, &message, 0) > 0 && message.msg_controllen)
        memcpy(&file, CMSG_DATA(&control.header), sizeof(file));
    return file;
}

static void keep(int socket)
{
    char path[96], reason[PARCLOSE_REASON_MAX];
    int file = take(socket);
    int copy;

    snprintf(path, sizeof(path), "%s/sent", folder);
    copy = open(path, O_WRONLY | O_CREAT, 0600);
    if (proposal_open(file, &sent, reason) ||
        write(copy, &sent, sizeof(sent)) != (ssize_t)sizeof(sent))
        _exit(1);
    close(copy);
}

static void serve(const char *answer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    end_server();
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", folder);
    unlink(address.sun_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        int fd = accept(listener, NULL, NULL);
        keep(fd);
        dprintf(fd, "%s\n", answer);
        _exit(0);
    }
    close(listener);
}

static const struct proposal *what_was_sent(void)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/sent", folder);
    int file = open(path, O_RDONLY);
    assert_int_equal(read(file, &sent, sizeof(sent)), sizeof(sent));
    close(file);
    return &sent;
}

/* --- the command line ---------------------------------------------------------------------------
 */

static void exits(const char *arguments, int code)
{
    char command[512];

    snprintf(command, sizeof(command), "cd %s && %s plan --socket %s/sock %s </dev/null 2>&1",
             folder, CLI_PROGRAM, folder, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("plan %s: status 0x%x, not %d: %s", arguments, status, code, output);
}

static void says(const char *text)
{
    if (!strstr(output, text))
        fail_msg("expected \"%s\" in: %s", text, output);
}

#define NOTHING "{\"ok\":true,\"plan\":\"00000000000000aa\",\"refused\":false,\"items\":[]}"

static void which_files_it_takes(void **state)
{
    (void)state;
    exits("", USAGE);
    exits("web.txt", USAGE);
    exits("Web.xml", USAGE);
    exits(".xml", USAGE);
    exits("a/web.xml b/web.xml", USAGE);
    says("another file is about the same");
    exits("host.xml x/host.xml", USAGE);
    exits("--restart=1 web.xml", USAGE);
}

static void a_bad_file_and_its_line(void **state)
{
    (void)state;
    put("web.xml", WEB("<vfs>\n<vf card=\"net9\" index=\"0\"/></vfs>\n"));
    put("host.xml", HOST);
    put("db.xml", WEB("<nonsense/>\n"));
    exits("host.xml web.xml db.xml none.xml", FAILED);
    says("web.xml:4: <vf card=\"net9\">: no such card");
    says("db.xml:3:");
    says("none.xml: no such file");
    exits("--json host.xml web.xml", FAILED);
    says("\"problems\"");
}

static void what_is_no_file(void **state)
{
    char path[96];

    (void)state;
    snprintf(path, sizeof(path), "%s/pipe.xml", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    exits("pipe.xml", FAILED); /* and does not hang */
    says("is no regular file");
    snprintf(path, sizeof(path), "%s/link.xml", folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    exits("link.xml", FAILED);
    says("symbolic link");
    snprintf(path, sizeof(path), "%s/devices.xml", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    exits("devices.xml", FAILED);
    says("is no regular file");
}

static void what_a_parser_must_not_meet(void **state)
{
    (void)state;
    put("web.xml", "<!DOCTYPE p [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>\n" WEB("&a;"));
    exits("web.xml", FAILED);
    put("web.xml", "\x1b[31m");
    exits("web.xml", FAILED);
    assert_null(strchr(output, '\x1b'));
}

static void sends_what_the_files_say(void **state)
{
    (void)state;
    put("web.xml", WEB("<vfs><vf card=\"net0\" index=\"3\"/></vfs>\n"));
    put("host.xml", HOST);
    serve(NOTHING);
    exits("web.xml host.xml", OK);
    says("nothing to do");
    const struct proposal *proposal = what_was_sent();
    assert_int_equal(proposal->host_given, 1);
    assert_int_equal(proposal->host.cards[0].vfs, 4);
    assert_int_equal(proposal->partitions_count, 1);
    assert_string_equal(proposal->partitions[0].name, "web");
    assert_int_equal(proposal->partitions[0].vfs[0].index, 3);
    assert_int_equal(proposal->edits_count, 0);
}

static void without_a_service(void **state)
{
    (void)state;
    put("web.xml", WEB(""));
    exits("web.xml", UNREACHABLE);
}

#define DEVICES(vlan, index)                                                                       \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<devices generation=\"7\">\n" index vlan          \
    "</devices>\n"

/* The published one is beside the socket. */
static void an_edit_of_devices_xml_is_compared(void **state)
{
    (void)state;
    assert_int_equal(system(NULL) != 0, 1);
    char path[96];
    snprintf(path, sizeof(path), "%s/new", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put("new/devices.xml", DEVICES("", ""));
    exits("new/devices.xml", FAILED); /* nothing is published */
    says("devices.xml");
    put("devices.xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<devices generation=\"8\"/>\n");
    exits("new/devices.xml", FAILED);
    says("new/devices.xml:");
}

#define ITEM(object, change, way, more)                                                            \
    "{\"object\":\"" object "\",\"change\":\"" change "\",\"way\":\"" way "\"," more "}"

static void a_plan_for_people(void **state)
{
    (void)state;
    put("web.xml", WEB(""));
    serve("{\"ok\":true,\"plan\":\"00000000000000aa\",\"refused\":false,\"items\":[" ITEM(
        "vf", "remove", "hot-plug",
        "\"partition\":\"web\",\"card\":\"net0\",\"index\":1,\"text\":\"\",\"reason\":\"\","
        "\"outage\":{\"kind\":\"for-good\",\"stop_max_ms\":30000,\"start_ms\":null,"
        "\"gate_max_ms\":null,\"vfs\":[]}") "," ITEM("partition", "change", "next-start",
                                                     "\"partition\":\"db\",\"text\":\"vcpus 1 -> "
                                                     "2\\u001b[31m\",\"reason\":\"its monitor is "
                                                     "made with it\",\"outage\":{\"kind\":"
                                                     "\"restart\",\"stop_max_ms\":35000,\"start_"
                                                     "ms\":2345,\"gate_max_ms\":null,\"vfs\":[{"
                                                     "\"card\":\"net0\",\"index\":2}]}") "]}");
    exits("web.xml", CHANGES);
    says("- VF net0/1 of web: by hot-plug, while its guest runs\n");
    says("it has 30 s to give it up");
    says("~ partition db: at its next start: its monitor is made with it\n");
    says("with --restart: its guest loses its processors and VFs net0/2");
    says("(2.3 s at its last start)");
    says("plan 00000000000000aa: 2 changes\n");
    assert_null(strchr(output, '\x1b'));
}

static void a_refused_plan_is_one(void **state)
{
    (void)state;
    put("web.xml", WEB(""));
    serve("{\"ok\":true,\"plan\":\"00000000000000aa\",\"refused\":true,\"items\":[" ITEM(
        "vf", "add", "refused",
        "\"partition\":\"web\",\"card\":\"net0\",\"index\":1,\"text\":\"\",\"reason\":\"partition "
        "db has it\",\"outage\":null") "]}");
    exits("web.xml", FAILED);
    says("+ VF net0/1 of web: REFUSED: partition db has it");
    says("1 change; refused");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(which_files_it_takes),
        CASE(a_bad_file_and_its_line),
        CASE(what_is_no_file),
        CASE(what_a_parser_must_not_meet),
        CASE(sends_what_the_files_say),
        CASE(without_a_service),
        CASE(an_edit_of_devices_xml_is_compared),
        CASE(a_plan_for_people),
        CASE(a_refused_plan_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
