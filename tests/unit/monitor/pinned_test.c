/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R-MON-4: a monitor stays the version that it was started as, whatever an upgrade makes of its
 * file. The real monitor is started from a copy, the copy is replaced as dpkg does it (another file
 * is renamed over it) by a program that ends at once, and main is killed: its replacement answers.
 *
 *   test-monitor-pinned MONITOR
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parclose/msg_lead_monitor.h"
#include "test.h"

#define PATIENCE_MS 20000

static const char *monitor;

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    ssize_t size;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    assert_true(in >= 0 && out >= 0);
    while ((size = read(in, bytes, sizeof(bytes))) > 0)
        assert_int_equal(write(out, bytes, (size_t)size), size);
    assert_int_equal(size, 0);
    close(in);
    close(out);
}

static pid_t start(const char *executable, int *link)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (ends[1] == MONITOR_FD ? fcntl(MONITOR_FD, F_SETFD, 0) : dup2(ends[1], MONITOR_FD) < 0)
            _exit(1);
        execl(executable, "parclose-monitor", (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    *link = ends[0];
    return pid;
}

/* Its answer to a question that no other state answers. */
static struct monitor_state ask(int link, uint64_t id)
{
    const struct monitor_plain question = {
        .header = {WIRE_VERSION, MONITOR_QUERY, sizeof(question), id}};
    struct monitor_state state = {.vcpus_count = 0};

    assert_int_equal(send(link, &question, sizeof(question), MSG_NOSIGNAL), sizeof(question));
    do {
        struct pollfd wait = {link, POLLIN, 0};
        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        assert_int_equal(recv(link, &state, sizeof(state), 0), sizeof(state));
    } while (state.header.id != id);
    return state;
}

/* The only child of the spawner: there is no vCPU yet. */
static pid_t main_of(pid_t spawner)
{
    char path[64];
    int pid = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", spawner, spawner);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    return pid;
}

static void who_is_replaced_is_of_the_same_version(void **state)
{
    char folder[] = "/tmp/parclose-pinned-XXXXXX", path[64], other[64];
    int link, status;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/monitor", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    copy_file(monitor, path);
    copy_file("/bin/true", other);
    pid_t spawner = start(path, &link);
    assert_int_equal(ask(link, 1).main_restarts, 0);
    assert_int_equal(rename(other, path), 0);
    for (uint32_t death = 1; death <= 3; death++) {
        assert_int_equal(kill(main_of(spawner), SIGKILL), 0);
        assert_int_equal(ask(link, 1 + death).main_restarts, death);
    }
    kill(spawner, SIGKILL);
    assert_int_equal(waitpid(spawner, &status, 0), spawner);
    close(link);

    spawner = start(path, &link); /* the next activation is of the new one, which ends at once */
    assert_int_equal(waitpid(spawner, &status, 0), spawner);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(link);
    unlink(path);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_replaced_is_of_the_same_version),
    };

    if (argc != 2)
        return 2;
    monitor = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
