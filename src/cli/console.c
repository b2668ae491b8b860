/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "connection.h"
#include "format.h"
#include "options.h"
#include "write_all.h"

#define ESCAPE    0x1d  /* ^] */
#define REBOOT_MS 60000 /* a guest that reboots has a console again within it */

/* Our side of the console. */
struct session {
    struct connection connection;
    bool input; /* standard input goes to the guest */
    bool raw;   /* it is a terminal, and `before` is to be restored */
    bool follow;
    bool escaped; /* the user has left it */
    struct termios before;
};

static void raw_on(struct session *session)
{
    struct termios raw;

    if (!session->input || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &session->before) < 0)
        return;
    raw = session->before;
    cfmakeraw(&raw);
    session->raw = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void raw_off(const struct session *session)
{
    if (session->raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &session->before);
}

/* 1: go on; 0: the console has ended; or a negative errno. */
static int output(struct session *session)
{
    char bytes[16384];
    ssize_t got = recv(session->connection.socket, bytes, sizeof(bytes), 0);

    if (got <= 0)
        return got < 0 && errno != ECONNRESET ? -errno : 0;
    int error = write_all(STDOUT_FILENO, bytes, (size_t)got);
    return error ? error : 1;
}

/* 1: go on; 0: the escape was typed. */
static int input(struct session *session)
{
    char bytes[4096];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));

    if (got <= 0) {
        session->input = false;
        return 1;
    }
    const char *escape = session->raw ? memchr(bytes, ESCAPE, (size_t)got) : NULL;
    size_t size = escape ? (size_t)(escape - bytes) : (size_t)got;
    int error = write_all(session->connection.socket, bytes, size);
    session->escaped = escape != NULL;
    return error ? error : !escape;
}

static int relay(struct session *session)
{
    int going = 1;

    while (going == 1) {
        struct pollfd fds[] = {{.fd = session->connection.socket, .events = POLLIN},
                               {.fd = session->input ? STDIN_FILENO : -1, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return -errno;
        if (fds[0].revents)
            going = output(session);
        if (going == 1 && fds[1].revents)
            going = input(session);
    }
    return going;
}

static int open_console(const struct cli *cli, struct session *session, const char *name)
{
    json_t *answer = NULL, *request = request_new(cli, "console", name);
    int error = connection_open(&session->connection, cli->socket);

    json_object_set_new(request, "input", json_boolean(session->input));
    json_object_set_new(request, "follow", json_boolean(session->follow));
    if (error) {
        json_decref(request);
        return unreachable(cli, error);
    }
    error = connection_send(&session->connection, request);
    json_decref(request);
    if (error || connection_receive(&session->connection, cli_now_ms() + 60000, &answer) != 1) {
        cli_error("the connection was lost");
        return CLI_UNREACHABLE;
    }
    int code = CLI_OK;
    if (!true_of(answer, "ok"))
        code = refused(cli, answer);
    else if (session->input && !true_of(answer, "input"))
        cli_error("%s", text_of(answer, "text"));
    session->input = session->input && true_of(answer, "input");
    json_decref(answer);
    return code;
}

/* What came behind the answer already is console output. */
static int relay_from_answer(struct session *session)
{
    int error = write_all(STDOUT_FILENO, session->connection.in, session->connection.used);

    session->connection.used = 0;
    raw_on(session);
    if (session->raw)
        cli_error("escape with ^]\r");
    if (!error)
        error = relay(session);
    raw_off(session);
    if (session->raw)
        fputs("\n", stderr);
    return error < 0 ? CLI_FAILED : CLI_OK;
}

/* Whether its guest reboots, and then when there is a console again. */
static int step(void *context, const json_t *report)
{
    const json_t *partition = json_object_get(report, "partition");
    const char *phase = text_of(partition, "phase");

    (void)context;
    if (!report)
        return WATCH_ON; /* the service is restarting */
    if (strcmp(text_of(partition, "exit"), "reboot") != 0 || !strcmp(phase, "stopping"))
        return CLI_FAILED;
    return strcmp(phase, "releasing") != 0 && number_of(partition, "monitor_pid") ? CLI_OK
                                                                                  : WATCH_ON;
}

static bool reboots(const struct cli *cli, const char *name)
{
    return watch(cli, name, cli_now_ms() + REBOOT_MS, step, NULL) == CLI_OK;
}

/* One run of the guest; *again: it reboots, and is still to be looked at. */
static int look(const struct cli *cli, const char *name, bool input, bool follow, bool *again)
{
    struct session session = {.input = input, .follow = follow};
    int code = open_console(cli, &session, name);

    if (!code)
        code = relay_from_answer(&session);
    connection_close(&session.connection);
    *again = !code && follow && !session.escaped && reboots(cli, name);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    bool follow = false, no_follow = false, no_input = false;
    const struct option_row options[] = {{"follow", OPTION_FLAG, &follow},
                                         {"no-follow", OPTION_FLAG, &no_follow},
                                         {"no-input", OPTION_FLAG, &no_input}};
    int code = options_parse(cli, options, 3, &argc, argv);

    if (code)
        return code;
    if (argc != 2)
        return cli_usage(cli, "expected one partition");
    bool terminal = isatty(STDIN_FILENO), again;
    follow = !no_follow && (follow || terminal);
    do
        code = look(cli, argv[1], terminal && !no_input, follow, &again);
    while (again);
    return code;
}

const struct verb verb_console = {
    .name = "console",
    .arguments = "NAME",
    .summary = "a partition's console; ^] ends it",
    .help = "  --no-input      only look\n"
            "  --follow        go on with what comes, over reboots of the guest; so by default on\n"
            "                  a terminal\n"
            "  --no-follow     end after what is there; so by default elsewhere\n",
    .run = run,
};
