/* SPDX-License-Identifier: Apache-2.0 */
/* `parclose audit` on a log that a test writes. */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/audit_hash.h"
#include "store/audit_log.h"

static char folder[64], output[1 << 16];
static struct audit_log *log_file;
static struct audit_entry *entry;

static void begin(enum audit_kind kind, enum audit_phase phase, const char *reason)
{
    audit_entry_begin(entry, kind, phase);
    entry->who.process = reason ? PROCESS_COMMAND : PROCESS_CONTROL;
    entry->who.uid = 1000;
    snprintf(entry->who.reason, sizeof(entry->who.reason), "%s", reason ? reason : "");
}

static void append(const char *text)
{
    snprintf(entry->text, sizeof(entry->text), "%s", text);
    assert_int_equal(audit_log_append(log_file, entry), 0);
    assert_int_equal(audit_log_sync(log_file), 0);
}

static void define(uint64_t id, const char *name)
{
    struct partition_config config = {.vcpus = 1, .memory_mib = 64, .monitor = "native"};

    strcpy(config.name, name);
    strcpy(config.kernel, "/k");
    begin(AUDIT_DEFINE, AUDIT_BEGUN, "a \033[2J reason");
    assert_int_equal(audit_entry_add(entry, RESOURCE_PARTITION, id, 0, NULL, &config), 0);
    append("");
}

static void give_pcpu(uint64_t pcpu, uint32_t id)
{
    const struct owner idle = {.kind = OWNER_IDLE}, guest = {OWNER_GUEST, {id}};

    begin(AUDIT_START, AUDIT_BEGUN, NULL);
    assert_int_equal(audit_entry_add(entry, RESOURCE_PCPU, pcpu, 0, &idle, &guest), 0);
    append("start");
}

static int setup(void **state)
{
    const uint8_t boot_id[16] = {1};
    struct audit_opened opened;

    (void)state;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    entry = calloc(1, AUDIT_ENTRY_MAX);
    assert_int_equal(audit_log_open(&log_file, dir, boot_id, NULL, &opened), 0);
    close(dir);
    define(1, "db");
    define(2, "web");
    give_pcpu(3, 1);
    give_pcpu(4, 2);
    return 0;
}

static int teardown(void **state)
{
    char command[96];

    (void)state;
    audit_log_close(log_file);
    free(entry);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

/* Runs it over `place` in the folder; standard error too. */
static int run_on(const char *option, const char *place, const char *arguments)
{
    char command[512];

    snprintf(command, sizeof(command), "%s audit %s --%s %s/%s 2>&1", CLI_PROGRAM, arguments,
             option, folder, place);
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
    int got = run_on("directory", "", arguments);

    if (got != code)
        fail_msg("parclose audit %s: exit %d, not %d: %s", arguments, got, code, output);
}

static void says(const char *text)
{
    if (!strstr(output, text))
        fail_msg("expected \"%s\" in: %s", text, output);
}

static size_t lines(void)
{
    size_t count = 0;

    for (const char *c = output; *c; c++)
        count += *c == '\n';
    return count;
}

/* A new segment, with an empty snapshot: what is in it is no matter of the command line. */
static void rotate(void)
{
    struct audit_snapshot_writer *snapshot;

    assert_int_equal(audit_rotation_begin(log_file, &snapshot), 0);
    assert_int_equal(audit_rotation_finish(log_file, snapshot, 16), 0);
}

/* Bytes of a file of the log, changed behind its back. */
static void scribble(const char *name, off_t at)
{
    char path[128], byte;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void truncate_log(off_t size)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/audit.00000000000000000001", folder);
    assert_int_equal(truncate(path, size), 0);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void every_entry_with_its_changes(void **state)
{
    (void)state;
    exits("", 0);
    assert_int_equal(lines(), 8);
    says(" (uid 1000, pid 0), because: a ?[2J reason\n");
    says("start begun by control: start\n");
    says("pCPU 3: idle -> partition db\n");
    says("definition of partition web: new, ");
    assert_null(strchr(output, '\033'));
}

static void one_segment_by_its_file(void **state)
{
    (void)state;
    assert_int_equal(run_on("file", "audit.00000000000000000001", ""), 0);
    assert_int_equal(lines(), 8);
    assert_int_equal(run_on("file", "nothing", ""), 1);
    assert_int_equal(run_on("directory", "..", ""), 1);
    says("there is no audit log");
}

static void only_one_partition(void **state)
{
    (void)state;
    exits("--partition web --json", 0);
    assert_int_equal(lines(), 2);
    json_t *json = json_loads(output, JSON_DISABLE_EOF_CHECK, NULL);
    assert_int_equal(json_integer_value(json_object_get(json, "sequence")), 2);
    assert_string_equal(json_string_value(json_object_get(json, "kind")), "define");
    json_decref(json);
    exits("--partition nobody", 0);
    assert_int_equal(lines(), 0);
}

static void only_what_is_recent(void **state)
{
    (void)state;
    exits("--since 1h --json", 0);
    assert_int_equal(lines(), 4);
    exits("--since 2200-01-01T00:00:00Z --json", 0);
    assert_int_equal(lines(), 0);
    exits("--until 2020-01-01 --json", 0);
    assert_int_equal(lines(), 0);
    exits("--until 2200-01-01 --json", 0);
    assert_int_equal(lines(), 4);
    exits("--since -5", 2);
    exits("--since 2026-01-01T00:00:00ZZ", 2);
}

static void only_a_kind_a_user_a_resource(void **state)
{
    (void)state;
    exits("--kind start --json", 0);
    assert_int_equal(lines(), 2);
    exits("--kind begin", 2);
    says("device-action");
    exits("--user 1000 --json", 0);
    assert_int_equal(lines(), 2);
    exits("--user 77 --json", 0);
    assert_int_equal(lines(), 0);
    exits("--user nobody-of-that-name", 2);
    exits("--resource \"pcpu 3\" --json", 0);
    assert_int_equal(lines(), 1);
    give_pcpu(31, 1);
    exits("--resource \"pcpu 3\" --json", 0);
    assert_int_equal(lines(), 1);
    exits("--resource \"pcpu 31\" --kind start --partition db --json", 0);
    assert_int_equal(lines(), 1);
}

static void only_the_last(void **state)
{
    (void)state;
    exits("--last 2 --json", 0);
    assert_int_equal(lines(), 2);
    says("\"sequence\":3");
    says("\"sequence\":4");
    exits("--last 1 --partition db --json", 0);
    assert_int_equal(lines(), 1);
    says("\"sequence\":3");
    exits("--last 100 --json", 0);
    assert_int_equal(lines(), 4);
    exits("--last 0", 2);
    exits("--last -1", 2);
}

/* A number is used again: each entry is of who had it then. */
static void names_are_those_of_the_time(void **state)
{
    struct partition_config config = {.vcpus = 1, .memory_mib = 64, .monitor = "native"};

    (void)state;
    strcpy(config.name, "db");
    begin(AUDIT_UNDEFINE, AUDIT_BEGUN, NULL);
    assert_int_equal(audit_entry_add(entry, RESOURCE_PARTITION, 1, 0, &config, NULL), 0);
    append("");
    define(1, "cache");
    give_pcpu(5, 1);
    exits("--partition db --json", 0);
    assert_int_equal(lines(), 3);
    exits("--partition cache --last 1", 0);
    says("pCPU 5: idle -> partition cache");
    exits("--resource \"pcpu 3\"", 0);
    says("pCPU 3: idle -> partition db");
}

/* --- one entry -------------------------------------------------------------------------------- */

static void a_run_changes(void)
{
    struct partition_run before = {.phase = 1, .pcpus_count = 1, .pcpus = {3}}, after = before;

    after.phase = 2;
    after.pcpus_count = 2;
    after.pcpus[1] = 9;
    strcpy(after.reason, "net0: driver unbound");
    begin(AUDIT_WAIT, AUDIT_BEGUN, NULL);
    assert_int_equal(audit_entry_add(entry, RESOURCE_RUN, 1, 0, &before, &after), 0);
    append("waits");
}

static void one_entry_as_a_difference(void **state)
{
    (void)state;
    a_run_changes();
    exits("--last 1", 0);
    says("partition db: phase starting -> waiting; reason \"\" -> net0: driver unbound; "
         "pcpus_count 1 -> 2; pcpus 3 -> 3,9\n");
    exits("show 5", 0);
    says("entry        5\n");
    says("asked by     control\n");
    says("what         wait, begun\n");
    says("\n  partition db\n    phase                    starting -> waiting\n");
    assert_null(strstr(output, "memory_node"));
    exits("show 5 --all", 0);
    says("    memory_node              0\n");
    exits("show 1", 0);
    says("definition of partition db: new\n  + name                     db\n");
    exits("show 6", 1);
    says("there is no entry 6: the last one is 5");
    exits("show", 2);
    exits("show x", 2);
    exits("show 1 2", 2);
    exits("hide 1", 2);
}

/* An extent is several blocks: one line for those that go from one owner to another. */
static void memory_is_summed_up(void **state)
{
    struct memory_image before = {.owner = {.kind = OWNER_AVAILABLE}}, after = before;

    (void)state;
    begin(AUDIT_START, AUDIT_BEGUN, NULL);
    after.owner = (struct owner){OWNER_GUEST, {1}};
    for (uint64_t i = 1; i <= 3; i++) {
        before.bytes = after.bytes = i << 21;
        assert_int_equal(audit_entry_add(entry, RESOURCE_MEMORY, 0, i << 30, &before, &after), 0);
    }
    after.owner = (struct owner){OWNER_GUEST, {2}};
    assert_int_equal(audit_entry_add(entry, RESOURCE_MEMORY, 0, 0, &before, &after), 0);
    append("");
    exits("--last 1", 0);
    assert_int_equal(lines(), 3);
    says("memory of node 0, 12 MiB in 3 blocks: available -> partition db\n");
    says("memory of node 0, 6 MiB in 1 block: available -> partition web\n");
    exits("show 5", 0);
    says("memory of node 0 at 1024 MiB\n");
}

static void json_has_all_fields(void **state)
{
    (void)state;
    a_run_changes();
    exits("show 5 --json", 0);
    assert_int_equal(lines(), 1);
    json_t *json = json_loads(output, 0, NULL);
    json_t *change = json_array_get(json_object_get(json, "changes"), 0);
    json_t *before = json_object_get(change, "before"), *after = json_object_get(change, "after");
    assert_string_equal(json_string_value(json_object_get(before, "phase")), "starting");
    assert_string_equal(json_string_value(json_object_get(after, "phase")), "waiting");
    assert_int_equal(json_integer_value(json_object_get(after, "memory_node")), 0);
    assert_int_equal(json_string_length(json_object_get(json, "hash")), 64);
    assert_int_equal(json_string_length(json_object_get(json, "previous")), 64);
    json_decref(json);
    begin(AUDIT_WAIT, AUDIT_BEGUN, NULL);
    append("not \xff UTF-8");
    exits("show 6 --json", 0);
    says("not ? UTF-8");
}

/* --- the chain -------------------------------------------------------------------------------- */

static void a_damaged_log(void **state)
{
    (void)state;
    scribble("audit.00000000000000000001", AUDIT_SEGMENT_HEADER + 500);
    exits("", 1);
    says("damaged: entry 1 ");
    says("audit.00000000000000000001, byte 4096");
    exits("--verify", 1);
    says("damaged: entry 1 ");
}

static void a_torn_tail_is_no_damage(void **state)
{
    (void)state;
    scribble("audit.00000000000000000001", AUDIT_SEGMENT_HEADER + 500);
    truncate_log(AUDIT_SEGMENT_HEADER + 600);
    exits("", 0);
    says("behind entry 0 is one that is not whole");
    exits("--verify", 0);
    says("0 entries, from 1 on");
    says("cuts it off");
}

static void all_of_it_is_verified(void **state)
{
    char head[AUDIT_HASH_TEXT], arguments[128];

    (void)state;
    rotate();
    audit_hash_text(audit_log_head(log_file), head);
    give_pcpu(5, 1);
    exits("--verify", 0);
    says("5 entries, from 1 on, in 2 segments: every one fits\n");
    says("1 snapshots: whole; 1 begin at");
    snprintf(arguments, sizeof(arguments), "--verify --json --expect-head %s", head);
    exits(arguments, 0);
    says("\"expected_at\": 4");
    head[3] = head[3] == '0' ? '1' : '0';
    snprintf(arguments, sizeof(arguments), "--verify --expect-head %s", head);
    exits(arguments, 1);
    says("no entry from 1 to 5 has the hash");
    exits("--verify --expect-head abc", 2);
    exits("--expect-head abc", 2);
}

static void what_does_not_fit_is_said(void **state)
{
    (void)state;
    rotate();
    give_pcpu(5, 1);
    rotate();
    give_pcpu(6, 1);
    scribble("snapshot.00000000000000000005", 20);
    exits("--verify", 1);
    says("snapshot.00000000000000000005 is damaged");
    scribble("snapshot.00000000000000000005", 20);
    exits("--verify", 0);
    scribble("audit.00000000000000000006", 30);
    exits("--verify", 1);
    says("entry 6 ");
    scribble("audit.00000000000000000006", 30);
    assert_int_equal(run_on("directory", "audit.00000000000000000005", "--verify"), 0);
    says("1 entries, from 5 on, in 1 segments");
}

static void a_cut_end_shows(void **state)
{
    char path[128];

    (void)state;
    rotate();
    give_pcpu(5, 1);
    rotate();
    snprintf(path, sizeof(path), "%s/audit.00000000000000000006", folder);
    assert_int_equal(unlink(path), 0);
    exits("--verify", 0); /* snapshot 6 says that entry 5 was the last: it is */
    snprintf(path, sizeof(path), "%s/audit.00000000000000000005", folder);
    assert_int_equal(unlink(path), 0);
    exits("--verify", 1);
    says("entries are missing");
}

static void a_segment_that_is_gone(void **state)
{
    char path[128];

    (void)state;
    rotate();
    give_pcpu(5, 1);
    rotate();
    give_pcpu(6, 1);
    snprintf(path, sizeof(path), "%s/audit.00000000000000000005", folder);
    assert_int_equal(unlink(path), 0);
    exits("", 1);
    says("damaged: entry 5 ");
}

/* --- follow ----------------------------------------------------------------------------------- */

static void expect_line(FILE *pipe, const char *text)
{
    char line[8192] = "";

    assert_non_null(fgets(line, sizeof(line), pipe));
    if (!strstr(line, text))
        fail_msg("expected \"%s\" in: %s", text, line);
}

static void follows_over_a_rotation(void **state)
{
    int ends[2];

    (void)state;
    alarm(30);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(CLI_PROGRAM, CLI_PROGRAM, "audit", "--json", "--last", "1", "--follow", "--directory",
              folder, NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *pipe = fdopen(ends[0], "r");
    expect_line(pipe, "\"sequence\":4,");
    give_pcpu(5, 1);
    expect_line(pipe, "\"sequence\":5,");
    give_pcpu(6, 1);
    rotate();
    give_pcpu(7, 1);
    expect_line(pipe, "\"sequence\":6,");
    expect_line(pipe, "\"sequence\":7,");
    rotate();
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    fclose(pipe);
    alarm(0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(every_entry_with_its_changes),
        CASE(one_segment_by_its_file),
        CASE(only_one_partition),
        CASE(only_what_is_recent),
        CASE(only_a_kind_a_user_a_resource),
        CASE(only_the_last),
        CASE(names_are_those_of_the_time),
        CASE(one_entry_as_a_difference),
        CASE(memory_is_summed_up),
        CASE(json_has_all_fields),
        CASE(a_damaged_log),
        CASE(a_torn_tail_is_no_damage),
        CASE(all_of_it_is_verified),
        CASE(what_does_not_fit_is_said),
        CASE(a_cut_end_shows),
        CASE(a_segment_that_is_gone),
        CASE(follows_over_a_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
