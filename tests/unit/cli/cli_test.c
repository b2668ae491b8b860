/* SPDX-License-Identifier: Apache-2.0 */
/* The command line against a service that a test plays: output, JSON, exit codes. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
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

enum { OK = 0, FAILED = 1, USAGE = 2, UNREACHABLE = 3, TIMEOUT = 4 };

static char folder[64], socket_path[80], output[1 << 16];
static pid_t server = -1;

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(socket_path, sizeof(socket_path), "%s/sock", folder);
    server = -1;
    return setenv("TZ", "UTC", 1);
}

static int teardown(void **state)
{
    char command[96];

    (void)state;
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static void put(const char *path, const char *text)
{
    char full[160];

    snprintf(full, sizeof(full), "%s/%s", folder, path);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make(const char *path)
{
    char full[160];

    snprintf(full, sizeof(full), "%s/%s", folder, path);
    assert_int_equal(mkdir(full, 0755), 0);
}

/* --- the service
 * ---------------------------------------------------------------------------------- */

/* One request's answer: the verb that is expected, and the lines that come; NULL ends. "." waits.
 */
struct answer {
    const char *verb;
    const char *lines[6];
};

/* What was asked, for the test to look at. */
static void note_request(const char *line)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/asked", folder);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file, "%s\n", line);
    fclose(file);
}

static void serve_one(int fd, const struct answer *answer)
{
    char line[4096], wanted[64];
    size_t used = 0;

    while (used < sizeof(line) - 1 && read(fd, line + used, 1) == 1 && line[used] != '\n')
        used++;
    line[used] = '\0';
    note_request(line);
    snprintf(wanted, sizeof(wanted), "\"verb\":\"%s\"", answer->verb);
    if (!strstr(line, wanted))
        dprintf(fd, "{\"ok\":false,\"errno\":22,\"text\":\"the test expected %s\"}\n",
                answer->verb);
    for (size_t i = 0; answer->lines[i]; i++) {
        if (!strcmp(answer->lines[i], ".")) {
            usleep(300000);
            continue;
        }
        dprintf(fd, "%s\n", answer->lines[i]);
        usleep(20000);
    }
}

/* Serves one connection an answer, in order; then none. */
static void serve(const struct answer *answers)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, socket_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        signal(SIGPIPE, SIG_IGN);
        for (; answers->verb; answers++) {
            int fd = accept(listener, NULL, NULL);
            serve_one(fd, answers);
            close(fd);
        }
        _exit(0);
    }
    close(listener);
}

/* --- the command line
 * ----------------------------------------------------------------------------- */

/* Runs it, standard error too, input from nowhere; its exit code. */
static int run(const char *arguments)
{
    char command[512];

    snprintf(command, sizeof(command), "%s %s --socket %s </dev/null 2>&1", CLI_PROGRAM, arguments,
             socket_path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof(output) - 1, pipe);
    output[got] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void exits(const char *arguments, int code)
{
    int got = run(arguments);

    if (got != code)
        fail_msg("parclose %s: exit %d, not %d: %s", arguments, got, code, output);
}

static void says(const char *text)
{
    if (!strstr(output, text))
        fail_msg("expected \"%s\" in: %s", text, output);
}

static void says_not(const char *text)
{
    if (strstr(output, text))
        fail_msg("did not expect \"%s\" in: %s", text, output);
}

#define SNAPSHOT                                                                                   \
    "\"snapshot\":{\"generation\":3,\"at\":\"2026-01-01T00:00:00.0Z\",\"current\":true}"
#define PARTITION(name, phase, more)                                                               \
    "{\"name\":\"" name "\",\"id\":1,\"phase\":\"" phase "\",\"exit\":\"none\",\"vcpus\":2,"       \
    "\"memory_mib\":512,\"autostart\":true,\"vfs\":[{\"card\":\"net0\",\"index\":0},"              \
    "{\"card\":\"nvme0\",\"index\":1}]" more "}"
#define WAITING                                                                                    \
    ",\"waiting_for\":\"net0: driver unbound; restart the PF in 9 s\",\"next_rung\":\"restart "    \
    "the PF\","                                                                                    \
    "\"next_rung_boottime_ns\":1"
#define UP(name)                                                                                   \
    "{\"name\":\"" name "\",\"health\":\"up\",\"pid\":10,\"restarts\":1,"                          \
    "\"since\":\"2026-01-01T12:34:56.789Z\",\"reason\":\"\"}"
#define PROCESSES                                                                                  \
    "\"processes\":[" UP("boot") "," UP("control") "," UP("tcb") "," UP("sr-pcim") "," UP(         \
        "lead") "," UP("command") "]"
#define OWNERS                                                                                     \
    "\"owners\":[{\"name\":\"available\",\"pcpus\":[],\"memory_mib\":3072,\"pfs\":0,\"vfs\":0},"   \
    "{\"name\":\"idle\",\"pcpus\":[2,3],\"memory_mib\":0,\"pfs\":0,\"vfs\":0},"                    \
    "{\"name\":\"control\",\"pcpus\":[],\"memory_mib\":0,\"pfs\":0,\"vfs\":0},"                    \
    "{\"name\":\"interconnect\",\"pcpus\":[],\"memory_mib\":0,\"pfs\":2,\"vfs\":9}]"
#define LIST(partitions)                                                                           \
    "{\"ok\":true," SNAPSHOT ",\"partitions\":[" partitions "]," OWNERS "," PROCESSES              \
    ",\"problems\":[],\"synchronized\":true}"
#define SHOW(phase, more)                                                                          \
    "{\"ok\":true," SNAPSHOT ",\"partition\":" PARTITION("db", phase, more) "}"
#define DONE    "{\"ok\":true,\"transaction\":7,\"text\":\"\"}"
#define REFUSED "{\"ok\":false,\"errno\":2,\"error\":\"ENOENT\",\"text\":\"there is no such\"}"

static void wrong_usage_is_two(void **state)
{
    (void)state;
    exits("", USAGE);
    exits("fly", USAGE);
    says("there is no verb \"fly\"");
    exits("show", USAGE);
    exits("show a b", USAGE);
    exits("start", USAGE);
    exits("stop", USAGE);
    exits("list x", USAGE);
    exits("list --nothing", USAGE);
    exits("list --all=1", USAGE);
    exits("start db --timeout", USAGE);
    exits("start db --timeout soon", USAGE);
    exits("start db --timeout -1", USAGE);
    exits("start db --timeout nan", USAGE);
    exits("stop db --timeout 601", USAGE);
    exits("host", USAGE);
    exits("host make", USAGE);
    exits("audit --since yesterday", USAGE);
    exits("console", USAGE);
    exits("pf", USAGE);
    exits("pf restart", USAGE);
    exits("pf fly net0", USAGE);
    exits("sr-pcim", USAGE);
    exits("sr-pcim restart", USAGE);
    exits("list -x", USAGE);
    exits("list --reason 0123456789012345678901234567890123456789012345678901234567890123", USAGE);
}

static void help_of_each_verb(void **state)
{
    static const char *const verbs[] = {"up",      "down",    "list",  "show",    "start", "stop",
                                        "console", "devices", "audit", "db",      "host",  "plan",
                                        "reload",  "version", "pf",    "sr-pcim", "apply"};
    char arguments[64];

    (void)state;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        snprintf(arguments, sizeof(arguments), "%s --help", verbs[i]);
        exits(arguments, OK);
        says("usage: parclose ");
        says("exit: 0 ok");
    }
    assert_int_equal(system(CLI_PROGRAM " help start | grep -q -- --wait"), 0);
    exits("version", OK);
    says("parclose 0.");
}

static void nobody_there_is_three(void **state)
{
    (void)state;
    exits("list", UNREACHABLE);
    says("Parclose is not running");
    exits("start db", UNREACHABLE);
    exits("list --json", UNREACHABLE);
    says("\"ok\": false");
    exits("console db", UNREACHABLE);
    exits("audit", UNREACHABLE);
    exits("reload", UNREACHABLE);
}

static void a_list_for_people(void **state)
{
    static const struct answer answers[] = {
        {"list", {LIST(PARTITION("db", "waiting", WAITING) "," PARTITION("web-1", "running", ""))}},
        {0}};

    (void)state;
    serve(answers);
    exits("list", OK);
    says("NAME   PHASE    VCPUS  MEMORY   VFS             WAITING FOR\n");
    says("db     waiting  2      512 MiB  net0/0 nvme0/1  net0: driver unbound; restart the PF in "
         "0.0 s\n");
    says("web-1  running  2      512 MiB  net0/0 nvme0/1  -\n");
}

static void a_list_of_all(void **state)
{
    static const struct answer answers[] = {{"list", {LIST("")}}, {0}};

    (void)state;
    serve(answers);
    exits("list --all", OK);
    says("control       up      10   1         12:34:56.789");
    says("interconnect  -       -    -         -");
    says("headroom: 2 idle pCPUs, 3072 MiB of memory\n");
}

static void a_list_in_json(void **state)
{
    static const struct answer answers[] = {{"list", {LIST(PARTITION("db", "running", ""))}}, {0}};

    (void)state;
    serve(answers);
    exits("list --json", OK);
    json_t *json = json_loads(output, 0, NULL);
    const json_t *partition = json_array_get(json_object_get(json, "partitions"), 0);
    assert_string_equal(json_string_value(json_object_get(partition, "phase")), "running");
    json_decref(json);
}

static void control_characters_stay_in_the_service(void **state)
{
    static const struct answer answers[] = {
        {"list", {LIST(PARTITION("db", "failed", ",\"reason\":\"\\u001b[2J\\u0007x\""))}}, {0}};

    (void)state;
    serve(answers);
    exits("list", OK);
    assert_null(strchr(output, '\033'));
    says("?[2J?x");
}

static void show_has_the_timeline(void **state)
{
    static const struct answer answers[] = {
        {"show",
         {SHOW("running",
               ",\"channels\":[{\"kind\":\"console\",\"server\":\"command\",\"attached\":1}]"
               ",\"gate_latency_ns\":1234567,\"pcpus\":[2,3],\"states\":["
               "{\"state\":\"Enabled\",\"entered\":true,\"at\":\"2026-01-01T00:00:01.500000Z\","
               "\"boottime_ns\":1000000000},"
               "{\"state\":\"Active\",\"entered\":true,\"at\":\"2026-01-01T00:00:02.500000Z\","
               "\"boottime_ns\":3500000000},"
               "{\"state\":\"Alive\",\"entered\":false,\"at\":null,\"boottime_ns\":0}]")}},
        {"show", {REFUSED}},
        {0}};

    (void)state;
    serve(answers);
    exits("show db", OK);
    says("console        served by command, attached 1\n");
    says("gate latency   1.235 ms\n");
    says("pcpus          2,3\n");
    says("Active   00:00:02.500  +2.500 s\n");
    says("Alive    -             -\n");
    exits("show nobody", FAILED);
    says("parclose: there is no such\n");
}

static void start_without_waiting(void **state)
{
    static const struct answer answers[] = {{"start", {DONE}}, {"start", {REFUSED}}, {0}};

    (void)state;
    serve(answers);
    exits("start db", OK);
    says("db: started\n");
    exits("start db", FAILED);
}

static void start_tells_what_it_waits_for(void **state)
{
    static const struct answer answers[] = {
        {"start", {DONE}},
        {"watch", {SHOW("starting", ""), SHOW("waiting", WAITING), SHOW("running", "")}},
        {0}};

    (void)state;
    serve(answers);
    exits("start db --wait", OK);
    says("db: started\ndb: starting\ndb: waiting: net0: driver unbound; restart the PF in 0.0 s\n"
         "db: running\n");
}

static void start_ends_with_the_partition(void **state)
{
    static const struct answer answers[] = {
        {"start", {DONE}},
        {"watch", {SHOW("starting", ""), SHOW("failed", ",\"reason\":\"no kernel\"")}},
        {0}};

    (void)state;
    serve(answers);
    exits("start db --wait", FAILED);
    says("db: failed: no kernel");
}

static void start_times_out_with_four(void **state)
{
    static const struct answer answers[] = {
        {"start", {DONE}}, {"watch", {SHOW("waiting", WAITING), ".", ".", ".", "."}}, {0}};

    (void)state;
    serve(answers);
    exits("start db --wait --timeout 0.5", TIMEOUT);
    says("not running yet");
}

static void start_survives_a_restart_of_the_service(void **state)
{
    static const struct answer answers[] = {
        {"start", {DONE}},
        {"watch", {SHOW("starting", "")}},
        {"watch", {"{\"ok\":false,\"errno\":107,\"text\":\"not yet\"}", SHOW("running", "")}},
        {0}};

    (void)state;
    serve(answers);
    exits("start db --wait --timeout 20", OK);
    says("db: the service is restarting\n");
}

static void several_names_and_the_worst_code(void **state)
{
    static const struct answer answers[] = {
        {"start", {DONE}},
        {"start", {"{\"ok\":false,\"errno\":107,\"text\":\"x\"}"}},
        {"start", {DONE}},
        {0}};

    (void)state;
    serve(answers);
    exits("start a b c", UNREACHABLE);
    says("c: started");
}

static void stop_waits_until_it_has_stopped(void **state)
{
    static const struct answer answers[] = {
        {"stop", {DONE}},
        {"watch", {SHOW("stopping", ""), SHOW("defined", "")}},
        {"stop", {"{\"ok\":false,\"errno\":3,\"text\":\"db is not running\"}"}},
        {"stop", {DONE}},
        {0}};

    (void)state;
    serve(answers);
    exits("stop db", OK);
    says("db: stopped\n");
    exits("stop db", UNREACHABLE);
    says("db is not running");
    exits("stop db --no-wait", OK);
    says("db: is being stopped\n");
}

/* The lines of what was asked, in turn. */
static void asked(char lines[][256], size_t count)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/asked", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++)
        assert_non_null(fgets(lines[i], 256, file));
    fclose(file);
}

/* Command dies with the answer; its successor has no link to control at first. */
static void a_stop_that_lost_its_answer_is_asked_again(void **state)
{
    static const struct answer answers[] = {
        {"stop", {NULL}},
        {"stop", {"{\"ok\":false,\"errno\":107,\"text\":\"control is not there just now\"}"}},
        {"stop", {NULL}},
        {"stop", {DONE}},
        {"stop", {DONE}},
        {0}};
    char lines[5][256];

    (void)state;
    serve(answers);
    exits("stop db --no-wait", OK);
    says("db: is being stopped\n");
    exits("stop db --no-wait", OK);
    asked(lines, 5);
    assert_non_null(strstr(lines[0], "\"request\""));
    for (size_t i = 1; i < 4; i++)
        assert_string_equal(lines[i], lines[0]);
    assert_string_not_equal(lines[4], lines[0]); /* another stop is another request */
}

static void a_connection_that_breaks(void **state)
{
    static const struct answer answers[] = {
        {"show", {NULL}}, {"list", {"[1]"}}, {"list", {"rubbish"}}, {0}};

    (void)state;
    serve(answers);
    exits("show db", UNREACHABLE);
    says("connection was lost");
    exits("list", UNREACHABLE);
    exits("list", UNREACHABLE);
}

static void reload_prints_problems(void **state)
{
    static const struct answer answers[] = {
        {"reload", {"{\"ok\":true,\"changes\":[\"db: defined\"],\"problems\":[]}"}},
        {"reload",
         {"{\"ok\":false,\"changes\":[],\"problems\":[\"partitions/db.xml:3: <vf>: x\"]}"}},
        {0}};

    (void)state;
    serve(answers);
    exits("reload", OK);
    says("db: defined\n");
    exits("reload", FAILED);
    says("partitions/db.xml:3: <vf>: x\n");
}

static void devices_as_a_tree(void **state)
{
    static const struct answer devices = {
        "devices",
        {"{\"ok\":true," SNAPSHOT ",\"cards\":[{\"card\":\"net0\",\"address\":\"0000:01:00.0\","
         "\"driver\":\"igb\",\"status\":\"active\",\"readiness\":\"ready\",\"reason\":\"\","
         "\"vfs_created\":2,\"vfs_desired\":2,\"owner\":{\"kind\":\"interconnect\"},\"vfs\":["
         "{\"index\":0,\"address\":\"0000:01:10.0\",\"driver\":\"vfio-pci\",\"status\":\"active\","
         "\"open\":true,\"answers\":true,\"owner\":{\"kind\":\"guest\",\"partition\":\"db\"}},"
         "{\"index\":1,\"address\":\"0000:01:10.2\",\"driver\":\"\",\"status\":\"inactive\","
         "\"open\":false,\"answers\":false,\"not_bound\":\"it burns\",\"for_host\":true,"
         "\"owner\":{\"kind\":\"interconnect\"}}]}],"
         "\"functions\":[{\"address\":\"0000:00:1f.0\",\"class\":\"bridge\",\"vendor\":32902,"
         "\"device\":10520,\"pf\":null,\"driver\":\"lpc_ich\",\"owner\":{\"kind\":\"boot\"}},"
         "{\"address\":\"0000:05:10.0\",\"class\":\"network\",\"vendor\":0,\"device\":0,"
         "\"pf\":\"0000:05:00.0\",\"driver\":\"\",\"owner\":{\"kind\":\"boot\"}}]}"}};
    const struct answer answers[] = {devices, devices, devices, devices, {0}};

    (void)state;
    serve(answers);
    exits("devices", OK);
    says_not("REFUSED");
    says("net0  0000:01:00.0  igb       interconnect  active    ready      2 of 2 VFs\n");
    says("├ 0   0000:01:10.0  vfio-pci  db            active    -          open\n");
    says(
        "└ 1   0000:01:10.2  -         interconnect  inactive  -          closed; does not answer; "
        "for the host; not bound: it burns\n");
    says_not("lpc_ich");
    exits("devices --all", OK);
    says("bridge   0000:00:1f.0  lpc_ich   boot          -         -          8086:2918\n");
    says("network  0000:05:10.0  -         boot          -         -          0000:0000; VF of "
         "0000:05:00.0\n");
    make("edit");
    put("edit/a.xml.error", "a.xml:7: vlan is \"x\"\nmore\n");
    put("edit/a.xml.refused", "<devices/>");
    put("edit/.error.new", "half");
    put("edit/b.xml.error", "b.xml: \033[2J\n");
    exits("devices", OK);
    says("a.xml:7: vlan is \"x\"\n");
    says("b.xml: ?[2J\n");
    says_not("half");
    says_not("more");
    exits("devices --json", OK);
    says("\"text\": \"a.xml:7: vlan is \\\"x\\\"\"");
}

/* ---- vf: the test's child is the TCB */

#define DEVICES(generation, vlan)                                                                  \
    "<devices generation='" generation "'><device><pf card='net0'><vfs>"                           \
    "<vf index='2'><owner kind='interconnect'/><observed mac='00:00:00:00:00:00'/></vf>"           \
    "<vf index='3'><desired mac='52:54:00:00:00:01' vlan='" vlan "'/>"                             \
    "<observed mac='52:54:00:00:00:01' vlan='7' trust='no'/></vf>"                                 \
    "</vfs></pf></device></devices>\n"

/* The edit that is there; "" when there is none. */
static void take_edit(char text[1024])
{
    char command[320];

    snprintf(command, sizeof(command), "cd '%s/edit' && cat vf-*.xml 2>/dev/null", folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    text[fread(text, 1, 1023, pipe)] = '\0';
    pclose(pipe);
}

/* Refuses those that do not have `good` in them as `why`, and applies the one that has. */
static void play_tcb(const char *good, const char *why)
{
    char text[1024], command[640];

    server = fork();
    assert_true(server >= 0);
    while (server == 0) {
        usleep(5000);
        take_edit(text);
        if (!text[0])
            continue;
        snprintf(command, sizeof(command),
                 strstr(text, good)
                     ? "cd '%s/edit' && cp vf-*.xml ../applied && rm vf-*.xml"
                     : "cd '%s/edit' && for f in vf-*.xml; do echo \"$f: %s\" >$f.error; mv $f "
                       "$f.refused; done; [ ! -e ../newer ] || mv ../newer ../devices.xml",
                 folder, why);
        if (system(command))
            _exit(1);
    }
}

static void a_vf_is_shown(void **state)
{
    (void)state;
    put("devices.xml", DEVICES("5", "100"));
    exits("vf show net0/3", OK);
    says("ATTRIBUTE  DESIRED            OBSERVED\n");
    says("vlan       100                7\n");
    says("trust      -                  no\n");
    exits("vf show net0/3 --json", OK);
    says("\"vlan\": \"100\"");
    exits("vf show net0/9", FAILED);
    says("the card has no such VF now");
    exits("vf show net1/0", FAILED);
    says("there is no such card");
}

static void a_vf_is_changed_by_an_edit(void **state)
{
    char command[160];
    (void)state;

    put("devices.xml", DEVICES("5", "100"));
    make("edit");
    play_tcb("vlan=\"200\"", "vlan is refused");
    exits("vf set net0/3 vlan=200 trust=yes mac=", OK);
    snprintf(command, sizeof(command), "cat '%s/applied'", folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char text[1024];
    text[fread(text, 1, sizeof(text) - 1, pipe)] = '\0';
    pclose(pipe);
    assert_non_null(strstr(text, "<desired vlan=\"200\" trust=\"yes\"/>"));
    assert_non_null(strstr(text, "generation=\"5\""));
    exits("vf set net0/3 vlan=4095", FAILED);
    says("refused: vf-");
    says("vlan is refused");
    snprintf(command, sizeof(command), "[ -z \"$(ls -A '%s/edit')\" ]", folder);
    assert_int_equal(system(command), 0); /* nothing is left behind */
    exits("vf set net0/2 vlan=5", FAILED);
    says("no started partition has it");
}

static void an_edit_of_an_older_file_is_made_anew(void **state)
{
    (void)state;
    put("devices.xml", DEVICES("5", "100"));
    put("newer", DEVICES("6", "100"));
    make("edit");
    play_tcb("generation=\"6\"", "is of generation 5, the file is at 6 by now");
    exits("vf set net0/3 vlan=200", OK);
}

static void an_edit_that_nobody_takes_is_withdrawn(void **state)
{
    char command[160];
    (void)state;

    put("devices.xml", DEVICES("5", "100"));
    exits("vf set net0/3 vlan=200", UNREACHABLE); /* there is no folder */
    make("edit");
    exits("vf set net0/3 vlan=200 --timeout 0.2", TIMEOUT);
    says("it is withdrawn");
    snprintf(command, sizeof(command), "[ -z \"$(ls -A '%s/edit')\" ]", folder);
    assert_int_equal(system(command), 0);
    exits("vf set net0/3", USAGE);
    exits("vf set net0/3 fly=1", USAGE);
    exits("vf set net0 vlan=1", USAGE);
    exits("vf set net0/x vlan=1", USAGE);
}

static void console_without_a_terminal(void **state)
{
    static const struct answer answers[] = {
        {"console", {"{\"ok\":true,\"console\":\"db\",\"input\":false,\"text\":\"\"}", "booted"}},
        {"console", {"{\"ok\":false,\"errno\":3,\"text\":\"db is not running\"}"}},
        {0}};

    (void)state;
    serve(answers);
    exits("console db", OK);
    assert_string_equal(output, "booted\n");
    exits("console db", UNREACHABLE);
}

static void was_asked(const char *words)
{
    char path[96], text[4096];

    snprintf(path, sizeof(path), "%s/asked", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t got = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[got] = '\0';
    if (!strstr(text, words))
        fail_msg("expected \"%s\" in: %s", words, text);
}

static void orders_say_what_was_done(void **state)
{
    static const struct answer answers[] = {
        {"pf", {"{\"ok\":true,\"transaction\":7,\"text\":\"net0: restarted in 812 ms\"}"}},
        {"pf", {"{\"ok\":false,\"errno\":16,\"text\":\"in use by partition web\"}"}},
        {"pf", {"{\"ok\":false,\"errno\":110,\"text\":\"net0: not ready\"}"}},
        {"pf", {"{\"ok\":true,\"transaction\":8,\"text\":\"net1: reset\"}"}},
        {"sr-pcim", {"{\"ok\":true,\"transaction\":9,\"text\":\"SR-PCIM: restarted\"}"}},
        {0}};

    (void)state;
    serve(answers);
    exits("pf restart net0", OK);
    says("net0: restarted in 812 ms\n");
    exits("pf restart net0 --reason upkeep", FAILED);
    says("in use by partition web");
    exits("pf reset --force net0 01:00.0", TIMEOUT); /* the worst of both */
    says("net0: not ready");
    says("net1: reset\n");
    was_asked("\"verb\":\"pf\",\"reason\":\"upkeep\",\"request\":\"");
    was_asked("\"order\":\"reset\",\"force\":true,\"pf\":\"01:00.0\"");
    exits("sr-pcim reset --json", OK);
    says("\"transaction\": 9");
    was_asked("\"order\":\"reset\",\"force\":false}");
}

#define CARD(readiness)                                                                            \
    "{\"ok\":true," SNAPSHOT ",\"cards\":[{\"card\":\"net0\",\"address\":\"0000:01:00.0\","        \
    "\"readiness\":\"" readiness "\",\"vfs\":[]}],\"functions\":[]}"

static void devices_are_watched(void **state)
{
    static const struct answer answers[] = {
        {"watch", {CARD("ready"), CARD("disabled")}}, /* and command dies */
        {"watch", {CARD("ready"), ".", "."}},
        {"watch", {CARD("ready"), CARD("busy"), ".", ".", ".", "."}},
        {0}};

    (void)state;
    serve(answers);
    exits("devices --watch --timeout 0.5", TIMEOUT);
    was_asked("\"verb\":\"watch\",\"devices\":true}");
    says("disabled");
    assert_null(strchr(output, '\033'));
    exits("devices --watch --json --timeout 0.5", TIMEOUT);
    assert_non_null(strstr(output, "\"readiness\":\"ready\""));
    exits("devices --watch --xml", USAGE);
    exits("devices --timeout 1", USAGE);
}

#define RUN(phase, exit, pid)                                                                      \
    "{\"ok\":true," SNAPSHOT ",\"partition\":{\"name\":\"db\",\"phase\":\"" phase                  \
    "\",\"exit\":\"" exit "\",\"monitor_pid\":" pid "}}"

/* Who follows sees the guest come up again; the end of the run is the end. */
static void console_goes_on_when_the_guest_reboots(void **state)
{
    static const struct answer answers[] = {
        {"console", {"{\"ok\":true,\"console\":\"db\",\"input\":false,\"text\":\"\"}", "one"}},
        {"watch",
         {RUN("releasing", "reboot", "7"), RUN("starting", "reboot", "0"),
          RUN("starting", "reboot", "8")}},
        {"console", {"{\"ok\":true,\"console\":\"db\",\"input\":false,\"text\":\"\"}", "two"}},
        {"watch", {RUN("defined", "stopped", "0")}},
        {0}};

    (void)state;
    serve(answers);
    exits("console db --follow", OK);
    assert_string_equal(output, "one\ntwo\n");
}

static void up_waits_for_processes_and_autostart(void **state)
{
    static const struct answer answers[] = {
        {"watch", {NULL}}, /* up looks whether anybody listens */
        {"watch",
         {"{\"ok\":true,\"processes\":[" UP("control") "],\"partitions\":[]}",
          LIST(PARTITION("db", "defined", "")), LIST(PARTITION("db", "waiting", WAITING))}},
        {"list", {LIST(PARTITION("db", "waiting", WAITING))}},
        {0}};

    (void)state;
    serve(answers);
    exits("up --timeout 20", OK);
    says("waiting for tcb, sr-pcim, lead, command\n");
    says("all processes are up; starting db\n");
    says("db: waiting: net0: driver unbound");
}

static void up_tells_of_a_failed_autostart(void **state)
{
    static const char failed[] =
        LIST(PARTITION("db", "defined", ",\"autostart_problem\":\"needs 9 pCPUs: 3 are idle\""));
    static const struct answer answers[] = {
        {"watch", {NULL}}, {"watch", {failed}}, {"list", {failed}}, {0}};

    (void)state;
    serve(answers);
    exits("up --timeout 20", FAILED);
    says("db: needs 9 pCPUs: 3 are idle");
}

/* --- host
 * ----------------------------------------------------------------------------------------- */

static void device(const char *address, const char *class, const char *vfs, const char *driver)
{
    char path[96], target[128], full[160];

    snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
    make(path);
    snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/class", address);
    put(path, class);
    snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/sriov_totalvfs", address);
    if (vfs)
        put(path, vfs);
    snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
    snprintf(full, sizeof(full), "%s/sys/bus/pci/devices/%s/driver", folder, address);
    if (driver[0])
        assert_int_equal(symlink(target, full), 0);
}

static void host_init_writes_what_host_check_likes(void **state)
{
    char arguments[256];

    (void)state;
    make("sys");
    make("sys/bus");
    make("sys/bus/pci");
    make("sys/bus/pci/devices");
    make("etc");
    make("etc/partitions");
    device("0000:01:00.0", "0x020000\n", "7\n", "igb");
    device("0000:02:00.0", "0x010802\n", "127\n", "nvme");
    device("0000:03:00.0", "0x020000\n", NULL, "e1000e");
    device("0000:04:00.0", "0x020000\n", "8\n", "");
    snprintf(arguments, sizeof(arguments), "host init --config %s/etc --sysfs %s/sys", folder,
             folder);
    exits(arguments, OK);
    says("host.xml: written, 3 cards\n");
    exits(arguments, FAILED);
    says("exists already");
    strcat(arguments, " --force");
    exits(arguments, OK);
    put("etc/partitions/db.xml",
        "<partition vcpus='1' memory-mib='64'><kernel>/k</kernel><vfs><vf card='nvme0' index='31'/>"
        "<vf card='net0' index='6'/></vfs></partition>");
    snprintf(arguments, sizeof(arguments), "host check --config %s/etc", folder);
    exits(arguments, OK);
    says("host.xml: ok\npartitions/db.xml: ok\n");
    put("etc/partitions/web.xml",
        "<partition vcpus='1' memory-mib='64'><kernel>/k</kernel><vfs>\n<vf card='net1' index='0'/>"
        "</vfs></partition>");
    exits(arguments, FAILED);
    says(
        "partitions/web.xml:2: <vf card=\"net1\">: no such card in host.xml; it has net0, nvme0\n");
    strcat(arguments, " --json");
    exits(arguments, FAILED);
    json_t *json = json_loads(output, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "files")), 3);
    json_decref(json);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(wrong_usage_is_two),
        CASE(help_of_each_verb),
        CASE(nobody_there_is_three),
        CASE(a_list_for_people),
        CASE(a_list_of_all),
        CASE(a_list_in_json),
        CASE(control_characters_stay_in_the_service),
        CASE(show_has_the_timeline),
        CASE(start_without_waiting),
        CASE(start_tells_what_it_waits_for),
        CASE(start_ends_with_the_partition),
        CASE(start_times_out_with_four),
        CASE(start_survives_a_restart_of_the_service),
        CASE(several_names_and_the_worst_code),
        CASE(stop_waits_until_it_has_stopped),
        CASE(a_stop_that_lost_its_answer_is_asked_again),
        CASE(a_connection_that_breaks),
        CASE(reload_prints_problems),
        CASE(devices_as_a_tree),
        CASE(a_vf_is_shown),
        CASE(a_vf_is_changed_by_an_edit),
        CASE(an_edit_of_an_older_file_is_made_anew),
        CASE(an_edit_that_nobody_takes_is_withdrawn),
        CASE(console_without_a_terminal),
        CASE(console_goes_on_when_the_guest_reboots),
        CASE(orders_say_what_was_done),
        CASE(devices_are_watched),
        CASE(up_waits_for_processes_and_autostart),
        CASE(up_tells_of_a_failed_autostart),
        CASE(host_init_writes_what_host_check_likes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
