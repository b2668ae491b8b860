/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"
#include "parclose/ids.h"

#define LISTEN_QUEUE     64
#define MODPROBE_SECONDS "15"

int host_user(const char *name, uid_t *uid, gid_t *gid)
{
    *uid = 0;
    *gid = 0;
    if (!name)
        return 0;
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (!user)
        return errno ? -errno : -ENOENT;
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return 0;
}

/* PATH with its parents: they are root's, 0755. */
static int make_directory(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    char part[PARCLOSE_PATH_MAX];

    for (size_t i = 1; path[i]; i++) {
        if (path[i] != '/' || i >= sizeof(part))
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -errno;
    }
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return -errno;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    int error = fchown(directory, uid, gid) < 0 || fchmod(directory, mode) < 0 ? -errno : 0;
    close(directory);
    return error;
}

int host_directories(const struct layout *layout)
{
    int error = make_directory(layout->run, 0, 0, 0755);

    for (size_t i = 0; i < layout->kinds_count && !error; i++) {
        const struct kind *kind = &layout->kinds[i];
        uid_t uid;
        gid_t gid;
        if (!kind->state || !strcmp(kind->state, layout->run))
            continue;
        error = host_user(kind->user, &uid, &gid);
        if (!error)
            error = make_directory(kind->state, uid, gid, 0700);
    }
    return error;
}

static int group_of(const char *name, gid_t *gid)
{
    *gid = 0;
    if (!name)
        return 0;
    const struct group *group = getgrnam(name);
    if (!group)
        return -ENOENT;
    *gid = group->gr_gid;
    return 0;
}

/* Nobody may connect between bind and chown: the socket is born with mode 0. */
static int bind_at(int listener, const struct sockaddr_un *address, gid_t gid)
{
    mode_t before = umask(0777);
    int error = bind(listener, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    umask(before);
    if (!error && lchown(address->sun_path, 0, gid) < 0)
        error = -errno;
    if (!error && chmod(address->sun_path, 0660) < 0)
        error = -errno;
    return error;
}

int host_listen(const struct layout *layout)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gid_t gid;

    int error = group_of(layout->group, &gid);
    if (error)
        return error;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/command.sock", layout->run);
    if (unlink(address.sun_path) < 0 && errno != ENOENT)
        return -errno;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0)
        return -errno;
    error = bind_at(listener, &address, gid);
    if (!error && listen(listener, LISTEN_QUEUE) < 0)
        error = -errno;
    if (!error)
        return listener;
    close(listener);
    return error;
}

static void modprobe(const char *module)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        execlp("timeout", "timeout", MODPROBE_SECONDS, "modprobe", "-q", module, NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
        log_info("module %s is not loaded (built in, or not for this host)", module);
}

void host_modules(void)
{
    modprobe("vfio-pci");
    modprobe("kvm-intel");
    modprobe("kvm-amd");
}

static const char *cgroup_mount(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs status;

    for (size_t i = 0; i < 2; i++)
        if (statfs(places[i], &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC)
            return places[i];
    return NULL;
}

/* The line "0::/PATH" of /proc/self/cgroup. */
static int cgroup_path(char path[PARCLOSE_PATH_MAX])
{
    char line[PARCLOSE_PATH_MAX];
    int error = -ENOENT;
    FILE *file = fopen("/proc/self/cgroup", "re");

    if (!file)
        return -errno;
    while (error && fgets(line, sizeof(line), file))
        if (!strncmp(line, "0::/", 4) && strchr(line, '\n')) {
            line[strcspn(line, "\n")] = 0;
            snprintf(path, PARCLOSE_PATH_MAX, "%s", line + 3);
            error = 0;
        }
    fclose(file);
    return error;
}

int host_cgroup(void)
{
    char path[PARCLOSE_PATH_MAX], whole[2 * PARCLOSE_PATH_MAX];
    const char *mount = cgroup_mount();

    if (!mount)
        return -ENOENT;
    int error = cgroup_path(path);
    if (error)
        return error;
    snprintf(whole, sizeof(whole), "%s%s", mount, strcmp(path, "/") ? path : "/parclose");
    if (mkdir(whole, 0755) < 0 && errno != EEXIST)
        return -errno;
    int cgroup = open(whole, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return cgroup < 0 ? -errno : cgroup;
}

int host_cgroup_file(int cgroup, const char *name, const char *file)
{
    char path[PARCLOSE_PATH_MAX];

    if (mkdirat(cgroup, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/%s", name, file);
    int opened = openat(cgroup, path, O_WRONLY | O_CLOEXEC);
    return opened < 0 ? -errno : opened;
}
