/* SPDX-License-Identifier: Apache-2.0 */
/* The seal: what is not on the list kills, executable memory too; what a loop needs works. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/sandbox.h"

/* The sanitizers' run-time makes calls of its own, which the filter rightly kills. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Runs `body` sealed in a child; returns wait status. */
static int run_sealed(void (*body)(void), const int *extra, size_t extra_count)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (sandbox_seal(extra, extra_count))
            _exit(100);
        body();
        _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static void open_socket(void)
{
    syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static void map_executable(void)
{
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void map_plain(void)
{
    if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        _exit(1);
}

static void unlisted_call_kills(void **state)
{
    (void)state;
    int status = run_sealed(open_socket, NULL, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void skip_if_sanitized(void)
{
    if (!SANITIZED)
        return;
    print_message("SKIP: the sanitizers make system calls of their own\n");
    skip();
}

static void listed_extra_call_works(void **state)
{
    const int extra[] = {SYS_socket};
    (void)state;
    skip_if_sanitized();
    assert_int_equal(run_sealed(open_socket, extra, 1), 0);
}

static void executable_memory_kills(void **state)
{
    (void)state;
    assert_int_equal(WTERMSIG(run_sealed(map_executable, NULL, 0)), SIGSYS);
}

static void plain_memory_works(void **state)
{
    (void)state;
    skip_if_sanitized();
    assert_int_equal(run_sealed(map_plain, NULL, 0), 0);
}

/* In a child that may only compute: what an event loop may, kills it, too. */
static void only_memory_and_its_own_calls(void **state)
{
    const int calls[] = {SYS_exit_group};
    (void)state;
    skip_if_sanitized();
    for (int writes = 0; writes < 2; writes++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            if (sandbox_seal_only(calls, 1))
                _exit(100);
            map_plain();
            if (writes)
                syscall(SYS_write, 2, "", 0);
            _exit(0);
        }
        waitpid(pid, &status, 0);
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, writes ? SIGSYS : 0);
    }
}

/* In a child: 0 when the refused call fails, its child's too, and another works. */
static int refuse_and_look(void)
{
    const int calls[] = {SYS_setns};
    int status;

    if (sandbox_refuse(calls, 1))
        return 100;
    if (syscall(SYS_setns, -1, 0) == 0 || errno != EPERM)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(syscall(SYS_setns, -1, 0) < 0 && errno == EPERM ? 0 : 2);
    if (waitpid(pid, &status, 0) != pid || status)
        return 3;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : 4;
}

static void refused_call_fails_for_good(void **state)
{
    int status;
    (void)state;

    if (geteuid() != 0) {
        print_message("SKIP: needs root\n");
        skip();
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(refuse_and_look());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unlisted_call_kills),
        cmocka_unit_test(listed_extra_call_works),
        cmocka_unit_test(executable_memory_kills),
        cmocka_unit_test(plain_memory_works),
        cmocka_unit_test(refused_call_fails_for_good),
        cmocka_unit_test(only_memory_and_its_own_calls),
    };
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
