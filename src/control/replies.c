/* SPDX-License-Identifier: Apache-2.0 */
#include "replies.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "transaction.h"

void reply_command(struct control *control, uint64_t id, int error, uint64_t transaction,
                   const char *text, const int *files, size_t files_count)
{
    struct control_result message = {.header = frame_header(CONTROL_RESULT, sizeof(message), id),
                                     .error = error,
                                     .transaction = transaction};

    snprintf(message.text, sizeof(message.text), "%s", text);
    control_send(control, PROCESS_COMMAND, &message, files, files_count);
}

int refuse(char text[PARCLOSE_REASON_MAX], int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, PARCLOSE_REASON_MAX, format, arguments);
    va_end(arguments);
    return error;
}

int commit_or_say(struct control *control, char text[PARCLOSE_REASON_MAX])
{
    int error = transaction_commit(control, true);

    if (error == -ENOSPC)
        return refuse(text, error, "the audit log's disk is full: make room in its directory");
    if (error)
        return refuse(text, error, "the transaction cannot be saved: %s", strerror(-error));
    return 0;
}

void append_text(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}
