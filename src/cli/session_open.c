/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "connection.h"
#include "session.h"

int session_open(struct session *session, const struct cli *cli, const char *name, const char *kind)
{
    json_t *request = request_new(cli, "session", name), *answer;
    struct files files = {.count = 0};

    *session = (struct session){.socket = -1};
    json_object_set_new(request, "kind", json_string(kind));
    int error = ask_quietly(cli, request, &answer, &files);
    json_decref(answer);
    if (!error && files.count != 1)
        error = -EPROTO;
    if (!error) {
        session->socket = files.fds[0];
        files.count = 0;
    }
    files_close(&files);
    return error;
}
