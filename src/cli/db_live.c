/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What control says, compared with what the kernel says: of each partition that runs, the cpuset of
 * each vCPU, the memory of its cgroup and of its monitor (by NUMA node); the driver, IOMMU group
 * and place of each VF; that each PCI function of the host is in the map once. Control proves its
 * own map itself (CONTROL_CHECK).
 *
 * A partition may start or end meanwhile, and what the kernel did a moment ago is not in control's
 * snapshot yet. So what differs is looked at again, until it differed in CONFIRM looks during each
 * of which the snapshot stayed the newest one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "db.h"
#include "format.h"
#include "names/pcpu_set.h"

#define TRIES        8
#define CONFIRM      3
#define AGAIN_NS     300000000L
#define SLICE        "sys/fs/cgroup/parclose.slice"
#define DEVICES      "sys/bus/pci/devices"
#define GUEST_MEMORY "/memfd:guest"
#define OVERHEAD_MIB                                                                               \
    128 /* of a monitor, beside its guest's memory: page tables, stacks, kernel                    \
         */
#define PATH_SIZE 512
#define NODES_MAX 1024

struct comparison {
    const struct cli *cli;
    const char *root;
    struct findings *findings;
    int64_t partitions, vcpus, vfs, memories, functions; /* compared */
    bool unreadable; /* a monitor's maps: it is not root that asks */
};

/* --- files of the kernel ---------------------------------------------------------------------- */

/* The first line of a file; -errno. */
static int read_line(const char *path, char *line, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, line, size - 1);
    int error = got < 0 ? -errno : 0;

    line[got < 0 ? 0 : got] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (file >= 0)
        close(file);
    return error;
}

/* The last word of a link; "" when there is none. */
static const char *link_name(const char *path, char text[PATH_SIZE])
{
    ssize_t got = readlink(path, text, PATH_SIZE - 1);

    text[got < 0 ? 0 : got] = '\0';
    const char *slash = strrchr(text, '/');
    return slash ? slash + 1 : text;
}

/* --- processors ------------------------------------------------------------------------------- */

static void compare_vcpu(struct comparison *c, const char *name, size_t vcpu,
                         const struct pcpu_set *pcpus)
{
    char path[PATH_SIZE], line[PCPU_SET_TEXT_MAX], expected[PCPU_SET_TEXT_MAX];

    snprintf(path, sizeof(path), "%s/" SLICE "/%s/vcpus/%zu/cpuset.cpus.effective", c->root, name,
             vcpu);
    pcpu_set_text(pcpus, expected);
    int error = read_line(path, line, sizeof(line));
    c->vcpus++;
    if (error)
        finding(c->findings->differences, "partition %s: vCPU %zu: %s: %s", name, vcpu, path,
                strerror(-error));
    else if (strcmp(line, expected) != 0)
        finding(c->findings->differences,
                "partition %s: vCPU %zu may run on pCPUs %s, in the database it has %s %s", name,
                vcpu, line, strpbrk(expected, ",-") ? "pCPUs" : "pCPU", expected);
}

static void compare_weight(struct comparison *c, const char *name, int64_t weight)
{
    char path[PATH_SIZE], line[64];

    snprintf(path, sizeof(path), "%s/" SLICE "/%s/cpu.weight", c->root, name);
    int error = read_line(path, line, sizeof(line));
    if (error || strtoll(line, NULL, 10) != weight)
        finding(c->findings->differences,
                "partition %s: its cpu.weight is %s, in the database it is %" PRId64, name,
                error ? strerror(-error) : line, weight);
}

static struct pcpu_set set_of(const json_t *numbers)
{
    struct pcpu_set set = {0};
    const json_t *number;
    size_t i;

    json_array_foreach(numbers, i, number) pcpu_set_add(&set, (uint32_t)json_integer_value(number));
    return set;
}

/* On shared pCPUs each vCPU may run on all of them, else each on its own; one whose own went
 * offline runs on shared ones, too. */
static void compare_vcpus(struct comparison *c, const char *name, const json_t *partition)
{
    const json_t *numbers = json_object_get(partition, "pcpus");
    int64_t weight = number_of(partition, "weight"), vcpus = number_of(partition, "vcpus");
    const struct pcpu_set all =
        set_of(weight ? numbers : json_object_get(partition, "shared_pcpus"));

    for (int64_t vcpu = 0; vcpu < vcpus && vcpu < PARCLOSE_MAX_VCPUS; vcpu++) {
        const json_t *number = json_array_get(numbers, (size_t)vcpu);
        struct pcpu_set own = {0};
        pcpu_set_add(&own, (uint32_t)json_integer_value(number));
        compare_vcpu(c, name, (size_t)vcpu, weight || json_is_null(number) ? &all : &own);
    }
    if (weight)
        compare_weight(c, name, weight);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Pages of files among a cgroup's memory: libraries of a monitor, a guest's disk. The kernel takes
 * them back when it needs them. "file" is with shared memory, which a guest's is. */
static uint64_t cached_bytes(const struct comparison *c, const char *name)
{
    char path[PATH_SIZE], line[128];
    uint64_t file = 0, shared = 0;

    snprintf(path, sizeof(path), "%s/" SLICE "/%s/memory.stat", c->root, name);
    FILE *lines = fopen(path, "re");
    while (lines && fgets(line, sizeof(line), lines)) {
        if (!strncmp(line, "file ", 5))
            file = strtoull(line + 5, NULL, 10);
        else if (!strncmp(line, "shmem ", 6))
            shared = strtoull(line + 6, NULL, 10);
    }
    if (lines)
        fclose(lines);
    return file > shared ? file - shared : 0;
}

static void compare_cgroup_memory(struct comparison *c, const char *name, int64_t mib)
{
    char path[PATH_SIZE], line[64];

    snprintf(path, sizeof(path), "%s/" SLICE "/%s/memory.current", c->root, name);
    int error = read_line(path, line, sizeof(line));
    if (error) {
        finding(c->findings->skipped, "partition %s: memory of its cgroup: %s: %s", name, path,
                strerror(-error));
        return;
    }
    uint64_t bytes = strtoull(line, NULL, 10), cached = cached_bytes(c, name);
    uint64_t current = (bytes > cached ? bytes - cached : 0) >> 20;
    c->memories++;
    if (current > (uint64_t)mib + OVERHEAD_MIB)
        finding(c->findings->differences,
                "partition %s: its cgroup has %" PRIu64 " MiB, in the database it has %" PRId64,
                name, current, mib);
}

static FILE *open_map(struct comparison *c, const char *name, int64_t pid, const char *file)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/proc/%" PRId64 "/%s", c->root, pid, file);
    FILE *map = fopen(path, "re");
    if (!map && (errno == EACCES || errno == EPERM))
        c->unreadable = true;
    else if (!map && errno != ENOENT)
        finding(c->findings->skipped, "partition %s: %s: %s", name, path, strerror(errno));
    else if (!map && !strcmp(file, "maps"))
        finding(c->findings->differences,
                "partition %s: its monitor, process %" PRId64 ", is not there", name, pid);
    return map;
}

/* Of a line of maps: "7f0000000000-7f0004000000 rw-s …"; 0 when it is no such line. */
static uint64_t mapped_bytes(const char *line)
{
    char *end;
    uint64_t from = strtoull(line, &end, 16);

    if (*end != '-')
        return 0;
    uint64_t to = strtoull(end + 1, NULL, 16);
    return to > from ? to - from : 0;
}

/* How much of the guest's memory the monitor has mapped. */
static void compare_maps(struct comparison *c, const char *name, int64_t pid, int64_t mib)
{
    FILE *map = open_map(c, name, pid, "maps");
    char line[1024];
    uint64_t bytes = 0;

    if (!map)
        return;
    while (fgets(line, sizeof(line), map))
        if (strstr(line, " " GUEST_MEMORY " "))
            bytes += mapped_bytes(line);
    bool whole = !ferror(map);
    fclose(map);
    c->memories++;
    if (whole && bytes != (uint64_t)mib << 20)
        finding(c->findings->differences,
                "partition %s: its monitor has %" PRIu64 " MiB of guest memory, in the database "
                "it has %" PRId64,
                name, bytes >> 20, mib);
}

/* One mapping of the guest's memory: "… bind:0 file=/memfd:guest\\040(deleted) … N0=512 N1=3 …". */
static void compare_nodes(struct comparison *c, const char *name, const char *line, int64_t node)
{
    for (const char *at = line; (at = strstr(at, " N")); at++) {
        char *end;
        unsigned long found = strtoul(at + 2, &end, 10);
        if (end == at + 2 || *end != '=' || found >= NODES_MAX || (int64_t)found == node)
            continue;
        finding(c->findings->differences,
                "partition %s: %lu pages of its memory are on node %lu, in the database it is on "
                "node %" PRId64,
                name, strtoul(end + 1, NULL, 10), found, node);
    }
}

static void compare_numa_maps(struct comparison *c, const char *name, int64_t pid,
                              const json_t *node)
{
    FILE *map = json_is_integer(node) ? open_map(c, name, pid, "numa_maps") : NULL;
    char line[4096];

    if (!map)
        return;
    while (fgets(line, sizeof(line), map))
        if (strstr(line, "file=" GUEST_MEMORY))
            compare_nodes(c, name, line, json_integer_value(node));
    fclose(map);
}

/* Who has a guest's memory mapped: the monitor; of kind "qemu" its child, whose threads the vCPUs
 * are. */
static int64_t memory_process(const json_t *partition)
{
    const json_t *vcpus = json_object_get(partition, "vcpu_pids");

    return strcmp(text_of(partition, "monitor"), "qemu") != 0
               ? number_of(partition, "monitor_pid")
               : json_integer_value(json_array_get(vcpus, 0));
}

static void compare_memory(struct comparison *c, const char *name, const json_t *partition)
{
    int64_t mib = number_of(partition, "memory_mib"), pid = memory_process(partition);

    if (!pid)
        return;
    compare_cgroup_memory(c, name, mib);
    compare_maps(c, name, pid, mib);
    compare_numa_maps(c, name, pid, json_object_get(partition, "memory_node"));
}

/* --- VFs -------------------------------------------------------------------------------------- */

static void compare_link(struct comparison *c, const char *what, const char *address,
                         const char *link, const char *expected)
{
    char path[PATH_SIZE], target[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/" DEVICES "/%s/%s", c->root, address, link);
    const char *is = link_name(path, target);
    if (strcmp(is, expected) != 0)
        finding(c->findings->differences, "VF %s: its %s is %s, in the database it is %s", address,
                what, is[0] ? is : "none", expected[0] ? expected : "none");
}

static void compare_vf(struct comparison *c, const json_t *pf, const json_t *vf)
{
    const json_t *group = json_object_get(vf, "iommu_group");
    const char *address = text_of(vf, "address"), *pf_address = text_of(pf, "address");
    char path[PATH_SIZE], target[PATH_SIZE], text[32] = "";

    if (!address[0])
        return; /* it is not there, and control says so */
    c->vfs++;
    compare_link(c, "driver", address, "driver", text_of(vf, "driver"));
    if (json_is_integer(group))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(group));
    compare_link(c, "IOMMU group", address, "iommu_group", text);
    compare_link(c, "PF", address, "physfn", pf_address);
    snprintf(path, sizeof(path), "%s/" DEVICES "/%s/virtfn%lld", c->root, pf_address,
             (long long)number_of(vf, "index"));
    const char *is = link_name(path, target);
    if (strcmp(is, address) != 0)
        finding(c->findings->differences, "PF %s: its VF %lld is %s, in the database it is %s",
                pf_address, (long long)number_of(vf, "index"), is[0] ? is : "none", address);
}

static void compare_card(struct comparison *c, const json_t *pf)
{
    const json_t *vf;
    size_t i;

    json_array_foreach(json_object_get(pf, "vfs"), i, vf) compare_vf(c, pf, vf);
}

/* --- every PCI function ----------------------------------------------------------------------- */

/* A managed card that was pulled out stays in the map, as absent: it says no vendor. */
static bool pulled_out(const json_t *function)
{
    const json_t *vendor = json_object_get(function, "vendor");
    return json_is_integer(vendor) && !json_integer_value(vendor);
}

/* Address -> how often the map has it. */
static void count_functions(json_t *counts, const json_t *list)
{
    const json_t *function;
    size_t i;

    json_array_foreach(list, i, function)
    {
        const char *address = text_of(function, "address");
        if (address[0] && !pulled_out(function))
            json_object_set_new(counts, address, json_integer(number_of(counts, address) + 1));
        count_functions(counts, json_object_get(function, "vfs"));
    }
}

/* Takes those that the kernel has once in the map out of it. */
static int match_functions(struct comparison *c, json_t *counts)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/" DEVICES, c->root);
    DIR *list = opendir(path);

    for (struct dirent *entry; list && (entry = readdir(list));) {
        int64_t count = number_of(counts, entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        c->functions++;
        if (count != 1)
            finding(c->findings->differences,
                    "PCI function %s is in the database %" PRId64 " times", entry->d_name, count);
        json_object_del(counts, entry->d_name);
    }
    if (!list)
        return -errno;
    closedir(list);
    return 0;
}

static void compare_functions(struct comparison *c, const json_t *answer)
{
    json_t *counts = json_object(), *count;
    const char *address;

    count_functions(counts, json_object_get(answer, "cards"));
    count_functions(counts, json_object_get(answer, "functions"));
    int error = match_functions(c, counts);
    if (error)
        finding(c->findings->skipped, "PCI functions: %s/" DEVICES ": %s", c->root,
                strerror(-error));
    json_object_foreach(counts, address, count)
    {
        if (!error)
            finding(c->findings->differences,
                    "PCI function %s is in the database, and the host has none", address);
    }
    json_decref(counts);
}

/* --- all -------------------------------------------------------------------------------------- */

static bool runs(const json_t *partition)
{
    static const char *const phases[] = {"waiting", "running", "frozen"};

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        if (!strcmp(text_of(partition, "phase"), phases[i]))
            return true;
    return false;
}

static int compare_partition(struct comparison *c, const char *name)
{
    json_t *answer;
    int code = ask(c->cli, request_new(c->cli, "show", name), &answer, NULL);

    if (code)
        return code;
    const json_t *partition = json_object_get(answer, "partition");
    if (runs(partition) && number_of(partition, "monitor_pid")) {
        c->partitions++;
        compare_vcpus(c, name, partition);
        compare_memory(c, name, partition);
    }
    json_decref(answer);
    return CLI_OK;
}

static int compare_partitions(struct comparison *c, const json_t *list)
{
    const json_t *partition;
    int code = CLI_OK;
    size_t i;

    json_array_foreach(json_object_get(list, "partitions"), i, partition)
    {
        if (!code && runs(partition))
            code = compare_partition(c, text_of(partition, "name"));
    }
    return code;
}

static int compare_devices(struct comparison *c)
{
    const json_t *card;
    json_t *answer;
    size_t i;
    int code = ask(c->cli, request_new(c->cli, "devices", NULL), &answer, NULL);

    if (code)
        return code;
    json_array_foreach(json_object_get(answer, "cards"), i, card) compare_card(c, card);
    compare_functions(c, answer);
    json_decref(answer);
    return CLI_OK;
}

static int64_t generation_of(const json_t *answer)
{
    return number_of(json_object_get(answer, "snapshot"), "generation");
}

/* Control's own word. */
static int check_map(const struct cli *cli, struct findings *findings)
{
    struct files files = {.count = 0};
    json_t *answer = NULL;
    int error = ask_quietly(cli, request_new(cli, "check", NULL), &answer, &files), code = CLI_OK;

    files_close(&files);
    if (error == -EUCLEAN)
        finding(findings->differences, "control: %s", text_of(answer, "text"));
    else if (error && answer)
        code = refused(cli, answer);
    else if (error)
        code = unreachable(cli, error);
    json_decref(answer);
    return code;
}

/* Once over everything; *settled: nothing changed meanwhile. */
static int compare(struct comparison *c, bool *settled)
{
    json_t *before, *after = NULL;
    int code = ask(c->cli, request_new(c->cli, "list", NULL), &before, NULL);

    if (code)
        return code;
    code = check_map(c->cli, c->findings);
    if (!code)
        code = compare_partitions(c, before);
    if (!code)
        code = compare_devices(c);
    if (!code)
        code = ask(c->cli, request_new(c->cli, "list", NULL), &after, NULL);
    *settled = !code && generation_of(before) == generation_of(after);
    json_decref(before);
    json_decref(after);
    return code;
}

static void note(const struct comparison *c)
{
    json_t *facts = c->findings->facts;

    if (c->unreadable)
        finding(c->findings->skipped,
                "memory of the monitors by NUMA node: only root may read it (numa_maps)");
    json_object_set_new(facts, "partitions", json_integer(c->partitions));
    json_object_set_new(facts, "vcpus", json_integer(c->vcpus));
    json_object_set_new(facts, "memories", json_integer(c->memories));
    json_object_set_new(facts, "vfs", json_integer(c->vfs));
    json_object_set_new(facts, "functions", json_integer(c->functions));
}

int db_check_live(const struct cli *cli, const char *root, struct findings *findings)
{
    const struct timespec pause = {.tv_nsec = AGAIN_NS};
    int code = CLI_OK, confirmed = 0;

    for (int i = 0; i < TRIES && confirmed < CONFIRM && !code; i++) {
        struct comparison c = {.cli = cli, .root = root, .findings = findings};
        bool settled = false;
        if (i)
            nanosleep(&pause, NULL);
        json_array_clear(findings->differences);
        json_array_clear(findings->skipped);
        code = compare(&c, &settled);
        confirmed += settled;
        if (!json_array_size(findings->differences))
            confirmed = CONFIRM;
        note(&c);
    }
    if (confirmed < CONFIRM && !code)
        finding(findings->skipped, "things kept changing: differences may be passing ones");
    return code;
}
