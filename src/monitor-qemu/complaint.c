/* SPDX-License-Identifier: Apache-2.0 */
#include "complaint.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"

static void end_line(struct complaint *complaint)
{
    if (!complaint->used)
        return;
    complaint->line[complaint->used] = 0;
    memcpy(complaint->last, complaint->line, complaint->used + 1);
    complaint->used = 0;
    if (complaint->lines++ < COMPLAINT_LINES)
        log_warning("%s", complaint->last);
}

void complaint_add(struct complaint *complaint, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte == '\n')
            end_line(complaint);
        else if (complaint->used < COMPLAINT_MAX - 1)
            complaint->line[complaint->used++] = byte < ' ' || byte > '~' ? '?' : (char)byte;
    }
}

void complaint_read(struct complaint *complaint)
{
    char bytes[1024];
    ssize_t got = read(complaint->pipe, bytes, sizeof(bytes));

    if (got > 0) {
        complaint_add(complaint, bytes, (size_t)got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        end_line(complaint);
        close(complaint->pipe);
        complaint->pipe = -1;
    }
}
