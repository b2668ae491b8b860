/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In QEMU's place: greets, answers, and misbehaves as the partition's name says (the word after
 * -name). Its console tells what it could open.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#define QMP     3
#define CONSOLE 4

static const char *name = "";
static int vcpus;
static int answered; /* commands so far */

static int is(const char *what)
{
    return !strncmp(name, what, strlen(what)) && name[strlen(what)] == ',';
}

static void put(int file, const char *text)
{
    if (write(file, text, strlen(text)) < 0)
        _exit(99);
}

static void say(const char *text)
{
    put(QMP, text);
    put(QMP, "\r\n");
}

/* As the monitor numbers its commands. */
static void answer(const char *what)
{
    static char line[4096];

    snprintf(line, sizeof(line), "{%s, \"id\": %d}", what, is("id") ? 77 : ++answered);
    say(line);
}

static void shut_down(const char *reason)
{
    char line[256];

    snprintf(line, sizeof(line),
             "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"%s\"}, "
             "\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}",
             reason);
    say(line);
    _exit(0);
}

static void greet(void)
{
    static char line[100000];

    if (is("long")) {
        memset(line, ' ', sizeof(line) - 1);
        put(QMP, line);
    }
    if (is("dies")) {
        put(STDERR_FILENO, "first line\nno such \033machine\n");
        _exit(3);
    }
    if (is("garbage"))
        say("hello");
    if (is("twice"))
        say("{\"QMP\": {}, \"QMP\": {}}");
    if (is("both"))
        say("{\"QMP\": {}, \"return\": {}}");
    say("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 3, \"minor\": 2, \"major\": 10}, "
        "\"package\": \"\"}, \"capabilities\": []}}");
}

static void tell_threads(void)
{
    char text[4096] = "\"return\": [", one[128];
    int count = is("threads") ? vcpus + 1 : vcpus;

    for (int i = 0; i < count; i++) {
        snprintf(one, sizeof(one), "%s{\"cpu-index\": %d, \"thread-id\": %d}", i ? ", " : "",
                 is("same") ? 0 : i, is("nobody") ? -1 : 100 + i);
        strcat(text, one);
    }
    strcat(text, "]");
    answer(text);
}

static void try(const char *path)
{
    char text[128], found[32] = "";
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file >= 0 && read(file, found, sizeof(found) - 1) < 0)
        found[0] = '!';
    snprintf(text, sizeof(text), "%s=%s\n", path, file < 0 ? strerror(errno) : found);
    put(CONSOLE, text);
}

/* Both as fast as they are taken. */
static void flood(void)
{
    for (;;) {
        say("{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 78}}");
        put(STDERR_FILENO, "the same, the same, the same\n");
    }
}

/* Its disk, one byte in, one byte after its end. */
static void grow(void)
{
    char text[64];
    int disk = open("/parclose/disk", O_RDWR | O_CLOEXEC);

    signal(SIGXFSZ, SIG_IGN);
    int in = pwrite(disk, "x", 1, 0) < 0 ? errno : 0, out = 0;
    if (disk >= 0 && pwrite(disk, "x", 1, lseek(disk, 0, SEEK_END)) < 0)
        out = errno;
    snprintf(text, sizeof(text), "disk in %d out %d\n", in, out);
    put(CONSOLE, text);
}

/* What its guest may do to it, and it to others. */
static void begin(void)
{
    char text[64];
    int file = -1;

    if (is("killed"))
        raise(SIGKILL);
    if (is("shut"))
        close(QMP);
    while (is("shut"))
        pause();
    if (is("floods"))
        flood();
    while (++file < 64)
        if (file > CONSOLE && fcntl(file, F_GETFD) >= 0)
            break;
    try("/parclose/kernel");
    try("/parclose/kernel"); /* from its beginning, again */
    try("/parclose/initrd");
    int socket_error = socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
    int trace_error = ptrace(PTRACE_ATTACH, getppid(), 0, 0) < 0 ? errno : 0;
    snprintf(text, sizeof(text), "file %d socket %d ptrace %d\n", file, socket_error, trace_error);
    put(CONSOLE, text);
    grow();
}

static void obey(const char *line)
{
    const char *command = strstr(line, "\"execute\":");

    if (!command || sscanf(command, "\"execute\":\"%*[a-z_-]\"") < 0)
        _exit(98);
    command += strlen("\"execute\":\"");
    if (is("refuses"))
        answer("\"error\": {\"class\": \"GenericError\", \"desc\": \"I will\\nnot\\u00e9\"}");
    else if (!strncmp(command, "query-status\"", 13))
        answer(is("runs") ? "\"return\": {\"status\": \"running\", \"running\": true}"
                          : "\"return\": {\"status\": \"prelaunch\", \"running\": false}");
    else if (!strncmp(command, "query-cpus-fast\"", 16))
        tell_threads();
    else if (!strncmp(command, "query-stats\"", 12))
        answer(is("still") ? "\"error\": {\"class\": \"GenericError\"}"
                           : "\"return\": [{\"stats\": [{\"name\": \"exits\", \"value\": 7}]}, "
                             "{\"stats\": [{\"name\": \"exits\", \"value\": 8}]}]");
    else
        answer("\"return\": {}");
    if (!strncmp(command, "cont\"", 5))
        begin();
    if (!strncmp(command, "cont\"", 5) && is("panics")) {
        say("{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"poweroff\"}}");
        shut_down("guest-panic");
    }
    if (!strncmp(command, "cont\"", 5) && is("hangs")) {
        say("{\"event\": \"WATCHDOG\", \"data\": {\"action\": \"reset\"}}");
        shut_down("guest-reset");
    }
    if (!strncmp(command, "cont\"", 5) && is("reboots"))
        shut_down("guest-reset");
    if (!strncmp(command, "system_powerdown\"", 17))
        shut_down("guest-shutdown");
    if (!strncmp(command, "quit\"", 5) && !is("deaf"))
        shut_down("host-qmp-quit");
}

static void serve(void)
{
    static char line[65536];
    size_t used = 0;
    fd_set files;

    for (;;) {
        FD_ZERO(&files);
        FD_SET(QMP, &files);
        FD_SET(CONSOLE, &files);
        if (select(CONSOLE + 1, &files, NULL, NULL, NULL) < 0)
            _exit(97);
        if (FD_ISSET(CONSOLE, &files)) {
            char typed[64];
            ssize_t got = read(CONSOLE, typed, sizeof(typed));
            if (got <= 0 || write(CONSOLE, typed, (size_t)got) < 0)
                _exit(96);
        }
        if (!FD_ISSET(QMP, &files))
            continue;
        if (read(QMP, line + used, 1) != 1)
            _exit(95);
        if (line[used++] != '\n')
            continue;
        line[used] = 0;
        used = 0;
        obey(line);
    }
}

int main(int count, char **arguments)
{
    for (int i = 1; i + 1 < count; i++) {
        if (!strcmp(arguments[i], "-name"))
            name = arguments[i + 1];
        if (!strcmp(arguments[i], "-smp"))
            vcpus = (int)strtol(arguments[i + 1], NULL, 10);
    }
    greet();
    serve();
}
