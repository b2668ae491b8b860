/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of src/lead/cgroup.c and spawn.c: lead_played.h. */
#include "lead_played.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cgroup.h"
#include "spawn.h"

int spawn_helper_start(const struct monitor_kind *kinds, size_t count)
{
    (void)kinds;
    (void)count;
    return fcntl(PLAYED_SPAWNER, F_SETFD, FD_CLOEXEC) < 0 ? -errno : PLAYED_SPAWNER;
}

int cgroup_begin(void)
{
    return 0;
}

static void path_of(char path[64], const char *name)
{
    snprintf(path, 64, "%s" PLAYED_CGROUP, name);
}

static int open_with(struct cgroup *cgroup, const char *name, int flags)
{
    char path[64];

    *cgroup = CGROUP_NONE;
    path_of(path, name);
    cgroup->folder = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    cgroup->events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return cgroup->folder < 0 || cgroup->events < 0 ? -errno : 0;
}

int cgroup_make(struct cgroup *cgroup, const struct partition_descriptor *descriptor,
                const struct monitor_kind *kind, const char **what)
{
    const struct played_cgroup made = {'1', '0'};
    (void)kind;

    *what = "its cgroup";
    int error = open_with(cgroup, descriptor->name, O_CREAT | O_TRUNC);
    if (!error && pwrite(cgroup->folder, &made, sizeof(made), 0) != sizeof(made))
        error = -EIO;
    return error;
}

int cgroup_open(struct cgroup *cgroup, const char *name)
{
    return open_with(cgroup, name, 0);
}

void cgroup_close(struct cgroup *cgroup)
{
    if (cgroup->folder >= 0)
        close(cgroup->folder);
    if (cgroup->events >= 0)
        close(cgroup->events);
    *cgroup = CGROUP_NONE;
}

int cgroup_set_pcpus(const struct cgroup *cgroup, const struct partition_descriptor *descriptor)
{
    (void)cgroup;
    (void)descriptor;
    return 0;
}

int cgroup_set_frozen(const struct cgroup *cgroup, bool frozen)
{
    return pwrite(cgroup->folder, frozen ? "1" : "0", 1, 0) == 1 ? 0 : -errno;
}

int cgroup_frozen(const struct cgroup *cgroup)
{
    struct played_cgroup is;

    if (pread(cgroup->folder, &is, sizeof(is), 0) != sizeof(is))
        return -EIO;
    return is.frozen == '1';
}

static int copy_of(const struct cgroup *cgroup)
{
    int file = fcntl(cgroup->folder, F_DUPFD_CLOEXEC, 3);
    return file < 0 ? -errno : file;
}

int cgroup_vm(const struct cgroup *cgroup)
{
    return copy_of(cgroup);
}

int cgroup_vcpu(const struct cgroup *cgroup, uint32_t vcpu)
{
    (void)vcpu;
    return copy_of(cgroup);
}

int cgroup_kill(const struct cgroup *cgroup)
{
    return pwrite(cgroup->folder, "1", 1, 1) == 1 ? 0 : -errno;
}

int cgroup_remove(const char *name, uint32_t vcpus)
{
    char path[64];
    (void)vcpus;

    path_of(path, name);
    return unlinkat(AT_FDCWD, path, 0) < 0 && errno != ENOENT ? -errno : 0;
}
