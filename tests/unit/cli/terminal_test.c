/* SPDX-License-Identifier: Apache-2.0 */
/* `parclose console` on a terminal: raw while it lasts, ^] ends it, and the terminal is as before.
 */
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER "{\"ok\":true,\"console\":\"db\",\"input\":true,\"text\":\"\"}\nlogin: "

static char folder[64], path[80];
static int listener = -1, terminal = -1, service = -1;
static pid_t pid;

static int setup(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)state;
    strcpy(folder, "/tmp/parclose-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/sock", folder);
    strcpy(address.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1);
}

static int teardown(void **state)
{
    char command[96];

    (void)state;
    close(listener);
    close(terminal);
    close(service);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

/* Until `text` came from fd. */
static void hears(int fd, const char *text)
{
    char got[4096] = "";
    size_t used = 0;

    while (!strstr(got, text)) {
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&pollfd, 1, 5000), 1);
        ssize_t more = read(fd, got + used, sizeof(got) - 1 - used);
        assert_true(more > 0);
        used += (size_t)more;
        got[used] = '\0';
    }
}

static void opened(void)
{
    service = accept(listener, NULL, NULL);
    hears(service, "\"input\":true,\"follow\":true}\n");
    assert_true(write(service, ANSWER, sizeof(ANSWER) - 1) > 0);
    hears(terminal, "escape with ^]");
}

static void attach(void)
{
    pid = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(CLI_PROGRAM, CLI_PROGRAM, "console", "db", "--socket", path, (char *)NULL);
        _exit(127);
    }
    opened();
}

static bool is_raw(void)
{
    struct termios now;

    assert_int_equal(tcgetattr(terminal, &now), 0);
    return !(now.c_lflag & (ICANON | ECHO | ISIG));
}

static void ends_well(void)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_false(is_raw());
}

static void the_escape_ends_it(void **state)
{
    (void)state;
    attach();
    assert_true(is_raw());
    assert_int_equal(write(terminal, "ls\r\003", 4), 4);
    hears(service, "ls\r\003"); /* ^C goes to the guest */
    assert_int_equal(write(service, "files", 5), 5);
    hears(terminal, "files");
    assert_int_equal(write(terminal, "x\035y", 3), 3);
    hears(service, "x");
    ends_well();
}

/* The console ends; whoever watches the partition then is told `exit` of it, and where it is. */
static void ends(const char *phase, const char *exit)
{
    char report[128];

    close(service);
    service = accept(listener, NULL, NULL);
    hears(service, "\"watch\"");
    int size = snprintf(report, sizeof(report),
                        "{\"partition\":{\"phase\":\"%s\",\"exit\":\"%s\",\"monitor_pid\":7}}\n",
                        phase, exit);
    assert_int_equal(write(service, report, (size_t)size), size);
}

static void the_guest_ends_it(void **state)
{
    (void)state;
    attach();
    ends("releasing", "off");
    ends_well();
}

static void a_reboot_does_not(void **state)
{
    (void)state;
    attach();
    ends("running", "reboot");
    close(service);
    opened();
    assert_true(is_raw());
    assert_int_equal(write(terminal, "\035", 1), 1);
    ends_well();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_escape_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_guest_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reboot_does_not, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
