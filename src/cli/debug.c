/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "gdb.h"
#include "options.h"

static const char *reason(int error)
{
    if (error == -EBUSY)
        return "a dump or another debugger has it";
    if (error == -EAGAIN)
        return "its processors are not attached";
    if (error == -EPIPE)
        return "it ended, or its monitor has closed the session; if it runs, it was let go on";
    if (error == -EBADMSG)
        return "its monitor gives answers that are none";
    return strerror(-error);
}

/* 1: gdb has gone. */
static int hear(struct gdb *gdb)
{
    static uint8_t bytes[4096];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));

    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    return got ? gdb_hear(gdb, bytes, (size_t)got) : 1;
}

/* A stop may have come along with an answer: then nothing is left in the socket. */
static int turn(struct gdb *gdb)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = gdb->session.socket, .events = POLLIN}};
    int error = 0;

    if (gdb->running && gdb->session.stopped)
        return gdb_stopped(gdb);
    if (poll(fds, 2, -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (fds[1].revents)
        error = gdb_stopped(gdb);
    return !error && fds[0].revents ? hear(gdb) : error;
}

static int serve(struct gdb *gdb)
{
    int error = gdb_begin(gdb);

    while (!error && !gdb->over)
        error = turn(gdb);
    return error < 0 ? error : 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
    static struct gdb gdb;
    int code = options_parse(cli, NULL, 0, &argc, argv);

    if (code)
        return code;
    if (argc != 2)
        return cli_usage(cli, "expected one partition");
    if (isatty(STDIN_FILENO) || cli->json)
        return cli_usage(cli, "speaks with gdb: (gdb) target remote | parclose debug NAME");
    code = session_begin(&gdb.session, cli, argv[1], "debug");
    if (code)
        return code;
    signal(SIGINT, SIG_IGN); /* gdb's ^C comes to us too; gdb says it in the protocol */
    signal(SIGPIPE, SIG_IGN);
    gdb.out = stdout;
    int error = serve(&gdb);
    session_close(&gdb.session);
    if (error)
        cli_error("%s: %s", argv[1], reason(error));
    return error ? CLI_FAILED : CLI_OK;
}

const struct verb verb_debug = {
    .name = "debug",
    .arguments = "NAME",
    .summary = "gdb's remote protocol on standard input and output",
    .help = "  In gdb: target remote | parclose debug NAME\n"
            "  The guest stands while gdb has it, and goes on when gdb detaches or ends.\n",
    .run = run,
};
