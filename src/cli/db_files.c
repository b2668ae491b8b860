/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit_source.h"
#include "audit_verify.h"
#include "db.h"

/* The chain first: what control says of a damaged log is short. */
static int verify(const struct cli *cli, const char *directory)
{
    struct audit_source source = {.cli = cli, .path = directory};
    int code = audit_source_open(&source);

    if (!code)
        code = audit_verify(&source, NULL, true);
    audit_source_close(&source);
    return code;
}

/* "entries 12": a fact; "wrong …": what is wrong. */
static void take_line(struct findings *findings, char *line)
{
    char *rest = strchr(line, ' ');

    line[strcspn(line, "\n")] = '\0';
    if (!rest)
        return;
    *rest++ = '\0';
    if (!strcmp(line, "wrong"))
        finding(findings->differences, "%s", rest);
    else
        json_object_set_new(findings->facts, line, json_integer(strtoll(rest, NULL, 10)));
}

static pid_t start(const char *control, const char *directory, FILE **out)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(control, control, "--check", directory, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *out = pid < 0 ? NULL : fdopen(ends[0], "r");
    if (!*out)
        close(ends[0]);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int db_check_files(const struct cli *cli, const char *directory, const char *control,
                   struct findings *findings)
{
    char line[512];
    FILE *out = NULL;
    int code = verify(cli, directory);

    if (code)
        return code;
    pid_t pid = start(control, directory, &out);
    while (out && fgets(line, sizeof(line), out))
        take_line(findings, line);
    if (out)
        fclose(out);
    int status = pid < 0 ? -1 : wait_for(pid);
    if (status == EXIT_SUCCESS ||
        (status == EXIT_FAILURE && json_array_size(findings->differences)))
        return CLI_OK;
    cli_error("%s --check %s: %s", control, directory,
              status == 127 ? "it cannot be started" : "it failed");
    return CLI_FAILED;
}
