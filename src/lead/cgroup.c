/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names/pcpu_set.h"

#define ROOT  "/sys/fs/cgroup"
#define SLICE ROOT "/parclose.slice"

static int write_at(int folder, const char *name, const char *text)
{
    int file = openat(folder, name, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    int error = write(file, text, strlen(text)) < 0 ? -errno : 0;
    close(file);
    return error;
}

static int make_folder(int folder, const char *name)
{
    return mkdirat(folder, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_folder(int folder, const char *name)
{
    int file = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return file < 0 ? -errno : file;
}

/* cpuset is needed; memory and pids are welcome; memory is counted for processes, not threads. */
static int switch_on(int folder, bool threads)
{
    if (!threads)
        write_at(folder, "cgroup.subtree_control", "+memory");
    write_at(folder, "cgroup.subtree_control", "+pids");
    return write_at(folder, "cgroup.subtree_control", "+cpuset");
}

static int switch_on_in(int folder, const char *name, bool threads)
{
    int inner = open_folder(folder, name);
    if (inner < 0)
        return inner;
    int error = switch_on(inner, threads);
    close(inner);
    return error;
}

/* cpu for partitions with a weight: those that have none start without it. */
int cgroup_begin(void)
{
    int error = make_folder(AT_FDCWD, SLICE);
    if (!error)
        error = switch_on_in(AT_FDCWD, ROOT, false);
    if (error)
        return error;
    write_at(AT_FDCWD, ROOT "/cgroup.subtree_control", "+cpu");
    write_at(AT_FDCWD, SLICE "/cgroup.subtree_control", "+cpu");
    return switch_on_in(AT_FDCWD, SLICE, false);
}

static const char *pcpus_text(const struct partition_descriptor *descriptor, uint32_t vcpu,
                              char text[PCPU_SET_TEXT_MAX])
{
    if (descriptor->vcpus[vcpu].pcpu == DESCRIPTOR_SHARED)
        return pcpu_set_text(&descriptor->shared_pcpus, text);
    snprintf(text, PCPU_SET_TEXT_MAX, "%u", descriptor->vcpus[vcpu].pcpu);
    return text;
}

/* A folder in which threads may be, or processes. */
static int make_part(int folder, const char *path, bool threads)
{
    char type[64];

    int error = make_folder(folder, path);
    snprintf(type, sizeof(type), "%s/cgroup.type", path);
    return error || !threads ? error : write_at(folder, type, "threaded");
}

static int set_pcpus(int folder, const struct partition_descriptor *descriptor, uint32_t vcpu)
{
    char path[64], pcpus[PCPU_SET_TEXT_MAX];

    snprintf(path, sizeof(path), "vcpus/%u/cpuset.cpus", vcpu);
    return write_at(folder, path, pcpus_text(descriptor, vcpu, pcpus));
}

static int make_leaf(int folder, const struct partition_descriptor *descriptor, uint32_t vcpu,
                     bool threads)
{
    char path[64];

    snprintf(path, sizeof(path), "vcpus/%u", vcpu);
    int error = make_part(folder, path, threads);
    if (!error)
        error = set_pcpus(folder, descriptor, vcpu);
    snprintf(path, sizeof(path), "vcpus/%u/cgroup.%s", vcpu, threads ? "threads" : "procs");
    if (!error && fchownat(folder, path, descriptor->uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0)
        error = -errno;
    return error;
}

/* Against the other partitions on the shared pCPUs. */
static int set_weight(int folder, const struct partition_descriptor *descriptor)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", descriptor->weight);
    return descriptor->weight ? write_at(folder, "cpu.weight", text) : 0;
}

/* More would be the host's: what it asks for beyond fails, or ends it alone. */
static int set_limits(int folder, const struct partition_descriptor *descriptor,
                      const struct monitor_kind *kind)
{
    uint64_t counted = descriptor->pages == PAGES_ORDINARY ? descriptor->memory_bytes : 0;
    char text[32];
    int error = 0;

    if (kind->tasks) {
        snprintf(text, sizeof(text), "%u", kind->tasks + descriptor->vcpus_count);
        error = write_at(folder, "pids.max", text);
    }
    if (kind->memory_bytes && !error) {
        snprintf(
            text, sizeof(text), "%llu",
            (unsigned long long)(counted + descriptor->memory_bytes / 16 + kind->memory_bytes));
        error = write_at(folder, "memory.max", text);
    }
    return error;
}

/* Moving a child from vm to a leaf asks for write permission on the leaf's and NAME's cgroup.procs.
 */
static int make_inner(int folder, const struct partition_descriptor *descriptor,
                      const struct monitor_kind *kind, const char **what)
{
    bool threads = kind->threads;

    *what = "pids.max or memory.max of its cgroup";
    int error = set_limits(folder, descriptor, kind);
    *what = error ? *what : "parts of its cgroup";
    if (!error)
        error = make_part(folder, "vm", threads);
    if (!error)
        error = make_part(folder, "vcpus", threads);
    *what = "controllers of its cgroup";
    if (!error)
        error = switch_on(folder, threads);
    if (!error)
        error = switch_on_in(folder, "vcpus", threads);
    *what = "cpu.weight of its cgroup";
    if (!error)
        error = set_weight(folder, descriptor);
    *what = "freezing its cgroup";
    if (!error)
        error = write_at(folder, "vcpus/cgroup.freeze", "1");
    if (!error && fchownat(folder, "cgroup.procs", descriptor->uid, (gid_t)-1, 0) < 0)
        error = -errno;
    *what = "cpuset of a vCPU";
    for (uint32_t i = 0; i < descriptor->vcpus_count && !error; i++)
        error = make_leaf(folder, descriptor, i, threads);
    return error;
}

static int open_files(struct cgroup *cgroup)
{
    cgroup->freeze = openat(cgroup->folder, "vcpus/cgroup.freeze", O_WRONLY | O_CLOEXEC);
    if (cgroup->freeze < 0)
        return -errno;
    cgroup->events = openat(cgroup->folder, "vcpus/cgroup.events", O_RDONLY | O_CLOEXEC);
    return cgroup->events < 0 ? -errno : 0;
}

static int path_of(char *path, size_t size, const char *name, const char *inner)
{
    int length = snprintf(path, size, SLICE "/%s%s", name, inner);
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int cgroup_open(struct cgroup *cgroup, const char *name)
{
    char path[128];

    *cgroup = CGROUP_NONE;
    int error = path_of(path, sizeof(path), name, "");
    if (error)
        return error;
    cgroup->folder = open_folder(AT_FDCWD, path);
    if (cgroup->folder < 0)
        return cgroup->folder;
    error = open_files(cgroup);
    if (error)
        cgroup_close(cgroup);
    return error;
}

int cgroup_make(struct cgroup *cgroup, const struct partition_descriptor *descriptor,
                const struct monitor_kind *kind, const char **what)
{
    char path[128];

    *cgroup = CGROUP_NONE;
    *what = "its cgroup";
    int error = path_of(path, sizeof(path), descriptor->name, "");
    if (!error)
        error = cgroup_remove(descriptor->name, PARCLOSE_MAX_VCPUS);
    if (!error)
        error = make_folder(AT_FDCWD, path);
    if (error)
        return error;
    cgroup->folder = open_folder(AT_FDCWD, path);
    error =
        cgroup->folder < 0 ? cgroup->folder : make_inner(cgroup->folder, descriptor, kind, what);
    if (!error)
        error = open_files(cgroup);
    if (error) {
        cgroup_close(cgroup);
        cgroup_remove(descriptor->name, PARCLOSE_MAX_VCPUS);
    }
    return error;
}

void cgroup_close(struct cgroup *cgroup)
{
    if (cgroup->folder >= 0)
        close(cgroup->folder);
    if (cgroup->freeze >= 0)
        close(cgroup->freeze);
    if (cgroup->events >= 0)
        close(cgroup->events);
    *cgroup = CGROUP_NONE;
}

int cgroup_set_pcpus(const struct cgroup *cgroup, const struct partition_descriptor *descriptor)
{
    int error = 0;

    for (uint32_t i = 0; i < descriptor->vcpus_count && !error; i++)
        error = set_pcpus(cgroup->folder, descriptor, i);
    return error;
}

int cgroup_set_frozen(const struct cgroup *cgroup, bool frozen)
{
    return pwrite(cgroup->freeze, frozen ? "1" : "0", 1, 0) == 1 ? 0 : -errno;
}

int cgroup_frozen(const struct cgroup *cgroup)
{
    char text[256];
    ssize_t size = pread(cgroup->events, text, sizeof(text) - 1, 0);

    if (size < 0)
        return -errno;
    text[size] = 0;
    const char *found = strstr(text, "frozen ");
    return found ? found[7] == '1' : -EIO;
}

int cgroup_vm(const struct cgroup *cgroup)
{
    return open_folder(cgroup->folder, "vm");
}

int cgroup_vcpu(const struct cgroup *cgroup, uint32_t vcpu)
{
    char path[32];

    snprintf(path, sizeof(path), "vcpus/%u", vcpu);
    return open_folder(cgroup->folder, path);
}

int cgroup_kill(const struct cgroup *cgroup)
{
    return write_at(cgroup->folder, "cgroup.kill", "1");
}

static int remove_inner(const char *name, const char *inner)
{
    char path[160];
    int error = path_of(path, sizeof(path), name, inner);

    if (!error && unlinkat(AT_FDCWD, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
        error = -errno;
    return error;
}

int cgroup_remove(const char *name, uint32_t vcpus)
{
    int error = 0;

    for (uint32_t i = 0; i < vcpus && !error; i++) {
        char inner[32];
        snprintf(inner, sizeof(inner), "/vcpus/%u", i);
        error = remove_inner(name, inner);
    }
    if (!error)
        error = remove_inner(name, "/vcpus");
    if (!error)
        error = remove_inner(name, "/vm");
    return error ? error : remove_inner(name, "");
}
