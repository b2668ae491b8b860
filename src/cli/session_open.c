/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "connection.h"
#include "session.h"

/* Takes what came with the answer. */
static int take(struct session *session, struct files *files)
{
    int error = files->count == 1 ? 0 : -EPROTO;

    if (!error) {
        session->socket = files->fds[0];
        files->count = 0;
    }
    files_close(files);
    return error;
}

static json_t *request_of(const struct cli *cli, const char *name, const char *kind)
{
    json_t *request = request_new(cli, "session", name);

    json_object_set_new(request, "kind", json_string(kind));
    return request;
}

int session_open(struct session *session, const struct cli *cli, const char *name, const char *kind)
{
    struct files files = {.count = 0};
    json_t *answer;

    *session = (struct session){.socket = -1};
    int error = ask_quietly(cli, request_of(cli, name, kind), &answer, &files);
    json_decref(answer);
    return error ? error : take(session, &files);
}

int session_begin(struct session *session, const struct cli *cli, const char *name,
                  const char *kind)
{
    struct files files = {.count = 0};
    json_t *answer;

    *session = (struct session){.socket = -1};
    int code = ask(cli, request_of(cli, name, kind), &answer, &files);
    json_decref(answer);
    if (code) {
        files_close(&files);
        return code;
    }
    if (!take(session, &files))
        return CLI_OK;
    cli_error("no session came with the answer");
    return CLI_FAILED;
}
