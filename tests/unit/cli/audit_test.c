/* SPDX-License-Identifier: Apache-2.0 */
/* `parclose audit` on a log that a test writes. */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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

static int run(const char *arguments)
{
    char command[256];

    snprintf(command, sizeof(command), "%s audit --file %s/audit.00000000000000000001 %s 2>&1",
             CLI_PROGRAM, folder, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof(output) - 1, pipe);
    output[got] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static size_t lines(void)
{
    size_t count = 0;

    for (const char *c = output; *c; c++)
        count += *c == '\n';
    return count;
}

static void every_entry_with_its_changes(void **state)
{
    (void)state;
    assert_int_equal(run(""), 0);
    assert_int_equal(lines(), 8);
    assert_non_null(strstr(output, "define begun by command (uid 1000, pid 0), because: a ?[2J "));
    assert_non_null(strstr(output, "start begun by control: start\n"));
    assert_non_null(strstr(output, "pCPU 3: idle -> partition 1"));
    assert_null(strchr(output, '\033'));
}

static void only_one_partition(void **state)
{
    (void)state;
    assert_int_equal(run("--partition web --json"), 0);
    assert_int_equal(lines(), 2);
    json_t *json = json_loads(output, JSON_DISABLE_EOF_CHECK, NULL);
    assert_int_equal(json_integer_value(json_object_get(json, "sequence")), 2);
    assert_string_equal(json_string_value(json_object_get(json, "kind")), "define");
    json_decref(json);
    assert_int_equal(run("--partition nobody"), 0);
    assert_int_equal(lines(), 0);
}

static void only_what_is_recent(void **state)
{
    (void)state;
    assert_int_equal(run("--since 1h --json"), 0);
    assert_int_equal(lines(), 4);
    assert_int_equal(run("--since 2200-01-01T00:00:00Z --json"), 0);
    assert_int_equal(lines(), 0);
}

static void a_damaged_log(void **state)
{
    char path[96];

    (void)state;
    snprintf(path, sizeof(path), "%s/audit.00000000000000000001", folder);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "xxxx", 4, AUDIT_SEGMENT_HEADER + 500), 4);
    close(fd);
    assert_int_equal(run(""), 1);
    assert_non_null(strstr(output, "damaged at entry 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_entry_with_its_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(only_one_partition, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_is_recent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_log, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
