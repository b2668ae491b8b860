/* SPDX-License-Identifier: Apache-2.0 */
/* `parclose db`: on logs that a test writes, and against a service and a host that it plays. */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
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

#include "store/audit_log.h"

static char folder[64], output[1 << 16];
static pid_t server;

static int setup(void **state)
{
    (void)state;
    server = 0;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
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

__attribute__((format(printf, 2, 3))) static void exits(int code, const char *format, ...)
{
    char command[1024];
    va_list arguments;
    int used = snprintf(command, sizeof(command), "%s db ", CLI_PROGRAM);

    va_start(arguments, format);
    used += vsnprintf(command + used, sizeof(command) - (size_t)used, format, arguments);
    va_end(arguments);
    snprintf(command + used, sizeof(command) - (size_t)used, " 2>&1");
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof(output) - 1, pipe);
    output[got] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("%s: exit %d, not %d: %s", command, WEXITSTATUS(status), code, output);
}

static void says(const char *text)
{
    if (!strstr(output, text))
        fail_msg("expected \"%s\" in: %s", text, output);
}

/* --- files ------------------------------------------------------------------------------------ */

static struct audit_log *log_file;

static void define(uint64_t id)
{
    struct audit_entry *entry = calloc(1, AUDIT_ENTRY_MAX);
    struct partition_config config = {.vcpus = 1, .memory_mib = 64, .monitor = "native"};

    snprintf(config.name, sizeof(config.name), "p%d", (int)id);
    strcpy(config.kernel, "/k");
    audit_entry_begin(entry, AUDIT_DEFINE, AUDIT_BEGUN);
    assert_int_equal(audit_entry_add(entry, RESOURCE_PARTITION, id, 0, NULL, &config), 0);
    assert_int_equal(audit_log_append(log_file, entry), 0);
    assert_int_equal(audit_log_sync(log_file), 0);
    free(entry);
}

static void write_log(uint64_t entries)
{
    const uint8_t boot_id[16] = {1};
    struct audit_opened opened;
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(audit_log_open(&log_file, directory, boot_id, NULL, &opened), 0);
    close(directory);
    for (uint64_t id = 1; id <= entries; id++)
        define(id);
}

static void end_log(void)
{
    audit_log_close(log_file);
    log_file = NULL;
}

/* A byte of the n-th entry: all are of one size. */
static void scribble(int n)
{
    char path[128];
    struct audit_entry entry;

    snprintf(path, sizeof(path), "%s/audit.00000000000000000001", folder);
    int file = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(file, &entry, sizeof(entry), AUDIT_SEGMENT_HEADER), sizeof(entry));
    off_t at = AUDIT_SEGMENT_HEADER + (off_t)entry.size * (n - 1) + (off_t)sizeof(entry) + 40;
    assert_int_equal(pwrite(file, "\xff", 1, at), 1);
    close(file);
}

static void whole_files_are_checked(void **state)
{
    (void)state;
    write_log(3);
    exits(0, "check --files %s --control %s", folder, CONTROL_PROGRAM);
    says("entries      3\n");
    says("partitions   3\n");
    says("everything fits");
    end_log();
    exits(0, "check --files %s --control %s --json", folder, CONTROL_PROGRAM);
    says("\"ok\": true");
}

static void damaged_files_are_found(void **state)
{
    (void)state;
    write_log(3);
    end_log();
    scribble(2);
    exits(1, "check --files %s --control %s", folder, CONTROL_PROGRAM);
    says("damaged: entry 2 ");
    exits(1, "check --files %s/nothing --control %s", folder, CONTROL_PROGRAM);
}

static void a_damaged_log_is_cut(void **state)
{
    (void)state;
    write_log(4);
    end_log();
    scribble(3);
    exits(1, "cut --directory %s --before 4", folder);
    says("entry 3 ");
    says("cut at it, or earlier");
    exits(0, "cut --directory %s --before 3", folder);
    says("would be cut off: entry 3 and what follows it: 1 whole entries");
    says("with --yes");
    exits(1, "check --files %s --control %s", folder, CONTROL_PROGRAM);
    exits(0, "cut --directory %s --before 3 --yes", folder);
    says("the log ends with entry 2");
    says("files named cut.00000000000000000003*");
    exits(0, "check --files %s --control %s", folder, CONTROL_PROGRAM);
    says("entries      2\n");
}

static void a_log_in_use_is_not_cut(void **state)
{
    (void)state;
    write_log(2);
    exits(1, "cut --directory %s --before 2 --yes", folder);
    says("has the log in");
    end_log();
    exits(0, "cut --directory %s --before 2 --yes", folder);
}

static void wrong_usage_is_two(void **state)
{
    (void)state;
    exits(2, "check --yes");
    exits(2, "cut");
    exits(2, "cut --before 0");
    exits(2, "cut --before x");
    exits(2, "cut --before 1x");
    exits(2, "cut --before 1 --files %s", folder);
    exits(2, "mend");
    exits(1, "cut --before 1 --directory %s/nothing", folder);
}

/* --- live ------------------------------------------------------------------------------------- */

/* Answers by verb, any number of connections. */
struct answer {
    const char *verb, *line;
};

static void serve_one(int fd, const struct answer *answers)
{
    char line[4096], wanted[64];
    size_t used = 0;

    while (used < sizeof(line) - 1 && read(fd, line + used, 1) == 1 && line[used] != '\n')
        used++;
    line[used] = '\0';
    for (; answers->verb; answers++) {
        snprintf(wanted, sizeof(wanted), "\"verb\":\"%s\"", answers->verb);
        if (strstr(line, wanted))
            dprintf(fd, "%s\n", answers->line);
    }
    close(fd);
}

static void serve(const struct answer *answers)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", folder);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    server = fork();
    assert_true(server >= 0);
    while (server == 0)
        serve_one(accept(listener, NULL, NULL), answers);
    close(listener);
}

static void put(const char *path, const char *text)
{
    char command[512], full[256];

    snprintf(full, sizeof(full), "%s/%s", folder, path);
    snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", full);
    assert_int_equal(system(command), 0);
    int file = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

static void put_link(const char *path, const char *target)
{
    char full[256];

    snprintf(full, sizeof(full), "%s/%s", folder, path);
    unlink(full);
    assert_int_equal(symlink(target, full), 0);
}

#define SLICE "sys/fs/cgroup/parclose.slice/db"
#define VF    "sys/bus/pci/devices/0000:01:10.0"
#define PF    "sys/bus/pci/devices/0000:01:00.0"
#define OTHER "sys/bus/pci/devices/0000:00:1f.0"
#define MAPS                                                                                       \
    "7f0000000000-7f0004000000 rw-s 00000000 00:01 9   /memfd:guest (deleted)\n"                   \
    "7f0004000000-7f0004001000 rw-p 00000000 00:00 0\n"
#define NUMA(nodes)                                                                                \
    "7f0000000000 bind:1 file=/memfd:guest\\040(deleted) dirty=3 " nodes " kernelpagesize_kB=4\n"  \
    "7f0004000000 default anon=1 dirty=1 N0=1 kernelpagesize_kB=4\n"

/* A host on which everything is as the service says. */
static void put_host(void)
{
    put(SLICE "/vcpus/0/cpuset.cpus.effective", "2\n");
    put(SLICE "/vcpus/1/cpuset.cpus.effective", "3\n");
    put(SLICE "/memory.current", "70000000\n");
    put("proc/77/maps", MAPS);
    put("proc/77/numa_maps", NUMA("N1=3"));
    put(VF "/vendor", "x");
    put(PF "/vendor", "x");
    put(OTHER "/vendor", "x");
    put_link(VF "/driver", "../../../bus/pci/drivers/vfio-pci");
    put_link(VF "/iommu_group", "../../../kernel/iommu_groups/14");
    put_link(VF "/physfn", "../0000:01:00.0");
    put_link(PF "/virtfn0", "../0000:01:10.0");
}

#define SNAPSHOT "\"snapshot\":{\"generation\":3}"
static const struct answer good[] = {
    {"list", "{\"ok\":true," SNAPSHOT ",\"partitions\":[{\"name\":\"db\",\"phase\":\"running\"},"
             "{\"name\":\"web\",\"phase\":\"defined\"}]}"},
    {"check", "{\"ok\":true,\"transaction\":0,\"text\":\"\"}"},
    {"show",
     "{\"ok\":true," SNAPSHOT ",\"partition\":{\"name\":\"db\",\"phase\":\"running\","
     "\"monitor_pid\":77,\"vcpus\":2,\"memory_mib\":64,\"memory_node\":1,\"pcpus\":[2,3]}}"},
    {"devices", "{\"ok\":true," SNAPSHOT ",\"cards\":[{\"address\":\"0000:01:00.0\",\"vfs\":["
                "{\"index\":0,\"address\":\"0000:01:10.0\",\"driver\":\"vfio-pci\","
                "\"iommu_group\":14},{\"index\":1,\"address\":null}]}],"
                "\"functions\":[{\"address\":\"0000:00:1f.0\"}]}"},
    {0}};

static void check_live(int code)
{
    exits(code, "check --root %s --socket %s/sock", folder, folder);
}

static void a_host_as_the_database_says(void **state)
{
    (void)state;
    put_host();
    serve(good);
    check_live(0);
    says("partitions   1\n");
    says("vcpus        2\n");
    says("vfs          1\n");
    says("functions    3\n");
    says("everything fits");
}

#define SHARED                                                                                     \
    "{\"ok\":true," SNAPSHOT ",\"partition\":{\"name\":\"db\",\"phase\":\"running\","              \
    "\"monitor_pid\":77,\"vcpus\":2,\"weight\":200,\"memory_mib\":64,\"memory_node\":1,"           \
    "\"pcpus\":[1,2,3,6]}}"

static void shared_processors_and_their_weight(void **state)
{
    struct answer shared[sizeof(good) / sizeof(good[0])];

    (void)state;
    memcpy(shared, good, sizeof(good));
    shared[2] = (struct answer){"show", SHARED};
    put_host();
    put(SLICE "/vcpus/0/cpuset.cpus.effective", "1-3,6\n");
    put(SLICE "/vcpus/1/cpuset.cpus.effective", "1-3,6\n");
    put(SLICE "/cpu.weight", "200\n");
    serve(shared);
    check_live(0);
    says("vcpus        2\n");
    put(SLICE "/cpu.weight", "100\n");
    check_live(1);
    says("wrong: partition db: its cpu.weight is 100, in the database it is 200");
    put(SLICE "/cpu.weight", "200\n");
    put(SLICE "/vcpus/1/cpuset.cpus.effective", "1-3\n");
    check_live(1);
    says("vCPU 1 may run on pCPUs 1-3, in the database it has pCPUs 1-3,6");
}

#define QEMU                                                                                       \
    "{\"ok\":true," SNAPSHOT ",\"partition\":{\"name\":\"db\",\"phase\":\"running\","              \
    "\"monitor\":\"qemu\",\"monitor_pid\":77,\"vcpu_pids\":[78,79],\"vcpus\":2,"                   \
    "\"memory_mib\":64,\"memory_node\":1,\"pcpus\":[2,3]}}"

/* Its memory is mapped by another process than its monitor. */
static void memory_of_a_qemu(void **state)
{
    struct answer qemu[sizeof(good) / sizeof(good[0])];

    (void)state;
    memcpy(qemu, good, sizeof(good));
    qemu[2] = (struct answer){"show", QEMU};
    put_host();
    put("proc/77/maps", "7f0004000000-7f0004001000 rw-p 00000000 00:00 0\n");
    put("proc/78/maps", MAPS);
    put("proc/78/numa_maps", NUMA("N1=3"));
    serve(qemu);
    check_live(0);
    put("proc/78/numa_maps", NUMA("N0=7 N1=3"));
    check_live(1);
    says("7 pages of its memory are on node 0");
}

/* What the kernel keeps of a partition's files is not its memory. */
static void pages_of_files_are_not_counted(void **state)
{
    (void)state;
    put_host();
    put(SLICE "/memory.current", "700000000\n");
    put(SLICE "/memory.stat", "anon 1000\nfile 690000000\nshmem 60000000\n");
    serve(good);
    check_live(0);
    put(SLICE "/memory.stat", "anon 1000\nfile 690000000\nshmem 690000000\n");
    check_live(1);
    says("its cgroup has 667 MiB, in the database it has 64");
    put(SLICE "/memory.stat", "");
}

static void each_difference_is_said(void **state)
{
    (void)state;
    put_host();
    serve(good);
    put(SLICE "/vcpus/1/cpuset.cpus.effective", "0-7\n");
    check_live(1);
    says("wrong: partition db: vCPU 1 may run on pCPUs 0-7, in the database it has pCPU 3");
    put_host();
    put(SLICE "/memory.current", "700000000\n");
    check_live(1);
    says("its cgroup has 667 MiB, in the database it has 64");
    put_host();
    put("proc/77/maps", "7f0004000000-7f0004001000 rw-p 00000000 00:00 0\n");
    check_live(1);
    says("its monitor has 0 MiB of guest memory");
    put_host();
    put("proc/77/numa_maps", NUMA("N0=7 N1=3"));
    check_live(1);
    says("7 pages of its memory are on node 0, in the database it is on node 1");
    put_host();
    put_link(VF "/driver", "../igbvf");
    check_live(1);
    says("VF 0000:01:10.0: its driver is igbvf, in the database it is vfio-pci");
    put_host();
    put_link(VF "/iommu_group", "../15");
    check_live(1);
    says("IOMMU group is 15, in the database it is 14");
    put_host();
    put_link(PF "/virtfn0", "../0000:01:10.2");
    check_live(1);
    says("PF 0000:01:00.0: its VF 0 is 0000:01:10.2");
    put_host();
    check_live(0);
}

static void every_function_is_in_the_map_once(void **state)
{
    struct answer twice[sizeof(good) / sizeof(good[0])];

    (void)state;
    memcpy(twice, good, sizeof(good));
    twice[3].line = "{\"ok\":true," SNAPSHOT ",\"cards\":[{\"address\":\"0000:01:00.0\",\"vfs\":["
                    "]}],\"functions\":[{\"address\":\"0000:01:00.0\"},"
                    "{\"address\":\"0000:00:1f.0\"},{\"address\":\"0000:07:00.0\"}]}";
    put_host();
    serve(twice);
    check_live(1);
    says("wrong: PCI function 0000:01:00.0 is in the database 2 times");
    says("wrong: PCI function 0000:01:10.0 is in the database 0 times");
    says("wrong: PCI function 0000:07:00.0 is in the database, and the host has none");
}

static void a_card_that_was_pulled_out_is_no_difference(void **state)
{
    struct answer out[sizeof(good) / sizeof(good[0])];

    (void)state;
    memcpy(out, good, sizeof(good));
    out[3].line = "{\"ok\":true," SNAPSHOT ",\"cards\":[{\"address\":\"0000:07:00.0\","
                  "\"vendor\":0,\"vfs\":[]},{\"address\":\"0000:01:00.0\",\"vendor\":0,"
                  "\"vfs\":[]}],\"functions\":[{\"address\":\"0000:00:1f.0\",\"vendor\":1}]}";
    put_host();
    serve(out);
    check_live(1);
    says("wrong: PCI function 0000:01:00.0 is in the database 0 times"); /* the host has it */
    assert_null(strstr(output, "0000:07:00.0"));
}

/* The kernel was ahead of what control had heard. */
static void what_passes_is_no_difference(void **state)
{
    (void)state;
    put_host();
    put_link(VF "/driver", "../igbvf");
    serve(good);
    pid_t mender = fork();
    assert_true(mender >= 0);
    if (mender == 0) {
        usleep(400000);
        put_link(VF "/driver", "../vfio-pci");
        _exit(0);
    }
    check_live(0);
    waitpid(mender, NULL, 0);
}

static void a_monitor_that_is_gone(void **state)
{
    char path[128];

    (void)state;
    put_host();
    serve(good);
    snprintf(path, sizeof(path), "%s/proc/77/maps", folder);
    unlink(path);
    check_live(1);
    says("its monitor, process 77, is not there");
}

static void control_says_that_its_map_is_wrong(void **state)
{
    static const struct answer wrong[] = {
        {"list", "{\"ok\":true," SNAPSHOT ",\"partitions\":[]}"},
        {"check", "{\"ok\":false,\"errno\":117,\"error\":\"EUCLEAN\",\"text\":\"pCPU 3 has\"}"},
        {"devices", "{\"ok\":true," SNAPSHOT ",\"cards\":[]}"},
        {0}};

    (void)state;
    serve(wrong);
    exits(1, "check --root %s --socket %s/sock --json", folder, folder);
    says("\"control: pCPU 3 has\"");
    says("\"ok\": false");
}

static void nobody_there_is_three(void **state)
{
    (void)state;
    check_live(3);
    says("Parclose is not running");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(whole_files_are_checked),
        CASE(damaged_files_are_found),
        CASE(a_damaged_log_is_cut),
        CASE(a_log_in_use_is_not_cut),
        CASE(wrong_usage_is_two),
        CASE(a_host_as_the_database_says),
        CASE(shared_processors_and_their_weight),
        CASE(memory_of_a_qemu),
        CASE(pages_of_files_are_not_counted),
        CASE(each_difference_is_said),
        CASE(every_function_is_in_the_map_once),
        CASE(a_card_that_was_pulled_out_is_no_difference),
        CASE(what_passes_is_no_difference),
        CASE(a_monitor_that_is_gone),
        CASE(control_says_that_its_map_is_wrong),
        CASE(nobody_there_is_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
