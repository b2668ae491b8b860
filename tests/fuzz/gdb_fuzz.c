/* SPDX-License-Identifier: Apache-2.0 */
/* What a gdb says: any bytes, framed rightly or not, against a session that answers, refuses,
 * stops. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned asked;

uint64_t cli_now_ms(void)
{
    return 0;
}

int session_wait_stop(struct session *session, struct session_answer *stop, uint64_t deadline_ms)
{
    (void)deadline_ms;
    if (!session->stopped)
        return -ETIMEDOUT;
    *stop = (struct session_answer){.error = 1 + (int)(asked % 3), .vcpu = asked % 3};
    session->stopped = false;
    return 0;
}

long session_ask(struct session *session, struct session_request *request, const void *data,
                 size_t data_size, struct session_answer *answer, void *out, size_t size,
                 uint64_t deadline_ms)
{
    uint8_t copy[SESSION_DATA_MAX];

    (void)answer, (void)deadline_ms;
    if (request->vcpu >= 3 || data_size > SESSION_DATA_MAX)
        abort();
    if (data)
        memcpy(copy, data, data_size); /* it is all there */
    session->stopped = request->header.type == SESSION_STOP;
    if (++asked % 7 == 0)
        return -EFAULT;
    if (request->header.type == SESSION_INFO) {
        memset(out, 0, size);
        ((struct session_info *)out)->vcpus_count = 3;
        return sizeof(struct session_info);
    }
    if (out && request->header.type == SESSION_READ)
        size = request->size < size ? (size_t)request->size : size;
    if (out)
        memset(out, (int)asked, size);
    return out ? (long)size : 0;
}

/* The first byte: every packet rightly framed, or the bytes as they are. */
static void say(struct gdb *gdb, const uint8_t *data, size_t size)
{
    static char frame[GDB_PACKET_MAX + 4];

    if (size < 2 || size > GDB_PACKET_MAX)
        return;
    if (data[0] & 1) {
        (void)gdb_hear(gdb, data + 1, size - 1);
        return;
    }
    for (const uint8_t *at = data + 1, *end = data + size; at < end; at++) {
        const uint8_t *next = memchr(at, '\n', (size_t)(end - at));
        size_t length = gdb_frame((const char *)at, (size_t)((next ? next : end) - at), frame);
        if (gdb_hear(gdb, (const uint8_t *)frame, length) < 0 || !next)
            return;
        if (gdb->running && (gdb->session.stopped = true, gdb_stopped(gdb)) < 0)
            return;
        at = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gdb *gdb = calloc(1, sizeof(*gdb));

    asked = 0;
    if (!gdb)
        return 0;
    gdb->out = fopen("/dev/null", "w");
    if (gdb->out && gdb_begin(gdb) == 0)
        say(gdb, data, size);
    if (gdb->out)
        fclose(gdb->out);
    free(gdb);
    return 0;
}
