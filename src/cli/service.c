/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define HOLDER   PARCLOSE_LIBEXEC "/parclose-holder"
#define LOG_FILE "/var/log/parclose.log"
#define UNIT     "parclose.service"

bool service_is_systemd(void)
{
    return sd_booted() > 0;
}

static int systemctl(const char *verb)
{
    char program[] = "systemctl", order[16], unit[] = UNIT;
    char *const argv[] = {program, order, unit, NULL};
    pid_t pid;
    int status;

    snprintf(order, sizeof(order), "%s", verb);
    int error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

    if (error) {
        cli_error("systemctl: %s", strerror(error));
        return CLI_FAILED;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return CLI_FAILED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CLI_OK;
    cli_error("systemctl %s %s failed", verb, UNIT);
    return CLI_FAILED;
}

/* In the child: a session of its own, its output into the log. Returns only on an error. */
static int become_holder(void)
{
    static const char path[] = HOLDER;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int log = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (null < 0 || log < 0)
        return errno;
    if (setsid() < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0 || chdir("/") < 0)
        return errno;
    execl(path, path, (char *)NULL);
    return errno;
}

/* The child says its errno through `report`; an exec closes it without a word. */
static void in_child(int report)
{
    int error = fork() ? 0 : become_holder(); /* the first child goes: init takes the holder */

    if (error && write(report, &error, sizeof(error)) < 0)
        _exit(2);
    _exit(error ? 1 : 0);
}

static int start_holder(void)
{
    int pipes[2], error = 0;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0)
        in_child(pipes[1]);
    close(pipes[1]);
    if (pid < 0 || read(pipes[0], &error, sizeof(error)) < 0)
        error = errno;
    close(pipes[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return error;
}

int service_start(void)
{
    if (service_is_systemd())
        return systemctl("start");
    if (geteuid() != 0) {
        cli_error("must be root to start Parclose where systemd is not init");
        return CLI_FAILED;
    }
    int error = start_holder();
    if (!error)
        return CLI_OK;
    cli_error("%s (log: %s): %s", HOLDER, LOG_FILE, strerror(error));
    return CLI_FAILED;
}

/* --- processes by the path of their executable ----------------------------------------------- */

/* Whether pid runs an executable of ours whose name begins with `name`. */
static bool runs(const char *pid, const char *name)
{
    char link[64], path[512], wanted[256];

    snprintf(link, sizeof(link), "/proc/%.20s/exe", pid);
    snprintf(wanted, sizeof(wanted), "%s/%s", PARCLOSE_LIBEXEC, name);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    return !strncmp(path, wanted, strlen(wanted));
}

/* The first such process; 0: none. */
static pid_t find(const char *name)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    pid_t found = 0;

    if (!proc)
        return 0;
    while (!found && (entry = readdir(proc)))
        if (isdigit((unsigned char)entry->d_name[0]) && runs(entry->d_name, name))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(proc);
    return found;
}

bool service_lives(void)
{
    return find("parclose-") != 0;
}

int service_stop(void)
{
    if (service_is_systemd())
        return systemctl("stop");
    pid_t holder = find("parclose-holder");
    if (!holder)
        holder = find("parclose-boot");
    if (!holder || !kill(holder, SIGTERM))
        return CLI_OK;
    cli_error("the holder, process %d, cannot be stopped: %s", (int)holder, strerror(errno));
    return CLI_FAILED;
}
