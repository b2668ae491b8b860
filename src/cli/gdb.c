/* SPDX-License-Identifier: Apache-2.0 */
#include "gdb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "connection.h"
#include "gdb_guest.h"
#include "gdb_registers.h"

#define ANSWER_MS   10000
#define SIGNAL_INT  2 /* gdb's own numbers */
#define SIGNAL_TRAP 5

/* ---- answers ---- */

__attribute__((format(printf, 2, 3))) static void say(struct gdb *gdb, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int size =
        vsnprintf(gdb->answer + gdb->size, sizeof(gdb->answer) - gdb->size, format, arguments);
    va_end(arguments);
    if (size > 0 && (size_t)size < sizeof(gdb->answer) - gdb->size)
        gdb->size += (size_t)size;
}

void gdb_say_error(struct gdb *gdb, long error)
{
    say(gdb, "E%02x", (unsigned)-error & 0xff);
}

void gdb_say_done(struct gdb *gdb, long error)
{
    if (error < 0)
        gdb_say_error(gdb, error);
    else
        say(gdb, "OK");
}

static int send_frame(struct gdb *gdb)
{
    fwrite(gdb->frame, 1, gdb->frame_size, gdb->out);
    return fflush(gdb->out) ? -EPIPE : 0;
}

static int send_answer(struct gdb *gdb)
{
    gdb->frame_size = gdb_frame(gdb->answer, gdb->size, gdb->frame);
    gdb->size = 0;
    return send_frame(gdb);
}

/* ---- the session ---- */

static bool ended(long error)
{
    return error == -EPIPE || error == -ETIMEDOUT || error == -EBADMSG;
}

long gdb_ask(struct gdb *gdb, struct session_request *request, const void *data, size_t data_size,
             void *out, size_t size)
{
    struct session_answer answer;

    return session_ask(&gdb->session, request, data, data_size, &answer, out, size,
                       cli_now_ms() + ANSWER_MS);
}

long gdb_ask_plain(struct gdb *gdb, uint16_t type, uint32_t flags, uint64_t address, uint64_t size)
{
    struct session_request request = {
        .header.type = type, .vcpu = gdb->vcpu, .flags = flags, .address = address, .size = size};

    return gdb_ask(gdb, &request, NULL, 0, NULL, 0);
}

/* ---- requests; `at` is behind the command's own letters. 0, or an errno that ends all ---- */

static long on_supported(struct gdb *gdb, const char *at)
{
    (void)at;
    say(gdb,
        "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;vContSupported+",
        GDB_PACKET_MAX);
    return 0;
}

static long on_no_ack(struct gdb *gdb, const char *at)
{
    (void)at;
    gdb->no_ack = true;
    say(gdb, "OK");
    return 0;
}

/* OFFSET,LENGTH of the target description, which has no character that is to be escaped. */
static long on_features(struct gdb *gdb, const char *at)
{
    uint64_t offset, length;
    size_t size;
    const char *xml = gdb_registers_xml(&size);

    if (!gdb_take_hex(&at, &offset) || *at++ != ',' || !gdb_take_hex(&at, &length) || *at) {
        gdb_say_error(gdb, -EINVAL);
        return 0;
    }
    if (offset > size)
        offset = size;
    if (length > GDB_PACKET_MAX / 2)
        length = GDB_PACKET_MAX / 2;
    bool last = length >= size - offset;
    if (last)
        length = size - offset;
    say(gdb, "%c%.*s", last ? 'l' : 'm', (int)length, xml + offset);
    return 0;
}

static long on_first_threads(struct gdb *gdb, const char *at)
{
    (void)at;
    for (uint32_t i = 0; i < gdb->vcpus_count; i++)
        say(gdb, "%c%x", i ? ',' : 'm', i + 1);
    return 0;
}

static long on_more_threads(struct gdb *gdb, const char *at)
{
    (void)at;
    say(gdb, "l");
    return 0;
}

/* A thread's number; false: there is no such. 0 and -1: any, then the vCPU stays as it is. */
static bool take_thread(const struct gdb *gdb, const char **at, uint32_t *vcpu)
{
    uint64_t number;

    if (!strncmp(*at, "-1", 2)) {
        *at += 2;
        return true;
    }
    if (!gdb_take_hex(at, &number) || number > gdb->vcpus_count)
        return false;
    if (number)
        *vcpu = (uint32_t)number - 1;
    return true;
}

static long on_thread_name(struct gdb *gdb, const char *at)
{
    uint32_t vcpu = gdb->vcpu;
    char text[16];

    if (!take_thread(gdb, &at, &vcpu)) {
        gdb_say_error(gdb, -EINVAL);
        return 0;
    }
    int size = snprintf(text, sizeof(text), "vCPU %" PRIu32, vcpu);
    gdb_put_bytes(gdb->answer, text, (size_t)size);
    gdb->size = (size_t)size * 2;
    return 0;
}

static long on_thread(struct gdb *gdb, const char *at)
{
    uint32_t vcpu = gdb->vcpu;

    gdb_say_done(gdb, take_thread(gdb, &at, &vcpu) && !*at ? 0 : -EINVAL);
    return 0;
}

/* Hg: for registers and memory; Hc: for "c" and "s", which are those of vCont here. */
static long on_choose(struct gdb *gdb, const char *at)
{
    char what = *at ? *at++ : '\0';
    uint32_t vcpu = gdb->vcpu;
    bool good = (what == 'g' || what == 'c') && take_thread(gdb, &at, &vcpu) && !*at;

    if (good)
        gdb->vcpu = vcpu;
    gdb_say_done(gdb, good ? 0 : -EINVAL);
    return 0;
}

static long on_current(struct gdb *gdb, const char *at)
{
    if (!*at)
        say(gdb, "QC%x", gdb->vcpu + 1);
    return 0;
}

static long on_attached(struct gdb *gdb, const char *at)
{
    (void)at;
    say(gdb, "1"); /* gdb's end lets the guest go on */
    return 0;
}

/* ---- why it stands ---- */

static const struct gdb_watch *watch_at(const struct gdb *gdb, uint64_t address)
{
    for (unsigned i = 0; i < GDB_WATCHES; i++)
        if (gdb->watches[i].type && gdb->watches[i].address == address)
            return &gdb->watches[i];
    return NULL;
}

static void say_stop(struct gdb *gdb)
{
    static const char *const words[] = {"", "swbreak", "hwbreak", "watch", "", "awatch"};
    const struct session_answer *stop = &gdb->stop;
    const struct gdb_watch *watch =
        stop->error == SESSION_BROKE ? watch_at(gdb, stop->address) : NULL;

    say(gdb, "T%02xthread:%x;", stop->error == SESSION_ASKED ? SIGNAL_INT : SIGNAL_TRAP,
        stop->vcpu + 1);
    if (!watch)
        return;
    if (watch->type <= 2)
        say(gdb, "%s:;", words[watch->type]);
    else
        say(gdb, "%s:%" PRIx64 ";", words[watch->type], watch->address);
}

static long on_why(struct gdb *gdb, const char *at)
{
    (void)at;
    say_stop(gdb);
    return 0;
}

static int take_stop(struct gdb *gdb, struct session_answer *stop)
{
    int error = session_wait_stop(&gdb->session, stop, cli_now_ms() + ANSWER_MS);

    return !error && stop->vcpu >= gdb->vcpus_count ? -EBADMSG : error;
}

static void stand(struct gdb *gdb, const struct session_answer *stop)
{
    gdb->stop = *stop;
    gdb->vcpu = stop->vcpu;
    gdb->running = false;
}

int gdb_stopped(struct gdb *gdb)
{
    struct session_answer stop;
    int error = take_stop(gdb, &stop);

    if (error || !gdb->running)
        return error; /* the same stop once more */
    stand(gdb, &stop);
    say_stop(gdb);
    return send_answer(gdb);
}

/* ---- going on ---- */

static long resume(struct gdb *gdb, bool step)
{
    long rc = gdb_ask_plain(gdb, SESSION_RESUME, step ? SESSION_STEP : 0, 0, 0);

    if (rc < 0)
        gdb_say_error(gdb, rc);
    else
        gdb->running = true;
    return rc;
}

static long on_actions(struct gdb *gdb, const char *at)
{
    (void)at;
    say(gdb, "vCont;c;C;s;S");
    return 0;
}

/* ACTION[:THREAD] one after the other, the first for a thread counts: a step, if one is wanted. */
static long on_act(struct gdb *gdb, const char *at)
{
    while (*at == ';') {
        uint32_t vcpu = gdb->vcpu;
        char action = at[1];
        const char *next = strchr(at + 1, ';'), *thread = strchr(at, ':');

        if (!action || !strchr("cCsS", action))
            break;
        if (thread && (!next || thread < next) && (thread++, !take_thread(gdb, &thread, &vcpu)))
            break;
        if (action == 's' || action == 'S') {
            gdb->vcpu = vcpu;
            return resume(gdb, true);
        }
        if (!next)
            return resume(gdb, false);
        at = next;
    }
    gdb_say_error(gdb, -EINVAL);
    return 0;
}

static long on_go(struct gdb *gdb, const char *at)
{
    (void)at;
    return resume(gdb, false);
}

static long on_step(struct gdb *gdb, const char *at)
{
    (void)at;
    return resume(gdb, true);
}

static long on_detach(struct gdb *gdb, const char *at)
{
    (void)at;
    gdb->over = true;
    say(gdb, "OK");
    return 0;
}

/* gdb's "kill" ends gdb's session; a guest is ended by parclose stop. */
static long on_kill(struct gdb *gdb, const char *at)
{
    (void)at;
    gdb->over = true;
    return 0;
}

/* ---- the table; the first row counts ---- */

static const struct {
    const char *name;
    long (*handle)(struct gdb *gdb, const char *at);
} rows[] = {
    {"qSupported", on_supported},
    {"QStartNoAckMode", on_no_ack},
    {"qXfer:features:read:target.xml:", on_features},
    {"qfThreadInfo", on_first_threads},
    {"qsThreadInfo", on_more_threads},
    {"qThreadExtraInfo,", on_thread_name},
    {"qAttached", on_attached},
    {"qC", on_current},
    {"H", on_choose},
    {"T", on_thread},
    {"?", on_why},
    {"g", gdb_on_registers},
    {"G", gdb_on_registers_set},
    {"p", gdb_on_register},
    {"P", gdb_on_register_set},
    {"m", gdb_on_read},
    {"M", gdb_on_write},
    {"X", gdb_on_write_binary},
    {"Z", gdb_on_break},
    {"z", gdb_on_unbreak},
    {"vCont?", on_actions},
    {"vCont", on_act},
    {"c", on_go},
    {"C", on_go},
    {"s", on_step},
    {"S", on_step},
    {"D", on_detach},
    {"k", on_kill},
};

/* What is in no row gets an empty answer: "not supported". */
static int serve(struct gdb *gdb)
{
    const char *packet = gdb->input.bytes;
    long rc = 0;

    if (gdb->running)
        return 0; /* gdb waits, or is none */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!strncmp(packet, rows[i].name, strlen(rows[i].name))) {
            rc = rows[i].handle(gdb, packet + strlen(rows[i].name));
            break;
        }
    if (ended(rc))
        return (int)rc;
    return gdb->running || (gdb->over && !gdb->size) ? 0 : send_answer(gdb);
}

static int ack(struct gdb *gdb, char sign)
{
    return gdb->no_ack || (fputc(sign, gdb->out) != EOF && !fflush(gdb->out)) ? 0 : -EPIPE;
}

static int hear_byte(struct gdb *gdb, uint8_t byte)
{
    int error;

    switch (gdb_input_byte(&gdb->input, byte)) {
    case GDB_PACKET:
        error = ack(gdb, '+');
        return error ? error : serve(gdb);
    case GDB_WRONG:
        return gdb->no_ack ? -EPROTO : ack(gdb, '-');
    case GDB_AGAIN:
        return gdb->no_ack ? 0 : send_frame(gdb);
    case GDB_INTERRUPT:
        return gdb->running ? (int)gdb_ask_plain(gdb, SESSION_STOP, 0, 0, 0) : 0;
    case GDB_NOTHING:
        break;
    }
    return 0;
}

int gdb_hear(struct gdb *gdb, const uint8_t *bytes, size_t size)
{
    int error = 0;

    for (size_t i = 0; i < size && !error && !gdb->over; i++)
        error = hear_byte(gdb, bytes[i]);
    return error;
}

int gdb_begin(struct gdb *gdb)
{
    struct session_request request = {.header.type = SESSION_INFO};
    struct session_info info;
    long rc = gdb_ask(gdb, &request, NULL, 0, &info, sizeof(info));

    if (rc >= 0 &&
        (rc != (long)sizeof(info) || info.vcpus_count < 1 || info.vcpus_count > PARCLOSE_MAX_VCPUS))
        rc = -EBADMSG;
    if (rc < 0)
        return (int)rc;
    gdb->vcpus_count = info.vcpus_count;
    struct session_answer stop;
    rc = gdb_ask_plain(gdb, SESSION_STOP, 0, 0, 0);
    if (rc >= 0)
        rc = take_stop(gdb, &stop);
    if (rc >= 0)
        stand(gdb, &stop);
    return (int)rc;
}
