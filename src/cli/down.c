/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "format.h"
#include "options.h"
#include "service.h"

#define POLL_MS 100

/* Until no process of ours lives and nobody answers. */
static int wait_gone(const struct cli *cli, uint64_t deadline_ms)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

    while (cli_now_ms() < deadline_ms) {
        struct connection connection;
        bool answers = !connection_open(&connection, cli->socket);
        connection_close(&connection);
        if (!answers && !service_lives())
            return CLI_OK;
        nanosleep(&pause, NULL);
    }
    return CLI_TIMEOUT;
}

/* Asks control for an orderly end. False: nobody could be asked. */
static bool shut_down(const struct cli *cli, int *code)
{
    struct connection connection;
    json_t *answer = NULL;

    if (connection_open(&connection, cli->socket))
        return false;
    json_t *request = request_new(cli, "shutdown", NULL);
    bool asked = !connection_send(&connection, request) &&
                 connection_receive(&connection, cli_now_ms() + 20000, &answer) == 1;
    if (asked && !true_of(answer, "ok"))
        *code = refused(cli, answer);
    json_decref(answer);
    json_decref(request);
    connection_close(&connection);
    return asked;
}

static int run(struct cli *cli, int argc, char **argv)
{
    uint32_t timeout_ms = 120000;
    bool from_unit = false;
    const struct option_row options[] = {{"timeout", OPTION_SECONDS, &timeout_ms},
                                         {"from-unit", OPTION_FLAG, &from_unit}};
    int code = options_parse(cli, options, 2, &argc, argv);

    if (code)
        return code;
    if (argc > 1)
        return cli_usage(cli, "takes no argument");
    uint64_t deadline_ms = cli_now_ms() + timeout_ms;
    bool asked = shut_down(cli, &code);
    if (asked && !code)
        code = wait_gone(cli, deadline_ms);
    /* Whatever could not be asked, or did not end, gets the supervisor's own end. */
    if (!from_unit && geteuid() == 0 && (service_is_systemd() || !asked || code)) {
        code = service_stop();
        if (!code)
            code = wait_gone(cli, deadline_ms > cli_now_ms() ? deadline_ms : cli_now_ms() + 10000);
    } else if (!asked) {
        code = service_lives() ? CLI_UNREACHABLE : CLI_OK;
    }
    if (code == CLI_TIMEOUT)
        cli_error("not all processes have ended yet");
    else if (code)
        cli_error("Parclose is not down");
    else
        printf(cli->json ? "{\"ok\": true}\n" : "Parclose is down\n");
    return code;
}

const struct verb verb_down = {
    .name = "down",
    .arguments = "",
    .summary = "stop all partitions, then Parclose, and wait until it is gone",
    .help = "  --timeout S     to wait so long; default 120\n"
            "  --from-unit     for parclose.service, which does the rest itself\n",
    .run = run,
};
